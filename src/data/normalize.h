#ifndef DISTGAT_DATA_NORMALIZE_H
#define DISTGAT_DATA_NORMALIZE_H

#include <distgat/graph.h>

/* Scales the rows of all ranks' features as PyTorch Geometric's NormalizeFeatures does: the least entry of the whole
   matrix is subtracted, then each row is divided by its sum, by 1 where that is less. `x` holds the rows of this rank.
   Errors: DG_INPUT where a sparse matrix would not stay sparse, or entries lie too far apart. Collective. */
dg_status dg_normalize_rows(dg_features *x, const dg_comm *comm, const char *path);

/* Gives every column of all ranks' features the mean 0 and the deviation 1 (that of all nodes, n in its divisor); one
   of a single value becomes 0. The same bits wherever the rows lie. Errors: DG_INPUT where the features are sparse;
   DG_MEMORY. Collective. */
dg_status dg_standardize_columns(dg_features *x, int64_t n_nodes, const dg_comm *comm, const char *path);

/* Root mean squares over all nodes: the largest column's, and the smallest's of those that are not all 0. */
typedef struct dg_feature_sizes {
  double most, least;
  int most_column, least_column;
} dg_feature_sizes;

/* Of the first n_rows rows of each rank. Errors: DG_MEMORY. Collective. */
dg_status dg_feature_sizes_find(dg_feature_sizes *sizes, const dg_features *x, int64_t n_rows, int64_t n_nodes,
                                const dg_comm *comm);

#endif
