#include "nn/layer.h"

#include <distgat/rng.h>

#include "nn/parallel.h"

dg_dropout dg_dropout_of(double p, const dg_step *step, int layer, enum dg_purpose purpose) {
  dg_dropout d = {.scale = 1};
  if (!step->training || p <= 0) return d;
  d.key = dg_rng_key(dg_rng_key(dg_rng_key(step->seed, step->epoch), (uint64_t)layer), (uint64_t)purpose);
  d.threshold = (uint32_t)(p * 4294967296.0);
  d.scale = (dg_real)(1 / (1 - p));
  return d;
}

/* Both skips read the same input: one product with their sum serves them. */
static void add_skip_weights(const dg_work *work, const dg_params *params) {
  const dg_layer *l = work->layer;
  const dg_real *first = params->value + l->skip[0], *second = params->value + l->skip[1];
  const size_t n = (size_t)l->in_ld * (size_t)l->bias_ld;
  for (size_t i = 0; i < n; i++) work->skip_weights[i] = first[i] + second[i];
}

void dg_layer_begin(dg_work *work, const dg_params *params, const dg_step *step) {
  const dg_layer *l = work->layer;
  if (work->skip_weights) add_skip_weights(work, params);
  dg_norm_begin(&work->norm, l, params, step->training);
  work->in.drop = work->x.drop = dg_dropout_of(l->dropout, step, l->index, DG_DROP_INPUT);
  work->e.drop = dg_dropout_of(l->attention_dropout, step, l->index, DG_DROP_ATTENTION);
  work->e.edge_drop = dg_dropout_of(l->edge_dropout, step, l->index, DG_DROP_EDGES);
  work->e.row_drop = dg_dropout_of(l->message_dropout, step, l->index, DG_DROP_MESSAGES);
  if (l->att >= 0) work->e.att = params->value + l->att;
  if (l->att_dst >= 0) work->e.att_dst = params->value + l->att_dst;
  if (l->lin_edge >= 0) work->e.lin_edge = params->value + l->lin_edge;
  if (l->conv->begin) l->conv->begin(work, params);
  dg_layer_pack_weights(work, params);
}

void dg_layer_score(const dg_work *work, enum dg_part part) {
  const int32_t owned = work->block->n_src_owned;
  if (work->layer->conv->score == NULL) return;
  work->layer->conv->score(work, part == DG_INTERIOR ? 0 : owned, part == DG_INTERIOR ? owned : work->block->n_src);
  if (part == DG_INTERIOR) dg_symmetric_scores(work);
}

/* What skips of a hidden layer gave becomes its results. */
static void add_to_skips(const dg_work *work, int from, int to) {
  const dg_layer *l = work->layer;
  FOR_CHUNKS(work, work->block->dst, from, to, l->kernels->add_rows(work->skip, work->e.agg, l->ld, begin, end));
}

void dg_layer_aggregate(const dg_work *work, enum dg_part part) {
  int from, to;
  dg_chunk_range(&from, &to, &work->block->dst, part);
  if (work->layer->conv->forward) work->layer->conv->forward(work, from, to);
  dg_symmetric_results(work, from, to);
  if (work->skip && !work->layer->last) add_to_skips(work, from, to);
}

void dg_layer_round_dagg(const dg_work *work, const dg_real *rows, int32_t begin, int32_t end) {
  const dg_layer *l = work->layer;
  if (l->bf16) l->kernels->round_rows(work->e.dagg_bf16 + (size_t)begin * (size_t)l->ld, rows, l->ld, end - begin);
}

dg_real *dg_layer_dagg_room(const dg_work *work, int32_t begin) {
  if (work->e.dagg) return work->e.dagg + (size_t)begin * (size_t)work->layer->ld;
  return dg_rounding_tile(work, 0);
}

void dg_layer_backward_halo(const dg_work *work) {
  const dg_conv *conv = work->layer->conv;
  if (conv->backward_begin) conv->backward_begin(work);
  dg_symmetric_dots(work);
  if (conv->backward_sources) conv->backward_sources(work, 0, work->block->src.n_first);
}

void dg_layer_backward_owned(const dg_work *work, dg_params *params) {
  const dg_conv *conv = work->layer->conv;
  if (conv->backward_targets) conv->backward_targets(work);
  if (conv->backward_sources) conv->backward_sources(work, work->block->src.n_first, work->block->src.n);
  if (conv->backward_end) conv->backward_end(work, params);
}
