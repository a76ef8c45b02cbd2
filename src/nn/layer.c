#include "nn/layer.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include <distgat/rng.h>

#include "nn/parallel.h"

#ifdef DG_REAL_DOUBLE
#define GEMM cblas_dgemm
#else
#define GEMM cblas_sgemm
#endif

enum { NARROW = 256 }; /* columns up to which our own product beats that of BLAS */

static dg_dropout make_dropout(double p, const dg_step *step, int layer, int purpose) {
  dg_dropout d = {.scale = 1};
  if (!step->training || p <= 0) return d;
  d.key = dg_rng_key(dg_rng_key(dg_rng_key(step->seed, step->epoch), (uint64_t)layer), (uint64_t)purpose);
  d.threshold = (uint32_t)(p * 4294967296.0);
  d.scale = (dg_real)(1 / (1 - p));
  return d;
}

/* out [rows, ld] = in [rows, n] w [n, ld] + bias, or with `add` plus what out holds; bias may be NULL. */
static void multiply(dg_real *out, const dg_real *in, int ld_in, const dg_real *w, const dg_real *bias, bool add, int n,
                     int ld, int rows) {
  if (ld <= NARROW) {
    kernels()->multiply(out, in, ld_in, w, bias, add, n, ld, rows);
    return;
  }
  for (int r = 0; bias && r < rows; r++) memcpy(out + (size_t)r * ld, bias, (size_t)ld * sizeof *out);
  GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, ld, n, 1, in, ld_in, w, ld, add || bias, out, ld);
}

/* dw [n, ld] = in^T [n, rows] d [rows, ld], or with `add` plus what dw holds. */
static void multiply_transposed(dg_real *dw, const dg_real *in, int ld_in, const dg_real *d, bool add, int n, int ld,
                                int rows) {
  if (ld <= NARROW)
    kernels()->multiply_transposed(dw, in, ld_in, d, add, n, ld, rows);
  else
    GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, n, ld, rows, 1, in, ld_in, d, ld, add, dw, ld);
}

/* Input rows [begin, end): those of a hidden layer, or dense features through their dropout again. */
static const dg_real *input_tile(dg_work *w, int32_t begin, int32_t end) {
  const int n = w->layer->in_ld;
  if (w->input) return w->input + (size_t)begin * n;
  dg_real *tile = w->tile + (size_t)omp_get_thread_num() * TILE_ROWS * n;
  kernels()->dense_dropout(tile, w->features->dense, &w->x, n, n, begin, end);
  return tile;
}

/* Projects rows [begin, end), whose input is `in`. */
static void project_rows(dg_work *w, const dg_params *p, const dg_real *in, int32_t begin, int32_t end) {
  const dg_layer *l = w->layer;
  const int n = l->in_ld;
  const dg_real *bias = l->b >= 0 ? p->value + l->b : NULL;
  multiply(w->z + (size_t)begin * l->ld, in, n, p->value + l->w, bias, false, n, l->ld, end - begin);
  if (l->wr >= 0 && begin < w->block->n_dst) {
    int32_t stop = end < w->block->n_dst ? end : w->block->n_dst;
    multiply(w->zr + (size_t)begin * l->ld, in, n, p->value + l->wr, p->value + l->br, false, n, l->ld, stop - begin);
  }
}

/* Projects sparse rows [begin, end); the weight gradient takes their random bits again. */
static void project_sparse_rows(dg_work *w, const dg_product *products, int32_t begin, int32_t end) {
  const dg_layer *l = w->layer;
  for (int32_t i = begin; w->x.drop.threshold && i < end; i++)
    w->row_bits[i] = dg_rng_row(w->x.drop.key, (uint32_t)w->block->ids[i]);
  kernels()->sparse_forward(products, l->wr >= 0 ? 2 : 1, &w->x, l->ld, begin, end);
}

