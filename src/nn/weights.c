#include "nn/exact.h"

#include <string.h>

#include "nn/parallel.h"

/* Products of input rows with weights, backward: gradients of the weights and of the input. */

/* sum += column sums of rows [begin, end) of x; `block` is zero, and stays so. */
static void add_columns(double *sum, dg_real *block, const dg_layer *l, const dg_real *x, int32_t begin, int32_t end) {
  for (int32_t first = begin, last; first < end; first = last) {
    last = block_end(NULL, first, end);
    l->kernels->column_sums(x, l->ld, first, last, block);
    add_block(sum, block, l->ld);
  }
}

/* grad = column sums of x [n, ld]. */
static void sum_columns(dg_work *w, dg_real *grad, const dg_real *x, int32_t n) {
  const int ld = w->layer->ld, sums = n_sums(n);
  const int32_t rows = sum_rows(n);
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) {
    dg_real *block = w->partial + (size_t)s * ld;
    double *sum = w->sums + (size_t)s * ld;
    memset(block, 0, (size_t)ld * sizeof *block);
    memset(sum, 0, (size_t)ld * sizeof *sum);
    add_columns(sum, block, w->layer, x, s * rows, (s + 1) * rows < n ? (s + 1) * rows : n);
  }
  add_sums(grad, w->sums, sums, ld);
}

/* What a share of these rows sums: of each side its weights' gradient [dg_dense_width, ld] and a row for blocks, and
   sums of its bias [ld]; and what the transition sums [input_sums, in_ld], with room for blocks. */
typedef struct partial {
  dg_real *matrix[DG_MAX_SIDES], *block;
  double *bias[DG_MAX_SIDES], *sum;
} partial;

static int64_t side_size(const dg_work *w, const dg_side *s) {
  return (int64_t)(dg_dense_width(w) + 1) * s->ld;
}

/* Elements from one share's matrices to the next one's. */
static int64_t partial_stride(const dg_work *w, const dg_rows_pass *p) {
  int64_t stride = dg_transition_sums(w, p);
  for (int i = 0; i < p->n_weights; i++) stride += side_size(w, &p->side[i]);
  return stride;
}

/* The s-th of all shares. */
static partial partial_of(const dg_work *w, const dg_rows_pass *p, int s) {
  partial out = {0};
  const int sums = n_sums(p->n);
  dg_real *next = w->partial + s * partial_stride(w, p);
  double *doubles = w->sums;
  for (int i = 0; i < p->n_weights; i++) {
    out.matrix[i] = next, next += side_size(w, &p->side[i]);
    if (p->side[i].bias) out.bias[i] = doubles + (size_t)s * (size_t)p->side[i].ld, doubles += sums * p->side[i].ld;
  }
  out.block = next, out.sum = doubles + s * dg_transition_sums(w, p);
  return out;
}

/* One tile's share of the gradients of a projection, out [x.n + 1, ld], whose last row is for blocks, and of its bias,
   NULL where there is none. */
static void tile_gradient(dg_real *out, double *bias, const dg_layer *l, dg_rows_of x, const dg_real *d, bool add,
                          int ld, int rows) {
  dg_real *block = out + (size_t)x.n * ld;
  l->kernels->multiply_transposed(out, x.at, x.ld, d, add, x.n, ld, rows);
  if (!bias) return;
  if (!add) memset(block, 0, (size_t)ld * sizeof *block);
  if (!add) memset(bias, 0, (size_t)ld * sizeof *bias);
  add_columns(bias, block, l, d, 0, rows);
}

/* Input rows [begin, end), a tile, back through the transition, their gradient being in d. */
static void tile_transition(const partial *out, const dg_work *w, const dg_rows_pass *p, dg_rows_of x, dg_real *d,
                            int32_t begin, int32_t end) {
  for (int32_t from = begin, to; from < end; from = to) {
    to = block_end(NULL, from, end);
    const size_t at = (size_t)(from - begin) * (size_t)x.ld; /* an input row is as long as one of results */
    dg_transition_backward(&w->in, d + at, x.at + at, out->block, from, to);
    add_block(out->sum, out->block, dg_transition_sums(w, p));
  }
  if (p->below->layer->norm != DG_NORM_BATCH) dg_layer_round_dagg(p->below, d, begin, end);
}

