#include "kernels/dense_amx.h"

#ifdef DG_AMX
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("amx-tile,amx-bf16,avx512f,avx512vl,avx512dq,avx512bw"))),          \
                             apply_to = function)
#else
#pragma GCC target("amx-tile,amx-bf16,avx512f,avx512vl,avx512dq,avx512bw,prefer-vector-width=512")
#endif

#define INLINE static inline __attribute__((always_inline))

/* Products of f32 by tiles of bf16. Three pieces of 8 bits make an f32, x = x0 + x1 + x2 exactly, each the first bits
   of what those before it leave. Of the nine products of pieces of x and y six are made; the three others are below
   2^-22 of x y and near 2^-26 of it in the mean, of either sign, where rounding x y to f32 takes up to 2^-24. Sums are
   in f32. Pieces below 2^-126 count as nothing, so that numbers below 2^-102 lose digits; what is infinite gives what
   is not a number.

   A tile of the left factor has 16 rows of 32 inner elements, one of the right factor 16 columns of them; inner
   elements i and i + 16 are neighbours in both. A strip is two tiles side by side, the last perhaps one; tiles of the
   same inner elements follow each other, piece by piece. */
enum { SIDE = 16, DEEP = 32, PIECES = 3, TILE = SIDE * DEEP };

/* Inner elements whose pieces are made at a time, and columns: pieces of 32 rows stay in the first cache, and those of
   the columns in the second. */
enum { MOST_INNER = 128, MOST_COLUMNS = 768 };
enum { LEFT = 2 * SIDE * MOST_INNER * PIECES, RIGHT = MOST_COLUMNS * MOST_INNER * PIECES };

/* What was stored is in memory before tiles are loaded from it: GCC 12 does not know that they are. */
INLINE void settle(void) {
  __asm__ volatile("" ::: "memory");
}

typedef struct tile_config {
  uint8_t palette, start, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_config;

static void begin_tiles(void) {
  tile_config c = {.palette = 1};
  for (int i = 0; i < 8; i++) c.row_bytes[i] = 64, c.rows[i] = SIDE;
  settle();
  _tile_loadconfig(&c);
}

static bool ask_for_tiles(void) {
  enum { FEATURES = 7, BF16 = 1 << 22, TILES = 1 << 24 }; /* of cpuid */
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };   /* of arch_prctl */
  unsigned a, b, c, d;
  return __get_cpuid_count(FEATURES, 0, &a, &b, &c, &d) && d & BF16 && d & TILES &&
         syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

bool dg_amx_usable(void) {
  enum { UNKNOWN, YES, NO };
  static atomic_int usable; /* asked once: every step asks for kernels */
  if (usable == UNKNOWN) usable = ask_for_tiles() ? YES : NO;
  return usable == YES;
}

static int steps_of(int n) {
  return (n + DEEP - 1) / DEEP;
}

static int min_of(int a, int b) {
  return a < b ? a : b;
}

/* ---- pieces ---- */

/* The upper halves of elements i of a and of b as neighbours. */
INLINE void join(uint16_t *out, __m512 a, __m512 b) {
  const __m512i upper = _mm512_set4_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302);
  _mm512_store_si512(out, _mm512_mask_shuffle_epi8((__m512i)b, 0x3333333333333333, (__m512i)a, upper));
}

INLINE __m512 cut(__m512i a) {
  return (__m512)_mm512_and_si512(a, _mm512_set1_epi32(-65536));
}

/* The first 8 bits of a, rounded; cut off where rounding gives what is infinite. */
INLINE __m512 first_piece(__m512 a) {
  enum { SMALLER_OF_BOTH = 2 }; /* in magnitude, with the sign of the first */
  const __m512 most = (__m512)_mm512_set1_epi32(0x7f7f7fff);
  return cut(_mm512_add_epi32((__m512i)_mm512_range_ps(a, most, SMALLER_OF_BOTH), _mm512_set1_epi32(0x8000)));
}

/* Pieces of elements i of a and of b, `stride` apart: the first is rounded, so that the others are small. */
INLINE void split(uint16_t *out, size_t stride, __m512 a, __m512 b) {
  const __m512 a0 = first_piece(a), b0 = first_piece(b);
  join(out, a0, b0);
  a -= a0, b -= b0;
  join(out + stride, a, b);
  a -= cut((__m512i)a), b -= cut((__m512i)b);
  join(out + 2 * stride, a, b);
}

/* Tiles of a strip of so many rows or columns. */
static int tiles_of(int columns) {
  return columns > SIDE ? 2 : 1;
}

INLINE __mmask16 first(int n) {
  return n >= SIDE ? 0xffff : n > 0 ? (__mmask16)((1u << n) - 1) : 0;
}