static void project_sparse(dg_work *w, const dg_params *p) {
  const dg_layer *l = w->layer;
  const dg_product products[] = {
      {w->z, p->value + l->w, l->b >= 0 ? p->value + l->b : NULL, dg_work_rows(w)},
      {w->zr, p->value + l->wr, p->value + l->br, w->block->n_dst},
  };
  FOR_TILES(w, dg_work_rows(w), project_sparse_rows(w, products, begin, end));
}

static void project_dense(dg_work *w, const dg_params *p) {
  FOR_TILES(w, dg_work_rows(w), project_rows(w, p, input_tile(w, begin, end), begin, end));
}

/* Chunks of one kind of rows: [0, n_first) need no halo. */
static void chunk_range(int *from, int *to, const dg_chunks *c, enum dg_part part) {
  *from = part == DG_INTERIOR ? 0 : c->n_first;
  *to = part == DG_INTERIOR ? c->n_first : c->n;
}

/* Masks and weights of one step. */
static void begin_step(dg_work *work, const dg_params *params, const dg_step *step) {
  const dg_layer *l = work->layer;
  work->x.drop = make_dropout(l->dropout, step, l->index, 0);
  work->e.drop = make_dropout(l->attention_dropout, step, l->index, 1);
  if (l->att >= 0) work->e.att = params->value + l->att;
  if (l->att_dst >= 0) work->e.att_dst = params->value + l->att_dst;
}

void dg_layer_project_input(dg_work *work, const dg_params *params, const dg_step *step) {
  begin_step(work, params, step);
  if (work->features->sparse)
    project_sparse(work, params);
  else
    project_dense(work, params);
}

void dg_layer_project(dg_work *work, const dg_work *below, const dg_params *params, const dg_step *step,
                      enum dg_part part) {
  const int n = work->layer->in_ld;
  const dg_chunks *c = &below->block->dst;
  int from, to;
  begin_step(work, params, step);
  chunk_range(&from, &to, c, part);
  FOR_CHUNKS(
      work, *c, from, to, for (int32_t first = begin; first < end; first += TILE_ROWS) {
        const int32_t last = first + TILE_ROWS < end ? first + TILE_ROWS : end;
        kernels()->activate(work->input, below->agg, params->value + below->layer->bias, below->layer->elu, n,
                            work->block->ids, &work->x.drop, first, last);
        project_rows(work, params, input_tile(work, first, last), first, last);
      });
}

void dg_layer_score(dg_work *work, enum dg_part part) {
  const dg_edges *e = &work->e;
  if (work->layer->kind != DG_MODEL_GAT) return;
  const int32_t owned = work->block->n_src_owned, first = part == DG_INTERIOR ? 0 : owned;
  FOR_TILES(work, (part == DG_INTERIOR ? owned : work->block->n_src) - first,
            kernels()->gat_scores(e, first + begin, first + end));
}

void dg_layer_aggregate(dg_work *work, enum dg_part part) {
  const dg_chunks *c = &work->block->dst;
  const dg_edges *e = &work->e;
  int from, to;
  chunk_range(&from, &to, c, part);
  switch (work->layer->kind) {
  case DG_MODEL_GATV2:
    FOR_CHUNKS(work, *c, from, to, kernels()->gatv2_forward(e, begin, end));
    break;
  case DG_MODEL_GAT:
    FOR_CHUNKS(work, *c, from, to, kernels()->gat_forward(e, begin, end));
    break;
  case DG_MODEL_GCN:
    FOR_CHUNKS(work, *c, from, to, kernels()->gcn_forward(e, begin, end));
    break;
  case DG_MODEL_MLP:
    break;
  }
}

/* ---- backward ---- */

static void backward_sources(dg_work *w, int from, int to) {
  const dg_chunks *c = &w->block->src;
  const dg_edges *e = &w->e;
  const size_t ld = (size_t)w->layer->ld;
  switch (w->layer->kind) {
  case DG_MODEL_GATV2:
    FOR_CHUNKS(w, *c, from, to, kernels()->gatv2_backward_src(e, begin, end));
    break;
  case DG_MODEL_GAT:
    FOR_CHUNKS(w, *c, from, to, kernels()->gat_backward_src(e, begin, end, w->partial + c_ * 2 * ld));
    break;
  case DG_MODEL_GCN:
    FOR_CHUNKS(w, *c, from, to, kernels()->gcn_backward_src(e, begin, end));
    break;
  case DG_MODEL_MLP:
    break;
  }
}

