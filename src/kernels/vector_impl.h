/* Vectors of DG_VL numbers by the compiler's vector extensions: one source for every instruction set. A "pattern" holds
   one number a head, repeated with period hp over q vectors, as channels do (see kernels.h). */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include <distgat/rng.h>

#define INLINE static inline __attribute__((always_inline, unused))
#define NOINLINE __attribute__((noinline, unused))
#define UNROLLED _Pragma("GCC unroll 16")

/* Vectors `v` of a row of nv, and with each the vector `k` of a pattern of q that it meets. */
#define FOR_ROW(v, k, nv, q)                                                                                           \
  for (int v##_ = 0; v##_ < (nv); v##_ += (q))                                                                         \
  _Pragma("GCC unroll 4") for (int k = 0, v = v##_; k < (q) && v < (nv); k++, v++)

#ifdef DG_REAL_DOUBLE
typedef int64_t lane;
typedef uint64_t ulane;
#else
typedef int32_t lane;
typedef uint32_t ulane;
#endif
typedef dg_real vf __attribute__((vector_size(DG_VL * sizeof(dg_real)), may_alias));
typedef lane vi __attribute__((vector_size(DG_VL * sizeof(lane)), may_alias));
typedef uint32_t vu __attribute__((vector_size(DG_VL * sizeof(uint32_t)), may_alias));
typedef int32_t vs __attribute__((vector_size(DG_VL * sizeof(int32_t)), may_alias));

/* Vectors whose sums stay in registers, and those of what such strips leave of a row: its length is a multiple of 16.
 */
enum { SUMS = 8, REST = DG_VL < 4 ? SUMS / 2 : 16 / DG_VL };

/* x in every lane; subtracting zero keeps every x, -0 included, and compiles to a broadcast. */
INLINE vf splat(dg_real x) {
  const vf zero = {0};
  return x - zero;
}

INLINE vf load(const dg_real *p) {
  return *(const vf *)p;
}

INLINE void store(dg_real *p, vf v) {
  *(vf *)p = v;
}

/* p = v, or with `add` plus what p holds. */
INLINE void store_sum(dg_real *p, vf v, bool add) {
  if (add) v += load(p);
  store(p, v);
}

/* Asks for what lies at p and is read a few rows later: into the second-level cache, which waits for more lines at a
   time than the first. */
INLINE void prefetch_line(const void *p) {
  __builtin_prefetch(p, 0, 2);
}

/* The vector at p, of rows that are read one after the other: those that come so many bytes later are asked for. */
INLINE vf load_stream(const dg_real *p) {
  enum { LATER = 4096 };
  prefetch_line((const char *)p + LATER);
  return load(p);
}

INLINE void store_unaligned(dg_real *p, vf v) {
  memcpy(p, &v, sizeof v);
}

/* mask ? a : b, lane by lane. */
INLINE vf blend(vi mask, vf a, vf b) {
  return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

/* What compilers do not make of a comparison and a blend: u > 0 ? a : b, u > 0 ? sum + x : sum, a > b ? a : b,
   and a < b ? a : b. What is not a number passes on where it is b: no maximum hides it. And a b + c, rounded once where
   it is said: of a b + c d a compiler may round either product first, here so and there otherwise. */
#if defined(__AVX512F__) && !defined(DG_REAL_DOUBLE)
INLINE vf where_positive(vf u, vf a, vf b) {
  return (vf)_mm512_mask_blend_ps(_mm512_cmp_ps_mask((__m512)u, _mm512_setzero_ps(), _CMP_GT_OQ), (__m512)b, (__m512)a);
}

INLINE vf add_positive(vf sum, vf u, vf x) {
  return (vf)_mm512_mask_add_ps((__m512)sum, _mm512_cmp_ps_mask((__m512)u, _mm512_setzero_ps(), _CMP_GT_OQ),
                                (__m512)sum, (__m512)x);
}

INLINE vf vmax(vf a, vf b) {
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}

INLINE vf vmin(vf a, vf b) {
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}

INLINE vf vfma(vf a, vf b, vf c) {
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
#elif defined(__AVX2__) && !defined(DG_REAL_DOUBLE)
INLINE vf where_positive(vf u, vf a, vf b) {
  return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, _mm256_cmp_ps((__m256)u, _mm256_setzero_ps(), _CMP_GT_OQ));
}

INLINE vf add_positive(vf sum, vf u, vf x) {
  return sum + (vf)_mm256_and_ps(_mm256_cmp_ps((__m256)u, _mm256_setzero_ps(), _CMP_GT_OQ), (__m256)x);
}

INLINE vf vmax(vf a, vf b) {
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}

INLINE vf vmin(vf a, vf b) {
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}

INLINE vf vfma(vf a, vf b, vf c) {
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
#else
INLINE vf where_positive(vf u, vf a, vf b) {
  return blend(u > 0, a, b);
}

INLINE vf add_positive(vf sum, vf u, vf x) {
  return sum + (vf)((u > 0) & (vi)x);
}

INLINE vf vmax(vf a, vf b) {
  return blend(a > b, a, b);
}

INLINE vf vmin(vf a, vf b) {
  return blend(a < b, a, b);
}

INLINE vf vfma(vf a, vf b, vf c) {
  return a * b + c;
}
#endif

#ifdef DG_REAL_DOUBLE
INLINE vf vexp(vf x) {
  vf y;
  for (int l = 0; l < DG_VL; l++) y[l] = exp(x[l]);
  return y;
}

INLINE vf vexpm1(vf x) {
  vf y;
  for (int l = 0; l < DG_VL; l++) y[l] = expm1(x[l]);
  return y;
}
#else
/* e^r - 1 for x = n ln 2 + r, |r| <= ln 2 / 2, in single precision; saturates at both ends. */
INLINE vf reduced_expm1(vf x, vf *n) {
  x = vmin(splat(88.3f), vmax(splat(-87.3f), x));
#ifdef __AVX512F__
  *n = (vf)_mm512_roundscale_ps((__m512)(x * 1.44269504f), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  *n = (x * 1.44269504f + 12582912.0f) - 12582912.0f; /* rounds to the nearest integer */
#endif
  vf r = x - *n * 0.693359375f;
  r = r + *n * 2.12194440e-4f;
  vf p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + r;
}

/* p * 2^n. */
INLINE vf scale_by_power(vf p, vf n) {
#ifdef __AVX512F__
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  vi power = (__builtin_convertvector(n, vi) + 127) << 23;
  return p * (vf)power;
#endif
}

/* exp with a relative error below 2e-7. */
INLINE vf vexp(vf x) {
  vf n;
  const vf e = reduced_expm1(x, &n);
  return scale_by_power(e + 1, n);
}

/* exp(x) - 1 with a relative error below 2e-7: where x is small, n is zero and nothing cancels. */
INLINE vf vexpm1(vf x) {
  vf n;
  const vf e = reduced_expm1(x, &n), power = scale_by_power(splat(1), n);
  return e * power + (power - 1);
}
#endif

/* Lane numbers l ^ 1, l ^ 2, l ^ 4, l ^ 8, and l itself: tables, since vectors filled lane by lane are built anew in
   every loop. A narrower vector uses the front of a row. */
static const lane swapped_lanes[4][16]
    __attribute__((aligned(64))) = {{1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14},
                                    {2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13},
                                    {4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11},
                                    {8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7}};
static const uint32_t lane_numbers[16]
    __attribute__((aligned(64))) = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* Lane l ^ 2^bit in lane l. */
INLINE vf swap_lanes(vf v, int bit) {
#ifdef __clang__
  vf swapped;
  for (int l = 0; l < DG_VL; l++) swapped[l] = v[l ^ (1 << bit)];
  return swapped;
#else
  return __builtin_shuffle(v, *(const vi *)swapped_lanes[bit]);
#endif
}

/* A mask of 32-bit lanes as one of numbers. */
INLINE vi widen(vs mask) {
#ifdef DG_REAL_DOUBLE
  return __builtin_convertvector(mask, vi);
#else
  return (vi)mask;
#endif
}

/* Lanes whose numbers differ by a multiple of `hp` are summed; every lane gets its sum: scalar heads become a pattern.
 */
INLINE vf fold(vf v, int hp) {
  for (int bit = 0; (1 << bit) < DG_VL; bit++)
    if ((1 << bit) >= hp) v += swap_lanes(v, bit);
  return v;
}

/* Heads of the lanes of a pattern of three, whose period is three vectors. */
static const uint32_t three_heads[48]
    __attribute__((aligned(64))) = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2,
                                    0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};

/* Lanes of vector `k` of a pattern of three that are of head h. */
INLINE vi of_three(int k, uint32_t h) {
  return widen((vs)(*(const vu *)(three_heads + k * DG_VL) == h));
}

/* Vector `k` of a pattern of three whose heads are in all lanes of a, b, and c. */
INLINE vf blend_three(int k, vf a, vf b, vf c) {
  return blend(of_three(k, 2), c, blend(of_three(k, 1), b, a));
}

/* fold() of a pattern of three. */
INLINE void fold_three(vf *s) {
  vf sum[3];
  UNROLLED for (int h = 0; h < 3; h++) {
    sum[h] = splat(0);
    UNROLLED for (int k = 0; k < 3; k++) sum[h] += (vf)((vi)s[k] & of_three(k, (uint32_t)h));
    sum[h] = fold(sum[h], 1);
  }
  UNROLLED for (int k = 0; k < 3; k++) s[k] = blend_three(k, sum[0], sum[1], sum[2]);
}

/* fold() of the q vectors of a pattern. */
INLINE void fold_pattern(vf *s, int q, int hp) {
  if (hp == 3)
    fold_three(s);
  else
    for (int k = 0; k < q; k++) s[k] = fold(s[k], hp);
}

/* Loads hp numbers as vector `k` of a pattern. */
INLINE vf load_pattern(const dg_real *p, int hp, int k) {
  if (hp == 3) return blend_three(k, splat(p[0]), splat(p[1]), splat(p[2]));
  if (hp >= DG_VL) return load(p + k * DG_VL);
#if defined(__AVX512F__) && !defined(DG_REAL_DOUBLE)
  if (hp == 8) return (vf)_mm512_broadcast_f32x8(_mm256_loadu_ps(p));
  if (hp == 4) return (vf)_mm512_broadcast_f32x4(_mm_loadu_ps(p));
#endif
  if (hp == 1) return splat(*p);
  vf v;
  for (int l = 0; l < DG_VL; l++) v[l] = p[l & (hp - 1)];
  return v;
}

INLINE void store_pattern(dg_real *p, int hp, int k, vf v) {
  if (hp == 3) {
    const int left = 3 - k * DG_VL;
    if (left > 0) memcpy(p + k * DG_VL, &v, (size_t)(left < DG_VL ? left : DG_VL) * sizeof *p);
  } else if (hp >= DG_VL)
    store(p + k * DG_VL, v);
  else
    memcpy(p, &v, (size_t)hp * sizeof *p);
}

/* Vectors in a pattern. */
INLINE int pattern_size(int hp) {
  if (hp == 3) return 3;
  return hp > DG_VL ? hp / DG_VL : 1;
}

/* 32 random bits for each lane's row and column, the same as those of dg_rng_column; and from their seed, column *
   COLUMN_STEP ^ row. */
#define COLUMN_STEP 0x9E3779B1u

INLINE vu bits_of(vu seed, uint64_t key) {
  vu x = (seed ^ (seed >> 16)) + (uint32_t)(key >> 32);
  x = x * 0x7FEB352Du;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  return x ^ (x >> 16);
}

INLINE vu random_bits(vu row, uint64_t key, vu column) {
  return bits_of(column * COLUMN_STEP ^ row, key);
}

/* x in every lane. */
INLINE vu splat_bits(uint32_t x) {
  const vu zero = {0};
  return zero + x;
}

INLINE vu iota(uint32_t first) {
  return *(const vu *)lane_numbers + first;
}

/* A bit a lane. */
#if DG_VL > 8
typedef uint16_t lane_mask;
#else
typedef uint8_t lane_mask;
#endif

/* Of lanes in which u > 0. */
INLINE lane_mask positive_bits(vf u) {
#if defined(__AVX512F__) && !defined(DG_REAL_DOUBLE)
  return (lane_mask)_mm512_cmp_ps_mask((__m512)u, _mm512_setzero_ps(), _CMP_GT_OQ);
#elif defined(__AVX2__) && !defined(DG_REAL_DOUBLE)
  return (lane_mask)_mm256_movemask_ps(_mm256_cmp_ps((__m256)u, _mm256_setzero_ps(), _CMP_GT_OQ));
#else
  unsigned bits = 0;
  for (int l = 0; l < DG_VL; l++) bits |= (unsigned)(u[l] > 0) << l;
  return (lane_mask)bits;
#endif
}

/* sum + x in lanes of `bits`, sum in others. */
INLINE vf add_where(vf sum, lane_mask bits, vf x) {
#if defined(__AVX512F__) && !defined(DG_REAL_DOUBLE)
  return (vf)_mm512_mask_add_ps((__m512)sum, bits, (__m512)sum, (__m512)x);
#else
  return sum + (vf)(widen((vs)((splat_bits(bits) >> iota(0) & 1) > 0)) & (vi)x);
#endif
}

/* All ones in lanes whose columns of one row are kept. */
INLINE vi kept(uint32_t row, const dg_dropout *drop, vu column) {
  return widen((vs)(random_bits(splat_bits(row), drop->key, column) >= drop->threshold));
}

/* Head of each lane of vector k of a pattern. */
INLINE vu lane_heads(int hp, int k) {
  if (hp == 3) return *(const vu *)(three_heads + k * DG_VL);
  if (hp >= DG_VL) return iota((uint32_t)(k * DG_VL));
  return iota(0) & (uint32_t)(hp - 1);
}

/* Seeds of an edge's attention coefficients: `row` is dg_rng_row of its target, `src` the id of its source. */
INLINE vu edge_seed(uint32_t row, uint32_t src, int k, int hp) {
  return (lane_heads(hp, k) * COLUMN_STEP + src * (uint32_t)hp * COLUMN_STEP) ^ row;
}

/* All ones in lanes of attention coefficients that are kept. */
INLINE vi kept_of(vu seed, const dg_dropout *drop) {
  return widen((vs)(bits_of(seed, drop->key) >= drop->threshold));
}

/* Coefficients, or their gradients, through dropout. */
INLINE vf through(vf x, vi kept, const dg_dropout *drop) {
  return (vf)((vi)(x * drop->scale) & kept);
}
