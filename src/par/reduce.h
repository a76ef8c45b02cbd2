#ifndef DG_PAR_REDUCE_H
#define DG_PAR_REDUCE_H

#include <stdbool.h>
#include <stdint.h>

#include <distgat/comm.h>
#include <distgat/real.h>

/* Sums of reals over ranks, several under way at once. Each rank adds one slice of all ranks' values, in the order of
   ranks, and gives it back to all: that takes the time of two messages, and each value travels twice. Many ranks leave
   the sums to MPI. */
typedef struct dg_reduce {
  dg_comm comm; /* borrowed */
  bool direct;  /* or by MPI */
  struct dg_reduce_range *range; /* [ranges] */
  int n_begun;
  dg_real *room; /* others' values of this rank's slices */
  dg_real *room_left;
  MPI_Request *request;
  int n_requests;
} dg_reduce;

/* More ranks are MPI's. */
enum { DG_REDUCE_DIRECT = 64 };

/* For sums of at most `count` reals in at most `ranges` ranges; `comm` outlives them. Errors: DG_MEMORY. Local. */
dg_status dg_reduce_create(dg_reduce *reduce, const dg_comm *comm, int64_t count, int ranges);

/* Local. */
void dg_reduce_destroy(dg_reduce *reduce);

/* Starts the sum of values [n], which are not touched until dg_reduce_end. In the same order on all ranks. Collective.
 */
void dg_reduce_begin(dg_reduce *reduce, dg_real *values, int64_t n);

/* Completes all sums that have begun. Collective. */
void dg_reduce_end(dg_reduce *reduce);

#endif