void dg_layer_backward_halo(dg_work *work) {
  const dg_edges *e = &work->e;
  if (work->layer->kind == DG_MODEL_GAT || work->layer->kind == DG_MODEL_GATV2)
    FOR_TILES(work, work->block->n_dst, kernels()->row_dots(e, begin, end));
  backward_sources(work, 0, work->block->src.n_first);
}

void dg_layer_backward_owned(dg_work *work, dg_params *params) {
  const dg_layer *l = work->layer;
  const dg_block *b = work->block;
  const dg_edges *e = &work->e;
  const size_t ld = (size_t)l->ld;
  backward_sources(work, b->src.n_first, b->src.n);
  if (l->kind == DG_MODEL_GAT) { /* a_src and a_dst lie side by side in the block */
    DG_CHECK(l->att_dst == l->att + l->ld);
    add_up(params->grad + l->att, work->partial, b->src.n, 2 * (int64_t)ld, 2 * (int64_t)ld);
  }
  if (l->kind == DG_MODEL_GATV2) {
    FOR_CHUNKS(work, b->dst, 0, b->dst.n, kernels()->gatv2_backward_dst(e, begin, end, work->partial + c_ * ld));
    add_up(params->grad + l->att, work->partial, b->dst.n, (int64_t)ld, (int64_t)ld);
  }
}

/* grad = column sums of x [n, ld]. */
static void sum_columns(dg_work *w, dg_real *grad, const dg_real *x, int32_t n) {
  const int ld = w->layer->ld, sums = n_sums(n);
  const int32_t rows = sum_rows(n);
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) {
    dg_real *sum = w->partial + (size_t)s * ld;
    memset(sum, 0, (size_t)ld * sizeof *sum);
    kernels()->column_sums(x, ld, s * rows, (s + 1) * rows < n ? (s + 1) * rows : n, sum);
  }
  add_up(grad, w->partial, sums, ld, ld);
}

/* One tile's share of the gradients of a projection and its bias, side by side in out [in + 1, ld]. */
static void tile_gradient(dg_real *out, const dg_layer *l, const dg_real *x, const dg_real *d, bool add, int rows) {
  dg_real *bias = out + (size_t)l->in_ld * l->ld;
  multiply_transposed(out, x, l->in_ld, d, add, l->in_ld, l->ld, rows);
  if (!add) memset(bias, 0, (size_t)l->ld * sizeof *bias);
  if (l->b >= 0) kernels()->column_sums(d, l->ld, 0, rows, bias);
}

/* Gradients of projections and their biases from rows of dz and the targets' rows of dzr, input dense: each tile of it
   is made once for both. */
static void dense_weights(dg_work *w, dg_params *p, enum dg_sides sides) {
  const dg_layer *l = w->layer;
  const int32_t n_dst = w->block->n_dst, n = sides & DG_SOURCES ? dg_work_rows(w) : n_dst;
  const int32_t sums = n_sums(n), rows = sum_rows(n);
  const int64_t count = (int64_t)l->in_ld * l->ld, one = count + l->ld, stride = 2 * one;
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) {
    dg_real *out = w->partial + (size_t)s * stride;
    const int32_t first = s * rows, stop = first + rows < n ? first + rows : n;
    for (int32_t begin = first; begin < stop; begin += TILE_ROWS) {
      const int32_t end = begin + TILE_ROWS < stop ? begin + TILE_ROWS : stop, targets = end < n_dst ? end : n_dst;
      const dg_real *x = input_tile(w, begin, end);
      const size_t at = (size_t)begin * l->ld;
      if (sides & DG_SOURCES) tile_gradient(out, l, x, w->dz + at, begin > first, end - begin);
      if (sides & DG_TARGETS && (targets > begin || begin == first))
        tile_gradient(out + one, l, x, w->dzr + at, begin > first, targets > begin ? targets - begin : 0);
      progress(w->comm);
    }
  }
  if (sides & DG_SOURCES) {
    add_up(p->grad + l->w, w->partial, sums, stride, count);
    if (l->b >= 0) add_up(p->grad + l->b, w->partial + count, sums, stride, l->ld);
  }
  if (sides & DG_TARGETS) {
    add_up(p->grad + l->wr, w->partial + one, sums, stride, count);
    add_up(p->grad + l->br, w->partial + one + count, sums, stride, l->ld);
  }
}

