#if defined(__x86_64__) && !defined(DG_REAL_DOUBLE)
#include <immintrin.h>
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi2"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,bmi2")
#endif
#define DG_VL 8
#define DG_EDGES dg_edges_avx2_bf16
#define DG_TABLE_BF16
#include "kernels/edge_kernels_impl.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int dg_edges_avx2_bf16_absent; /* an empty translation unit is not C */
#endif
