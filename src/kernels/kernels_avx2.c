#if defined(__x86_64__) && !defined(DG_REAL_DOUBLE)
#include <immintrin.h>
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi2"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,bmi2")
#endif
#define DG_VL 8
#define DG_VARIANT avx2
#define DG_EDGES dg_edges_avx2
#define DG_EDGES_BF16 dg_edges_avx2_bf16
#include "kernels/kernels_impl.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int dg_kernels_avx2_absent; /* an empty translation unit is not C */
#endif
