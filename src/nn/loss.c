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

/* Rows [begin, end) of the loss; the gradient of the bias is added to `bias`. */
static dg_metrics loss_rows(dg_work *work, const dg_pass *pass, int split, dg_real share, dg_real *bias, int32_t begin,
                            int32_t end) {
  const dg_layer *l = work->layer;
  const int ldc = pass->ld_classes;
  dg_metrics sum = {0};
  for (int32_t i = begin; i < end; i++) {
    dg_real *logits = pass->logits + (size_t)i * ldc, *dagg = work->e.dagg + (size_t)i * l->ld;
    dg_real *d = l->heads == 1 ? dagg : logits; /* one head: the gradient of its rows is that of the logits */
    bool correct = false;
    if (pass->field->mask[i] & split) {
      sum.loss_sum +=
          l->kernels->cross_entropy(d, logits, pass->field->labels[i], pass->model->n_classes, ldc, share, &correct);
      sum.correct += correct;
      l->kernels->column_sums(d, ldc, 0, 1, bias);
    } else {
      memset(d, 0, (size_t)ldc * sizeof *d);
    }
    if (d != dagg) spread_heads(dagg, d, l, pass->model->n_classes);
  }
  return sum;
}

dg_metrics dg_pass_loss(const dg_pass *pass, int split) {
  const dg_model *model = pass->model;
  dg_work *work = &pass->work[model->config.layers - 1];
  const int32_t n = work->block->n_dst, rows = sum_rows(n);
  const int ldc = pass->ld_classes, sums = n_sums(n);
  const dg_real share = (dg_real)(1.0 / (double)dg_shard_count(&pass->local->shard, split));
  dg_metrics part[MAX_SUMS] = {{0}}, total = {0};
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) {
    dg_real *bias = work->partial + (size_t)s * ldc;
    memset(bias, 0, (size_t)ldc * sizeof *bias);
    part[s] = loss_rows(work, pass, split, share, bias, s * rows, (s + 1) * rows < n ? (s + 1) * rows : n);
  }
  add_up(model->params.grad + work->layer->bias, work->partial, sums, ldc, ldc);
  for (int s = 0; s < sums; s++) total.loss_sum += part[s].loss_sum, total.correct += part[s].correct;
  dg_timer_lap(pass->timer, DG_PHASE_LOSS);
  return total;
}
