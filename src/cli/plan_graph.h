#ifndef DG_CLI_PLAN_GRAPH_H
#define DG_CLI_PLAN_GRAPH_H

#include <distgat/graph.h>

/* The graph that a plan is for: of a file, or one that exists in numbers alone, for which a smaller synthetic one
   stands in. */
typedef struct dg_plan_graph {
  dg_graph_info info; /* of the graph that is planned for */
  dg_outline outline; /* of the graph itself, or of what stands for it */
  double scale;       /* nodes of the graph over those of the outline */
} dg_plan_graph;

/* Numbers of a graph. */
typedef struct dg_plan_sizes {
  int64_t nodes, edges, features, classes;
  double train_share; /* of nodes that are trained on; as many are in each of the other two splits, where there are */
} dg_plan_sizes;

/* Errors: DG_INPUT, DG_MEMORY. Local. */
dg_status dg_plan_graph_read(dg_plan_graph *graph, const char *path, const char *split);

/* On a communicator of this process alone. Errors: DG_USAGE (impossible sizes), DG_MEMORY. Local. */
dg_status dg_plan_graph_imagine(dg_plan_graph *graph, const dg_comm *alone, const dg_plan_sizes *sizes);
void dg_plan_graph_destroy(dg_plan_graph *graph);

#endif
