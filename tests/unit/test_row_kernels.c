#include "support/support.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "kernels/kernels.h"
#include "support/plain_rows.h"

/* Kernels over rows of matrices: every variant against plain loops in double precision. */

/* Non-zeros of rows; 512 are listed at a time. */
static const int lengths[] = {0, 1, 3, 16, 511, 512, 513, 0, 1030};
enum { N_ROWS = sizeof lengths / sizeof *lengths, N_COLUMNS = 1100, NNZ = 2586, MAX_LD = 192 };

static const int widths[] = {16, 48, 64, 112, 128, MAX_LD};
static const dg_dropout off = {.scale = 1}, half = {0x123456789abcdefu, 0x80000000u, 2};
static const dg_dropout *const drops[] = {&off, &half};
static const int32_t ids[N_ROWS] = {9, 0, 70000, 5, 2147483646, 3, 11, 12, 1000};

static double draw(uint64_t what, uint64_t n) {
  return 2 * dg_rng_uniform(dg_rng_key(23, what), n) - 1;
}

static void *room(size_t count, size_t size) {
  void *block;
  assert_int_equal(dg_alloc(&block, count, size), DG_OK);
  return block;
}

static double *wanted_block(size_t n) {
  return room(n, sizeof(double));
}

static dg_real *draw_block(size_t n, uint64_t what) {
  dg_real *x = room(n, sizeof *x);
  for (size_t i = 0; i < n; i++) x[i] = (dg_real)draw(what, i);
  return x;
}

static void check_close(double is, double wanted, double scale, const dg_kernels *k) {
  if (!(fabs(is - wanted) <= 2e-6 * scale)) fail_msg("%s: %.9g instead of %.9g", k->name, is, wanted);
}

static void check_block(const dg_real *is, const double *wanted, size_t n, double scale, const dg_kernels *k) {
  for (size_t i = 0; i < n; i++) check_close(is[i], wanted[i], scale, k);
}

