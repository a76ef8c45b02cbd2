#include <distgat/model.h>

#include <math.h>
#include <stdio.h>

#include <distgat/memory.h>

#include "nn/layer.h"

enum { MAX_WIDTH = 1 << 24 }; /* numbers in a row of a layer */

static int round_up(int n, int unit) {
  return (n + unit - 1) / unit * unit;
}

static int padded_heads(int heads) {
  for (int hp = 1; hp <= 8; hp *= 2)
    if (heads <= hp) return hp;
  return round_up(heads, 16);
}

/* Adds one tensor of layer `l` and says where it lies. */
static dg_status add(dg_model *m, int64_t *position, const dg_layer *l, const char *what, dg_channels in,
                     dg_channels out, int rank, const int64_t *shape, dg_init init, double bound) {
  char name[64];
  snprintf(name, sizeof name, "conv%d.%s", l->index + 1, what);
  *position = m->params.count;
  return dg_params_add(&m->params, name, in, out, rank, shape, init, bound);
}

/* The tensors of one layer, in the order of PyTorch Geometric. */
static dg_status add_tensors(dg_model *m, dg_layer *l, dg_channels in) {
  dg_status status = DG_OK;
  const dg_channels none = {0}, out = {l->heads, l->dim, l->hp, l->ld}, mean = {1, l->dim, 1, l->bias_ld};
  const int64_t n_out = (int64_t)l->heads * l->dim, weight[] = {n_out, l->n_in}, att[] = {1, l->heads, l->dim};
  const int64_t bias[] = {l->last ? l->dim : n_out}, lin_bias[] = {n_out};
  const double glorot = sqrt(6.0 / (double)(l->n_in + n_out)), glorot_att = sqrt(6.0 / (l->heads + l->dim));
  const double uniform = 1 / sqrt(l->n_in > 0 ? l->n_in : 1);
  const bool v2 = l->kind == DG_MODEL_GATV2, mlp = l->kind == DG_MODEL_MLP;
  if (l->kind == DG_MODEL_GAT) {
    DG_TRY(add(m, &l->att, l, "att_src", none, out, 3, att, DG_INIT_GLOROT, glorot_att));
    DG_TRY(add(m, &l->att_dst, l, "att_dst", none, out, 3, att, DG_INIT_GLOROT, glorot_att));
  }
  if (v2) DG_TRY(add(m, &l->att, l, "att", none, out, 3, att, DG_INIT_GLOROT, glorot_att));
  DG_TRY(add(m, &l->bias, l, "bias", none, l->last ? mean : out, 1, bias, DG_INIT_ZERO, 0));
  DG_TRY(add(m, &l->w, l,
             v2    ? "lin_l.weight"
             : mlp ? "weight"
                   : "lin.weight",
             in, out, 2, weight, DG_INIT_GLOROT, glorot));
  if (v2) {
    DG_TRY(add(m, &l->b, l, "lin_l.bias", none, out, 1, lin_bias, DG_INIT_UNIFORM, uniform));
    DG_TRY(add(m, &l->wr, l, "lin_r.weight", in, out, 2, weight, DG_INIT_GLOROT, glorot));
    DG_TRY(add(m, &l->br, l, "lin_r.bias", none, out, 1, lin_bias, DG_INIT_UNIFORM, uniform));
  }

cleanup:
  return status;
}

/* Rows of a layer stay far below what an int counts, with any number of tensors side by side. */
static dg_status check_width(const dg_model_config *c, int index, int n_classes) {
  const bool last = index + 1 == c->layers;
  const int heads = last ? c->out_heads : c->heads, dim = last ? n_classes : c->hidden;
  if (heads > DG_MAX_HEADS)
    return dg_fail(DG_USAGE, "layer %d has %d heads, at most %d are possible", index + 1, heads, DG_MAX_HEADS);
  const int64_t width = (int64_t)padded_heads(heads) * dim;
  if (width <= MAX_WIDTH) return DG_OK;
  return dg_fail(DG_USAGE, "layer %d has %d heads of %d %s, padded %lld numbers a node; at most %d are possible",
                 index + 1, heads, dim, last ? "classes" : "hidden units", (long long)width, MAX_WIDTH);
}

static dg_layer make_layer(const dg_model_config *c, int index, int n_classes, const dg_channels *in) {
  const bool last = index + 1 == c->layers;
  dg_layer l = {.kind = c->kind, .index = index, .last = last, .elu = c->activation == DG_ELU};
  l.heads = last ? c->out_heads : c->heads;
  l.dim = last ? n_classes : c->hidden;
  l.hp = padded_heads(l.heads);
  l.ld = round_up(l.dim * l.hp, 16);
  l.bias_ld = last ? round_up(l.dim, 16) : l.ld;
  l.n_in = in->heads * in->dim;
  l.in_ld = in->ld;
  l.dropout = index == 0 ? c->input_dropout : c->dropout;
  l.attention_dropout = c->attention_dropout;
  l.slope = c->negative_slope;
  l.w = l.b = l.wr = l.br = l.att = l.att_dst = l.bias = -1;
  return l;
}

