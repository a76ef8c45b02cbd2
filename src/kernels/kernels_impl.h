/* The kernels for one instruction set: the including file defines DG_VL (numbers in a vector), DG_VARIANT (its name),
   DG_EDGES and DG_EDGES_BF16 (its kernels over edges) and selects the target. */
#include "kernels/edge_kernels_impl.h"
#include "kernels/dense_impl.h"
#ifdef DG_BLAS
#include "kernels/dense_blas_impl.h"
#define DG_IN_PLACE blas_in_place
#define DG_PACK blas_pack
#define DG_MULTIPLY blas_multiply
#define DG_MULTIPLY_TRANSPOSED blas_multiply_transposed
#else
#define DG_IN_PLACE is_narrow
#define DG_PACK pack
#define DG_MULTIPLY multiply
#define DG_MULTIPLY_TRANSPOSED multiply_transposed
#endif
#define DG_PACKED_SIZE packed_size
#define DG_PRODUCT_FLOPS fma_flops
#include "kernels/sparse_impl.h"
#ifdef DG_REAL_DOUBLE
#define DG_SQRT sqrt
#else
#define DG_SQRT sqrtf
#endif
#include "kernels/rows_impl.h"
#include "kernels/norm_impl.h"
#include "kernels/exact_impl.h"

#define DG_CONCAT_(a, b) a##b
#define DG_CONCAT(a, b) DG_CONCAT_(a, b)
#define DG_TEXT_(a) #a
#define DG_TEXT(a) DG_TEXT_(a)

#ifndef DG_REAL_DOUBLE
extern const dg_edge_kernels DG_EDGES_BF16[2];
#endif

#include "kernels/variant_impl.h"
