#include "bench/entries.h"

#include <math.h>
#include <string.h>

#include <distgat/rng.h>

#include "support/plain_rows.h"

/* Rows of sparse and dense features, of a hidden layer, and parameters, and the kernels over them. */

enum { TILE = 256 }; /* rows of a dense product, as in training */
enum { STEP = 10 };  /* Adam's; early ones follow the gradient's sign alone, which rounding may turn */
static const double rate = 0.01, decay = 5e-4;

static int32_t n_rows, n_features;
static int64_t n_elements;          /* of rows [n_rows, ld] */
static int heads, dim, hp, ld, ldc; /* classes as many as channels of a head */
static dg_input input;
static const int64_t *t_indptr;
static const int32_t *t_rows;
static const float *dense, *t_values;
static uint32_t *row_bits;
static dg_real *packed;
static const dg_real *weights, *bias, *agg, *gradient, *exponent, *value0, *moment0, *square0;
static bench_result projected, product, dw, dense_dw, dropped, activated, before, sum, sums, logits, slope, value,
    moment, square, power;

/* Each row has as many non-zeros, one in each equal part of the columns. */
static void draw_sparse(const bench_sizes *s) {
  const int64_t per_row = s->nonzeros < s->features ? s->nonzeros : s->features, nnz = s->nodes * per_row;
  int64_t *indptr = bench_room((size_t)s->nodes + 1, sizeof *indptr);
  int32_t *columns = bench_room((size_t)nnz, sizeof *columns);
  for (int64_t t = 0; t < nnz; t++)
    columns[t] =
        (int32_t)(((double)(t % per_row) + dg_rng_uniform(20, (uint64_t)t)) * (double)s->features / (double)per_row);
  for (int64_t r = 0; r < s->nodes; r++) indptr[r + 1] = indptr[r] + per_row;
  input = (dg_input){.indptr = indptr, .columns = columns, .drop = bench_dropout(s)};
  input.values = bench_draw((size_t)nnz, 21, -1, 1);
  input.row = input.ids = bench_numbers(s->nodes);
}

static void transpose(int64_t features) {
  const int64_t nnz = input.indptr[n_rows];
  int64_t *indptr = bench_room((size_t)features + 2, sizeof *indptr);
  int32_t *rows = bench_room((size_t)nnz, sizeof *rows);
  float *values = bench_room((size_t)nnz, sizeof *values);
  for (int64_t t = 0; t < nnz; t++) indptr[input.columns[t] + 2]++;
  for (int64_t f = 0; f < features; f++) indptr[f + 2] += indptr[f + 1];
  for (int32_t r = 0; r < n_rows; r++)
    for (int64_t t = input.indptr[r]; t < input.indptr[r + 1]; t++) {
      const int64_t to = indptr[input.columns[t] + 1]++;
      rows[to] = r, values[to] = input.values[t];
    }
  t_indptr = indptr, t_rows = rows, t_values = values;
}

/* Elements of a packed matrix in the variant that needs most. */
static size_t most_packed(int n, int width) {
  size_t most = 0;
  for (const dg_kernels *const *k = dg_kernels_all(); *k; k++)
    if ((*k)->packed_size(n, width) > most) most = (*k)->packed_size(n, width);
  return most;
}

static void draw_inputs(const bench_sizes *s) {
  const size_t rows = (size_t)n_rows, elements = (size_t)n_elements;
  draw_sparse(s);
  transpose(s->features);
  row_bits = bench_room(rows, sizeof *row_bits);
  for (int32_t r = 0; r < n_rows; r++) row_bits[r] = dg_rng_row(input.drop.key, (uint32_t)r);
  input.row_bits = row_bits;
  dense = bench_draw(rows * (size_t)n_features, 22, -1, 1);
  weights = bench_draw_rows(s, (size_t)n_features, 23);
  packed = bench_room(most_packed(n_features, s->ld), sizeof *packed);
  bias = bench_draw_rows(s, 1, 24);
  agg = bench_draw_rows(s, rows, 25);
  gradient = bench_draw_rows(s, rows, 26);
  exponent = bench_draw(elements, 27, -10, 0);
  value0 = bench_draw(elements, 28, -1, 1);
  moment0 = bench_draw(elements, 29, -1, 1);
  square0 = bench_draw(elements, 30, 0, 1);
}