/* Input rows [begin, end), a tile, the first of a share unless `add`. Rows that no side has get no gradient. */
static void pass_tile(const partial *out, const dg_work *w, const dg_params *params, const dg_rows_pass *p,
                      int32_t begin, int32_t end, bool add) {
  const dg_layer *l = w->layer;
  const dg_rows_of x = dg_input_rows(w, params, begin, end);
  dg_real *dx = p->below ? dg_layer_dagg_room(p->below, begin) : NULL;
  for (int i = 0; i < p->n_sides; i++) {
    const dg_side *s = &p->side[i];
    const int32_t rows = dg_side_count(s, begin, end);
    const dg_real *d = s->d + (size_t)begin * s->ld;
    if (i < p->n_weights && (rows > 0 || !add))
      tile_gradient(out->matrix[i], out->bias[i], l, dg_side_rows(w, s, x, begin), d, add, s->ld, rows);
    if (dx && i == 0) memset(dx + (size_t)rows * x.ld, 0, (size_t)(end - begin - rows) * x.ld * sizeof *dx);
    if (dx && rows > 0) l->kernels->multiply(dx, d, s->ld, s->turned, NULL, i > 0, s->ld, l->in_ld, rows);
  }
  if (dx) tile_transition(out, w, p, x, dx, begin, end);
}

/* The s-th share of rows. */
static void pass_share(const dg_work *w, const dg_params *params, const dg_rows_pass *p, int s) {
  const partial out = partial_of(w, p, s);
  const int64_t count = dg_transition_sums(w, p);
  const int32_t first = s * sum_rows(p->n), stop = dg_min_row(first + sum_rows(p->n), p->n);
  memset(out.block, 0, (size_t)count * sizeof *out.block);
  memset(out.sum, 0, (size_t)count * sizeof *out.sum);
  for (int32_t begin = first; begin < stop; begin += TILE_ROWS) {
    const int32_t end = dg_min_row(begin + TILE_ROWS, stop);
    pass_tile(&out, w, params, p, begin, end, begin > first);
    progress(w->comm, p->n - end);
  }
}

/* All shares, and their sums: gradients of weights and biases, and what the transition below makes of its own. */
static void pass_rows(dg_work *w, dg_params *params, const dg_rows_pass *p) {
  const int sums = n_sums(p->n);
  if (w->layer->exact) {
    dg_exact_pass_rows(w, params, p);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) pass_share(w, params, p, s);
  const partial out = partial_of(w, p, 0);
  const int64_t stride = partial_stride(w, p);
  for (int i = 0; i < p->n_weights; i++) {
    const dg_side *s = &p->side[i];
    add_up(params->grad + s->weights_at, out.matrix[i], sums, stride, (int64_t)dg_dense_width(w) * s->ld);
    if (s->bias) add_sums(params->grad + s->bias_at, out.bias[i], sums, s->ld);
  }
  if (!p->below) return;
  double *total = out.sum + sums * dg_transition_sums(w, p);
  add_doubles(total, out.sum, sums, dg_transition_sums(w, p));
  dg_norm_gradients(p->below->layer, params, total);
  dg_norm_finish_backward(p->below, total);
}

/* Gradients of the weights of labels beside sparse features. */
static void label_weights(dg_work *w, dg_params *params, const dg_side *list, int n) {
  dg_side of[DG_MAX_SIDES];
  for (int i = 0; i < n; i++) {
    of[i] = list[i];
    of[i].bias = NULL;
    of[i].weights_at += (int64_t)w->features->n_cols * list[i].ld;
  }
  pass_rows(w, params, &(dg_rows_pass){.side = of, .n_sides = n, .n_weights = n, .n = of->n});
}

