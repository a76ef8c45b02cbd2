#ifndef DISTGAT_DATA_FINGERPRINT_H
#define DISTGAT_DATA_FINGERPRINT_H

#include <distgat/graph.h>

#include "data/slab.h"

/* What rows add to a graph's fingerprint, by what they say: sums that wrap around, so that rows may come in any order,
   slab by slab and from any rank. */
typedef struct dg_content {
  uint64_t edges, features, labels;
  uint64_t attributes; /* of edges; no part of the fingerprint */
} dg_content;

/* Add the rows of a slab, the first of them node `first`. Features count as a matrix, however they are stored. Local.
 */
void dg_content_edges(dg_content *content, const dg_in_edges *edges, int64_t first);
void dg_content_attributes(dg_content *content, const float *values, int dim, const dg_in_edges *edges, int64_t first);
void dg_content_features(dg_content *content, const dg_features *x, int64_t first);
void dg_content_labels(dg_content *content, const dg_labels *labels, int n_classes, int64_t first, int64_t n);

/* Those of one kind of a slab, read too; none where the graph has none. Errors: DG_INPUT, DG_MEMORY. Local. */
dg_status dg_content_read_attributes(dg_content *content, dg_h5 *file, const dg_graph_info *info,
                                     dg_edge_attributes which, const dg_in_edges *edges, int64_t first);

/* Reads nodes [first, first + n) of a file, in pieces of bounded size, and adds them. Errors: DG_INPUT, DG_MEMORY.
   Local. */
dg_status dg_content_read(dg_content *content, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n);

/* Sums over the ranks of `comm`. Collective. */
void dg_content_sum(dg_content *content, MPI_Comm comm);

/* The fingerprint, of the content of all nodes. Local. */
uint64_t dg_content_fingerprint(const dg_content *content, const dg_graph_info *info);

#endif