/* A row of a tile for each 32 of n elements of x. */
INLINE void split_row(uint16_t *out, size_t stride, const float *x, int n) {
  int k = 0;
  for (; k + DEEP <= n; k += DEEP, out += PIECES * stride)
    split(out, stride, _mm512_loadu_ps(x + k), _mm512_loadu_ps(x + k + SIDE));
  if (k < n)
    split(out, stride, _mm512_maskz_loadu_ps(first(n - k), x + k),
          _mm512_maskz_loadu_ps(first(n - k - SIDE), x + k + SIDE));
}

/* Tiles of up to 32 rows of n elements; rows beyond the last stay what they are, and give sums that nobody reads. */
static void split_rows(uint16_t *out, const float *x, size_t ld_x, int n, int rows) {
  const int tiles = tiles_of(rows);
  for (int r = 0; r < rows; r++) split_row(out + r * DEEP, (size_t)tiles * TILE, x + (size_t)r * ld_x, n);
}

/* Tiles of n_columns of n rows, strip after strip. */
static void split_columns(uint16_t *out, const float *w, size_t ld, int n, int n_columns) {
  const int steps = steps_of(n);
  for (int k = 0; k < steps; k++)
    for (int i = 0; i < SIDE; i++) {
      const int row = k * DEEP + i;
      const float *from = w + (size_t)row * ld;
      const __mmask16 upper = row < n ? 0xffff : 0, lower = row + SIDE < n ? 0xffff : 0;
      for (int c = 0; c < n_columns; c += SIDE) {
        const int strip = c & -2 * SIDE, tiles = tiles_of(n_columns - strip);
        uint16_t *to =
            out + (size_t)strip * steps * DEEP * PIECES + (k * PIECES * tiles + (c != strip)) * TILE + i * DEEP;
        split(to, (size_t)tiles * TILE, _mm512_maskz_loadu_ps(upper, from + c),
              _mm512_maskz_loadu_ps(lower, from + SIDE * ld + c));
      }
    }
}

/* Columns [4 j, 4 j + 4) of 16 rows, each in a vector. */
INLINE void turn(__m512 out[4], const float *x, size_t ld) {
  __m512 v[4], u[4];
  for (int i = 0; i < 4; i++) {
    v[i] = _mm512_castps128_ps512(_mm_loadu_ps(x + i * ld));
    v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(x + (i + 4) * ld), 1);
    v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(x + (i + 8) * ld), 2);
    v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(x + (i + 12) * ld), 3);
  }
  u[0] = _mm512_unpacklo_ps(v[0], v[1]), u[1] = _mm512_unpackhi_ps(v[0], v[1]);
  u[2] = _mm512_unpacklo_ps(v[2], v[3]), u[3] = _mm512_unpackhi_ps(v[2], v[3]);
  out[0] = (__m512)_mm512_unpacklo_pd((__m512d)u[0], (__m512d)u[2]);
  out[1] = (__m512)_mm512_unpackhi_pd((__m512d)u[0], (__m512d)u[2]);
  out[2] = (__m512)_mm512_unpacklo_pd((__m512d)u[1], (__m512d)u[3]);
  out[3] = (__m512)_mm512_unpackhi_pd((__m512d)u[1], (__m512d)u[3]);
}

/* The tile of 16 columns of 32 rows. */
INLINE void split_turned_tile(uint16_t *out, size_t stride, const float *x, size_t ld) {
  for (int j = 0; j < 4; j++) {
    __m512 a[4], b[4];
    turn(a, x + 4 * j, ld);
    turn(b, x + SIDE * ld + 4 * j, ld);
    for (int q = 0; q < 4; q++) split(out + (4 * j + q) * DEEP, stride, a[q], b[q]);
  }
}

/* Tiles of up to 32 columns of x, its rows being inner elements. */
static void split_turned(uint16_t *out, const float *x, size_t ld_x, int rows, int n) {
  const int tiles = tiles_of(n);
  float whole[DEEP * SIDE] __attribute__((aligned(64)));
  for (int k = 0; k < rows; k += DEEP, out += PIECES * tiles * TILE)
    for (int t = 0; t < tiles; t++) {
      const float *from = x + (size_t)k * ld_x + t * SIDE;
      const int n_rows = min_of(rows - k, DEEP), n_columns = min_of(n - t * SIDE, SIDE);
      size_t ld = ld_x;
      if (n_rows < DEEP || n_columns < SIDE) {
        memset(whole, 0, sizeof whole);
        for (int i = 0; i < n_rows; i++) memcpy(whole + i * SIDE, from + i * ld_x, (size_t)n_columns * sizeof *whole);
        from = whole, ld = SIDE;
      }
      split_turned_tile(out + t * TILE, (size_t)tiles * TILE, from, ld);
    }
}

