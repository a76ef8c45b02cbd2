#include "nn/exact.h"

#include <math.h>
#include <string.h>

#include <distgat/rng.h>

#include "nn/parallel.h"

/* Gradients of weights by exact sums. Both factors of a product are rounded to whole multiples of a step of their
   column, DG_EXACT_BITS below the largest number that it has on any rank, so that doubles sum products of a tile
   without rounding. */

/* Doubles of a strip of sparse columns that are summed over ranks at a time. */
enum { STRIP_DOUBLES = 1 << 17 };

/* Where a thread's room has what: sums of each side, of its weights [DG_EXACT_PRODUCT_PARTS, n, ld] and of its bias
   [DG_EXACT_PARTS, ld], and of the transition [DG_EXACT_PARTS, transition]; then a tile of the input and of gradients,
   rounded, and what one row gives the transition. */
typedef struct room {
  int64_t weights[DG_MAX_SIDES], bias[DG_MAX_SIDES], transition;
  int64_t sums; /* all before */
  int64_t x, d, row;
  int64_t size;
} room;

static room lay_out(int n, const int *ld, int n_sides, int64_t transition) {
  room r = {0};
  int64_t at = 0;
  int widest = 16;
  for (int i = 0; i < n_sides; i++) {
    if (ld[i] > widest) widest = ld[i];
    r.weights[i] = at, at += DG_EXACT_PRODUCT_PARTS * (int64_t)n * ld[i];
    r.bias[i] = at, at += DG_EXACT_PARTS * (int64_t)ld[i];
  }
  r.transition = at, r.sums = at += DG_EXACT_PARTS * transition;
  r.x = at, at += (int64_t)TILE_ROWS * n;
  r.d = at, at += (int64_t)TILE_ROWS * widest;
  r.row = at, r.size = at + transition;
  return r;
}

static room room_of(const dg_work *w, const dg_rows_pass *p) {
  int ld[DG_MAX_SIDES];
  for (int i = 0; i < p->n_weights; i++) ld[i] = p->side[i].ld;
  return lay_out(dg_dense_width(w), ld, p->n_weights, dg_transition_sums(w, p));
}

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

size_t dg_exact_thread_size(const dg_layer *l, bool sparse) {
  const int ld[DG_MAX_SIDES] = {l->ld, l->ld, l->bias_ld};
  const int n = sparse ? l->n_labels : l->in_ld;
  const room rows = lay_out(n, ld, DG_MAX_SIDES, (int64_t)l->input_sums * l->in_ld);
  const int64_t edges = (DG_EXACT_PARTS + 1) * l->chunk_sums, moments = (DG_EXACT_PARTS + 1) * 2 * (int64_t)l->ld;
  return (size_t)(larger(rows.size, larger(edges, moments)) + 7) / 8 * 8;
}

/* Steps of all columns of a pass over rows; or a strip of sparse columns. */
size_t dg_exact_common_size(const dg_layer *l, bool sparse) {
  const int64_t columns = (sparse ? l->n_labels : l->in_ld) + DG_MAX_SIDES * (int64_t)l->ld;
  return (size_t)larger(columns, sparse ? larger(STRIP_DOUBLES, (int64_t)dg_exact_row(l)) : 0);
}

/* ---- steps ---- */

void dg_exact_find_reach(double *reach, const dg_real *x, int n, int32_t rows) {
  for (int32_t r = 0; r < rows; r++, x += n)
    for (int c = 0; c < n; c++) {
      const double size = fabs((double)x[c]);
      reach[c] = size > reach[c] ? size : reach[c];
    }
}

static void reach_tile(const dg_work *w, const dg_params *params, const dg_rows_pass *p, int32_t begin, int32_t end) {
  const dg_rows_of x = dg_input_rows(w, params, begin, end);
  double *reach = dg_exact_room(w);
  dg_exact_find_reach(reach, x.at, x.n, end - begin);
  reach += x.n;
  for (int i = 0; i < p->n_weights; reach += p->side[i++].ld)
    dg_exact_find_reach(reach, p->side[i].d + (size_t)begin * p->side[i].ld, p->side[i].ld,
                        dg_side_count(&p->side[i], begin, end));
}

