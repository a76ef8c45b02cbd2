#include "nn/exact.h"

#include <math.h>
#include <string.h>

#include <distgat/memory.h>

#include "nn/parallel.h"

/* Norms between layers. Batch norm: Ioffe and Szegedy 2015, over the nodes of all ranks, statistics and gradients in
   one small sum each; layer norm: Ba et al. 2016, over the channels of a node. Both as in torch.nn. */

static const double MOMENTUM = 0.1;

/* The columns that are the norm's own, in the order in which they lie in its room. */
enum column { INSIDE, SCALE, CENTER, RSTD, MEAN, SLOPE, COLUMNS };

static dg_real *column_of(const dg_normalizer *norm, enum column which) {
  return norm->room + (size_t)which * (size_t)norm->columns.ld;
}

void dg_norm_size(dg_sizes *sizes, const dg_layer *layer) {
  if (layer->norm == DG_NORM_NONE) return;
  sizes->norm_room = COLUMNS * (size_t)layer->ld;
  sizes->norm_sums = 4 * (size_t)layer->ld;
}

/* Where channel d of head h lies, see kernels.h. */
static void mark_channels(dg_real *inside, const dg_layer *l) {
  for (int d = 0; d < l->dim; d++)
    for (int h = 0; h < l->heads; h++) inside[d * l->hp + h] = 1;
}

dg_status dg_norm_create(dg_normalizer *norm, const dg_layer *layer, const dg_sizes *sizes, int64_t n_nodes) {
  dg_status status = DG_OK;
  *norm = (dg_normalizer){.n = (double)n_nodes};
  if (layer->norm == DG_NORM_NONE) return DG_OK;
  DG_TRY(dg_alloc(&norm->room, sizes->norm_room, sizeof *norm->room));
  DG_TRY(dg_alloc(&norm->sums, sizes->norm_sums, sizeof *norm->sums));
  norm->moved = norm->sums + 2 * (size_t)layer->ld;
  norm->columns = (dg_norm_columns){.n = layer->heads * layer->dim, .ld = layer->ld};
  norm->columns.inside = column_of(norm, INSIDE), norm->columns.scale = column_of(norm, SCALE);
  norm->columns.center = column_of(norm, CENTER), norm->columns.rstd = column_of(norm, RSTD);
  norm->columns.mean = column_of(norm, MEAN), norm->columns.slope = column_of(norm, SLOPE);
  mark_channels(column_of(norm, INSIDE), layer);

cleanup:
  return status;
}

void dg_norm_destroy(dg_normalizer *norm) {
  dg_free(&norm->room);
  dg_free(&norm->sums);
}

bool dg_norm_is_measured(const dg_layer *layer, const dg_step *step) {
  return layer->norm == DG_NORM_BATCH && step->training;
}

/* ---- forward ---- */

/* Column c of batch norm: what is subtracted, and the variance. */
static void set_column(dg_normalizer *norm, const dg_layer *l, const dg_params *params, int c, double center,
                       double variance) {
  const double rstd = 1 / sqrt(variance + DG_NORM_EPS);
  column_of(norm, SCALE)[c] = (dg_real)(rstd * (double)params->value[l->scale + c]);
  column_of(norm, CENTER)[c] = (dg_real)center, column_of(norm, RSTD)[c] = (dg_real)rstd;
}

void dg_norm_start_step(dg_normalizer *norm) {
  norm->kept = 1;
}

/* Results lack the bias: the running mean is that of results with it. */
void dg_norm_begin(dg_normalizer *norm, const dg_layer *layer, const dg_params *params, bool training) {
  const dg_real *value = params->value;
  if (layer->norm == DG_NORM_LAYER)
    norm->columns.bias = value + layer->bias, norm->columns.scale = value + layer->scale;
  if (layer->norm != DG_NORM_BATCH || training) return;
  for (int c = 0; c < layer->ld; c++)
    set_column(norm, layer, params, c, (double)value[layer->mean + c] - (double)value[layer->bias + c],
               (double)value[layer->variance + c]);
}

/* sums [2, ld] of the results of this rank and their squares, rows in the order of blocks, whatever the threads. */
static void add_moments(dg_work *work, const dg_real *results) {
  const dg_layer *l = work->layer;
  const int64_t both = 2 * (int64_t)l->ld;
  const int32_t n = work->block->n_dst, rows = sum_rows(n);
  const int sums = n_sums(n);
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) {
    double *sum = work->sums + (size_t)s * both;
    memset(sum, 0, (size_t)both * sizeof *sum);
    l->kernels->column_moments(sum, results, l->ld, s * rows, (s + 1) * rows < n ? (s + 1) * rows : n);
  }
  add_doubles(work->norm.sums, work->sums, sums, both);
}