#define FOR_VARIANTS(k) for (const dg_kernels *const *list = dg_kernels_all(), *k = *list; k; k = *++list)
#define FOR_WIDTHS(ld) for (size_t w = 0, ld; w < sizeof widths / sizeof *widths && (ld = (size_t)widths[w], true); w++)
#define FOR_DROPS(drop)                                                                                                \
  for (const dg_dropout *const *drop##s_ = drops, *drop; drop##s_ < drops + 2 && (drop = *drop##s_, true); drop##s_++)

/* ---- sparse rows ---- */

static int64_t indptr[N_ROWS + 1], t_indptr[N_COLUMNS + 1];
static int32_t columns[NNZ], t_rows[NNZ], row_of[N_ROWS];
static float values[NNZ], t_values[NNZ];

/* Rows lie in the feature store in another order than in the block. */
static int make_input(void **state) {
  (void)state;
  int64_t at = 0;
  for (int s = 0; s < N_ROWS; s++) {
    const int n = lengths[s], first = (int)(400 * (1 + draw(1, (uint64_t)s)) / 10);
    for (int t = 0; t < n; t++) {
      columns[indptr[s] + t] = n > 511 ? first * (n < 1000) + t : (first + 97 * t) % N_COLUMNS;
      values[indptr[s] + t] = (float)draw(2 + (uint64_t)s, (uint64_t)t);
    }
    indptr[s + 1] = indptr[s] + n;
    row_of[s] = (s * 4) % N_ROWS;
  }
  for (int c = 0; c < N_COLUMNS; c++) {
    for (int r = 0; r < N_ROWS; r++)
      for (int64_t t = indptr[row_of[r]]; t < indptr[row_of[r] + 1]; t++)
        if (columns[t] == c) t_rows[at] = r, t_values[at++] = values[t];
    t_indptr[c + 1] = at;
  }
  return at != NNZ;
}

/* Two products of the same rows, of which fewer take part in the second. */
static void check_sparse_forward(const dg_kernels *k, size_t ld, const dg_dropout *drop, bool with_bias) {
  uint32_t bits[N_ROWS];
  for (int r = 0; r < N_ROWS; r++) bits[r] = dg_rng_row(drop->key, (uint32_t)ids[r]);
  const dg_input x = {indptr, columns, values, row_of, ids, *drop, bits};
  dg_real *w = draw_block(N_COLUMNS * ld, 40), *bias = draw_block(ld, 41), *start = with_bias ? bias : NULL;
  dg_real *out = room(N_ROWS * ld, sizeof *out), *second = room(N_ROWS * ld, sizeof *second);
  dg_real *w2 = draw_block(N_COLUMNS * ld, 42);
  double *wanted = wanted_block(N_ROWS * ld);
  const dg_product products[] = {{out, w, start, N_ROWS}, {second, w2, NULL, 5}};
  k->sparse_forward(products, 2, &x, (int)ld, 0, 4);
  k->sparse_forward(products, 2, &x, (int)ld, 4, N_ROWS);
  plain_sparse_forward(wanted, &x, w, start, (int)ld, N_ROWS);
  check_block(out, wanted, N_ROWS * ld, 30, k);
  plain_sparse_forward(wanted, &x, w2, NULL, (int)ld, 5);
  check_block(second, wanted, 5 * ld, 30, k);
  for (size_t i = 5 * ld; i < N_ROWS * ld; i++) assert_true(second[i] == 0);
  void *all[] = {w, w2, bias, out, second, wanted};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dg_free(&all[i]);
}

static void sparse_rows_are_multiplied(void **state) {
  (void)state;
  FOR_VARIANTS(k) FOR_WIDTHS(ld) FOR_DROPS(drop) {
    check_sparse_forward(k, ld, drop, true);
    check_sparse_forward(k, ld, drop, false);
  }
}

static void check_sparse_backward(const dg_kernels *k, size_t ld, const dg_dropout *drop, int32_t n_second) {
  uint32_t bits[N_ROWS];
  dg_real *dz = draw_block(N_ROWS * ld, 50), *dw = draw_block(N_COLUMNS * ld, 51);
  dg_real *dz2 = draw_block(N_ROWS * ld, 52), *second = draw_block(N_COLUMNS * ld, 53);
  double *wanted = wanted_block(N_COLUMNS * ld);
  for (int r = 0; r < N_ROWS; r++) bits[r] = dg_rng_row(drop->key, (uint32_t)ids[r]);
  const dg_columns x = {t_indptr, t_rows, t_values, bits, *drop};
  const dg_product products[] = {{dw, dz, NULL, N_ROWS}, {second, dz2, NULL, n_second}};
  k->sparse_backward(products, 2, &x, (int)ld, 0, 500);
  k->sparse_backward(products, 2, &x, (int)ld, 500, N_COLUMNS);
  plain_sparse_backward(wanted, t_indptr, t_rows, t_values, drop, ids, dz, (int)ld, N_ROWS, N_COLUMNS);
  check_block(dw, wanted, N_COLUMNS * ld, 10, k);
  plain_sparse_backward(wanted, t_indptr, t_rows, t_values, drop, ids, dz2, (int)ld, n_second, N_COLUMNS);
  check_block(second, wanted, N_COLUMNS * ld, 10, k);
  k->sparse_backward(products + 1, 1, &x, (int)ld, 0, N_COLUMNS);
  check_block(second, wanted, N_COLUMNS * ld, 10, k);
  void *all[] = {dz, dw, dz2, second, wanted};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dg_free(&all[i]);
}

static void sparse_gradients_are_summed(void **state) {
  (void)state;
  FOR_VARIANTS(k) FOR_WIDTHS(ld) FOR_DROPS(drop) {
    check_sparse_backward(k, ld, drop, N_ROWS);
    check_sparse_backward(k, ld, drop, 4);
  }
}

/* A column with more non-zeros than are listed at a time, and empty ones behind it. */
static void long_columns_are_summed(void **state) {
  (void)state;
  enum { ROWS = 1025, LD = 16 };
  static int32_t rows[ROWS];
  static float ones[ROWS];
  static uint32_t bits[ROWS];
  dg_real dw[3 * LD] __attribute__((aligned(DG_ALIGN))), *dz = room(ROWS * LD, sizeof *dz);
  for (int r = 0; r < ROWS; r++) {
    rows[r] = r, ones[r] = 1, bits[r] = dg_rng_row(half.key, (uint32_t)r);
    for (int c = 0; c < LD; c++) dz[r * LD + c] = (dg_real)c;
  }
  FOR_VARIANTS(k) for (int n = 511; n <= ROWS; n += n == 511 || n == 512 ? 1 : 512) {
    int kept = 0;
    for (int r = 0; r < n; r++) kept += plain_kept(&half, r, 0);
    const int64_t ends[] = {0, n, n, n};
    const dg_columns x = {ends, rows, ones, bits, half};
    const dg_product product = {dw, dz, NULL, n};
    k->sparse_backward(&product, 1, &x, LD, 0, 3);
    for (int c = 0; c < LD; c++) assert_true(dw[c] == (dg_real)(2 * kept * c));
    for (int c = LD; c < 3 * LD; c++) assert_true(dw[c] == 0); /* columns without a non-zero */
  }
  dg_free(&dz);
}

/* ---- dense rows ---- */

/* Rows of any width, aligned or not, their padding zero. */
static void check_dense_dropout(const dg_kernels *k, int n, int ld, const dg_dropout *drop) {
  const dg_input x = {.row = row_of, .ids = ids, .drop = *drop};
  float *store = room((size_t)N_ROWS * (size_t)n, sizeof *store);
  dg_real *out = draw_block((size_t)N_ROWS * (size_t)ld, 61);
  double *wanted = wanted_block((size_t)N_ROWS * (size_t)ld);
  for (int i = 0; i < N_ROWS * n; i++) store[i] = (float)draw(60, (uint64_t)i);
  plain_dense_dropout(wanted, store, &x, n, ld, N_ROWS);
  k->dense_dropout(out, store, &x, n, ld, 2, N_ROWS);
  for (int i = 2 * ld; i < N_ROWS * ld; i++) assert_true(out[i - 2 * ld] == (dg_real)wanted[i]);
  dg_free(&wanted);
  dg_free(&store);
  dg_free(&out);
}

static void dense_rows_are_dropped(void **state) {
  (void)state;
  static const int sizes[] = {1, 7, 8, 15, 16, 17, 33, 100};
  FOR_VARIANTS(k) FOR_DROPS(drop) for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    check_dense_dropout(k, sizes[s], sizes[s], drop);
    check_dense_dropout(k, sizes[s], (sizes[s] + 15) / 16 * 16 + 16, drop);
  }
}

