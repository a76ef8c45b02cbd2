#include <distgat/model.h>

#include <distgat/memory.h>

#include "nn/conv.h"
#include "nn/layer.h"

const dg_conv *dg_conv_of(dg_model_kind kind) {
  static const dg_conv *const table[] = {[DG_MODEL_GCN] = &dg_conv_gcn,
                                         [DG_MODEL_GAT] = &dg_conv_gat,
                                         [DG_MODEL_GATV2] = &dg_conv_gatv2,
                                         [DG_MODEL_MLP] = &dg_conv_mlp,
                                         [DG_MODEL_SAGE] = &dg_conv_sage};
  return table[kind];
}

enum { MAX_WIDTH = 1 << 24 }; /* numbers in a row of a layer */

static int round_up(int n, int unit) {
  return (n + unit - 1) / unit * unit;
}

static int padded_heads(int heads) {
  if (heads == 3) return 3;
  for (int hp = 1; hp <= 8; hp *= 2)
    if (heads <= hp) return hp;
  return round_up(heads, 16);
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

static dg_layer make_layer(const dg_model *m, int index, const dg_channels *in) {
  const dg_model_config *c = &m->config;
  const bool last = index + 1 == c->layers;
  dg_layer l = {.conv = dg_conv_of(c->kind),
                .kernels = dg_kernels_get(),
                .index = index,
                .last = last,
                .elu = c->activation == DG_ELU};
  l.heads = last ? c->out_heads : c->heads;
  l.dim = last ? m->n_classes : c->hidden;
  l.hp = padded_heads(l.heads);
  l.ld = round_up(l.dim * l.hp, 16);
  l.bias_ld = last ? round_up(l.dim, 16) : l.ld;
  l.n_in = in->heads * in->dim;
  l.n_labels = index == 0 ? dg_model_label_columns(c, m->n_classes) : 0;
  l.in_ld = in->ld;
  l.gather_ld = round_up(l.in_ld, 16);
  l.edge_dim = l.conv->edges ? m->edge_dim : 0;
  l.edge_dropout = l.conv->attention ? c->edge_dropout : 0;
  l.message_dropout = l.conv->score ? c->message_dropout : 0;
  l.bf16 = c->table_type == DG_TABLE_BF16 && l.conv->edges;
  l.edges = (l.bf16 ? l.kernels->edges_bf16 : l.kernels->edges) +
            (l.edge_dim > 0 || l.edge_dropout > 0 || l.message_dropout > 0);
  l.exact = c->reproducible;
  l.chunk_sums = 2 * l.ld;
  l.dropout = index == 0 ? c->input_dropout : c->dropout;
  l.attention_dropout = c->attention_dropout;
  l.slope = c->negative_slope;
  l.source_only = c->source_only;
  l.symmetric = c->symmetric_norm && l.conv->attention;
  l.norm = last ? DG_NORM_NONE : c->norm;
  l.input_sums = index > 0 ? dg_norm_n_sums(c->norm) : 0;
  l.w = l.b = l.wr = l.br = l.att = l.att_dst = l.lin_edge = l.att_edge = l.bias = -1;
  l.skip[0] = l.skip[1] = l.scale = l.shift = l.mean = l.variance = -1;
  return l;
}

dg_status dg_model_create(dg_model *model, const dg_model_config *config, int n_features, int n_classes, int edge_dim) {
  dg_status status = DG_OK;
  *model = (dg_model){.config = *config, .n_features = n_features, .n_classes = n_classes, .edge_dim = edge_dim};
  for (int k = 0; k < config->layers; k++) DG_TRY(check_width(config, k, n_classes));
  if (config->table_type == DG_TABLE_BF16 && sizeof(dg_real) != sizeof(float))
    DG_TRY(dg_fail(DG_USAGE, "tables in bf16 are for single precision, and this program computes in double"));
  DG_TRY(dg_alloc(&model->layer, (size_t)config->layers, sizeof *model->layer));
  const int width = n_features + dg_model_label_columns(config, n_classes);
  dg_channels in = {1, width, 1, width};
  for (int k = 0; k < config->layers; k++) {
    dg_layer *l = &model->layer[k];
    *l = make_layer(model, k, &in);
    l->first = model->params.count;
    DG_TRY(l->conv->add_tensors(&model->params, l, in));
    if (config->residual) DG_TRY(dg_layer_add_skip(&model->params, l, in));
    if (l->norm != DG_NORM_NONE) DG_TRY(dg_layer_add_norm(&model->params, l));
    l->count = model->params.count - l->first;
    in = (dg_channels){l->heads, l->dim, l->hp, l->ld};
  }
  for (int k = 0; k < config->layers; k++)
    if (model->layer[k].norm == DG_NORM_BATCH) DG_TRY(dg_layer_add_statistics(&model->params, &model->layer[k]));
  DG_TRY(dg_params_allocate(&model->params));

cleanup:
  if (status != DG_OK) dg_model_destroy(model);
  return status;
}

bool dg_model_may_gather_input(const dg_model *model, bool sparse) {
  const dg_layer *l = &model->layer[0];
  const dg_conv *of_input = dg_conv_of(model->config.kind)->of_input;
  if (of_input == NULL || sparse || l->bf16 || l->gather_ld >= l->dim) return false;
  if (!of_input->attention) return true;
  /* Gradients of each head's sums are a product more: it pays where edges gather half as much. */
  return 2 * l->gather_ld <= l->heads * l->dim && l->message_dropout == 0;
}

void dg_model_order_input(dg_model *model, bool sparse, bool exchange_first) {
  const dg_conv *projected = dg_conv_of(model->config.kind);
  if (dg_model_may_gather_input(model, sparse)) model->layer[0].conv = exchange_first ? projected : projected->of_input;
}

bool dg_model_notes_edges(const dg_model *model) {
  for (int k = 0; k < model->config.layers; k++)
    if (model->layer[k].note_size > 0) return true;
  return false;
}

dg_status dg_model_check_graph(const dg_model_config *config, const dg_local *local) {
  if (config->kind != DG_MODEL_GCN || local->shard.edge_dim == 0) return DG_OK;
  if (local->shard.edge_dim > 1)
    return dg_fail(DG_INPUT, "%s: has %d features an edge; GCN takes one weight", local->shard.info.name,
                   local->shard.edge_dim);
  for (dg_row i = 0; i < local->n; i++)
    if (local->degree[i] < -1)
      return dg_fail(DG_INPUT,
                     "%s: weights of edges to node %lld sum to %g; with 1 of its self-loop a sum must not be below 0, "
                     "for GCN divides by its root",
                     local->shard.info.name, (long long)local->ids[i], (double)local->degree[i]);
  return DG_OK;
}

int dg_model_norm_sums(const dg_model *model) {
  return model->config.norm == DG_NORM_BATCH ? 2 * (model->config.layers - 1) : 0;
}

int64_t dg_model_norm_bytes(const dg_model *model) {
  int64_t bytes = 0;
  for (int k = 0; k < model->config.layers; k++)
    if (model->layer[k].norm == DG_NORM_BATCH) bytes += 2 * 2 * model->layer[k].ld * (int64_t)sizeof(double);
  return bytes;
}

void dg_model_destroy(dg_model *model) {
  dg_params_destroy(&model->params);
  dg_free(&model->layer);
  *model = (dg_model){0};
}
