/* The kernels for one instruction set: the including file defines DG_VL (numbers in a vector) and DG_VARIANT (its name)
   and selects the target. */
#include "kernels/vector_impl.h"
#include "kernels/edges_impl.h"
#include "kernels/edges_backward_impl.h"
#include "kernels/edges_attributes_impl.h"
#include "kernels/dense_impl.h"
#ifdef DG_BLAS
#include "kernels/dense_blas_impl.h"
#define DG_MULTIPLY blas_multiply
#define DG_MULTIPLY_TRANSPOSED blas_multiply_transposed
#else
#define DG_MULTIPLY multiply
#define DG_MULTIPLY_TRANSPOSED multiply_transposed
#endif
#include "kernels/sparse_impl.h"
#ifdef DG_REAL_DOUBLE
#define DG_SQRT sqrt
#else
#define DG_SQRT sqrtf
#endif
#include "kernels/rows_impl.h"
#include "kernels/norm_impl.h"

#define DG_CONCAT_(a, b) a##b
#define DG_CONCAT(a, b) DG_CONCAT_(a, b)
#define DG_TEXT_(a) #a
#define DG_TEXT(a) DG_TEXT_(a)

/* What does not go over edges, or takes no attributes of them. */
#define DG_COMMON                                                                                                      \
  .name = DG_TEXT(DG_VARIANT), .mean_forward = mean_forward, .gat_scores = gat_scores, .row_dots = row_dots,           \
  .mean_backward_src = mean_backward_src, .sparse_forward = sparse_forward, .sparse_backward = sparse_backward,        \
  .dense_dropout = dense_dropout, .multiply = DG_MULTIPLY, .multiply_transposed = DG_MULTIPLY_TRANSPOSED,              \
  .activate = activate, .activate_backward = activate_backward, .add_rows = add_rows,                                  \
  .column_moments = column_moments, .batch_norm = batch_norm, .batch_norm_sums = batch_norm_sums,                      \
  .batch_norm_backward = batch_norm_backward, .layer_norm = layer_norm, .layer_norm_backward = layer_norm_backward,    \
  .column_sums = column_sums, .output = output, .cross_entropy = cross_entropy, .adam = adam, .rmsprop = rmsprop,      \
  .fma_flops = fma_flops, .exp = vector_exp, .expm1 = vector_expm1

static const dg_kernels with_attributes = {
    DG_COMMON,
    .gatv2_forward = gatv2_edge_forward,
    .gat_forward = gat_edge_forward,
    .gcn_forward = gcn_edge_forward,
    .gatv2_backward_dst = gatv2_edge_backward_dst,
    .gatv2_backward_src = gatv2_edge_backward_src,
    .gat_backward_src = gat_edge_backward_src,
    .gcn_backward_src = gcn_edge_backward_src,
    .gatv2_alpha = gatv2_edge_alpha,
    .gat_alpha = gat_edge_alpha,
};

const dg_kernels DG_CONCAT(dg_kernels_, DG_VARIANT) = {
    DG_COMMON,
    .with_attributes = &with_attributes,
    .gatv2_forward = gatv2_forward,
    .gat_forward = gat_forward,
    .gcn_forward = gcn_forward,
    .gatv2_backward_dst = gatv2_backward_dst,
    .gatv2_backward_src = gatv2_backward_src,
    .gat_backward_src = gat_backward_src,
    .gcn_backward_src = gcn_backward_src,
    .gatv2_alpha = gatv2_alpha,
    .gat_alpha = gat_alpha,
};