/* ---- products ---- */

/* A matrix packed, which its transpose gives as well. */
static dg_real *pack_either_way(const dg_kernels *k, const dg_real *w, int n, int ld) {
  const size_t size = k->packed_size(n, ld), plain = (size_t)n * (size_t)ld;
  dg_real *packed = draw_block(size, 67), *from_turned = draw_block(size, 68),
          *turned = room(plain + 1, sizeof *turned);
  for (int i = 0; i < n; i++)
    for (int c = 0; c < ld; c++) turned[(size_t)c * (size_t)n + (size_t)i] = w[(size_t)i * (size_t)ld + (size_t)c];
  k->pack(packed, w, (size_t)ld, 1, n, ld);
  k->pack(from_turned, turned, 1, (size_t)n, n, ld);
  assert_memory_equal(packed, from_turned, size * sizeof *packed);
  if (k->in_place(n, ld)) assert_memory_equal(packed, w, plain * sizeof *packed);
  dg_free(&from_turned);
  dg_free(&turned);
  return packed;
}

/* Any number of rows and inner columns: blocks of all sizes and what is left over. */
static void check_products(const dg_kernels *k, int n, int ld, int rows, bool add) {
  const int ld_x = n + 19;
  const size_t size = (size_t)ld * (size_t)(n > rows ? n : rows);
  dg_real *x = draw_block((size_t)(ld_x * rows) + 1, 62), *w = draw_block((size_t)(n * ld), 63);
  dg_real *bias = draw_block((size_t)ld, 64), *is = draw_block(size, 65), *dw = draw_block(size, 65);
  double *wanted = wanted_block(size), *wanted_dw = wanted_block(size);
  for (size_t i = 0; i < size; i++) wanted[i] = wanted_dw[i] = (double)is[i];
  for (int r = 0; r < rows; r++)
    for (int c = n; c < ld_x; c++) x[r * ld_x + c] = NAN; /* no element of x */
  dg_real *packed = pack_either_way(k, w, n, ld);
  k->multiply(is, x, ld_x, packed, add ? NULL : bias, add, n, ld, rows);
  plain_multiply(wanted, x, ld_x, w, add ? NULL : bias, add, n, ld, rows);
  check_block(is, wanted, (size_t)(rows * ld), sqrt(n) + 1, k);
  dg_real *dz = draw_block((size_t)(rows * ld) + 1, 66);
  k->multiply_transposed(dw, x, ld_x, dz, add, n, ld, rows);
  plain_multiply_transposed(wanted_dw, x, ld_x, dz, add, n, ld, rows);
  check_block(dw, wanted_dw, (size_t)(n * ld), sqrt(rows) + 1, k);
  void *all[] = {x, w, bias, is, dw, wanted, wanted_dw, dz, packed};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dg_free(&all[i]);
}

