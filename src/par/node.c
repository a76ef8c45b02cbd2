#define _GNU_SOURCE
#include "par/node.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <distgat/memory.h>

#include "base/fault.h"

/* What begins the shared memory: ranks that have come to the next meeting, and meetings held. A counter a cache line.
 */
typedef struct meeting_place {
  _Alignas(DG_ALIGN) atomic_uint here;
  _Alignas(DG_ALIGN) atomic_uint held;
} meeting_place;

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "counters are shared by processes");
_Static_assert(sizeof(atomic_uint) == sizeof(uint32_t), "Linux lets processes sleep on words of 32 bits");

enum { PLACE_BYTES = 4096 }; /* the block begins with a page of its own */

/* Turns in which a rank that waits looks at once whether the others are there; then it lets other processes run, that
   may need its core, and at last sleeps. Where there are more ranks than cores it sleeps early: those that work then
   get the cores, which would go from one that waits to the next. */
enum { QUICK_TURNS = 200, PATIENT_TURNS = 2000, NAP_NANOSECONDS = 500000 };

/* ---- who is on a node ---- */

/* The node of this rank where DISTGAT_NODE_RANKS, that of rank 0, says how many ranks each has. */
static int wanted_node(const dg_comm *comm) {
  char text[256] = "", *at = text;
  const char *wanted = getenv("DISTGAT_NODE_RANKS");
  if (comm->rank == 0 && wanted) snprintf(text, sizeof text, "%s", wanted);
  dg_comm_bcast(comm, text, sizeof text, 0);
  int node = -1;
  for (long first = 0, ranks = comm->size; first <= comm->rank; first += ranks, node++) {
    const long given = strtol(at, &at, 10);
    if (given > 0) ranks = given;
    if (*at == ',') at++;
  }
  return node;
}

static void count_nodes(dg_node *node, const dg_comm *comm) {
  int64_t n_nodes = node->comm.rank == 0;
  dg_comm_sum_int64(comm, &n_nodes, 1);
  node->n_nodes = (int)n_nodes;
  node->most = (int)dg_comm_max_int64(comm, node->comm.size);
  node->fewest = (int)-dg_comm_max_int64(comm, -node->comm.size);
}

void dg_node_create(dg_node *node, const dg_comm *comm) {
  dg_comm machine = {0};
  *node = (dg_node){.file = -1};
  MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &machine.mpi);
  MPI_Comm_rank(machine.mpi, &machine.rank);
  MPI_Comm_size(machine.mpi, &machine.size);
  node->patience = machine.size > sysconf(_SC_NPROCESSORS_ONLN) ? QUICK_TURNS : PATIENT_TURNS;
  dg_comm_split(&node->comm, &machine, wanted_node(comm));
  dg_comm_destroy(&machine);
  count_nodes(node, comm);
}

void dg_node_create_alone(dg_node *node, const dg_comm *comm) {
  *node = (dg_node){.n_nodes = comm->size, .fewest = 1, .most = 1, .file = -1};
  node->comm = (dg_comm){.mpi = MPI_COMM_SELF, .size = 1};
}

static void close_file(dg_node *node) {
  if (node->file >= 0) close(node->file);
  node->file = -1;
}

void dg_node_destroy(dg_node *node) {
  if (node->comm.size == 0) return;
  close_file(node);
  if (node->memory) munmap(node->memory, node->bytes);
  if (node->comm.mpi != MPI_COMM_SELF) dg_comm_destroy(&node->comm);
  *node = (dg_node){0};
}

/* ---- memory ---- */

/* Where the first rank of the node holds the file of the memory, and what tells it from any other. */
typedef struct file_place {
  pid_t process;
  int file;
  dev_t device;
  ino_t number;
} file_place;

static dg_status fail(size_t bytes) {
  return dg_fail(DG_MEMORY, "ranks cannot share %zu bytes of memory: %s", bytes, strerror(errno));
}

