#ifndef DG_TRAIN_PLAN_PARTS_H
#define DG_TRAIN_PLAN_PARTS_H

#include <distgat/plan.h>

#include <distgat/partition.h>

#include "train/rates.h"

/* What a plan is made of: a graph divided into so many parts, division.c; the time of a step on them, plan_time.c; the
   memory of their ranks, plan_memory.c. */

/* How all graphs are divided. */
typedef struct dg_dividing {
  dg_status (*divide)(int32_t *part, int parts, void *context);
  void *context;
} dg_dividing;

/* What is known of one number of parts. */
typedef struct dg_division {
  const dg_plan_input *input;
  const dg_model *model;
  dg_plan_point *point;
  int32_t *part;                /* [n_nodes of the outline] */
  int64_t dividing;             /* bytes that it took, beside graph and part; -1: unknown */
  dg_partition_part *each;      /* [parts] */
  dg_counts *train, *val, *all; /* [parts] */
} dg_division;

/* The rates that are known. */
typedef struct dg_known_rates {
  dg_rates rates;
  int parts, threads; /* they were measured on one of so many parts, 0: none are known */
  dg_rates_node node;
} dg_known_rates;

/* A count of the outline, in the graph that is planned for. Local. */
static inline int64_t dg_plan_scaled(const dg_plan_input *in, int64_t count) {
  return (int64_t)((double)count * in->scale);
}

/* Ranks on the node of rank 0. Local. */
static inline int dg_plan_local_ranks(const dg_plan_point *point, const dg_plan_cluster *cluster) {
  return point->parts < cluster->ranks_per_node ? point->parts : cluster->ranks_per_node;
}

/* Shares of the parameters, as many as the node with the fewest ranks has. Local. */
static inline int dg_plan_shares(const dg_plan_point *point) {
  return point->parts / point->nodes;
}

/* Divides the graph for the parts of d->point, and counts them; input, model and point are given and borrowed. Errors:
   DG_MEMORY, and those of `how`. Local. */
dg_status dg_division_make(dg_division *d, const dg_dividing *how);
void dg_division_destroy(dg_division *d);

/* From here on the counts are those of the graph that is planned for. Local. */
void dg_division_scale(dg_division *d);

/* Fields of these splits on such parts. Local. */
dg_field_config dg_division_field(const dg_division *d, int splits, bool backward);

/* Rates for the parts of a division, before it is scaled. Where a smaller graph stands for a larger one, its parts are
   too small: then they are those of as many fewer parts. `alone` is a communicator of one rank. Errors: DG_INPUT (no
   training nodes), DG_MEMORY, and those of `how`. Local. */
dg_status dg_plan_find_rates(dg_known_rates *known, const dg_division *d, const dg_dividing *how, const dg_comm *alone);

/* What the point says of time, messages and bytes, and of memory. Local. */
void dg_plan_predict_time(const dg_division *d, const dg_known_rates *known);
void dg_plan_predict_memory(const dg_division *d);

/* Bytes of a row of layer k on its way to another rank, and of its gradient on its way home. Local. */
int64_t dg_plan_row_bytes(const dg_division *d, int k);
int64_t dg_plan_gradient_bytes(const dg_division *d, int k);

#endif
