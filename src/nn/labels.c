#include "nn/layer.h"

#include <math.h>
#include <string.h>

#include <distgat/rng.h>

#include "nn/parallel.h"

/* Labels as input, and what the model itself says of nodes without: Wang et al. 2021, Bag of Tricks for Node
   Classification, label usage and label reuse. */

enum { SHOWN = 16 }; /* a purpose apart from those of dropout */

/* The label of a node as columns: 1 where it has the class. */
static void put_label(dg_real *to, const dg_pass *pass, dg_row local) {
  const dg_shard *s = &pass->local->shard;
  const size_t n = (size_t)pass->model->n_classes;
  if (s->labels) to[s->labels[local]] = 1;
  for (size_t c = 0; s->classes && c < n; c++) to[c] = s->classes[(size_t)local * n + c];
}

/* Those of all training nodes, or in a step of training of the share that it draws: every rank draws the same. */
static void show_labels(const dg_pass *pass, const dg_step *step) {
  dg_work *w = pass->work;
  const dg_block *b = w->block;
  const dg_row rows = w->channel ? b->n_src_owned : b->n_src; /* whose input is read here */
  const size_t n = (size_t)pass->model->n_classes;
  const uint64_t key = dg_rng_key(dg_rng_key(step->seed, step->epoch), SHOWN);
  if (rows > 0) memset(w->labels, 0, (size_t)rows * n * sizeof *w->labels);
  for (dg_row i = 0; i < rows; i++) {
    const dg_row local = pass->field->input_local[i];
    const bool drawn = !step->training || dg_rng_uniform(key, (uint64_t)b->ids[i]) < pass->model->config.use_labels;
    w->shown[i] = drawn && pass->local->shard.mask[local] & DG_TRAIN;
    if (w->shown[i]) put_label(w->labels + (size_t)i * n, pass, local);
  }
}

void dg_labels_begin(const dg_pass *pass, const dg_step *step) {
  dg_work *w = pass->work;
  if (w->layer->n_labels == 0) return;
  show_labels(pass, step);
  w->left_out = step->training ? w->shown : NULL;
  if (!step->training) return;
  const dg_totals here = dg_loss_totals(pass);
  double sums[] = {here.weight, here.nodes, here.labels};
  dg_comm_sum_double(w->comm, sums, 3);
  w->totals = (dg_totals){sums[0] > 0 ? sums[0] : 1, sums[1], sums[2]}; /* where all are shown the loss is 0 */
}

/* Probabilities of a row of logits. */
static void soften(dg_real *to, const dg_real *x, int n, bool several) {
  double most = (double)x[0], sum = 0;
  for (int c = 0; several && c < n; c++) to[c] = (dg_real)(1 / (1 + exp(-(double)x[c])));
  if (several) return;
  for (int c = 1; c < n; c++) most = fmax(most, (double)x[c]);
  for (int c = 0; c < n; c++) sum += exp((double)x[c] - most);
  for (int c = 0; c < n; c++) to[c] = (dg_real)(exp((double)x[c] - most) / sum);
}

void dg_labels_reuse(const dg_pass *pass) {
  dg_work *w = pass->work;
  const int n = pass->model->n_classes;
  const bool several = pass->local->shard.info.multilabel;
  DG_CHECK(pass->field->n_out == w->block->n_src_owned); /* outputs are the input's rows */
  FOR_TILES(
      w, pass->field->n_out, for (int32_t i = begin; i < end; i++) {
        if (!w->shown[i])
          soften(w->labels + (size_t)i * (size_t)n, pass->logits + (size_t)i * (size_t)pass->ld_classes, n, several);
      });
  dg_halo_pull_begin(w->label_channel);
}

void dg_labels_put(const dg_work *w, dg_real *rows, int ld, int column, int32_t begin, int32_t end) {
  const int n = w->layer->n_labels, first = w->layer->n_in - n;
  const dg_dropout *drop = &w->x.drop;
  for (int32_t i = begin; i < end; i++) {
    const dg_real *from = w->labels + (size_t)i * (size_t)n;
    dg_real *to = rows + (size_t)(i - begin) * (size_t)ld + column;
    const uint32_t row = dg_rng_row(drop->key, (uint32_t)w->block->folded[i]);
    for (int c = 0; c < n; c++) {
      const bool keep = from[c] != 0 && dg_rng_column(row, drop->key, (uint32_t)(first + c)) >= drop->threshold;
      to[c] = keep ? from[c] * drop->scale : 0;
    }
  }
}