static void make_results(void) {
  const size_t rows = (size_t)n_rows, width = (size_t)ld, features = (size_t)n_features;
  const double nnz = (double)input.indptr[n_rows];
  projected = bench_make("out", rows, width, nnz / n_rows);
  product = bench_make("out", rows, width, n_features);
  dw = bench_make("dw", features, width, nnz / n_features);
  dense_dw = bench_make("dw", features, width, n_rows);
  dropped = bench_make("out", rows, features, 1);
  activated = bench_make("x", rows, width, 1);
  before = bench_make("dx", rows, width, 1);
  sum = bench_make("sum", 1, width, n_rows);
  sums = bench_make("sum", 1, width, n_rows);
  logits = bench_make("logits", rows, (size_t)ldc, heads);
  logits.width = (size_t)dim; /* padding is nobody's */
  slope = bench_make("d", rows, (size_t)ldc, 1);
  value = bench_make("value", 1, rows * width, 1);
  moment = bench_make("m", 1, rows * width, 1);
  square = bench_make("v", 1, rows * width, 1);
  power = bench_make("y", 1, rows * width, 1);
}

static void call_sparse_forward(const dg_kernels *k) {
  const dg_product one = {projected.is, weights, bias, n_rows};
  k->sparse_forward(&one, 1, &input, ld, 0, n_rows);
}

static void call_sparse_backward(const dg_kernels *k) {
  const dg_columns columns = {t_indptr, t_rows, t_values, row_bits, input.drop};
  const dg_product one = {dw.is, gradient, NULL, n_rows};
  k->sparse_backward(&one, 1, &columns, ld, 0, n_features);
}

ENTRY_CALL(dense_dropout, dropped.is, dense, &input, n_features, n_features, 0, n_rows)

static void call_multiply(const dg_kernels *k) {
  k->pack(packed, weights, (size_t)ld, 1, n_features, ld);
  for (int32_t r = 0; r < n_rows; r += TILE)
    k->multiply(product.is + (size_t)r * ld, dense + (size_t)r * n_features, n_features, packed, bias, false,
                n_features, ld, n_rows - r < TILE ? n_rows - r : TILE);
}

static void call_multiply_transposed(const dg_kernels *k) {
  for (int32_t r = 0; r < n_rows; r += TILE)
    k->multiply_transposed(dense_dw.is, dense + (size_t)r * n_features, n_features, gradient + (size_t)r * ld, r > 0,
                           n_features, ld, n_rows - r < TILE ? n_rows - r : TILE);
}

ENTRY_CALL(activate, activated.is, agg, bias, true, ld, input.ids, &input.drop, 0, n_rows)
ENTRY_CALL(activate_backward, before.is, activated.is, true, ld, &input.drop, 0, n_rows, sum.is)
ENTRY_CALL(column_sums, gradient, ld, 0, n_rows, sums.is)
ENTRY_CALL(output, logits.is, agg, bias, heads, hp, ld, dim, ldc, 0, n_rows)
ENTRY_CALL(adam, value.is, gradient, moment.is, square.is, 0, n_elements, (dg_real)decay,
           (dg_real)(rate / (1 - pow(0.9, STEP))), (dg_real)(1 / sqrt(1 - pow(0.999, STEP))))
ENTRY_CALL(exp, power.is, exponent, n_elements)

static void want_sparse_forward(void) {
  plain_sparse_forward(projected.wanted, &input, weights, bias, ld, n_rows);
}

static void want_sparse_backward(void) {
  plain_sparse_backward(dw.wanted, t_indptr, t_rows, t_values, &input.drop, input.ids, gradient, ld, n_rows,
                        n_features);
}

static void want_dense_dropout(void) {
  plain_dense_dropout(dropped.wanted, dense, &input, n_features, n_features, n_rows);
}

static void want_multiply(void) {
  plain_multiply(product.wanted, dense, n_features, weights, bias, false, n_features, ld, n_rows);
}

static void want_multiply_transposed(void) {
  plain_multiply_transposed(dense_dw.wanted, dense, n_features, gradient, false, n_features, ld, n_rows);
}

static void want_activate(void) {
  plain_activate(activated.wanted, agg, bias, true, ld, input.ids, &input.drop, n_rows);
}

static void want_before(void) {
  plain_activate_backward(before.wanted, sum.wanted, gradient, agg, bias, true, ld, input.ids, &input.drop, n_rows);
}

