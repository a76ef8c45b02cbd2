#ifndef DISTGAT_DATA_SLAB_H
#define DISTGAT_DATA_SLAB_H

#include <distgat/graph.h>

/* Length of a data set of one dimension; `integers` asks for integers unless it is empty. Errors: DG_INPUT. Local. */
dg_status dg_list_length(int64_t *length, dg_h5 *file, const char *name, bool integers);

/* Slabs of consecutive nodes of a graph file, read and checked: [first, first + n). All Local; errors: DG_INPUT,
   DG_MEMORY. What they give is the caller's to destroy, also on failure. */

/* Nodes a slab, so that edges and features of a common one fit dg_slab_bytes, 32 MiB but in tests. */
extern int64_t dg_slab_bytes;
int64_t dg_slab_rows(const dg_graph_info *info);

/* Positions of the rows of a slab, [n + 1], among its edges. */
dg_status dg_slab_starts(int64_t *indptr, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n);

/* In-neighbours of the nodes of a slab. */
dg_status dg_slab_edges(dg_in_edges *edges, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n);

/* Attributes of the in-edges of a slab, whose first node is `first`: *values [edges, edge_dim], which the graph must
   have. */
dg_status dg_slab_attributes(float **values, dg_h5 *file, const dg_graph_info *info, dg_edge_attributes which,
                             const dg_in_edges *edges, int64_t first);

/* Positions of the rows of a slab, [n + 1], among its stored features, which must be sparse. */
dg_status dg_slab_entries(int64_t *indptr, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n);

/* Features of a slab; columns ascend in a sparse row, whatever their order in the file. */
dg_status dg_slab_features(dg_features *features, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n);

/* Labels of rows: one of the two. */
typedef struct dg_labels {
  int32_t *one;  /* [n] -1 unknown */
  uint8_t *many; /* [n, n_classes] 1 where the node has the class, else 0 */
} dg_labels;

/* Allocates the labels of a slab, and reads them. */
dg_status dg_slab_labels(dg_labels *labels, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n);
void dg_labels_destroy(dg_labels *labels);

/* Names of the lists of a split, in the order of their bits. */
extern const char *const dg_split_lists[3];

/* Entries [first, first + n) of a list (train, val or test) of a split. */
typedef struct dg_list_part {
  const char *split, *list;
  int64_t first, n;
} dg_list_part;
dg_status dg_split_length(int64_t *length, dg_h5 *file, const char *split, const char *list);
dg_status dg_split_read(dg_id *ids, dg_h5 *file, const dg_graph_info *info, dg_list_part part);

/* Calls take(node, context) for every id of a list, until it returns not DG_OK; each id once: DG_INPUT where the list
   repeats one. */
dg_status dg_split_each(dg_h5 *file, const dg_graph_info *info, const char *split, const char *list,
                        dg_status (*take)(dg_id node, void *context), void *context);

/* Note that a node of a split has no label, or is in a list twice, which may be as long as there are nodes and so a
   mask; give DG_INPUT. */
dg_status dg_split_unlabelled(dg_h5 *file, const char *split, const char *list, dg_id node);
dg_status dg_split_twice(dg_h5 *file, const char *split, const char *list, dg_id node, bool as_long);

#endif
