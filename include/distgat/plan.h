#ifndef DISTGAT_PLAN_H
#define DISTGAT_PLAN_H

#include <distgat/api.h>
#include <distgat/config.h>
#include <distgat/counts.h>

DG_API_BEGIN

/* What training would cost on a number of ranks, before it is tried. */

/* The cluster that is planned for. */
typedef struct dg_plan_cluster {
  int cores;           /* of a node */
  int cores_here;      /* that steps are timed on */
  int ranks_per_node;  /* at most */
  double latency;      /* seconds of a message between nodes */
  double bandwidth;    /* bytes a second between two nodes */
  double node_latency; /* the same two inside a node */
  double node_bandwidth;
} dg_plan_cluster;

/* Memory of a rank by what holds it, in bytes; `setup` is what dividing the graph takes beyond all that is there later.
 */
#define DG_PLAN_MEMORY_LIST(X)                                                                                         \
  X(DG_PLAN_PROGRAM, "program")                                                                                        \
  X(DG_PLAN_GRAPH, "graph")                                                                                            \
  X(DG_PLAN_FEATURES, "features")                                                                                      \
  X(DG_PLAN_FIELDS, "fields")                                                                                          \
  X(DG_PLAN_BUFFERS, "buffers")                                                                                        \
  X(DG_PLAN_WEIGHTS, "weights")                                                                                        \
  X(DG_PLAN_SETUP, "setup")

typedef enum dg_plan_memory {
#define X(name, text) name,
  DG_PLAN_MEMORY_LIST(X)
#undef X
      DG_PLAN_MEMORIES
} dg_plan_memory;

/* Name of a kind of memory as printed. Local. */
const char *dg_plan_memory_name(dg_plan_memory kind);

/* One number of parts. Times in seconds, of the slowest rank; memory in bytes, of the rank that needs most. */
typedef struct dg_plan_point {
  int parts, nodes, threads;       /* threads of a rank */
  bool exchange_first;             /* see dg_field_config */
  int64_t edge_cut, halo_nodes;    /* see dg_partition_quality */
  double edge_imbalance;           /* largest part over mean, of the graph's edges */
  double step_imbalance;           /* largest part over mean, of the computing in a step */
  int64_t step_halo;               /* rows that travel in a step, over parts and layers */
  int64_t messages;                /* of a step, over ranks; an exchange is one to each neighbour, and one back */
  int64_t halo_bytes, sum_bytes;   /* of a step, over ranks */
  double compute, halo, sum, step; /* step: all of them */
  int64_t memory[DG_PLAN_MEMORIES];
  int64_t memory_total;
} dg_plan_point;

/* What a plan is made from; all borrowed. */
typedef struct dg_plan_input {
  const dg_config *config;
  const dg_graph_info *info;
  const dg_outline *graph;
  double scale; /* nodes of the graph that is planned for, over those of the outline: all its counts grow so */
  dg_plan_cluster cluster;
  int64_t program_bytes; /* of a rank that is alone, but for what it reads and computes */
  int64_t peer_bytes;    /* more, where it is not */
} dg_plan_input;

/* Plans training on `parts` [n] ascending numbers of ranks; divide(part, parts, context) fills part [n_nodes of the
   outline] as training would. Steps are timed here, on pieces of the graph, for which features are drawn; `alone` is a
   communicator of this rank. Errors: DG_INPUT (no training nodes), DG_MEMORY, DG_USAGE; those of divide. Local. */
dg_status dg_plan_make(dg_plan_point *point, const dg_plan_input *input, const int *parts, int n, const dg_comm *alone,
                       dg_status (*divide)(int32_t *part, int parts, void *context), void *context);

/* The point with the least time of a step; of those within a twentieth of it the one with fewest ranks. Local. */
const dg_plan_point *dg_plan_best(const dg_plan_point *point, int n);

DG_API_END

#endif
