#include "nn/layer.h"

#include "nn/parallel.h"

void dg_layer_output(const dg_work *work, const dg_params *params, dg_real *logits, int n_classes, int ld_classes) {
  const dg_layer *l = work->layer;
  FOR_TILES(work, work->block->n_dst,
            l->kernels->output(logits, work->e.agg, params->value + l->bias, l->heads, l->hp, l->ld, n_classes,
                               ld_classes, begin, end));
}

/* Gradient of a logits row spread over the heads that were averaged. */
static void spread_heads(dg_real *dagg, const dg_real *d, const dg_layer *l, int n_classes) {
  memset(dagg, 0, (size_t)l->ld * sizeof *dagg);
  for (int c = 0; c < n_classes; c++)
    for (int h = 0; h < l->heads; h++) dagg[c * l->hp + h] = d[c] / l->heads;
}

/* Where the gradient of the logits goes: with one head it is that of aggregated rows, else it takes the logits' place.
 */
static dg_real *logits_gradient(const dg_work *work, const dg_pass *pass) {
  return work->layer->heads == 1 ? work->e.dagg : pass->logits;
}

/* Rows [begin, end) of the loss and its gradient; `share` is the weight of a row. */
static dg_metrics loss_rows(dg_work *work, const dg_pass *pass, int split, dg_real share, int32_t begin, int32_t end) {
  const dg_layer *l = work->layer;
  const int ldc = pass->ld_classes, n_classes = pass->model->n_classes;
  dg_metrics sum = {0};
  for (int32_t i = begin; i < end; i++) {
    const dg_real *logits = pass->logits + (size_t)i * ldc;
    dg_real *d = logits_gradient(work, pass) + (size_t)i * ldc;
    bool correct = false;
    if (pass->field->mask[i] & split) {
      sum.loss_sum += l->kernels->cross_entropy(d, logits, pass->field->labels[i], n_classes, ldc, share, &correct);
      sum.correct += correct;
    } else {
      memset(d, 0, (size_t)ldc * sizeof *d);
    }
    if (l->heads > 1) spread_heads(work->e.dagg + (size_t)i * l->ld, d, l, n_classes);
  }
  return sum;
}

/* The same by blocks; the gradient of the bias is the s-th partial sum. */
static dg_metrics loss_part(dg_work *work, const dg_pass *pass, int split, dg_real share, int s, int32_t begin,
                            int32_t end) {
  const int ldc = pass->ld_classes;
  dg_real *block = work->partial + (size_t)s * ldc;
  double *bias = work->sums + (size_t)s * ldc;
  dg_metrics sum = {0};
  memset(block, 0, (size_t)ldc * sizeof *block);
  memset(bias, 0, (size_t)ldc * sizeof *bias);
  for (int32_t first = begin, last; first < end; first = last) {
    last = block_end(NULL, first, end);
    const dg_metrics m = loss_rows(work, pass, split, share, first, last);
    sum.loss_sum += m.loss_sum, sum.correct += m.correct;
    work->layer->kernels->column_sums(logits_gradient(work, pass), ldc, first, last, block);
    add_block(bias, block, ldc);
  }
  return sum;
}

dg_metrics dg_pass_loss(const dg_pass *pass, int split) {
  const dg_model *model = pass->model;
  dg_work *work = &pass->work[model->config.layers - 1];
  const int32_t n = work->block->n_dst, rows = sum_rows(n);
  const int sums = n_sums(n);
  const dg_real share = (dg_real)(1.0 / (double)dg_shard_count(&pass->local->shard, split));
  dg_metrics part[MAX_SUMS] = {{0}}, total = {0};
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++)
    part[s] = loss_part(work, pass, split, share, s, s * rows, (s + 1) * rows < n ? (s + 1) * rows : n);
  add_sums(model->params.grad + work->layer->bias, work->sums, sums, pass->ld_classes);
  for (int s = 0; s < sums; s++) total.loss_sum += part[s].loss_sum, total.correct += part[s].correct;
  dg_timer_lap(pass->timer, DG_PHASE_LOSS);
  return total;
}