/* ---- blocks ---- */

INLINE void load_left(const uint16_t *a, int piece, int r) {
  _tile_loadd(4, a + piece * r * TILE, 64);
  if (r > 1) _tile_loadd(5, a + (piece * r + 1) * TILE, 64);
}

INLINE void load_right(const uint16_t *b, int piece, int c) {
  _tile_loadd(6, b + piece * c * TILE, 64);
  if (c > 1) _tile_loadd(7, b + (piece * c + 1) * TILE, 64);
}

INLINE void add_products(int r, int c) {
  _tile_dpbf16ps(0, 4, 6);
  if (c > 1) _tile_dpbf16ps(1, 4, 7);
  if (r > 1) _tile_dpbf16ps(2, 5, 6);
  if (r > 1 && c > 1) _tile_dpbf16ps(3, 5, 7);
}

/* A block's sums, tiles 0 to 3, begin with a row that all of their rows begin with, or with zero. */
INLINE void begin_sums(const float *start, int r, int c) {
  if (!start) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    return;
  }
  _tile_loadd(0, start, 0);
  if (c > 1) _tile_loadd(1, start + SIDE, 0);
  if (r > 1) _tile_loadd(2, start, 0);
  if (r > 1 && c > 1) _tile_loadd(3, start + SIDE, 0);
}

INLINE void store_sums(float *out, size_t ld, int r, int c) {
  const size_t row = ld * sizeof *out;
  _tile_stored(0, out, row);
  if (c > 1) _tile_stored(1, out + SIDE, row);
  if (r > 1) _tile_stored(2, out + SIDE * ld, row);
  if (r > 1 && c > 1) _tile_stored(3, out + SIDE * ld + SIDE, row);
}

/* Adds them to what out holds: a long sum made piece by piece is rounded once a piece, not once a product. */
INLINE void add_sums(float *out, size_t ld, int r, int c) {
  float sums[4 * SIDE * SIDE] __attribute__((aligned(64)));
  store_sums(sums, (size_t)c * SIDE, r, c);
  for (int i = 0; i < r * SIDE; i++)
    for (int v = 0; v < c * SIDE; v += SIDE)
      _mm512_storeu_ps(out + i * ld + v, _mm512_loadu_ps(out + i * ld + v) + _mm512_load_ps(sums + i * c * SIDE + v));
}

/* out [16 r, 16 c] (+)= start + a b. Meanwhile the same columns of the next rows of out are asked for; what is added to
   was used before. */
INLINE void block(float *out, size_t ld, const uint16_t *a, const uint16_t *b, const float *start, bool add, int steps,
                  int r, int c) {
  const float *next = out + 2 * SIDE * ld;
  settle();
  begin_sums(start, r, c);
  for (int k = 0; k < steps; k++, a += PIECES * r * TILE, b += PIECES * c * TILE) {
    for (int i = k; !add && i < 2 * SIDE; i += steps)
      for (int v = 0; v < c * SIDE; v += SIDE) __builtin_prefetch(next + i * ld + v, 1);
    load_left(a, 0, r), load_right(b, 2, c), add_products(r, c);
    load_right(b, 1, c), add_products(r, c);
    load_left(a, 1, r), add_products(r, c);
    load_right(b, 0, c), add_products(r, c);
    load_left(a, 2, r), add_products(r, c);
    load_left(a, 0, r), add_products(r, c);
  }
  if (add)
    add_sums(out, ld, r, c);
  else
    store_sums(out, ld, r, c);
}

static void whole_block(float *out, size_t ld, const uint16_t *a, const uint16_t *b, const float *start, bool add,
                        int steps, int r, int c) {
  if (r > 1 && c > 1)
    block(out, ld, a, b, start, add, steps, 2, 2);
  else if (r > 1)
    block(out, ld, a, b, start, add, steps, 2, 1);
  else if (c > 1)
    block(out, ld, a, b, start, add, steps, 1, 2);
  else
    block(out, ld, a, b, start, add, steps, 1, 1);
}

/* The same of fewer rows than its tiles have. */
static void part_block(float *out, size_t ld, const uint16_t *a, const uint16_t *b, const float *start, bool add,
                       int steps, int rows, int c) {
  float whole[4 * SIDE * SIDE] __attribute__((aligned(64)));
  const size_t width = (size_t)c * SIDE;
  for (int i = 0; add && i < rows; i++) memcpy(whole + i * width, out + i * ld, width * sizeof *out);
  for (int i = rows; add && i < 2 * SIDE; i++) memset(whole + i * width, 0, width * sizeof *out);
  whole_block(whole, width, a, b, start, add, steps, rows > SIDE ? 2 : 1, c);
  for (int i = 0; i < rows; i++) memcpy(out + i * ld, whole + i * width, width * sizeof *out);
}

