#ifndef DISTGAT_DATA_SLAB_H
#define DISTGAT_DATA_SLAB_H

#include <distgat/graph.h>

/* Length of a data set of one dimension; `integers` asks for integers unless it is empty. Errors: DG_INPUT. Local. */
dg_status dg_list_length(int64_t *length, dg_h5 *file, const char *name, bool integers);

/* Slabs of consecutive nodes of a graph file, read and checked: [first, first + n). All Local; errors: DG_INPUT,
   DG_MEMORY. What they give is the caller's to destroy, also on failure. */

/* Nodes a slab, so that edges and features of a common one fit some 32 MiB. */
int64_t dg_slab_rows(const dg_graph_info *info);

/* In-neighbours of the nodes of a slab. */
dg_status dg_slab_edges(dg_csr *edges, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n);

/* Positions of the rows of a slab, [n + 1], among its stored features, which must be sparse. */
dg_status dg_slab_entries(int64_t *indptr, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n);

/* Features of a slab; columns ascend in a sparse row, whatever their order in the file. */
dg_status dg_slab_features(dg_features *features, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n);

/* Labels of a slab, labels [n]. */
dg_status dg_slab_labels(int32_t *labels, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n);

/* Calls take(node, context) for every id of a list (train, val or test) of a split, until it returns not DG_OK; each id
   once: DG_INPUT where the list repeats one. */
dg_status dg_split_each(dg_h5 *file, const dg_graph_info *info, const char *split, const char *list,
                        dg_status (*take)(int32_t node, void *context), void *context);

/* Names of the lists of a split, in the order of their bits. */
extern const char *const dg_split_lists[3];

/* Notes that a node of a split has no label; gives DG_INPUT. */
dg_status dg_split_unlabelled(dg_h5 *file, const char *split, const char *list, int32_t node);

#endif
