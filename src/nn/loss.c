#include "nn/exact.h"

#include <math.h>

#include "nn/parallel.h"

void dg_layer_output(const dg_work *work, const dg_params *params, dg_real *logits, int n_classes, int ld_classes) {
  const dg_layer *l = work->layer;
  FOR_TILES(work, work->block->n_dst, {
    l->kernels->output(logits, work->e.agg, params->value + l->bias, l->heads, l->hp, l->ld, n_classes, ld_classes,
                       begin, end);
    if (work->skip) l->kernels->add_rows(logits, work->skip, ld_classes, begin, end);
  });
}

/* ---- the loss of a row ---- */

/* The loss of a row with logits x: f of own * lse(x) - own * x_label + sum over classes of part * weight_c * (lse(x) -
   x_c), f being `outer` times itself or its logarithm. */
typedef struct row_loss {
  const dg_loss *loss;
  int label, n_classes;
  double own, part, outer;
} row_loss;

static const dg_loss plain = {.kind = DG_LOSS_CE};

/* Of the classes' sum; the logarithm weighs rows alone. */
static double inner_weight(const dg_loss *l, int c) {
  return l->class_weight && l->kind == DG_LOSS_CE ? l->class_weight[c] : 1;
}

static double node_weight(const dg_loss *l, int label) {
  return l->class_weight ? l->class_weight[label] : 1;
}

static row_loss describe_row(const dg_pass *pass, int label) {
  const dg_loss *l = pass->loss ? pass->loss : &plain;
  const int n = pass->model->n_classes;
  return (row_loss){.loss = l,
                    .label = label,
                    .n_classes = n,
                    .own = (1 - l->smoothing) * inner_weight(l, label),
                    .part = l->smoothing / n,
                    .outer = l->kind == DG_LOSS_CE ? 1 : node_weight(l, label)};
}

/* Sum over classes of part * weight_c * (x_label - x_c), and of part * weight_c. */
static double smooth_sum(double *parts, const row_loss *r, const dg_real *x) {
  double sum = 0;
  *parts = 0;
  for (int c = 0; r->part > 0 && c < r->n_classes; c++) {
    const double weight = r->part * inner_weight(r->loss, c);
    sum += weight * ((double)x[r->label] - (double)x[c]);
    *parts += weight;
  }
  return sum;
}

/* The loss, from what it is without f; *slope gets the derivative of f. */
static double finish(double *slope, const row_loss *r, double inner) {
  const double e = 1 - log(2);
  *slope = r->outer;
  if (r->loss->kind == DG_LOSS_CE) return r->outer * inner;
  *slope /= e + inner;
  return r->outer * (log(e + inner) - log(e));
}

/* Loss of a row of logits, and its gradient times `share` in d, which may be the logits. */
static double differentiate_row(dg_real *d, const dg_pass *pass, const dg_real *logits, int label, dg_real share,
                                bool *correct) {
  const dg_kernels *k = pass->model->layer->kernels;
  const int n = pass->model->n_classes;
  double parts, slope;
  if (!pass->loss) return k->cross_entropy(d, logits, label, n, pass->ld_classes, share, correct);
  const row_loss r = describe_row(pass, label);
  const double smooth = smooth_sum(&parts, &r, logits);
  const double ce = k->cross_entropy(d, logits, label, n, pass->ld_classes, share, correct);
  const double value = finish(&slope, &r, (r.own + parts) * ce + smooth);
  for (int c = 0; c < n; c++) {
    const double part = r.part > 0 ? r.part * inner_weight(r.loss, c) : 0;
    d[c] = (dg_real)(slope * ((r.own + parts) * (double)d[c] + (double)share * ((c == label ? parts : 0) - part)));
  }
  return value;
}

/* ---- several labels ---- */

static const uint8_t *classes_of(const dg_pass *pass, int32_t row) {
  return pass->local->shard.classes + (size_t)pass->field->out_local[row] * (size_t)pass->model->n_classes;
}

/* log(1 + exp(x)) of x and of -x, and the sigmoid of x, from the exponential that is at most 1. */
static void logistic(double *above, double *below, double *sigmoid, double x) {
  const double e = exp(-fabs(x)), rest = log1p(e);
  *above = (x > 0 ? x : 0) + rest;
  *below = (x < 0 ? -x : 0) + rest;
  *sigmoid = (x < 0 ? e : 1) / (1 + e);
}

