#include "cli/room.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include <distgat/memory.h>

#include "cli/launch.h"

/* What MPI was seen to take when it starts: libraries, two threads, and what it shares with each rank of the host. */
#define MPI_ROOM ((size_t)80 << 20)
#define RANK_ROOM ((size_t)6 << 20)

/* Larger blocks go back to the system when they are freed. By itself glibc keeps ever larger ones, up to 32 MiB, once it
   has seen one freed: a rank then holds what set-up or training needed while evaluation needs more. */
enum { KEPT_BLOCK = 4 << 20 };

/* The largest number that one of these variables has, at least `least`. */
static int told(const char *const *names, int least) {
  for (; *names != NULL; names++) {
    const char *text = getenv(*names);
    if (text != NULL && atoi(text) > least) least = atoi(text);
  }
  return least;
}

/* Of a thread: what ulimit -s says, where that is a size. */
static size_t stack_bytes(void) {
  size_t bytes = 0;
  pthread_attr_t usual;
  if (pthread_attr_init(&usual) != 0) return 0;
  pthread_attr_getstacksize(&usual, &bytes);
  pthread_attr_destroy(&usual);
  return bytes;
}

dg_status dg_room_check(void) {
  static const char *const sizes[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE", NULL};
  const size_t room = MPI_ROOM + 2 * stack_bytes() + (size_t)told(sizes, 1) * RANK_ROOM;
  mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK);
  mallopt(M_TRIM_THRESHOLD, 2 * KEPT_BLOCK);
  if (dg_memory_limit() == 0) return DG_OK;
  mallopt(M_ARENA_MAX, 1); /* each other arena reserves 64 MiB */
  if (dg_memory_fits(room)) return DG_OK;
  dg_launch_wait_turn();
  return dg_fail(
      DG_MEMORY,
      "out of memory: the limit of %zu MB on this process (ulimit -v) leaves no %zu MB to start MPI; raise it",
      dg_memory_limit() / 1000000, room / 1000000);
}