dg_status dg_model_create(dg_model *model, const dg_model_config *config, int n_features, int n_classes) {
  dg_status status = DG_OK;
  *model = (dg_model){.config = *config, .n_features = n_features, .n_classes = n_classes};
  for (int k = 0; k < config->layers; k++) DG_TRY(check_width(config, k, n_classes));
  DG_TRY(dg_alloc(&model->layer, (size_t)config->layers, sizeof *model->layer));
  dg_channels in = {1, n_features, 1, n_features};
  for (int k = 0; k < config->layers; k++) {
    dg_layer *l = &model->layer[k];
    *l = make_layer(config, k, n_classes, &in);
    l->first = model->params.count;
    DG_TRY(add_tensors(model, l, in));
    l->count = model->params.count - l->first;
    in = (dg_channels){l->heads, l->dim, l->hp, l->ld};
  }
  DG_TRY(dg_params_allocate(&model->params));

cleanup:
  if (status != DG_OK) dg_model_destroy(model);
  return status;
}

void dg_model_destroy(dg_model *model) {
  dg_params_destroy(&model->params);
  dg_free(&model->layer);
  *model = (dg_model){0};
}

dg_status dg_pass_create(dg_pass *pass, dg_model *model, const dg_local *local, const dg_field *field, bool backward,
                         dg_halo_type halo_type) {
  dg_status status = DG_OK;
  *pass = (dg_pass){.model = model, .local = local, .field = field, .ld_classes = round_up(model->n_classes, 16)};
  status = dg_alloc(&pass->work, (size_t)model->config.layers, sizeof *pass->work);
  if (status == DG_OK) status = dg_alloc(&pass->logits, (size_t)field->n_out * pass->ld_classes, sizeof *pass->logits);
  if (status == DG_OK && backward) status = dg_alloc(&pass->scratch, 1, sizeof *pass->scratch);
  if (status == DG_OK && backward) status = dg_scratch_create(pass->scratch, model, local, field);
  DG_TRY(dg_comm_agree(&local->comm, status));
  for (int k = 0; k < model->config.layers; k++)
    DG_TRY(dg_work_create(&pass->work[k], &model->layer[k], local, field, pass->scratch, halo_type));

cleanup:
  if (status != DG_OK) dg_pass_destroy(pass);
  return status;
}

void dg_pass_destroy(dg_pass *pass) {
  for (int k = 0; pass->work && k < pass->model->config.layers; k++) dg_work_destroy(&pass->work[k]);
  if (pass->scratch) dg_scratch_destroy(pass->scratch);
  dg_free(&pass->scratch);
  dg_free(&pass->work);
  dg_free(&pass->logits);
  *pass = (dg_pass){0};
}

void dg_pass_forward(const dg_pass *pass, const dg_step *step, dg_timer *timer) {
  const dg_params *params = &pass->model->params;
  const int layers = pass->model->config.layers;
  dg_work *work = pass->work;
  dg_layer_project_input(work, params, step);
  dg_timer_lap(timer, DG_PHASE_PROJECTION);
  if (work->channel) dg_halo_pull_begin(work->channel);

  for (int k = 0; k < layers; k++) {
    dg_work *w = &work[k], *above = k + 1 < layers ? w + 1 : NULL;
    /* Rows without halo come first while the halo is under way; where nothing is, rows that others wait for. */
    const enum dg_part first = w->channel ? DG_INTERIOR : DG_BORDER, second = w->channel ? DG_BORDER : DG_INTERIOR;
    dg_layer_score(w, DG_INTERIOR);
    if (!w->channel) dg_layer_score(w, DG_BORDER);
    dg_layer_aggregate(w, first);
    dg_timer_lap(timer, DG_PHASE_EDGE_FORWARD);
    if (above) dg_layer_project(above, w, params, step, first);
    dg_timer_lap(timer, DG_PHASE_PROJECTION);
    if (!w->channel && above && above->channel) dg_halo_pull_begin(above->channel);
    if (w->channel) dg_halo_pull_end(w->channel);
    dg_timer_lap(timer, DG_PHASE_HALO_WAIT);
    if (w->channel) dg_layer_score(w, DG_BORDER);
    dg_layer_aggregate(w, second);
    dg_timer_lap(timer, DG_PHASE_EDGE_FORWARD);
    if (above) dg_layer_project(above, w, params, step, second);
    dg_timer_lap(timer, DG_PHASE_PROJECTION);
    if (w->channel && above && above->channel) dg_halo_pull_begin(above->channel);
  }

  dg_layer_output(&work[layers - 1], params, pass->logits, pass->model->n_classes, pass->ld_classes);
}

void dg_pass_evaluate(const dg_pass *pass, dg_timer *timer) {
  const dg_step step = {.training = false};
  dg_pass_forward(pass, &step, timer);
}

/* log of the sum of exp of a row, and whether its largest entry is the label's (the first of equals, as argmax). */
static double log_sum_exp(const dg_real *row, int n, int *best) {
  double sum = 0;
  *best = 0;
  for (int c = 1; c < n; c++)
    if (row[c] > row[*best]) *best = c;
  for (int c = 0; c < n; c++) sum += exp((double)row[c] - (double)row[*best]);
  return (double)row[*best] + log(sum);
}

dg_metrics dg_pass_metrics(const dg_pass *pass, int splits) {
  dg_metrics m = {0};
  for (int32_t i = 0; i < pass->field->n_out; i++) {
    if (!(pass->field->mask[i] & splits)) continue;
    const dg_real *row = pass->logits + (size_t)i * pass->ld_classes;
    int best;
    m.loss_sum += log_sum_exp(row, pass->model->n_classes, &best) - (double)row[pass->field->labels[i]];
    m.correct += best == pass->field->labels[i];
  }
  return m;
}
