#include "nn/layer.h"

#include <cblas.h>
#include <string.h>

#include <distgat/rng.h>

#include "nn/parallel.h"

/* Products of rows with weights: forward, and the gradients of the weights. */

#ifdef DG_REAL_DOUBLE
#define GEMM cblas_dgemm
#else
#define GEMM cblas_sgemm
#endif

enum { NARROW = 256 }; /* columns up to which our own product beats that of BLAS */

bool dg_layer_uses_blas(const dg_layer *layer) {
  return layer->ld > NARROW;
}

/* Rows that a layer projects here: its sources but those that come from other ranks. */
static int32_t project_count(const dg_work *work) {
  return work->channel ? work->block->n_src_owned : work->block->n_src;
}

/* Rows of numbers: n of each, ld apart. */
typedef struct rows_of {
  const dg_real *at;
  int ld, n;
} rows_of;

/* out [rows, ld] = in [rows, n] w [n, ld] + bias, or with `add` plus what out holds; bias may be NULL. */
static void multiply(const dg_kernels *k, dg_real *out, rows_of in, const dg_real *w, const dg_real *bias, bool add,
                     int ld, int rows) {
  if (ld <= NARROW) {
    k->multiply(out, in.at, in.ld, w, bias, add, in.n, ld, rows);
    return;
  }
  for (int r = 0; bias && r < rows; r++) memcpy(out + (size_t)r * ld, bias, (size_t)ld * sizeof *out);
  GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, ld, in.n, 1, in.at, in.ld, w, ld, add || bias, out, ld);
}

/* dw [n, ld] = in^T [n, rows] d [rows, ld], or with `add` plus what dw holds. */
static void multiply_transposed(const dg_kernels *k, dg_real *dw, rows_of in, const dg_real *d, bool add, int ld,
                                int rows) {
  if (ld <= NARROW)
    k->multiply_transposed(dw, in.at, in.ld, d, add, in.n, ld, rows);
  else
    GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, in.n, ld, rows, 1, in.at, in.ld, d, ld, add, dw, ld);
}

/* Input rows [begin, end): those of a hidden layer, or dense features through their dropout again. */
static rows_of input_rows(dg_work *w, int32_t begin, int32_t end) {
  const int n = w->layer->in_ld;
  if (w->in.to) return (rows_of){w->in.to + (size_t)begin * n, n, n};
  dg_real *tile = w->tile + (size_t)omp_get_thread_num() * TILE_ROWS * n;
  w->layer->kernels->dense_dropout(tile, w->features->dense, &w->x, n, n, begin, end);
  return (rows_of){tile, n, n};
}

/* Projects input rows [begin, end). */
static void project_rows(dg_work *w, const dg_params *p, int32_t begin, int32_t end) {
  const dg_layer *l = w->layer;
  const rows_of in = input_rows(w, begin, end);
  const int32_t stop = end < w->block->n_dst ? end : w->block->n_dst;
  const size_t at = (size_t)begin * l->ld;
  const dg_real *bias = l->b >= 0 ? p->value + l->b : NULL;
  multiply(l->kernels, w->e.z + at, in, p->value + l->w, bias, false, l->ld, end - begin);
  if (l->wr >= 0 && begin < stop)
    multiply(l->kernels, w->e.zr + at, in, p->value + l->wr, p->value + l->br, false, l->ld, stop - begin);
}

/* Projects sparse rows [begin, end); the weight gradient takes their random bits again. */
static void project_sparse_rows(dg_work *w, const dg_product *products, int32_t begin, int32_t end) {
  const dg_layer *l = w->layer;
  for (int32_t i = begin; w->x.drop.threshold && i < end; i++)
    w->row_bits[i] = dg_rng_row(w->x.drop.key, (uint32_t)w->block->folded[i]);
  l->kernels->sparse_forward(products, l->wr >= 0 ? 2 : 1, &w->x, l->ld, begin, end);
}