static void dense_rows_are_multiplied(void **state) {
  (void)state;
  static const int inner[] = {1, 5, 64, 131}, many[] = {0, 1, 3, 6, 11, 12, 64, 65, 135};
  FOR_VARIANTS(k) FOR_WIDTHS(ld) for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
    for (size_t r = 0; r < sizeof many / sizeof *many; r++) {
      check_products(k, inner[i], (int)ld, many[r], false);
      check_products(k, inner[i], (int)ld, many[r], true);
    }
  }
}

/* Wider than what is read where it lies, with strips left over; more inner columns or rows than are copied at a time.
 */
static void wide_matrices_are_multiplied(void **state) {
  (void)state;
  static const struct {
    int n, ld, rows;
  } shapes[] = {{1, 80, 7},      {300, 336, 70},  {5, 1008, 13}, {257, 320, 300}, {520, 272, 2},
                {256, 752, 256}, {64, 1136, 140}, {3, 288, 0},   {197, 144, 131}, {194, 144, 131}};
  FOR_VARIANTS(k) for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    check_products(k, shapes[i].n, shapes[i].ld, shapes[i].rows, false);
    check_products(k, shapes[i].n, shapes[i].ld, shapes[i].rows, true);
  }
}

/* Numbers of many magnitudes and all bits of their mantissas. */
static dg_real *draw_magnitudes(size_t n, uint64_t what) {
  dg_real *x = room(n, sizeof *x);
  for (size_t i = 0; i < n; i++) x[i] = (dg_real)(draw(what, i) * exp2(6 * draw(what + 1, i)));
  return x;
}

/* Root of mean square of errors beside that of what is wanted: that of sums whose products are rounded once. */
static void check_rounding(const dg_real *is, const double *wanted, size_t n, const dg_kernels *k) {
  double error = 0, size = 0;
  for (size_t i = 0; i < n; i++) {
    error += (is[i] - wanted[i]) * (is[i] - wanted[i]);
    size += wanted[i] * wanted[i];
  }
  if (!(sqrt(error / size) <= 4e-7)) fail_msg("%s: errors of %.3g", k->name, sqrt(error / size));
}

/* One product in each sum, of a row's own element of x; among them the largest numbers that there are. */
static void single_products_are_exact_to_their_last_bits(void **state) {
  (void)state;
  enum { N = 256, LD = 64 };
  dg_real *x = room(N * N, sizeof *x), *w = draw_block(N * LD, 210), *is = room(N * LD, sizeof *is);
  for (int r = 0; r < N; r++) x[r * N + r] = r % 8 ? (dg_real)draw(211, (uint64_t)r) : r % 16 ? FLT_MAX : -FLT_MAX;
  FOR_VARIANTS(k) {
    dg_real *packed = room(k->packed_size(N, LD), sizeof *packed);
    k->pack(packed, w, LD, 1, N, LD);
    k->multiply(is, x, N, packed, NULL, false, N, LD, N);
    for (int i = 0; i < N * LD; i++) {
      const double wanted = (double)x[i / LD * (N + 1)] * (double)w[i];
      if (!(fabs(is[i] - wanted) <= 2.5e-7 * fabs(wanted)))
        fail_msg("%s: %.9g instead of %.9g", k->name, is[i], wanted);
    }
    dg_free(&packed);
  }
  void *all[] = {x, w, is};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dg_free(&all[i]);
}

