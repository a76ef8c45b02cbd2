#ifndef DG_PAR_NODE_H
#define DG_PAR_NODE_H

#include <distgat/comm.h>

/* The ranks of a job that share a node, and memory that they share. For tests DISTGAT_NODE_RANKS=3,1 makes nodes of 3,
   1, 1 ... consecutive ranks out of those that there are. */
typedef struct dg_node {
  dg_comm comm;     /* its ranks, in the order of the job's */
  int n_nodes;      /* of the job */
  int fewest, most; /* ranks of any node of the job */
  char *memory;     /* [bytes] shared, NULL where there is none */
  size_t bytes;
  int file;          /* of the memory, while it is made */
  unsigned meetings; /* held so far */
  int patience;      /* turns that a rank waits in before it sleeps */
} dg_node;

/* Finds the ranks of this one's node. Collective. */
void dg_node_create(dg_node *node, const dg_comm *comm);

/* Takes every rank for a node of its own. Local. */
void dg_node_create_alone(dg_node *node, const dg_comm *comm);

/* Collective over the job, as making it was. */
void dg_node_destroy(dg_node *node);

/* Makes *block, `bytes` bytes of zeros that all ranks of the node share; it goes with the last of them, however that
   ends. Errors: DG_MEMORY, where they cannot share memory too; not the same on all ranks. Collective over the node. */
dg_status dg_node_share(dg_node *node, void *block, size_t bytes);

/* Takes pages for `bytes` bytes from `begin` of the shared block on, near the cores of this rank; to be called before
   they are used, since what lacks then would be a fault. Errors: DG_MEMORY. Local. */
dg_status dg_node_take(dg_node *node, const void *begin, size_t bytes);

/* Waits until all ranks of the node are here: what they wrote before can be read after. Messages under way move on.
   Collective over the node. */
void dg_node_meet(dg_node *node);

#endif
