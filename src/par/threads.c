#define _GNU_SOURCE
#include "par/threads.h"

#include <cblas.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <distgat/log.h>
#include <distgat/memory.h>

#include "base/fault.h"

/* Where the user has given OpenMP places, its first thread sits on one of them: the places tell more than the system.
 */
static void find_places(int *mine) {
  for (int place = 0; place < omp_get_num_places(); place++) {
    int cores[DG_MAX_CORES];
    const int n = omp_get_place_num_procs(place);
    if (n > DG_MAX_CORES) continue;
    omp_get_place_proc_ids(place, cores);
    for (int i = 0; i < n; i++)
      if (cores[i] < DG_MAX_CORES) mine[cores[i]] = 1;
  }
}

static void find_cores(int *mine) {
  cpu_set_t set[DG_MAX_CORES / CPU_SETSIZE];
  const int online = (int)sysconf(_SC_NPROCESSORS_ONLN);
  const bool known = sched_getaffinity(0, sizeof set, set) == 0;
  for (int c = 0; c < DG_MAX_CORES; c++) mine[c] = known ? CPU_ISSET_S(c, sizeof set, set) != 0 : c < online;
}

int dg_threads_share(MPI_Comm node, const int *mine) {
  int ranks[DG_MAX_CORES];
  double share = 1e-6; /* thirds add up to a whole */
  MPI_Allreduce(mine, ranks, DG_MAX_CORES, MPI_INT, MPI_SUM, node);
  for (int c = 0; c < DG_MAX_CORES; c++)
    if (mine[c]) share += 1.0 / ranks[c];
  return share < 1 ? 1 : (int)share;
}

/* Threads that are there to show that as many can be. */
typedef struct {
  pthread_mutex_t gate;
  pthread_t *thread; /* [n] */
  int n;
} trial;

static void *wait_to_end(void *gate) {
  pthread_mutex_lock(gate);
  pthread_mutex_unlock(gate);
  return NULL;
}

/* Starts n threads, which stay until end_trial. Local. */
static dg_status start_trial(trial *t, int n) {
  dg_status status = DG_OK;
  int error = 0;
  pthread_mutex_lock(&t->gate);
  DG_TRY(dg_fault("threads.start", DG_MEMORY));
  DG_TRY(dg_memory_check());
  DG_TRY(dg_alloc(&t->thread, (size_t)n + 1, sizeof *t->thread));
  while (t->n < n && (error = pthread_create(&t->thread[t->n], NULL, wait_to_end, &t->gate)) == 0) t->n++;
  if (t->n < n)
    DG_TRY(dg_fail(DG_MEMORY,
                   "cannot start thread %d of %d: %s; a limit on memory (ulimit -v) or processes (ulimit -u) is in the "
                   "way, fewer --threads need less",
                   t->n + 2, n + 1, strerror(error)));
  DG_TRY(dg_memory_check());
cleanup:
  return status;
}

/* Threads that the system counts, at least 1, or 0 where it does not tell. */
static long count_threads(void) {
  enum { OTHER_LINKS = 2 }; /* of the folder */
  struct stat folder;
  return stat("/proc/self/task", &folder) == 0 ? (long)folder.st_nlink - OTHER_LINKS : 0;
}

/* The system counts a thread against the limits for a moment longer than it takes to join it. */
static void end_trial(trial *t) {
  enum { MOST_LOOKS = 1000 };
  const long others = count_threads() - t->n;
  pthread_mutex_unlock(&t->gate);
  for (int i = 0; i < t->n; i++) pthread_join(t->thread[i], NULL);
  for (int i = 0; i < MOST_LOOKS && count_threads() > others; i++)
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  dg_free(&t->thread);
}

/* OpenMP ends the program where it cannot start a thread. Tries as many as it will want, of all ranks at once, for
   those of a node share its limits; OpenMP then takes over their stacks, and starts its own, before any rank starts
   more. Collective. */
static dg_status start_threads(const dg_comm *comm, int threads) {
  trial t = {.gate = PTHREAD_MUTEX_INITIALIZER};
  const dg_status status = dg_comm_agree(comm, start_trial(&t, threads - 1));
  end_trial(&t);
  if (status != DG_OK) return status;
  MPI_Barrier(comm->mpi);
#pragma omp parallel num_threads(threads)
  (void)omp_get_thread_num();
  MPI_Barrier(comm->mpi);
  return DG_OK;
}

static void find_own(int mine[DG_MAX_CORES]) {
  memset(mine, 0, DG_MAX_CORES * sizeof *mine);
  omp_get_num_places() > 0 ? find_places(mine) : find_cores(mine);
}

int dg_threads_cores(void) {
  int mine[DG_MAX_CORES], n = 0;
  find_own(mine);
  for (int c = 0; c < DG_MAX_CORES; c++) n += mine[c];
  return n > 0 ? n : 1;
}

/* Collective. */
static int find_share(const dg_comm *comm) {
  MPI_Comm node;
  int mine[DG_MAX_CORES];
  find_own(mine);
  MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &node);
  const int share = dg_threads_share(node, mine);
  MPI_Comm_free(&node);
  return share;
}

dg_status dg_threads_set(int *threads, const dg_comm *comm, int wanted) {
  const int share = find_share(comm);
  *threads = wanted > 0 ? wanted : share;
  if (*threads > share)
    dg_log("warning: %d threads a rank, but %d core%s for each: threads that share a core wait for each other",
           *threads, share, share == 1 ? "" : "s");
  omp_set_dynamic(0);
  omp_set_num_threads(*threads);
  openblas_set_num_threads(1);
  const dg_status status = start_threads(comm, *threads);
  if (status == DG_OK) dg_memory_touch(*threads);
  return status;
}