static void products_are_exact_to_their_last_bits(void **state) {
  (void)state;
  enum { INNER = 96, LD = 80, ROWS = 100 };
  dg_real *x = draw_magnitudes(ROWS * INNER, 200), *w = draw_magnitudes(INNER * LD, 202);
  dg_real *dz = draw_magnitudes(ROWS * LD, 204), *is = room(ROWS * LD, sizeof *is), *dw = room(INNER * LD, sizeof *dw);
  double *wanted = wanted_block(ROWS * LD), *wanted_dw = wanted_block(INNER * LD);
  plain_multiply(wanted, x, INNER, w, NULL, false, INNER, LD, ROWS);
  plain_multiply_transposed(wanted_dw, x, INNER, dz, false, INNER, LD, ROWS);
  FOR_VARIANTS(k) {
    dg_real *packed = room(k->packed_size(INNER, LD), sizeof *packed);
    k->pack(packed, w, LD, 1, INNER, LD);
    k->multiply(is, x, INNER, packed, NULL, false, INNER, LD, ROWS);
    check_rounding(is, wanted, ROWS * LD, k);
    k->multiply_transposed(dw, x, INNER, dz, false, INNER, LD, ROWS);
    check_rounding(dw, wanted_dw, INNER * LD, k);
    dg_free(&packed);
  }
  void *all[] = {x, w, dz, is, dw, wanted, wanted_dw};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dg_free(&all[i]);
}

/* ---- activation ---- */

static void check_activation(const dg_kernels *k, size_t ld, const dg_dropout *drop, bool elu) {
  dg_real *agg = draw_block(N_ROWS * ld, 70), *bias = draw_block(ld, 71), *x = room(N_ROWS * ld, sizeof *x);
  dg_real *dx = draw_block(N_ROWS * ld, 72), *sum = draw_block(ld, 73);
  double *wx = wanted_block(N_ROWS * ld), *wdx = wanted_block(N_ROWS * ld), sums[MAX_LD];
  for (size_t c = 0; c < ld; c++) agg[c] = (dg_real)(c % 3 ? -30 : 30) - bias[c], agg[ld + c] = -bias[c];
  for (size_t c = 0; c < ld; c++) sums[c] = (double)sum[c];
  plain_activate(wx, agg, bias, elu, (int)ld, ids, drop, N_ROWS);
  plain_activate_backward(wdx, sums, dx, agg, bias, elu, (int)ld, ids, drop, N_ROWS);
  k->activate(x, agg, bias, elu, (int)ld, ids, drop, 0, 4);
  k->activate(x, agg, bias, elu, (int)ld, ids, drop, 4, N_ROWS);
  k->activate_backward(dx, x, elu, (int)ld, drop, 0, N_ROWS, sum);
  for (size_t i = 0; i < N_ROWS * ld; i++) {
    /* The sign of a zero tells the backward pass what was dropped. */
    const bool kept = plain_kept(drop, ids[i / ld], (uint32_t)(i % ld));
    assert_true(kept ? !(x[i] == 0 && signbit(x[i])) : x[i] == 0 && signbit(x[i]));
    check_close(x[i], wx[i], fmax(1, fabs(wx[i])), k);
  }
  check_block(dx, wdx, N_ROWS * ld, 1, k);
  check_block(sum, sums, ld, 10, k);
  void *all[] = {agg, bias, x, dx, sum, wx, wdx};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dg_free(&all[i]);
}

static void rows_are_activated(void **state) {
  (void)state;
  FOR_VARIANTS(k) FOR_WIDTHS(ld) FOR_DROPS(drop) {
    check_activation(k, ld, drop, true);
    check_activation(k, ld, drop, false);
  }
}

static void columns_are_summed(void **state) {
  (void)state;
  FOR_VARIANTS(k) FOR_WIDTHS(ld) {
    dg_real *x = draw_block(N_ROWS * ld, 80), *partial = draw_block(ld, 81);
    double sums[MAX_LD];
    for (size_t c = 0; c < ld; c++) sums[c] = (double)partial[c];
    k->column_sums(x, (int)ld, 2, 7, partial);
    plain_column_sums(sums, x + 2 * ld, (int)ld, 5);
    check_block(partial, sums, ld, 5, k);
    k->column_sums(x, (int)ld, 3, 3, partial);
    check_block(partial, sums, ld, 5, k);
    dg_free(&x);
    dg_free(&partial);
  }
}

/* ---- output, optimizer, exp ---- */

