#ifndef DISTGAT_TESTS_PLAIN_EDGES_H
#define DISTGAT_TESTS_PLAIN_EDGES_H

#include <distgat/status.h>

#include "kernels/kernels.h"

/* What the kernels over edges should make: plain loops in double precision that share no code with them. Names, shapes
   and layout are those of dg_edges, padded heads included. */
typedef struct plain_edges {
  int32_t n_src;
  double *alpha;      /* [n_edges, hp] attention before dropout */
  double *score_src;  /* [n_src, hp] (GAT) */
  double *stat;       /* [n_dst, DG_STATS * hp] */
  double *agg;        /* [n_dst, ld] */
  double *positive;   /* [n_dst, ld] (GAT) */
  double *share;      /* [n_dst, hp] coefficients over edges like those of `positive`, dscore_dst after forward (GAT) */
  double *dz;         /* [n_src, ld] */
  double *dzr;        /* [n_dst, ld] (GATv2) */
  double *dscore_dst; /* [n_dst, hp] (GAT) */
  double *datt;       /* [2 * ld]: gradients of att, and of att_dst (GAT) */
  double *dedge;      /* [edge_dim * ld] of lin_edge (GATv2), or [edge_dim * hp] of edge_scores (GAT) */
} plain_edges;

/* Makes room for a block with n_src sources. Errors: DG_MEMORY. */
dg_status plain_edges_create(plain_edges *plain, const dg_edges *e, int32_t n_src);
void plain_edges_destroy(plain_edges *plain);

/* Forward and backward pass over all edges, from what `e` gives: z, zr, att, att_dst, norm, dagg, slope and drop; and
   attributes, lin_edge, edge_scores and edge_drop, where there are some. Where GAT's rows are dropped, row_drop, they
   are `scored` through a mask of its own. */
void plain_gatv2(plain_edges *plain, const dg_edges *e);
void plain_gat(plain_edges *plain, const dg_edges *e);
void plain_gcn(plain_edges *plain, const dg_edges *e);
void plain_mean(plain_edges *plain, const dg_edges *e);

#endif
