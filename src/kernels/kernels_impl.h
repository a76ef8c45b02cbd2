/* The kernels for one instruction set: the including file defines DG_VL (numbers in a vector), DG_VARIANT (its name),
   DG_EDGES and DG_EDGES_BF16 (its kernels over edges) and selects the target. */
#include "kernels/edge_kernels_impl.h"
#include "kernels/dense_impl.h"
#ifdef DG_BLAS
#include "kernels/dense_blas_impl.h"
#define DG_NARROW INT_MAX
#define DG_PACK blas_pack
#define DG_MULTIPLY blas_multiply
#define DG_MULTIPLY_TRANSPOSED blas_multiply_transposed
#else
#define DG_NARROW NARROW
#define DG_PACK pack
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

#ifndef DG_REAL_DOUBLE
extern const dg_edge_kernels DG_EDGES_BF16[2];
#endif

const dg_kernels DG_CONCAT(dg_kernels_, DG_VARIANT) = {
    .name = DG_TEXT(DG_VARIANT),
    .edges = DG_EDGES,
#ifndef DG_REAL_DOUBLE
    .edges_bf16 = DG_EDGES_BF16,
    .round_rows = round_rows,
#endif
    .sparse_forward = sparse_forward,
    .sparse_backward = sparse_backward,
    .dense_dropout = dense_dropout,
    .narrow = DG_NARROW,
    .pack = DG_PACK,
    .multiply = DG_MULTIPLY,
    .multiply_transposed = DG_MULTIPLY_TRANSPOSED,
    .activate = activate,
    .activate_backward = activate_backward,
    .drop_rows = drop_rows,
    .add_rows = add_rows,
    .column_moments = column_moments,
    .batch_norm = batch_norm,
    .batch_norm_sums = batch_norm_sums,
    .batch_norm_backward = batch_norm_backward,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .column_sums = column_sums,
    .output = output,
    .cross_entropy = cross_entropy,
    .adam = adam,
    .rmsprop = rmsprop,
    .fma_flops = fma_flops,
    .exp = vector_exp,
    .expm1 = vector_expm1,
};
