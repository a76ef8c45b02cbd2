#ifndef DISTGAT_SUMS_H
#define DISTGAT_SUMS_H

#include <stdint.h>

#include <distgat/api.h>
#include <distgat/comm.h>
#include <distgat/real.h>

DG_API_BEGIN

/* Numbers that a training step sums over ranks behind its gradients: the loss, the nodes classified right, and the
   ranks that cannot go on. */
enum { DG_SUM_LOSS, DG_SUM_CORRECT, DG_SUM_FAILED, DG_TAIL = 16 };

/* A block of numbers on its way to being summed over ranks, in place, range by range as each is complete. The tail
   travels with the range that ends the block. */
typedef struct dg_sums {
  const dg_comm *comm; /* borrowed */
  dg_real *value;      /* [count + DG_TAIL], borrowed */
  int64_t count;
  int n_begun;
  MPI_Request *request; /* [ranges of a step] */
} dg_sums;

/* Prepares sums of value [count + DG_TAIL] in at most `ranges` ranges a step. Errors: DG_MEMORY. Local. */
dg_status dg_sums_create(dg_sums *sums, const dg_comm *comm, dg_real *value, int64_t count, int ranges);
void dg_sums_destroy(dg_sums *sums);

/* Starts the sum of elements [first, first + count), which are not touched until dg_sums_end; those of the block's
   beginning, behind which nothing is left to run, are summed at once. In the same order on all ranks. Collective. */
void dg_sums_begin(dg_sums *sums, int64_t first, int64_t count);

/* Completes all that was begun. Collective. */
void dg_sums_end(dg_sums *sums);

DG_API_END

/* Bytes of all that is summed, on one rank. Local. */
int64_t dg_sums_bytes(const dg_sums *sums);

#endif
