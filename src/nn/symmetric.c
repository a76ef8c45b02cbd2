#include "nn/layer.h"

#include <math.h>

#include "nn/parallel.h"

/* Attention between roots of degrees, as the GAT of DGL's example on ogbn-arxiv has it: rows of sources z times
   out-degree^-1/2, before their scores, and results times in-degree^1/2, degrees with self-loops. Rows and gradients
   are scaled where they lie. What the edge kernels know of a target is made to fit: they then take rows that are
   scaled, and gradients of results that are. Kernels over input rows do all of it themselves. */

static bool is_on(const dg_work *work) {
  return work->layer->symmetric && !work->layer->conv->gather;
}

/* sqrt(in-degree) of target i. */
static dg_real root_of(const dg_block *b, int32_t i) {
  return (dg_real)sqrt((double)(b->indptr[i + 1] - b->indptr[i]));
}

static void scale(dg_real *row, dg_real factor, int n) {
  for (int c = 0; c < n; c++) row[c] *= factor;
}

static dg_real *statistic(const dg_work *work, int32_t i, int which) {
  return work->e.stat + ((size_t)i * DG_STATS + (size_t)which) * (size_t)work->layer->hp;
}

void dg_symmetric_sources(const dg_work *work, dg_real *x, int32_t begin, int32_t end) {
  const int ld = work->layer->ld;
  for (int32_t j = begin; is_on(work) && j < end; j++, x += ld) scale(x, work->block->out_norm[j], ld);
}

/* The score of a target is that of its row as it was. */
void dg_symmetric_scores(const dg_work *work) {
  const dg_block *b = work->block;
  if (!is_on(work) || work->layer->att_dst < 0) return;
  for (int32_t i = 0; i < b->n_dst; i++) scale(statistic(work, i, DG_STAT_SCORE), 1 / b->out_norm[i], work->layer->hp);
}

/* A coefficient has the target's root in it from here on. */
static void scale_result(const dg_work *work, int32_t i) {
  const size_t at = (size_t)i * (size_t)work->layer->ld;
  const dg_real root = root_of(work->block, i);
  scale(work->e.agg + at, root, work->layer->ld);
  if (work->e.positive) scale(work->e.positive + at, root, work->layer->ld);
  scale(statistic(work, i, DG_STAT_RSUM), root, work->layer->hp);
}

void dg_symmetric_results(const dg_work *work, int from, int to) {
  if (!is_on(work)) return;
  FOR_CHUNKS(work, work->block->dst, from, to, for (int32_t i = begin; i < end; i++) scale_result(work, i));
}

void dg_symmetric_dots(const dg_work *work) {
  const dg_block *b = work->block;
  const int hp = work->layer->hp;
  for (int32_t i = 0; is_on(work) && i < b->n_dst; i++) {
    scale(statistic(work, i, DG_STAT_DOT), 1 / root_of(b, i), hp);
    if (work->e.dscore_dst) scale(work->e.dscore_dst + (size_t)i * (size_t)hp, 1 / b->out_norm[i], hp);
  }
}

void dg_layer_alpha(const dg_work *work, int32_t row, dg_real *alpha) {
  const dg_block *b = work->block;
  const int n = b->indptr[row + 1] - b->indptr[row];
  work->layer->conv->alpha(work, row, row + 1, alpha);
  if (is_on(work)) scale(alpha, 1 / root_of(b, row), n * work->layer->hp);
}
