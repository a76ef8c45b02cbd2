#ifndef DG_TRAIN_RATES_H
#define DG_TRAIN_RATES_H

#include <distgat/config.h>
#include <distgat/counts.h>
#include <distgat/timer.h>

/* How fast this machine makes the phases of a step, measured by real steps on a piece of the graph at hand. */
typedef struct dg_rates {
  double unit[DG_PHASES]; /* seconds a unit of work of each phase, see dg_cost_units */
  double together;        /* seconds of a step that ranks of the node wait for each other and add gradients */
} dg_rates;

/* One part of a divided graph, all borrowed. */
typedef struct dg_graph_part {
  const dg_outline *graph;
  const int32_t *part; /* [n_nodes] */
  int which;
} dg_graph_part;

/* The node that is tried out here. */
typedef struct dg_rates_node {
  int ranks;     /* of the node, on the cores of this machine */
  int abreast;   /* those of them that have cores of their own, at most `ranks` */
  int exchanges; /* of a step */
} dg_rates_node;

/* Times steps of a model on one part, which is taken for a graph of its own: its nodes with their in-edges, and their
   foreign in-neighbours; features are drawn, as many a row as the outline says. The part must have training nodes.
   Threads stand for the ranks of a node, all on this part. `alone` is a communicator of one rank. Errors: DG_MEMORY,
   DG_USAGE (a layer too wide). Local. */
dg_status dg_rates_measure(dg_rates *rates, const dg_comm *alone, const dg_config *config, const dg_graph_info *info,
                           const dg_graph_part *part, const dg_rates_node *node);

/* Seconds of computing in a step of such counts on a rank that keeps up one of `shares` shares of the parameters.
 * Local.
 */
double dg_rates_seconds(const dg_rates *rates, const dg_model *model, const dg_counts *counts, int shares);

#endif
