#define _GNU_SOURCE
#include "par/threads.h"

#include <cblas.h>
#include <omp.h>
#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

#include <distgat/log.h>

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

int dg_threads_set(const dg_comm *comm, int wanted) {
  MPI_Comm node;
  int mine[DG_MAX_CORES] = {0};
  omp_get_num_places() > 0 ? find_places(mine) : find_cores(mine);
  MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &node);
  const int share = dg_threads_share(node, mine);
  MPI_Comm_free(&node);
  const int threads = wanted > 0 ? wanted : share;
  if (threads > share)
    dg_log("warning: %d threads a rank, but %d core%s for each: threads that share a core wait for each other", threads,
           share, share == 1 ? "" : "s");
  omp_set_dynamic(0);
  omp_set_num_threads(threads);
  openblas_set_num_threads(1);
  return threads;
}