static void heads_are_averaged(void **state) {
  (void)state;
  static const struct {
    int heads, hp, classes, ld, ldc;
  } shapes[] = {{1, 1, 7, 16, 16}, {3, 4, 7, 32, 16}, {8, 8, 6, 48, 16}, {9, 16, 3, 48, 16}, {1, 1, 47, 48, 48}};
  FOR_VARIANTS(k) for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    const int heads = shapes[s].heads, hp = shapes[s].hp, n = shapes[s].classes, ld = shapes[s].ld, ldc = shapes[s].ldc;
    dg_real *agg = draw_block((size_t)(N_ROWS * ld), 90), *bias = draw_block((size_t)ldc, 91);
    dg_real *logits = room((size_t)(N_ROWS * ldc), sizeof *logits);
    double *wanted = wanted_block((size_t)(N_ROWS * ldc));
    k->output(logits, agg, bias, heads, hp, ld, n, ldc, 1, N_ROWS);
    plain_output(wanted, agg, bias, heads, hp, ld, n, ldc, N_ROWS);
    for (int r = 1; r < N_ROWS; r++) check_block(logits + r * ldc, wanted + r * ldc, (size_t)n, 1, k);
    dg_free(&wanted);
    dg_free(&agg);
    dg_free(&bias);
    dg_free(&logits);
  }
}

/* In place and not, the label the largest, or equal to one before it, or far below. */
static void losses_of_rows(void **state) {
  (void)state;
  static const int classes[] = {1, 2, 15, 16, 17, 40, 100};
  FOR_VARIANTS(k)
  for (size_t s = 0; s < sizeof classes / sizeof *classes; s++)
    for (int label = 0; label < 3; label++) {
      const int n = classes[s], ld = (n + 15) / 16 * 16;
      if (label >= n) continue;
      dg_real *logits = draw_block((size_t)ld, 95), *d = draw_block((size_t)ld, 96);
      double *wanted = wanted_block((size_t)ld);
      logits[0] = 2, logits[n - 1] = n > 2 ? 2 : logits[n - 1];
      if (label == 1) logits[1] = -60;
      bool is_right = false, right = false;
      const double loss = plain_cross_entropy(wanted, logits, label, n, ld, 0.25, &right);
      check_close(k->cross_entropy(d, logits, label, n, ld, (dg_real)0.25, &is_right), loss, 1 + loss, k);
      check_block(d, wanted, (size_t)ld, 1, k);
      assert_true(is_right == right);
      k->cross_entropy(logits, logits, label, n, ld, (dg_real)0.25, &is_right);
      check_block(logits, wanted, (size_t)ld, 1, k);
      assert_true(is_right == right);
      dg_free(&logits);
      dg_free(&d);
      dg_free(&wanted);
    }
}

static void adam_takes_its_steps(void **state) {
  (void)state;
  enum { N = 101, STEPS = 25 };
  const double lr = 0.01, decay = 5e-3;
  FOR_VARIANTS(k) {
    dg_real *value = draw_block(N, 100), *m = room(N, sizeof *m), *v = room(N, sizeof *v);
    double plain[N], pm[N] = {0}, pv[N] = {0};
    for (int i = 0; i < N; i++) plain[i] = (double)value[i];
    for (int t = 1; t <= STEPS; t++) {
      dg_real *grad = draw_block(N, 100 + (uint64_t)t);
      const double c1 = 1 - pow(0.9, t), c2 = 1 - pow(0.999, t);
      k->adam(value, grad, m, v, 0, 17, (dg_real)decay, (dg_real)(lr / c1), (dg_real)(1 / sqrt(c2)));
      k->adam(value, grad, m, v, 17, N, (dg_real)decay, (dg_real)(lr / c1), (dg_real)(1 / sqrt(c2)));
      plain_adam(plain, pm, pv, grad, N, decay, lr, t);
      dg_free(&grad);
    }
    check_block(value, plain, N, 1, k);
    dg_free(&value);
    dg_free(&m);
    dg_free(&v);
  }
}

static void exp_is_exact_to_its_last_bits(void **state) {
  (void)state;
  enum { N = 16384 };
  dg_real *x = room(N, sizeof *x), *y = room(N, sizeof *y);
  for (int i = 0; i < N; i++) x[i] = (dg_real)(-87.2 + 175.0 * i / N);
  FOR_VARIANTS(k) {
    k->exp(y, x, N);
    for (int i = 0; i < N; i++) {
      const double wanted = exp((double)x[i]);
      if (!(fabs((double)y[i] - wanted) <= 2e-7 * wanted)) fail_msg("%s: exp(%g) is %.9g", k->name, x[i], y[i]);
    }
  }
  dg_free(&x);
  dg_free(&y);
}