/* The same of all ranks, whatever these, of columns whose largest number is made less than 1. Collective. */
static void add_exact_moments(dg_work *work, const dg_real *results) {
  const dg_layer *l = work->layer;
  const int64_t both = 2 * (int64_t)l->ld, sums = DG_EXACT_PARTS * both;
  dg_exact_begin(work, l->ld);
  FOR_TILES(work, work->block->n_dst,
            dg_exact_find_reach(dg_exact_room(work), results + (size_t)begin * (size_t)l->ld, l->ld, end - begin));
  const double *scale = dg_exact_scales(work, l->ld, 0);
  dg_exact_begin(work, sums);
  FOR_TILES(
      work, work->block->n_dst, for (int32_t r = begin; r < end; r++) {
        double *sum = dg_exact_room(work), *row = sum + sums;
        memset(row, 0, (size_t)both * sizeof *row);
        l->kernels->column_moments(row, results, l->ld, r, r + 1);
        for (int c = 0; c < l->ld; c++) row[c] *= scale[c], row[l->ld + c] *= scale[c] * scale[c];
        dg_exact_add_doubles(sum, row, both);
      });
  const double *total = dg_exact_total(work, sums);
  for (int c = 0; c < l->ld; c++) {
    work->norm.sums[c] = dg_exact_value(total, both, c) / scale[c];
    work->norm.sums[l->ld + c] = dg_exact_value(total, both, l->ld + c) / (scale[c] * scale[c]);
  }
}

static void sum_moments(dg_work *work) {
  const dg_layer *l = work->layer;
  if (l->exact) {
    add_exact_moments(work, dg_layer_results(work));
    return;
  }
  add_moments(work, dg_layer_results(work));
  dg_comm_sum_double(work->comm, work->norm.sums, 2 * (size_t)l->ld);
}

/* What a step of some passes moves a running statistic to, beside the share of it that is kept. */
static void add_pass(double *moved, double towards, bool first) {
  *moved = (first ? 0 : (1 - MOMENTUM) * *moved) + MOMENTUM * towards;
}

/* The variance that runs is the unbiased one. */
void dg_norm_measure(dg_work *work, const dg_params *params) {
  const dg_layer *l = work->layer;
  dg_normalizer *norm = &work->norm;
  const double unbiased = norm->n > 1 ? norm->n / (norm->n - 1) : 1;
  const bool first = norm->kept == 1;
  sum_moments(work);
  for (int c = 0; c < l->ld; c++) {
    const double mean = norm->sums[c] / norm->n, squares = norm->sums[l->ld + c] / norm->n - mean * mean;
    const double variance = squares > 0 ? squares : 0;
    add_pass(&norm->moved[c], mean + (double)params->value[l->bias + c], first);
    add_pass(&norm->moved[l->ld + c], unbiased * variance, first);
    set_column(norm, l, params, c, mean, variance);
  }
  norm->kept *= 1 - MOMENTUM;
}

/* Moves a column of running statistics where this rank keeps it up. */
static void move(dg_params *params, int64_t position, const dg_normalizer *norm, double moved) {
  const dg_sums *sums = params->sums;
  dg_real *value = &params->value[position];
  if (position >= sums->first && position < sums->first + sums->n)
    *value = (dg_real)(norm->kept * (double)*value + moved);
}

void dg_norm_update(const dg_normalizer *norm, const dg_layer *layer, dg_params *params) {
  if (layer->norm != DG_NORM_BATCH) return;
  for (int c = 0; c < layer->ld; c++) {
    if (norm->columns.inside[c] == 0) continue;
    move(params, layer->mean + c, norm, norm->moved[c]);
    move(params, layer->variance + c, norm, norm->moved[layer->ld + c]);
  }
}

/* ---- backward ---- */

int dg_norm_n_sums(dg_norm norm) {
  return norm == DG_NORM_NONE ? 1 : norm == DG_NORM_BATCH ? 2 : 3;
}

static void copy_sums(dg_real *out, const double *sums, int n) {
  for (int c = 0; c < n; c++) out[c] = (dg_real)sums[c];
}

/* Batch norm takes away what the bias adds: its gradient is zero. */
void dg_norm_gradients(const dg_layer *layer, dg_params *params, const double *sums) {
  const int ld = layer->ld;
  dg_real *grad = params->grad;
  copy_sums(grad + (layer->norm == DG_NORM_NONE ? layer->bias : layer->shift), sums, ld);
  if (layer->norm == DG_NORM_NONE) return;
  copy_sums(grad + layer->scale, sums + ld, ld);
  if (layer->norm == DG_NORM_LAYER) copy_sums(grad + layer->bias, sums + 2 * ld, ld);
}

void dg_norm_finish_backward(dg_work *below, const double *sums) {
  const dg_layer *l = below->layer;
  dg_normalizer *norm = &below->norm;
  const size_t ld = (size_t)l->ld;
  dg_real *mean = column_of(norm, MEAN), *slope = column_of(norm, SLOPE);
  if (l->norm != DG_NORM_BATCH) return;
  memcpy(norm->sums, sums, 2 * ld * sizeof *sums);
  if (!l->exact) dg_comm_sum_double(below->comm, norm->sums, 2 * ld);
  for (size_t c = 0; c < ld; c++) {
    mean[c] = (dg_real)(norm->sums[c] / norm->n);
    slope[c] = (dg_real)(norm->sums[ld + c] / norm->n * (double)norm->columns.rstd[c]);
  }
  FOR_TILES(below, below->block->n_dst, {
    l->kernels->batch_norm_backward(below->e.dagg, dg_layer_results(below), &norm->columns, begin, end);
    dg_layer_round_dagg(below, below->e.dagg + (size_t)begin * ld, begin, end);
  });
}
