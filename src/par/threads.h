#ifndef DG_PAR_THREADS_H
#define DG_PAR_THREADS_H

#include <distgat/comm.h>

enum { DG_MAX_CORES = 8192 };

/* Threads of this rank: `wanted`, or where 0 its share of the cores that it may run on. Starts them for OpenMP, and one
   for BLAS; from here on they touch large blocks first (dg_memory_touch). Notes where they are more than the cores.
   Errors: DG_MEMORY, where they cannot be started. Collective. */
dg_status dg_threads_set(int *threads, const dg_comm *comm, int wanted);

/* Cores that this process may run on, at least 1. Local. */
int dg_threads_cores(void);

/* This rank's share, at least 1, of the cores where mine[c] is not 0: a core is divided among the ranks of `node` that
   may run on it. mine [DG_MAX_CORES]. Collective. */
int dg_threads_share(MPI_Comm node, const int *mine);

#endif
