#ifndef DG_TRAIN_RATES_H
#define DG_TRAIN_RATES_H

#include <distgat/config.h>
#include <distgat/counts.h>
#include <distgat/timer.h>

/* How fast this machine makes the phases of a step, measured by real steps on a piece of the graph at hand. */
typedef struct dg_rates {
  double unit[DG_PHASES]; /* seconds a unit of work of each phase, see dg_cost_units */
} dg_rates;

/* One part of a divided graph, all borrowed. */
typedef struct dg_graph_part {
  const dg_outline *graph;
  const int32_t *part; /* [n_nodes] */
  int which;
} dg_graph_part;

/* Times steps of a model on one part, which is taken for a graph of its own: its nodes with their in-edges, and their
   foreign in-neighbours; features are drawn, as many a row as the outline says. The part must have training nodes.
   Meanwhile as many neighbours do the same, as other ranks of a node do. `alone` is a communicator of one rank. Errors:
   DG_MEMORY, DG_USAGE (a layer too wide). Local. */
dg_status dg_rates_measure(dg_rates *rates, const dg_comm *alone, const dg_config *config, const dg_graph_info *info,
                           const dg_graph_part *part, int neighbours);

/* Seconds of computing in a step of such counts on a rank that keeps up one of `shares` shares of the parameters.
 * Local.
 */
double dg_rates_seconds(const dg_rates *rates, const dg_model *model, const dg_counts *counts, int shares);

#endif
