#ifndef DISTGAT_DATA_NORMALIZE_H
#define DISTGAT_DATA_NORMALIZE_H

#include <distgat/graph.h>

/* Scales the rows of all ranks' features as PyTorch Geometric's NormalizeFeatures does: the least entry of the whole
   matrix is subtracted, then each row is divided by its sum, by 1 where that is less. `x` holds the rows of this rank.
   Errors: DG_INPUT where a sparse matrix would not stay sparse, or entries lie too far apart. Collective. */
dg_status dg_normalize_rows(dg_features *x, const dg_comm *comm, const char *path);

#endif