/* Binary cross-entropy of a row of logits, and its gradient times `share` in d, which may be the logits; NULL: none. */
static dg_metrics several_row(dg_real *d, const dg_pass *pass, const dg_real *logits, const uint8_t *has,
                              double share) {
  const double *weight = pass->loss->class_weight;
  const int n = pass->model->n_classes;
  dg_metrics m = {.weight = n};
  for (int c = 0; c < n; c++) {
    double above, below, sigmoid;
    const bool guess = logits[c] > 0;
    logistic(&above, &below, &sigmoid, (double)logits[c]);
    const double own = weight ? weight[c] : 1;
    m.loss_sum += has[c] ? own * below : above;
    m.correct += has[c] && guess, m.guesses += guess, m.labels += has[c];
    if (d) d[c] = (dg_real)(share * (has[c] ? own * (sigmoid - 1) : sigmoid));
  }
  for (int c = n; d && c < pass->ld_classes; c++) d[c] = 0;
  return m;
}

static void add_metrics(dg_metrics *sum, const dg_metrics *m) {
  sum->loss_sum += m->loss_sum, sum->loss_rest += m->loss_rest, sum->weight += m->weight;
  sum->correct += m->correct, sum->guesses += m->guesses, sum->labels += m->labels;
}

/* ---- what the loss is of ---- */

/* Where sums are exact, what is added over nodes of all ranks is in whole steps, of which a double holds the sum. */
static double in_steps(const dg_pass *pass, double x) {
  return pass->model->config.reproducible ? dg_exact_nearest(x, 0x1p-24) : x;
}

/* A loss may be large: there it is in two parts. */
static void add_loss(const dg_pass *pass, dg_metrics *sum, double x) {
  const bool parted = pass->model->config.reproducible && isfinite(x);
  const double large = parted ? dg_exact_nearest(x, 16) : x;
  sum->loss_sum += large;
  if (parted) sum->loss_rest += dg_exact_nearest(x - large, 0x1p-24);
}

static void add_row(const dg_pass *pass, dg_metrics *sum, dg_metrics m) {
  add_loss(pass, sum, m.loss_sum);
  m.loss_sum = 0;
  add_metrics(sum, &m);
}

/* Whether the loss of training is of an output row. */
static bool is_trained(const dg_pass *pass, int32_t i) {
  const uint8_t *left_out = pass->work->left_out;
  return pass->field->mask[i] & DG_TRAIN && !(left_out && left_out[i]);
}

dg_totals dg_loss_totals(const dg_pass *pass) {
  const dg_loss *l = pass->loss ? pass->loss : &plain;
  const int n_classes = pass->model->n_classes;
  dg_totals sum = {0};
  for (int32_t i = 0; i < pass->field->n_out; i++) {
    if (!is_trained(pass, i)) continue;
    const int32_t *one = pass->field->labels;
    sum.weight += in_steps(pass, one ? node_weight(l, one[i]) : n_classes), sum.nodes++, sum.labels += one != NULL;
    for (int c = 0; !one && c < n_classes; c++) sum.labels += classes_of(pass, i)[c];
  }
  return sum;
}

dg_totals dg_pass_totals(const dg_pass *pass) {
  const double n = (double)pass->local->shard.n_train;
  if (pass->work->layer->n_labels > 0) return pass->work->totals; /* also where no row is here to be left out */
  return pass->loss ? (dg_totals){pass->loss->train_weight, n, pass->loss->train_labels} : (dg_totals){n, n, n};
}

/* log of the sum of exp of a row, and its largest entry (the first of equals, as argmax). */
static double log_sum_exp(const dg_real *row, int n, int *best) {
  double sum = 0;
  *best = 0;
  for (int c = 1; c < n; c++)
    if (row[c] > row[*best]) *best = c;
  for (int c = 0; c < n; c++) sum += exp((double)row[c] - (double)row[*best]);
  return (double)row[*best] + log(sum);
}

static dg_metrics evaluate_row(const dg_pass *pass, int32_t i) {
  const dg_real *row = pass->logits + (size_t)i * pass->ld_classes;
  if (!pass->field->labels) return several_row(NULL, pass, row, classes_of(pass, i), 0);
  const row_loss r = describe_row(pass, pass->field->labels[i]);
  int best;
  double parts, slope;
  const double smooth = smooth_sum(&parts, &r, row);
  const double ce = log_sum_exp(row, r.n_classes, &best) - (double)row[r.label];
  return (dg_metrics){.loss_sum = finish(&slope, &r, (r.own + parts) * ce + smooth),
                      .weight = in_steps(pass, node_weight(r.loss, r.label)),
                      .correct = best == r.label};
}

dg_metrics dg_pass_metrics(const dg_pass *pass, int splits) {
  dg_metrics sum = {0};
  for (int32_t i = 0; i < pass->field->n_out; i++) {
    if (!(pass->field->mask[i] & splits) || (pass->work->left_out && pass->work->left_out[i])) continue;
    add_row(pass, &sum, evaluate_row(pass, i));
  }
  return sum;
}