/* out [rows, n_columns] (+)= start + a b, of up to 32 rows. */
static void strip(float *out, size_t ld, const uint16_t *a, const uint16_t *b, const float *start, bool add, int inner,
                  int rows, int n_columns) {
  const int steps = steps_of(inner);
  for (int c = 0; c < n_columns; c += 2 * SIDE, b += (size_t)2 * SIDE * steps * DEEP * PIECES)
    if (rows % SIDE == 0)
      whole_block(out + c, ld, a, b, start ? start + c : NULL, add, steps, rows / SIDE, tiles_of(n_columns - c));
    else
      part_block(out + c, ld, a, b, start ? start + c : NULL, add, steps, rows, tiles_of(n_columns - c));
}

/* ---- products ---- */

size_t dg_amx_packed_size(int n, int ld) {
  return (size_t)steps_of(n) * DEEP * (size_t)ld * PIECES / 2;
}

void dg_amx_pack(float *out, const float *w, size_t row, size_t column, int n, int ld) {
  uint16_t *to = (uint16_t *)out;
  float turned[MOST_INNER * 2 * SIDE];
  for (int k = 0, inner; k < n; k += inner) {
    inner = min_of(n - k, MOST_INNER);
    if (column == 1) split_columns(to, w + k * row, row, inner, ld);
    for (int c = 0; c < ld && column != 1; c += 2 * SIDE) {
      const int width = tiles_of(ld - c) * SIDE;
      for (int i = 0; i < inner; i++)
        for (int j = 0; j < width; j++) turned[i * width + j] = w[(size_t)(k + i) * row + (size_t)(c + j) * column];
      split_columns(to + (size_t)c * steps_of(inner) * DEEP * PIECES, turned, (size_t)width, inner, width);
    }
    to += (size_t)ld * steps_of(inner) * DEEP * PIECES;
  }
}

void dg_amx_multiply(float *out, const float *x, int ld_x, const float *w, const float *bias, bool add, int n, int ld,
                     int32_t rows) {
  uint16_t left[LEFT] __attribute__((aligned(64)));
  const uint16_t *right = (const uint16_t *)w;
  begin_tiles();
  for (int k = 0, inner; k < n; k += inner) {
    inner = min_of(n - k, MOST_INNER);
    for (int32_t r = 0; r < rows; r += 2 * SIDE) {
      const int n_rows = min_of(rows - r, 2 * SIDE);
      split_rows(left, x + (size_t)r * ld_x + k, (size_t)ld_x, inner, n_rows);
      strip(out + (size_t)r * ld, (size_t)ld, left, right, k == 0 ? bias : NULL, add || k > 0, inner, n_rows, ld);
    }
    right += (size_t)ld * steps_of(inner) * DEEP * PIECES;
  }
  _tile_release();
}

void dg_amx_multiply_transposed(float *dw, const float *x, int ld_x, const float *dz, bool add, int n, int ld,
                                int32_t rows) {
  uint16_t left[LEFT] __attribute__((aligned(64))), right[RIGHT] __attribute__((aligned(64)));
  begin_tiles();
  for (int32_t r = 0, inner; r < rows; r += inner) {
    inner = min_of(rows - r, MOST_INNER);
    for (int c = 0; c < ld; c += MOST_COLUMNS) {
      const int n_columns = min_of(ld - c, MOST_COLUMNS);
      split_columns(right, dz + (size_t)r * ld + c, (size_t)ld, inner, n_columns);
      for (int m = 0; m < n; m += 2 * SIDE) {
        const int n_rows = min_of(n - m, 2 * SIDE);
        split_turned(left, x + (size_t)r * ld_x + m, (size_t)ld_x, inner, n_rows);
        strip(dw + (size_t)m * ld + c, (size_t)ld, left, right, NULL, add || r > 0, inner, n_rows, n_columns);
      }
    }
  }
  if (rows == 0 && !add) memset(dw, 0, (size_t)n * ld * sizeof *dw);
  _tile_release();
}

double dg_amx_product_flops(int64_t rounds) {
  enum { PRODUCTS = 6 };
  const uint16_t tiles[2 * TILE] = {0};
  begin_tiles();
  settle();
  load_left(tiles, 0, 2), load_right(tiles, 0, 2);
  for (int64_t i = 0; i < rounds; i++) add_products(2, 2);
  _tile_release();
  return (double)rounds * 4 * 2 * TILE * SIDE / PRODUCTS;
}
#ifdef __clang__
#pragma clang attribute pop
#endif
#else
typedef int dg_dense_amx_absent; /* an empty translation unit is not C */
#endif
