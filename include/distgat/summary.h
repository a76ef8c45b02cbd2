#ifndef DISTGAT_SUMMARY_H
#define DISTGAT_SUMMARY_H

#include <distgat/api.h>
#include <distgat/graph.h>

DG_API_BEGIN

/* Sizes of the lists of a split, as they are in the file. */
typedef struct dg_split_summary {
  char name[DG_SPLIT_NAME]; /* as printable as that of the graph */
  int64_t n[3];             /* train, val, test */
  dg_overlap overlap;
} dg_split_summary;

/* What can be said of a graph file. */
typedef struct dg_graph_summary {
  dg_graph_info info;
  bool undirected;             /* every edge is there both ways */
  int64_t isolated;            /* nodes without any edge */
  int64_t unlabelled;          /* nodes of label -1, or of no class */
  int64_t n_labels;            /* of all nodes together */
  int64_t n_nonzeros;          /* of the features, dense ones included */
  int64_t max_degree;          /* in-neighbours */
  int64_t *degree_count;       /* [max_degree + 1] nodes of each degree */
  int64_t *class_count;        /* [n_classes] nodes of each class */
  uint64_t fingerprint;        /* see dg_graph_fingerprint */
  uint64_t splits_fingerprint; /* checksum of all splits, which the fingerprint leaves out; 0 without splits */
  int n_splits;
  dg_split_summary *splits; /* [n_splits] in the order of their names */
} dg_graph_summary;

/* Checks every split of a file, as dg_graph_check_splits does, and calls take(split, context) for each in order of
   names until that fails; labels [n_nodes], NULL where nodes have several. Errors: DG_INPUT, DG_MEMORY. Local. */
dg_status dg_splits_each(dg_h5 *file, const dg_graph_info *info, const int32_t *labels,
                         dg_status (*take)(const dg_split_summary *split, void *context), void *context);

/* Reads a graph file slab by slab, checks all of it and counts. Errors: DG_INPUT, DG_MEMORY. Local. */
dg_status dg_graph_summarize(dg_graph_summary *summary, const char *path);
void dg_graph_summary_destroy(dg_graph_summary *summary);

DG_API_END

#endif
