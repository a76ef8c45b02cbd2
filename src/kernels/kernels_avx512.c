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
#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int dg_kernels_avx512_absent; /* an empty translation unit is not C */
#endif