/* What a column is multiplied by, so that its largest number takes so many bits. */
static double scale_of(double reach, int bits) {
  int exponent;
  if (reach == 0 || !isfinite(reach)) return 1;
  frexp(reach, &exponent);
  return ldexp(1, bits - exponent);
}

const double *dg_exact_scales(const dg_work *w, int64_t n, int bits) {
  double *scale = w->exact.common;
  for (int64_t c = 0; c < n; c++) {
    scale[c] = 0;
    for (int t = 0; t < omp_get_max_threads(); t++)
      scale[c] = fmax(scale[c], w->exact.room[(size_t)t * w->exact.stride + (size_t)c]);
  }
  dg_comm_max_doubles(w->comm, scale, (size_t)n);
  for (int64_t c = 0; c < n; c++) scale[c] = scale_of(scale[c], bits);
  return scale;
}

/* Columns of the input, then of each side. Collective. */
static const double *find_scales(const dg_work *w, const dg_params *params, const dg_rows_pass *p) {
  int64_t n = dg_dense_width(w);
  for (int i = 0; i < p->n_weights; i++) n += p->side[i].ld;
  dg_exact_begin(w, n);
  FOR_TILES(w, p->n, reach_tile(w, params, p, begin, end));
  return dg_exact_scales(w, n, DG_EXACT_BITS);
}

/* ---- rows ---- */

static void round_tile(double *out, const dg_layer *l, const dg_real *x, const double *scale, int n, int32_t rows) {
  for (int32_t r = 0; r < rows; r++) l->kernels->exact_round(out + (size_t)r * n, x + (size_t)r * n, scale, n);
}

/* What the first `rows` of a tile give to the sums of side i; x is rounded. */
static void sum_side(const dg_work *w, const room *at, const double *scale, const dg_side *s, int i, const dg_real *d,
                     int32_t rows) {
  const dg_layer *l = w->layer;
  double *own = dg_exact_room(w);
  round_tile(own + at->d, l, d, scale, s->ld, rows);
  l->kernels->exact_multiply(own + at->weights[i], own + at->x, dg_dense_width(w), own + at->d, s->ld, rows);
  for (int32_t r = 0; s->bias && r < rows; r++)
    l->kernels->exact_add(own + at->bias[i], (size_t)s->ld, d + (size_t)r * s->ld, s->ld);
}

/* The gradient d of input rows [begin, end), back through the transition. */
static void pass_transition(const dg_work *w, const room *at, const dg_rows_pass *p, dg_rows_of x, dg_real *d,
                            int32_t begin, int32_t end) {
  const size_t n = (size_t)dg_transition_sums(w, p);
  double *own = dg_exact_room(w);
  dg_real *row = (dg_real *)(own + at->row);
  for (int32_t r = begin; r < end; r++) {
    const size_t place = (size_t)(r - begin) * (size_t)x.ld;
    memset(row, 0, n * sizeof *row);
    dg_transition_backward(&w->in, d + place, x.at + place, row, r, r + 1);
    w->layer->kernels->exact_add(own + at->transition, n, row, (int)n);
  }
  if (p->below->layer->norm != DG_NORM_BATCH) dg_layer_round_dagg(p->below, d, begin, end);
}

static void pass_tile(const dg_work *w, const dg_params *params, const room *at, const double *scale,
                      const dg_rows_pass *p, int32_t begin, int32_t end) {
  const dg_layer *l = w->layer;
  const dg_rows_of x = dg_input_rows(w, params, begin, end);
  dg_real *dx = p->below ? dg_layer_dagg_room(p->below, begin) : NULL;
  round_tile(dg_exact_room(w) + at->x, l, x.at, scale, x.n, end - begin);
  scale += x.n;
  for (int i = 0; i < p->n_sides; i++) {
    const dg_side *s = &p->side[i];
    const int32_t rows = dg_side_count(s, begin, end);
    const dg_real *d = s->d + (size_t)begin * s->ld;
    if (i < p->n_weights) sum_side(w, at, scale, s, i, d, rows), scale += s->ld;
    if (dx && i == 0) memset(dx + (size_t)rows * x.ld, 0, (size_t)(end - begin - rows) * x.ld * sizeof *dx);
    if (dx && rows > 0) l->kernels->multiply(dx, d, s->ld, s->turned, NULL, i > 0, s->ld, l->in_ld, rows);
  }
  if (dx) pass_transition(w, at, p, x, dx, begin, end);
}