/* The same with sparse input. */
static void sparse_weights(dg_work *w, dg_params *p) {
  const dg_layer *l = w->layer;
  const dg_field *f = w->field;
  const int32_t n = dg_work_rows(w);
  const dg_columns x = {f->t_indptr, f->t_rows, f->t_values, w->row_bits, w->x.drop};
  const dg_product products[] = {{p->grad + l->w, w->dz, NULL, n}, {p->grad + l->wr, w->dzr, NULL, w->block->n_dst}};
  FOR_TILES(w, l->n_in, kernels()->sparse_backward(products, l->wr >= 0 ? 2 : 1, &x, l->ld, begin, end));
  if (l->b >= 0) sum_columns(w, p->grad + l->b, w->dz, n);
  if (l->wr >= 0) sum_columns(w, p->grad + l->br, w->dzr, w->block->n_dst);
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

void dg_layer_backward_input(dg_work *work, dg_work *below, dg_params *params) {
  const dg_layer *l = work->layer;
  const dg_block *b = work->block;
  const int32_t n = b->n_src_owned, rows = sum_rows(n);
  const int sums = n_sums(n), in = l->in_ld, ld = l->ld;
  dg_real *dx = below->dagg, *turned = work->turned, *turned_r = turned + (size_t)in * ld;
  transpose_weights(turned, params->value + l->w, in, ld);
  if (l->wr >= 0) transpose_weights(turned_r, params->value + l->wr, in, ld);
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) {
    const int32_t begin = s * rows, end = begin + rows < n ? begin + rows : n;
    dg_real *sum = work->partial + (size_t)s * in;
    memset(sum, 0, (size_t)in * sizeof *sum);
    for (int32_t first = begin; first < end; first += TILE_ROWS) {
      const int32_t tile = first + TILE_ROWS < end ? first + TILE_ROWS : end, stop = tile < b->n_dst ? tile : b->n_dst;
      dg_real *out = dx + (size_t)first * in;
      multiply(out, work->dz + (size_t)first * ld, ld, turned, NULL, false, ld, in, tile - first);
      if (l->wr >= 0 && first < stop)
        multiply(out, work->dzr + (size_t)first * ld, ld, turned_r, NULL, true, ld, in, stop - first);
      kernels()->activate_backward(dx, work->input, below->layer->elu, in, &work->x.drop, first, tile, sum);
    }
  }
  add_up(params->grad + below->layer->bias, work->partial, sums, in, in);
}

void dg_pass_input_gradient(const dg_pass *pass, dg_real *dx) {
  const dg_work *w = &pass->work[0];
  const dg_layer *l = w->layer;
  const dg_real *value = pass->model->params.value;
  for (int32_t i = 0; i < dg_work_rows(w); i++) {
    const uint32_t row = dg_rng_row(w->x.drop.key, (uint32_t)w->block->ids[i]);
    for (int f = 0; f < l->n_in; f++) {
      dg_real sum = 0;
      for (int c = 0; c < l->ld; c++) {
        sum += w->dz[(size_t)i * l->ld + c] * value[l->w + (int64_t)f * l->ld + c];
        if (l->wr >= 0 && i < w->block->n_dst)
          sum += w->dzr[(size_t)i * l->ld + c] * value[l->wr + (int64_t)f * l->ld + c];
      }
      bool keep = dg_rng_column(row, w->x.drop.key, (uint32_t)f) >= w->x.drop.threshold;
      dx[(size_t)i * l->n_in + f] = keep ? sum * w->x.drop.scale : 0;
    }
  }
}