/* ---- backward ---- */

/* Gradient of a logits row spread over the heads that were averaged. */
static void spread_heads(dg_real *dagg, const dg_real *d, const dg_layer *l, int n_classes) {
  memset(dagg, 0, (size_t)l->ld * sizeof *dagg);
  for (int c = 0; c < n_classes; c++)
    for (int h = 0; h < l->heads; h++) dagg[c * l->hp + h] = d[c] / l->heads;
}

/* Where the gradient of the logits goes: with one head it is that of aggregated rows, else, or where only a table of
   these is kept, it takes the logits' place. */
static dg_real *logits_gradient(const dg_work *work, const dg_pass *pass) {
  return work->layer->heads == 1 && work->e.dagg ? work->e.dagg : pass->logits;
}

/* That of the aggregated row i, from that of its logits. */
static void aggregated_gradient(const dg_work *work, const dg_real *d, int n_classes, int32_t i) {
  const dg_layer *l = work->layer;
  dg_real *row = l->heads > 1 ? dg_layer_dagg_room(work, i) : NULL;
  if (row) spread_heads(row, d, l, n_classes);
  dg_layer_round_dagg(work, row ? row : d, i, i + 1);
}

/* Training rows among [begin, end): loss and its gradient; `share` is that of a row of weight 1 in the mean. */
static dg_metrics loss_rows(dg_work *work, const dg_pass *pass, dg_real share, int32_t begin, int32_t end) {
  const int ldc = pass->ld_classes, n_classes = pass->model->n_classes;
  dg_metrics sum = {0};
  for (int32_t i = begin; i < end; i++) {
    const dg_real *logits = pass->logits + (size_t)i * ldc;
    dg_real *d = logits_gradient(work, pass) + (size_t)i * ldc;
    bool correct = false;
    if (!is_trained(pass, i)) {
      memset(d, 0, (size_t)ldc * sizeof *d);
    } else if (pass->field->labels) {
      add_loss(pass, &sum, differentiate_row(d, pass, logits, pass->field->labels[i], share, &correct));
      sum.correct += correct;
    } else {
      add_row(pass, &sum, several_row(d, pass, logits, classes_of(pass, i), (double)share));
    }
    aggregated_gradient(work, d, n_classes, i);
  }
  return sum;
}

/* The same by blocks; the gradient of the bias is the s-th partial sum. */
static dg_metrics loss_part(dg_work *work, const dg_pass *pass, dg_real share, int s, int32_t begin, int32_t end) {
  const int ldc = pass->ld_classes;
  dg_real *block = work->partial + (size_t)s * ldc;
  double *bias = work->sums + (size_t)s * ldc;
  dg_metrics sum = {0};
  memset(block, 0, (size_t)ldc * sizeof *block);
  memset(bias, 0, (size_t)ldc * sizeof *bias);
  for (int32_t first = begin, last; first < end; first = last) {
    last = block_end(NULL, first, end);
    const dg_metrics m = loss_rows(work, pass, share, first, last);
    add_metrics(&sum, &m);
    work->layer->kernels->column_sums(logits_gradient(work, pass), ldc, first, last, block);
    add_block(bias, block, ldc);
  }
  return sum;
}

/* The gradient of the bias, and the loss of all ranks, which remains with the first alone. Collective. */
static void sum_exactly(const dg_work *work, const dg_pass *pass, dg_metrics *total) {
  const dg_comm *comm = work->comm;
  dg_exact_columns(work, pass->model->params.grad + work->layer->bias, logits_gradient(work, pass), pass->ld_classes,
                   work->block->n_dst);
  double parts[] = {total->loss_sum, total->loss_rest};
  dg_comm_sum_double(comm, parts, 2);
  total->loss_sum = comm->rank > 0 ? 0 : parts[0] + parts[1];
}

dg_metrics dg_pass_loss(const dg_pass *pass) {
  const dg_model *model = pass->model;
  dg_work *work = &pass->work[model->config.layers - 1];
  const int32_t n = work->block->n_dst, rows = sum_rows(n);
  const int sums = n_sums(n);
  const dg_real share = (dg_real)(1.0 / dg_pass_totals(pass).weight);
  dg_metrics part[MAX_SUMS] = {{0}}, total = {0};
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++)
    part[s] = loss_part(work, pass, share, s, s * rows, (s + 1) * rows < n ? (s + 1) * rows : n);
  add_sums(model->params.grad + work->layer->bias, work->sums, sums, pass->ld_classes);
  for (int s = 0; s < sums; s++) add_metrics(&total, &part[s]);
  if (work->layer->exact) sum_exactly(work, pass, &total);
  dg_timer_lap(pass->timer, DG_PHASE_LOSS);
  return total;
}
