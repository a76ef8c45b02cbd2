#if defined(__x86_64__) && !defined(DG_REAL_DOUBLE)
#include <immintrin.h>
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma,avx2,bmi2"))),              \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,fma,avx2,bmi2,prefer-vector-width=512")
#endif
#define DG_VL 16
#define DG_VARIANT avx512
#define DG_EDGES dg_edges_avx512
#define DG_EDGES_BF16 dg_edges_avx512_bf16
#include "kernels/kernels_impl.h"

#include "kernels/dense_amx_impl.h"
#ifdef DG_AMX
#undef DG_VARIANT
#undef DG_IN_PLACE
#undef DG_PACKED_SIZE
#undef DG_PACK
#undef DG_MULTIPLY
#undef DG_MULTIPLY_TRANSPOSED
#undef DG_PRODUCT_FLOPS
#define DG_VARIANT amx
#define DG_IN_PLACE amx_in_place
#define DG_PACKED_SIZE amx_packed_size
#define DG_PACK amx_pack
#define DG_MULTIPLY amx_multiply
#define DG_MULTIPLY_TRANSPOSED amx_multiply_transposed
#define DG_PRODUCT_FLOPS dg_amx_product_flops
#include "kernels/variant_impl.h"
#endif
#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int dg_kernels_avx512_absent; /* an empty translation unit is not C */
#endif