/* Gradients of what multiplies sparse features, and of biases. */
static void feature_weights(dg_work *w, dg_params *params, const dg_side *list, int n) {
  dg_real *grad = params->grad;
  const dg_field *f = w->field;
  const dg_columns x = {f->t_indptr, f->t_rows, f->t_values, w->row_bits, w->x.drop};
  const int32_t n_cols = w->features->n_cols;
  dg_product product[DG_MAX_SIDES];
  for (int i = 0; w->layer->exact && i < n; i++) dg_exact_sparse_weights(w, params, &list[i], &x);
  if (w->layer->exact) return;
  for (int i = 0; i < n; i++) product[i] = (dg_product){grad + list[i].weights_at, list[i].d, NULL, list[i].n};
  for (int i = 0, k; i < n; i += k) {
    k = dg_sides_paired(list + i, n - i);
    FOR_STRIPS(w, n_cols, dg_sparse_strip(f->t_indptr[n_cols], n_cols),
               w->layer->kernels->sparse_backward(product + i, k, &x, list[i].ld, begin, end));
  }
  for (int i = 0; i < n; i++)
    if (list[i].bias) sum_columns(w, grad + list[i].bias_at, list[i].d, list[i].n);
}

/* Gradients of projections and their biases, input sparse. */
static void sparse_weights(dg_work *w, dg_params *params, const dg_side *list, int n) {
  feature_weights(w, params, list, n);
  if (w->layer->n_labels > 0) label_weights(w, params, list, n);
}

/* What is left to do with gradients of projected rows before they are used. */
static void finish_gradients(const dg_work *w, enum dg_sides sides) {
  if (!w->layer->symmetric || !(sides & DG_SOURCES)) return;
  FOR_TILES(w, dg_project_count(w),
            dg_symmetric_sources(w, w->e.dz + (size_t)begin * (size_t)w->layer->ld, begin, end));
}

/* Two skips have the same gradient. */
static void copy_skip(dg_params *params, const dg_layer *l, enum dg_sides sides) {
  if (l->n_skips > 1 && sides & DG_TARGETS)
    memcpy(params->grad + l->skip[1], params->grad + l->skip[0],
           (size_t)l->in_ld * (size_t)l->bias_ld * sizeof *params->grad);
}

void dg_layer_backward_weights(dg_work *work, dg_params *params, enum dg_sides sides) {
  dg_side list[DG_MAX_SIDES];
  /* Dropped features are made anew for every use: all projections share one. */
  if (work->features) sides = sides & DG_SOURCES ? DG_BOTH_SIDES : DG_NO_SIDE;
  const int n = dg_sides_list(list, work, params, sides);
  if (n == 0) return;
  finish_gradients(work, sides);
  if (work->features && work->features->sparse)
    sparse_weights(work, params, list, n);
  else
    pass_rows(work, params, &(dg_rows_pass){.side = list, .n_sides = n, .n_weights = n, .n = list->n});
  copy_skip(params, work->layer, sides);
}

/* Gives sides their transposed weights. */
static void turn_sides(dg_side *list, int n, const dg_work *w) {
  dg_real *turned = w->turned;
  const int in = w->layer->in_ld;
  for (int i = 0; i < n; turned += w->layer->kernels->packed_size(list[i].ld, in), i++) {
    w->layer->kernels->pack(turned, list[i].weights, 1, (size_t)list[i].ld, list[i].ld, in);
    list[i].turned = turned;
  }
}

void dg_layer_backward_input(dg_work *work, dg_work *below, dg_params *params, enum dg_sides sides) {
  dg_side list[DG_MAX_SIDES];
  dg_rows_pass p = {.side = list, .below = below, .n = work->block->n_src_owned};
  p.n_weights = dg_sides_list(list, work, params, sides);
  p.n_sides = dg_sides_list(list, work, params, DG_BOTH_SIDES); /* sources, whose weights are wanted, come first */
  turn_sides(list, p.n_sides, work);
  finish_gradients(work, sides);
  pass_rows(work, params, &p);
  copy_skip(params, work->layer, sides);
}