/* A file without a name: nothing is left of it when its ranks are gone, and no file system limits it. */
static dg_status make_file(dg_node *node, file_place *place) {
  struct stat found;
  node->file = memfd_create("distgat", MFD_CLOEXEC);
  if (node->file < 0 || ftruncate(node->file, (off_t)node->bytes) != 0 || fstat(node->file, &found) != 0)
    return fail(node->bytes);
  *place = (file_place){getpid(), node->file, found.st_dev, found.st_ino};
  return DG_OK;
}

/* The process may be another's where ranks do not see each other's processes. */
static dg_status find_file(dg_node *node, const file_place *place) {
  char path[64];
  struct stat found;
  snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)place->process, place->file);
  node->file = open(path, O_RDWR | O_CLOEXEC);
  if (node->file < 0 || fstat(node->file, &found) != 0) return fail(node->bytes);
  errno = ENOENT;
  return found.st_dev == place->device && found.st_ino == place->number ? DG_OK : fail(node->bytes);
}

static dg_status map_file(dg_node *node) {
  errno = ENOMEM;
  if (!dg_memory_fits(node->bytes + DG_MEMORY_RESERVE)) return fail(node->bytes);
  char *memory = mmap(NULL, node->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, node->file, 0);
  if (memory == MAP_FAILED) return fail(node->bytes);
  node->memory = memory;
  return dg_node_take(node, memory, sizeof(meeting_place));
}

dg_status dg_node_share(dg_node *node, void *block, size_t bytes) {
  file_place place = {.file = -1};
  dg_status status = dg_fault("node.share", DG_MEMORY);
  char *begin = NULL;
  node->bytes = PLACE_BYTES + bytes;
  if (node->comm.rank == 0 && status == DG_OK) status = make_file(node, &place);
  dg_comm_bcast(&node->comm, &place, sizeof place, 0);
  if (node->comm.rank > 0 && status == DG_OK) status = find_file(node, &place);
  if (status == DG_OK) status = map_file(node);
  if (status == DG_OK) begin = node->memory + PLACE_BYTES;
  memcpy(block, &begin, sizeof begin);
  dg_comm_max_int64(&node->comm, 0); /* the first rank holds the file until all have found it */
  return status;
}

dg_status dg_node_take(dg_node *node, const void *begin, size_t bytes) {
  errno = posix_fallocate(node->file, (const char *)begin - node->memory, (off_t)bytes);
  if (errno != 0) return fail(bytes);
  dg_memory_count(bytes);
  return DG_OK;
}

/* ---- meeting ---- */

static void let_others_run(const dg_comm *comm) {
  dg_comm_progress(comm);
  sched_yield();
}

static void pause_turn(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/* Sleeps until the meeting after `held` is over, or for a while: messages of this rank that MPI took may still be here,
   and others wait for them before they come. */
static void sleep_a_while(const dg_comm *comm, atomic_uint *word, unsigned held) {
  const struct timespec nap = {.tv_nsec = NAP_NANOSECONDS};
  syscall(SYS_futex, word, FUTEX_WAIT, held, &nap, NULL, 0);
  dg_comm_progress(comm);
}

static void wake_all(atomic_uint *word) {
  syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void dg_node_meet(dg_node *node) {
  if (node->comm.size == 1) return;
  meeting_place *place = (meeting_place *)node->memory;
  const unsigned all = (unsigned)node->comm.size, meeting = ++node->meetings;
  if (atomic_fetch_add_explicit(&place->here, 1, memory_order_acq_rel) + 1 == all) {
    atomic_store_explicit(&place->here, 0, memory_order_relaxed);
    atomic_store_explicit(&place->held, meeting, memory_order_release);
    wake_all(&place->held);
    return;
  }
  for (int turn = 0; atomic_load_explicit(&place->held, memory_order_acquire) != meeting;
       turn += turn < node->patience) {
    if (turn < QUICK_TURNS)
      pause_turn();
    else if (turn < node->patience)
      let_others_run(&node->comm);
    else
      sleep_a_while(&node->comm, &place->held, meeting - 1);
  }
}