static void project_sparse(dg_work *w, const dg_params *p) {
  const dg_layer *l = w->layer;
  const dg_product products[] = {
      {w->e.z, p->value + l->w, l->b >= 0 ? p->value + l->b : NULL, project_count(w)},
      {w->e.zr, p->value + l->wr, p->value + l->br, w->block->n_dst},
  };
  FOR_TILES(w, project_count(w), project_sparse_rows(w, products, begin, end));
}

static void project_dense(dg_work *w, const dg_params *p) {
  FOR_TILES(w, project_count(w), project_rows(w, p, begin, end));
}

void dg_layer_project_input(dg_work *work, const dg_params *params) {
  if (work->features->sparse)
    project_sparse(work, params);
  else
    project_dense(work, params);
}

void dg_layer_project(dg_work *work, const dg_work *below, const dg_params *params, enum dg_part part) {
  const dg_chunks *c = &below->block->dst;
  int from, to;
  dg_chunk_range(&from, &to, c, part);
  FOR_CHUNKS(
      work, *c, from, to, for (int32_t first = begin; first < end; first += TILE_ROWS) {
        const int32_t last = first + TILE_ROWS < end ? first + TILE_ROWS : end;
        dg_transition_forward(&work->in, params, first, last);
        project_rows(work, params, first, last);
      });
}

/* ---- backward ---- */

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

/* One tile's share of the gradients of a projection, out [in + 1, ld], whose last row is for blocks, and of its bias.
 */
static void tile_gradient(dg_real *out, double *bias, const dg_layer *l, rows_of x, const dg_real *d, bool add,
                          int rows) {
  dg_real *block = out + (size_t)l->in_ld * l->ld;
  multiply_transposed(l->kernels, out, x, d, add, l->ld, rows);
  if (l->b < 0) return;
  if (!add) memset(block, 0, (size_t)l->ld * sizeof *block);
  if (!add) memset(bias, 0, (size_t)l->ld * sizeof *bias);
  add_columns(bias, block, l, d, 0, rows);
}

/* Gradients of projections and their biases from rows of dz and the targets' rows of dzr, input dense: each tile of it
   is made once for both. */
static void dense_weights(dg_work *w, dg_params *p, enum dg_sides sides) {
  const dg_layer *l = w->layer;
  const int32_t n_dst = w->block->n_dst, n = sides & DG_SOURCES ? project_count(w) : n_dst;
  const int32_t sums = n_sums(n), rows = sum_rows(n);
  const int64_t count = (int64_t)l->in_ld * l->ld, one = count + l->ld, stride = 2 * one;
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) {
    dg_real *out = w->partial + (size_t)s * stride;
    double *bias = w->sums + (size_t)s * l->ld, *bias_r = bias + (size_t)sums * l->ld;
    const int32_t first = s * rows, stop = first + rows < n ? first + rows : n;
    for (int32_t begin = first; begin < stop; begin += TILE_ROWS) {
      const int32_t end = begin + TILE_ROWS < stop ? begin + TILE_ROWS : stop, targets = end < n_dst ? end : n_dst;
      const rows_of x = input_rows(w, begin, end);
      const size_t at = (size_t)begin * l->ld;
      if (sides & DG_SOURCES) tile_gradient(out, bias, l, x, w->e.dz + at, begin > first, end - begin);
      if (sides & DG_TARGETS && (targets > begin || begin == first))
        tile_gradient(out + one, bias_r, l, x, w->e.dzr + at, begin > first, targets > begin ? targets - begin : 0);
      progress(w->comm, n - end);
    }
  }
  if (sides & DG_SOURCES) {
    add_up(p->grad + l->w, w->partial, sums, stride, count);
    if (l->b >= 0) add_sums(p->grad + l->b, w->sums, sums, l->ld);
  }
  if (sides & DG_TARGETS) {
    add_up(p->grad + l->wr, w->partial + one, sums, stride, count);
    add_sums(p->grad + l->br, w->sums + (size_t)sums * l->ld, sums, l->ld);
  }
}

