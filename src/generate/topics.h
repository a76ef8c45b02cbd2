#ifndef DG_GENERATE_TOPICS_H
#define DG_GENERATE_TOPICS_H

#include <distgat/comm.h>
#include <distgat/directory.h>

#include "generate/synthetic.h"

/* The nodes by topic, each rank holding those of its block of topics. Weights are summed over all members in the order
   of topics, and of ids in a topic: who draws by weight draws a place in this sum. */
typedef struct dg_topics {
  const dg_comm *comm;       /* borrowed */
  const dg_synthetic *graph; /* borrowed */
  dg_directory blocks;       /* of topics */
  int64_t n;                 /* members here */
  int64_t *start;            /* [blocks.n + 1] first member of each topic here, counted on this rank */
  dg_id *member;             /* [n] */
  double *weight;            /* [n + 1] sum before each member, lower ranks included */
  double *rank_weight;       /* [size] the first of each rank */
  int64_t *class_start;      /* [n_classes + 1] members before each class, on all ranks */
  double *class_weight;      /* [n_classes + 1] their weight */
} dg_topics;

/* Errors: DG_MEMORY. Collective. */
dg_status dg_topics_create(dg_topics *topics, const dg_comm *comm, const dg_synthetic *graph);
void dg_topics_destroy(dg_topics *topics);

/* A node to be drawn by weight; `rank` can tell which it is. */
typedef struct dg_pick {
  int64_t topic; /* among whose members, or -1: all */
  double at;     /* share of the topic's weight, or place in the sum of all */
} dg_pick;

/* Draws among the members of one topic, of classes [first, last), of all others: false where there are none, but for
   topics of other ranks, for which their rank gives -1. u is uniform in [0, 1). Local. */
dg_pick dg_topics_pick_topic(int64_t topic, double u);
bool dg_topics_pick_inside(dg_pick *pick, const dg_topics *topics, int32_t first, int32_t last, double u);
bool dg_topics_pick_outside(dg_pick *pick, const dg_topics *topics, int32_t first, int32_t last, double u);

/* The rank that can tell which node was drawn; and which, on that rank, -1 where the topic is empty. Local. */
int dg_topics_rank(const dg_topics *topics, dg_pick pick);
dg_id dg_topics_resolve(const dg_topics *topics, dg_pick pick);

#endif