static void check_expm1(const dg_kernels *k, dg_real *x, dg_real *y, int n) {
  k->expm1(y, x, n);
  for (int i = 0; i < n; i++) {
    const double wanted = expm1((double)x[i]), error = fabs((double)y[i] - wanted);
    if (!(error <= 2e-7 * fabs(wanted))) fail_msg("%s: exp(%g) - 1 is %.9g", k->name, (double)x[i], (double)y[i]);
  }
}

static void expm1_is_exact_to_its_last_bits(void **state) {
  (void)state;
  enum { N = 16384 };
  dg_real *x = room(N, sizeof *x), *y = room(N, sizeof *y);
  FOR_VARIANTS(k) {
    for (int i = 0; i < N; i++) x[i] = (dg_real)(-100.0 * (i + 1) / N);
    check_expm1(k, x, y, N);
    for (int i = 0; i < N; i++) x[i] = (dg_real)-pow(10, -10 + 12.0 * i / N);
    check_expm1(k, x, y, N);
    for (int i = 0; i < N; i++) x[i] = (dg_real)(-1.5 + 1.5 * i / N); /* where 2^n - 1 and the rest cancel most */
    check_expm1(k, x, y, N);
  }
  dg_free(&x);
  dg_free(&y);
}

/* Rows that are nearly zero keep their digits, through dropout too. */
static void small_rows_are_activated_to_their_last_bits(void **state) {
  (void)state;
  enum { LD = 64 };
  const dg_real bias[LD] __attribute__((aligned(DG_ALIGN))) = {0};
  dg_real *agg = draw_block((size_t)N_ROWS * LD, 74), *x = room((size_t)N_ROWS * LD, sizeof *x);
  double *wanted = wanted_block((size_t)N_ROWS * LD);
  for (int i = 0; i < N_ROWS * LD; i++) agg[i] *= (dg_real)pow(10, -8 + i % 8);
  FOR_VARIANTS(k) FOR_DROPS(drop) {
    plain_activate(wanted, agg, bias, true, LD, ids, drop, N_ROWS);
    k->activate(x, agg, bias, true, LD, ids, drop, 0, N_ROWS);
    for (int i = 0; i < N_ROWS * LD; i++) check_close(x[i], wanted[i], 0.15 * fabs(wanted[i]), k);
  }
  dg_free(&agg);
  dg_free(&x);
  dg_free(&wanted);
}

/* What is not a number is not hidden by a maximum, of the activation, of exp, or of the softmax. */
static void no_kernel_hides_what_is_not_a_number(void **state) {
  (void)state;
  enum { LD = 16 };
  static const int32_t id = 3;
  dg_real row[LD] __attribute__((aligned(DG_ALIGN))), y[LD] __attribute__((aligned(DG_ALIGN)));
  const dg_real bias[LD] __attribute__((aligned(DG_ALIGN))) = {0};
  FOR_VARIANTS(k) for (int at = 0; at < LD; at++) {
    bool correct;
    for (int c = 0; c < LD; c++) row[c] = c == at ? (dg_real)NAN : (dg_real)(c - 8);
    k->exp(y, row, LD);
    for (int c = 0; c < LD; c++) assert_true((isnan(y[c]) != 0) == (c == at));
    k->expm1(y, row, LD);
    for (int c = 0; c < LD; c++) assert_true((isnan(y[c]) != 0) == (c == at));
    for (int elu = 0; elu < 2; elu++) {
      k->activate(y, row, bias, elu, LD, &id, &off, 0, 1);
      for (int c = 0; c < LD; c++) assert_true((isnan(y[c]) != 0) == (c == at));
    }
    assert_true(isnan(k->cross_entropy(y, row, 5, LD, LD, 1, &correct)));
  }
}

static void exp_saturates(void **state) {
  (void)state;
  dg_real x[16] __attribute__((aligned(DG_ALIGN))) = {0, -88, -1000, (dg_real)-1e30, 89, 1000, (dg_real)1e30, 1};
  dg_real y[16] __attribute__((aligned(DG_ALIGN)));
  FOR_VARIANTS(k) {
    k->exp(y, x, 16);
    assert_true(y[0] == 1);
    for (int i = 1; i <= 3; i++) assert_true(y[i] >= 0 && y[i] < 2e-38);
    for (int i = 4; i <= 6; i++) assert_true(y[i] > 1e38 && isfinite(y[i]));
    check_close(y[7], exp(1), 1, k);
  }
}