/* The same with sparse input. */
static void sparse_weights(dg_work *w, dg_params *p) {
  const dg_layer *l = w->layer;
  const dg_field *f = w->field;
  const int32_t n = project_count(w);
  const dg_columns x = {f->t_indptr, f->t_rows, f->t_values, w->row_bits, w->x.drop};
  const dg_product products[] = {{p->grad + l->w, w->e.dz, NULL, n},
                                 {p->grad + l->wr, w->e.dzr, NULL, w->block->n_dst}};
  FOR_TILES(w, l->n_in, l->kernels->sparse_backward(products, l->wr >= 0 ? 2 : 1, &x, l->ld, begin, end));
  if (l->b >= 0) sum_columns(w, p->grad + l->b, w->e.dz, n);
  if (l->wr >= 0) sum_columns(w, p->grad + l->br, w->e.dzr, w->block->n_dst);
}

void dg_layer_backward_weights(dg_work *work, dg_params *params, enum dg_sides sides) {
  /* Dropped features are made anew for every use: both projections share one. */
  if (work->features) sides = sides & DG_SOURCES ? DG_BOTH_SIDES : 0;
  if (work->layer->wr < 0) sides &= DG_SOURCES;
  if (sides == 0) return;
  if (work->features && work->features->sparse)
    sparse_weights(work, params);
  else
    dense_weights(work, params, sides);
}

/* out [ld, in] = w [in, ld] transposed. */
static void transpose_weights(dg_real *out, const dg_real *w, int in, int ld) {
  for (int i = 0; i < in; i++)
    for (int c = 0; c < ld; c++) out[(size_t)c * in + i] = w[(size_t)i * ld + c];
}

/* dx rows [begin, end) of the gradient of a layer's input, given transposed weights. */
static void input_gradient(const dg_work *w, dg_real *dx, const dg_real *turned, const dg_real *turned_r, int32_t begin,
                           int32_t end) {
  const dg_layer *l = w->layer;
  const int32_t stop = end < w->block->n_dst ? end : w->block->n_dst;
  const size_t at = (size_t)begin * l->ld;
  dg_real *out = dx + (size_t)begin * l->in_ld;
  multiply(l->kernels, out, (rows_of){w->e.dz + at, l->ld, l->ld}, turned, NULL, false, l->in_ld, end - begin);
  if (l->wr >= 0 && begin < stop)
    multiply(l->kernels, out, (rows_of){w->e.dzr + at, l->ld, l->ld}, turned_r, NULL, true, l->in_ld, stop - begin);
}

void dg_layer_backward_input(dg_work *work, dg_work *below, dg_params *params) {
  const dg_layer *l = work->layer;
  const int32_t n = work->block->n_src_owned, rows = sum_rows(n);
  const int sums = n_sums(n), in = l->in_ld;
  dg_real *turned = work->turned, *turned_r = turned + (size_t)in * l->ld;
  transpose_weights(turned, params->value + l->w, in, l->ld);
  if (l->wr >= 0) transpose_weights(turned_r, params->value + l->wr, in, l->ld);
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) {
    const int32_t end = (s + 1) * rows < n ? (s + 1) * rows : n;
    dg_real *block = work->partial + (size_t)s * in;
    double *sum = work->sums + (size_t)s * in;
    memset(block, 0, (size_t)in * sizeof *block);
    memset(sum, 0, (size_t)in * sizeof *sum);
    for (int32_t first = s * rows; first < end; first += TILE_ROWS) {
      const int32_t last = first + TILE_ROWS < end ? first + TILE_ROWS : end;
      input_gradient(work, below->e.dagg, turned, turned_r, first, last);
      for (int32_t from = first, to; from < last; from = to) {
        to = block_end(NULL, from, last);
        dg_transition_backward(&work->in, below->e.dagg, block, from, to);
        add_block(sum, block, in);
      }
    }
  }
  add_sums(params->grad + below->layer->bias, work->sums, sums, in);
}
