#include "cli/room.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>

/* What MPI was seen to take when it starts: libraries, a thread, and what it shares with each rank of the host. */
#define MPI_ROOM ((size_t)96 << 20)
#define RANK_ROOM ((size_t)6 << 20)

/* The largest number that one of these variables has, at least `least`. */
static int told(const char *const *names, int least) {
  for (; *names != NULL; names++) {
    const char *text = getenv(*names);
    if (text != NULL && atoi(text) > least) least = atoi(text);
  }
  return least;
}

dg_status dg_room_check(void) {
  static const char *const sizes[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE", NULL};
  static const char *const ranks[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID", NULL};
  const size_t room = MPI_ROOM + (size_t)told(sizes, 1) * RANK_ROOM;
  if (dg_memory_limit() == 0) return DG_OK;
  mallopt(M_ARENA_MAX, 1); /* each other arena reserves 64 MiB */
  if (dg_memory_fits(room)) return DG_OK;
  if (told(ranks, 0) > 0) return dg_fail(DG_MEMORY, "%s", "");
  return dg_fail(
      DG_MEMORY,
      "out of memory: the limit of %zu MB on this process (ulimit -v) leaves no %zu MB to start MPI; raise it",
      dg_memory_limit() / 1000000, room / 1000000);
}

bool dg_room_save(void) {
  const char *threads = getenv("OPENBLAS_NUM_THREADS");
  if (threads != NULL && strcmp(threads, "1") == 0) return false;
  return setenv("OPENBLAS_NUM_THREADS", "1", 1) == 0;
}