/* grad [n, ld], from sums of rounded products. */
static void unscale(dg_real *grad, const double *sum, const double *x_scale, int n, const double *d_scale, int ld) {
  const int64_t part = (int64_t)n * ld;
  for (int64_t k = 0; k < n; k++)
    for (int c = 0; c < ld; c++)
      grad[k * ld + c] = (dg_real)((sum[k * ld + c] + sum[part + k * ld + c]) / (x_scale[k] * d_scale[c]));
}

void dg_exact_pass_rows(dg_work *w, dg_params *params, const dg_rows_pass *p) {
  const room at = room_of(w, p);
  const int n = dg_dense_width(w);
  const int64_t n_transition = dg_transition_sums(w, p);
  const double *scale = find_scales(w, params, p), *d_scale = scale + n;
  dg_exact_begin(w, at.sums);
  FOR_TILES(w, p->n, pass_tile(w, params, &at, scale, p, begin, end));
  const double *total = dg_exact_total(w, at.sums);
  for (int i = 0; i < p->n_weights; d_scale += p->side[i++].ld) {
    const dg_side *s = &p->side[i];
    unscale(params->grad + s->weights_at, total + at.weights[i], scale, n, d_scale, s->ld);
    for (int c = 0; s->bias && c < s->ld; c++)
      params->grad[s->bias_at + c] = (dg_real)dg_exact_value(total + at.bias[i], s->ld, c);
  }
  if (!p->below) return;
  double *of_transition = w->exact.room + at.x; /* rounded rows are of no more use */
  for (int64_t i = 0; i < n_transition; i++) of_transition[i] = dg_exact_value(total + at.transition, n_transition, i);
  dg_norm_gradients(p->below->layer, params, of_transition);
  dg_norm_finish_backward(p->below, of_transition);
}

/* ---- sparse columns ---- */

/* Sum over the rows of column f of its kept non-zeros times gradients. */
static void sum_column(const dg_work *w, double *sum, const dg_side *s, const dg_columns *x, int32_t f) {
  const int ld = s->ld;
  dg_real *product = (dg_real *)dg_exact_room(w);
  memset(sum, 0, DG_EXACT_PARTS * (size_t)ld * sizeof *sum);
  for (int64_t t = x->indptr[f]; t < x->indptr[f + 1] && x->rows[t] < s->n; t++) {
    const int32_t r = x->rows[t];
    const dg_dropout *drop = &x->drop;
    if (drop->threshold && dg_rng_column(x->row_bits[r], drop->key, (uint32_t)f) < drop->threshold) continue;
    const dg_real value = (dg_real)x->values[t] * drop->scale, *d = s->d + (size_t)r * (size_t)ld;
    for (int c = 0; c < ld; c++) product[c] = value * d[c];
    w->layer->kernels->exact_add(sum, (size_t)ld, product, ld);
  }
}

void dg_exact_sparse_weights(const dg_work *w, dg_params *params, const dg_side *s, const dg_columns *x) {
  const int ld = s->ld;
  const int64_t n = DG_EXACT_PARTS * (int64_t)ld;
  const int32_t n_cols = w->features->n_cols, columns = (int32_t)larger(1, STRIP_DOUBLES / n);
  dg_real *grad = params->grad + s->weights_at;
  for (int32_t first = 0; first < n_cols; first += columns) {
    const int32_t stop = dg_min_row(first + columns, n_cols);
    double *sum = w->exact.common;
#pragma omp parallel for schedule(dynamic, 16)
    for (int32_t f = first; f < stop; f++) sum_column(w, sum + (f - first) * n, s, x, f);
    dg_comm_sum_double(w->comm, sum, (size_t)((stop - first) * n));
    for (int32_t f = first; f < stop; f++)
      for (int c = 0; c < ld; c++) grad[(int64_t)f * ld + c] = (dg_real)dg_exact_value(sum + (f - first) * n, ld, c);
  }
  if (s->bias) dg_exact_columns(w, params->grad + s->bias_at, s->d, ld, s->n);
}