static float value_of(dg_bf16 x) {
  const uint32_t bits = (uint32_t)x << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

enum { N_ROUNDED = 1024 };

/* Rows of ld numbers x, all that fit but for the last 16, become a table; what lies behind it stays. */
static void check_rounded(const dg_kernels *k, const dg_real *x, int ld) {
  dg_bf16 y[N_ROUNDED] __attribute__((aligned(DG_ALIGN)));
  const int rows = (N_ROUNDED - 16) / ld;
  memset(y, 0x77, sizeof y);
  k->round_rows(y, x, ld, rows);
  for (int i = 0; i < rows * ld; i++) {
    const float is = value_of(y[i / ld * ld + plain_bf16_place(i % ld, ld)]);
    const double wanted = plain_bf16((double)x[i]);
    if (isnan(x[i]) ? !isnan(is) : is != wanted || !signbit(is) != !signbit(wanted))
      fail_msg("%s: %a instead of %a from %a, in rows of %d", k->name, (double)is, wanted, (double)x[i], ld);
  }
  for (int i = rows * ld; i < N_ROUNDED; i++) assert_int_equal(y[i], 0x7777);
}

/* Numbers of all sizes, halfway between two and beside it, and what is no number. */
static void rows_are_rounded_to_the_nearest_bf16(void **state) {
  (void)state;
  enum { SPECIAL = 16 };
  dg_real x[N_ROUNDED] __attribute__((aligned(DG_ALIGN))) = {
      0,           -0.0f,     1,         0x1.01p0f, 0x1.03p0f, -0x1.01p0f, 0x1.010002p0f, 0x1.00fffep0f,
      0x1.ffp127f, 0x1p-149f, 0x1p-133f, INFINITY,  -INFINITY, NAN,        -NAN,          0x1.fep127f};
  for (int i = SPECIAL; i < N_ROUNDED; i++) x[i] = (dg_real)ldexp(draw(60, (uint64_t)i), i % 270 - 140);
  FOR_VARIANTS(k)
  for (int ld = 16; ld <= 112; ld += 16) check_rounded(k, x, ld);
}

/* All elements that are asked for, and no more than to the end of the row or of their 32. */
static void first_elements_of_tables_are_counted(void **state) {
  (void)state;
  for (int ld = 16; ld <= 112; ld += 16)
    for (int n = 1; n <= ld; n++) {
      int last = 0;
      for (int c = 0; c < n; c++) last = plain_bf16_place(c, ld) > last ? plain_bf16_place(c, ld) : last;
      const int width = dg_bf16_width(n, ld);
      assert_true(width > last && width <= ld && width <= last + 2 && width <= (n + 31) / 32 * 32);
    }
}

static void flops_are_counted(void **state) {
  (void)state;
  FOR_VARIANTS(k) {
    assert_true(k->fma_flops(20) == 2 * k->fma_flops(10) && k->fma_flops(10) > 0);
    assert_true(k->product_flops(20) == 2 * k->product_flops(10) && k->product_flops(10) > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sparse_rows_are_multiplied),
      cmocka_unit_test(sparse_gradients_are_summed),
      cmocka_unit_test(long_columns_are_summed),
      cmocka_unit_test(dense_rows_are_dropped),
      cmocka_unit_test(dense_rows_are_multiplied),
      cmocka_unit_test(wide_matrices_are_multiplied),
      cmocka_unit_test(products_are_exact_to_their_last_bits),
      cmocka_unit_test(single_products_are_exact_to_their_last_bits),
      cmocka_unit_test(rows_are_activated),
      cmocka_unit_test(columns_are_summed),
      cmocka_unit_test(heads_are_averaged),
      cmocka_unit_test(losses_of_rows),
      cmocka_unit_test(adam_takes_its_steps),
      cmocka_unit_test(exp_is_exact_to_its_last_bits),
      cmocka_unit_test(expm1_is_exact_to_its_last_bits),
      cmocka_unit_test(small_rows_are_activated_to_their_last_bits),
      cmocka_unit_test(no_kernel_hides_what_is_not_a_number),
      cmocka_unit_test(exp_saturates),
      cmocka_unit_test(rows_are_rounded_to_the_nearest_bf16),
      cmocka_unit_test(first_elements_of_tables_are_counted),
      cmocka_unit_test(flops_are_counted),
  };
  return cmocka_run_group_tests_name("row_kernels", tests, make_input, NULL);
}