static void reset_before(void) {
  memset(sum.is, 0, (size_t)ld * sizeof *sum.is);
  memcpy(before.is, gradient, (size_t)n_elements * sizeof *gradient);
}

static void reset_column_sums(void) {
  memset(sums.is, 0, (size_t)ld * sizeof *sums.is);
}

static void want_column_sums(void) {
  plain_column_sums(sums.wanted, gradient, ld, n_rows);
}

static void call_cross_entropy(const dg_kernels *k) {
  bool correct;
  for (int32_t r = 0; r < n_rows; r++)
    k->cross_entropy(slope.is + (size_t)r * ldc, agg + (size_t)r * ldc, r % dim, dim, ldc, 1, &correct);
}

static void want_cross_entropy(void) {
  bool correct;
  for (int32_t r = 0; r < n_rows; r++)
    plain_cross_entropy(slope.wanted + (size_t)r * ldc, agg + (size_t)r * ldc, r % dim, dim, ldc, 1, &correct);
}

static void want_output(void) {
  plain_output(logits.wanted, agg, bias, heads, hp, ld, dim, ldc, n_rows);
}

static void want_adam(void) {
  for (int64_t i = 0; i < n_elements; i++) {
    value.wanted[i] = (double)value0[i];
    moment.wanted[i] = (double)moment0[i];
    square.wanted[i] = (double)square0[i];
  }
  plain_adam(value.wanted, moment.wanted, square.wanted, gradient, n_elements, decay, rate, STEP);
}

static void reset_adam(void) {
  const size_t bytes = (size_t)n_elements * sizeof(dg_real);
  memcpy(value.is, value0, bytes);
  memcpy(moment.is, moment0, bytes);
  memcpy(square.is, square0, bytes);
}

static void want_exp(void) {
  for (int64_t i = 0; i < n_elements; i++) power.wanted[i] = exp((double)exponent[i]);
}

/* Operations on channels that are not padding, without exponentials and random numbers; of sparse rows, those on
   non-zeros that are kept. */
const bench_entry *row_entries(const bench_sizes *s) {
  static bench_entry table[32];
  n_rows = (int32_t)s->nodes, n_features = (int32_t)s->features;
  heads = (int)s->heads, dim = (int)s->dim, hp = s->hp, ld = s->ld, ldc = (dim + 15) / 16 * 16;
  n_elements = (int64_t)n_rows * ld;
  draw_inputs(s);
  make_results();
  const double nnz = (double)input.indptr[n_rows], width = (double)(heads * dim), kept = nnz * (1 - s->dropout);
  const double M = 4.0 * n_rows * ld, W = 4.0 * n_features * ld, L = 4.0 * n_rows * ldc; /* bytes of matrices */
  const double S = 8 * nnz + 8.0 * n_rows + M + W;                                       /* of sparse products */
  const double U = n_rows * width, P = (double)n_elements, D = (double)n_rows * n_features;
  const bench_entry made[] = {
      {ENTRY(sparse_forward), "non-zero", nnz, 2 * kept * width, S, {projected}, want_sparse_forward},
      {ENTRY(sparse_backward), "non-zero", nnz, 2 * kept * width, S, {dw}, want_sparse_backward},
      {ENTRY(dense_dropout), "element", D, D, 8 * D, {dropped}, want_dense_dropout},
      {ENTRY(multiply), "element", D, 2 * D * width, 4 * D + M + W, {product}, want_multiply},
      {ENTRY(multiply_transposed), "element", D, 2 * D * width, 4 * D + M + W, {dense_dw}, want_multiply_transposed},
      {ENTRY(activate), "element", U, 2 * U, 2 * M, {activated}, want_activate},
      {ENTRY(activate_backward), "element", U, 3 * U, 3 * M, {before, sum}, want_before, reset_before},
      {ENTRY(column_sums), "element", U, U, M, {sums}, want_column_sums, reset_column_sums},
      {ENTRY(cross_entropy), "element", L / 4, 0, 2 * L, {slope}, want_cross_entropy},
      {ENTRY(output), "element", U, U, M + L, {logits}, want_output},
      {ENTRY(adam), "element", P, 12 * P, 7 * M, {value, moment, square}, want_adam, reset_adam},
      {ENTRY(exp), "element", P, 0, 2 * M, {power}, want_exp},
  };
  _Static_assert(sizeof made < sizeof table, "room for the entries and their end");
  return memcpy(table, made, sizeof made);
}

void row_entries_free(void) {
  bench_release();
}
