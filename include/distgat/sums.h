#ifndef DISTGAT_SUMS_H
#define DISTGAT_SUMS_H

#include <stdbool.h>
#include <stdint.h>

#include <distgat/api.h>
#include <distgat/comm.h>
#include <distgat/real.h>

DG_API_BEGIN

/* Numbers that a training step sums over ranks behind its gradients: the loss, the nodes classified right, the ranks
   that cannot go on, those that were told to stop, and those that want the run to be written down; the labels guessed,
   where nodes have several. */
enum { DG_SUM_LOSS, DG_SUM_CORRECT, DG_SUM_FAILED, DG_SUM_STOP, DG_SUM_KEEP, DG_SUM_GUESSES, DG_TAIL = 16 };

/* Parameters and their gradients, which are summed over ranks. The ranks of a node share one block of parameters. Each
   keeps up its share of it: adds the node's gradients of the share from shared memory, over nodes with those who have
   the same share there, and writes its new parameters. As many ranks of a node have a share as the node with the fewest
   ranks has; ranks that share no memory are nodes of their own, whose share is all. A step:
       gradients into `grad`, dg_sums_begin whenever some are complete, dg_sums_end,
       new parameters of the share into `value`, from the gradients of dg_sums_strip, dg_sums_settle.
   In between, parameters of other shares and other ranks' gradients are left alone. */
typedef struct dg_sums {
  int64_t count;            /* parameters */
  dg_real *value;           /* [count] all parameters, one block of the node */
  dg_real *grad;            /* [count + DG_TAIL] this rank's part of the gradients, then of the tail */
  int64_t first, n;         /* the share of this rank is elements [first, first + n) */
  dg_real *sum;             /* [n + DG_TAIL] sums of the share and the tail; NULL where dg_sums_strip adds them */
  dg_real *figures;         /* [DG_TAIL] after dg_sums_end the sums of the tail, on ranks with a share */
  dg_real *tail;            /* [DG_TAIL] after dg_sums_settle the same, on all ranks */
  struct dg_node *node;     /* the ranks of this node, see src/par/node.h */
  dg_comm leaders;          /* ranks that have this share, one a node; size 0 where nothing travels */
  bool by_ranges;           /* all nodes are single ranks: sums may begin before all gradients are there */
  int64_t left;             /* elements of `sum` whose sum has not begun */
  struct dg_reduce *reduce; /* sums over `leaders`, see src/par/reduce.h */
} dg_sums;

/* Makes zero parameters and gradients, to be summed in at most `ranges` ranges a step. Errors: DG_MEMORY. Collective.
 */
dg_status dg_sums_create(dg_sums *sums, const dg_comm *comm, int64_t count, int ranges);

/* Collective. */
void dg_sums_destroy(dg_sums *sums);

/* Gradients from element `first` on are complete and not touched until dg_sums_settle. Where enough of them have come
   together to hide their way behind what is still to be computed, and it leads to other nodes, their sum starts. In the
   same order on all ranks. Collective. */
void dg_sums_begin(dg_sums *sums, int64_t first);

/* Completes the sums of this rank's share, and those of the tail for ranks that have a share. Collective. */
void dg_sums_end(dg_sums *sums);

/* The summed gradients [begin, end) of the share, counted from its first, at most DG_STRIP; `room` [DG_STRIP] may hold
   them. Between dg_sums_end and dg_sums_settle. Local. */
enum { DG_STRIP = 2048 };
const dg_real *dg_sums_strip(const dg_sums *sums, dg_real *room, int64_t begin, int64_t end);

/* Waits until the parameters of all shares are there and gradients may be written again. Collective. */
void dg_sums_settle(dg_sums *sums);

/* Waits for the other ranks of the node: before parameters are changed out of training, since others may still read
   them, and after it, each rank having changed its share. Collective. */
void dg_sums_meet(dg_sums *sums);

/* all [count] becomes what the ranks of the node have of their shares, share [n]: moments, say; NULL where it is not
   wanted. After dg_sums_settle, and gradients are gone. Collective. */
void dg_sums_gather(dg_sums *sums, dg_real *all, const dg_real *share);

/* Brings the sums of all shares to `grad`, after dg_sums_settle. Once a step. Collective. */
void dg_sums_collect(dg_sums *sums);

DG_API_END

/* Bytes that this rank gives to sums over nodes in a step. Local. */
int64_t dg_sums_bytes(const dg_sums *sums);

#endif
