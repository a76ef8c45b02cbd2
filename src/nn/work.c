#include "nn/layer.h"

#include <distgat/memory.h>

#include "nn/parallel.h"

enum { CACHED_BYTES = 1 << 20, PREFETCH = 32 }; /* a table that the second-level cache holds; edges looked ahead */

static int max_int(int a, int b) {
  return a > b ? a : b;
}

static size_t max_size(size_t a, size_t b) {
  return a > b ? a : b;
}

static bool has_edges(const dg_layer *l) {
  return l->kind != DG_MODEL_MLP;
}

static dg_status alloc_forward(dg_work *w) {
  dg_status status = DG_OK;
  const dg_layer *l = w->layer;
  const size_t n_src = (size_t)w->block->n_src, n_dst = (size_t)w->block->n_dst, ld = (size_t)l->ld;
  DG_TRY(dg_alloc(&w->z, n_src * ld, sizeof *w->z));
  if (l->kind == DG_MODEL_GATV2) DG_TRY(dg_alloc(&w->zr, n_dst * ld, sizeof *w->zr));
  if (l->kind == DG_MODEL_GAT) DG_TRY(dg_alloc(&w->score_src, n_src * (size_t)l->hp, sizeof *w->score_src));
  if (has_edges(l)) {
    DG_TRY(dg_alloc(&w->agg, n_dst * ld, sizeof *w->agg));
    DG_TRY(dg_alloc(&w->stat, n_dst * DG_STATS * (size_t)l->hp, sizeof *w->stat));
  }
  if (!w->features) DG_TRY(dg_alloc(&w->input, (size_t)w->block->n_src_owned * (size_t)l->in_ld, sizeof *w->input));
  if (w->features && !w->features->sparse)
    DG_TRY(dg_alloc(&w->tile, (size_t)omp_get_max_threads() * TILE_ROWS * (size_t)l->n_in, sizeof *w->tile));

cleanup:
  return status;
}

static dg_status alloc_backward(dg_work *w) {
  dg_status status = DG_OK;
  const dg_layer *l = w->layer;
  const size_t n_src = (size_t)w->block->n_src, n_dst = (size_t)w->block->n_dst;
  if (l->kind == DG_MODEL_GAT) {
    DG_TRY(dg_alloc(&w->positive, n_dst * (size_t)l->ld, sizeof *w->positive));
    DG_TRY(dg_alloc(&w->dscore_dst, n_dst * (size_t)l->hp, sizeof *w->dscore_dst));
  }
  if (w->features && w->features->sparse) DG_TRY(dg_alloc(&w->row_bits, n_src, sizeof *w->row_bits));

cleanup:
  return status;
}

/* Elements of partial results of the backward pass over a block. */
static size_t count_partial(const dg_layer *l, const dg_block *b, bool sparse) {
  const size_t ld = (size_t)l->ld, sums = (size_t)n_sums(b->n_src), chunks = (size_t)max_int(b->dst.n, b->src.n);
  const size_t matrix = sparse ? 0 : 2 * (size_t)(l->in_ld + 1) * ld;
  return max_size(sums * max_size(matrix, ld), chunks * 2 * ld);
}

dg_status dg_scratch_create(dg_scratch *scratch, const dg_model *model, const dg_local *local, const dg_field *field) {
  dg_status status = DG_OK;
  size_t dagg[2] = {0}, dz = 0, dzr = 0, partial = 0, turned = 0;
  *scratch = (dg_scratch){0};
  for (int k = 0; k < model->config.layers; k++) {
    const dg_layer *l = &model->layer[k];
    const dg_block *b = field->block[k];
    const size_t ld = (size_t)l->ld, n_src = (size_t)b->n_src, n_dst = (size_t)b->n_dst;
    dagg[k % 2] = max_size(dagg[k % 2], n_dst * ld);
    if (has_edges(l)) dz = max_size(dz, n_src * ld);
    if (l->wr >= 0) dzr = max_size(dzr, n_dst * ld);
    if (k > 0) turned = max_size(turned, 2 * (size_t)l->in_ld * ld);
    partial = max_size(partial, count_partial(l, b, k == 0 && local->shard.features.sparse));
  }
  DG_TRY(dg_alloc(&scratch->dagg[0], dagg[0], sizeof(dg_real)));
  DG_TRY(dg_alloc(&scratch->dagg[1], dagg[1], sizeof(dg_real)));
  DG_TRY(dg_alloc(&scratch->dz, dz, sizeof(dg_real)));
  DG_TRY(dg_alloc(&scratch->dzr, dzr, sizeof(dg_real)));
  DG_TRY(dg_alloc(&scratch->partial, partial, sizeof(dg_real)));
  DG_TRY(dg_alloc(&scratch->turned, turned, sizeof(dg_real)));

cleanup:
  return status;
}

void dg_scratch_destroy(dg_scratch *scratch) {
  dg_free(&scratch->dagg[0]);
  dg_free(&scratch->dagg[1]);
  dg_free(&scratch->dz);
  dg_free(&scratch->dzr);
  dg_free(&scratch->partial);
  dg_free(&scratch->turned);
}

static void borrow_scratch(dg_work *w, const dg_scratch *s) {
  w->dagg = s->dagg[w->layer->index % 2];
  w->dz = has_edges(w->layer) ? s->dz : w->dagg;
  w->dzr = s->dzr, w->partial = s->partial, w->turned = s->turned;
}

dg_status dg_work_create(dg_work *work, const dg_layer *layer, const dg_local *local, const dg_field *field,
                         const dg_scratch *scratch, dg_halo_type halo_type) {
  dg_status status = DG_OK;
  const dg_block *b = field->block[layer->index];
  *work = (dg_work){.comm = &local->comm, .layer = layer, .block = b, .field = field};
  if (layer->index == 0) work->features = &local->shard.features;
  status = alloc_forward(work);
  if (status == DG_OK && scratch) status = alloc_backward(work);
  DG_TRY(dg_comm_agree(&local->comm, status));
  if (!has_edges(layer)) work->agg = work->z;
  if (scratch) borrow_scratch(work, scratch);
  if ((layer->index > 0 || field->exchange_first) && has_edges(layer) && local->comm.size > 1)
    DG_TRY(dg_halo_channel_create(&work->channel, &b->plan, work->z, work->dz, layer->dim * layer->hp, layer->ld,
                                  halo_type));
  const int ahead = layer->kind == DG_MODEL_GCN ? 2 * PREFETCH : PREFETCH; /* GCN does less between two gathers */
  work->e = (dg_edges){.hp = layer->hp,
                       .slope = (dg_real)layer->slope,
                       .n_edges = b->indptr[b->n_dst],
                       .ahead = (size_t)b->n_src * (size_t)layer->ld * sizeof(dg_real) > CACHED_BYTES ? ahead : 0,
                       .ld = layer->ld,
                       .indptr = b->indptr,
                       .indices = b->indices,
                       .t_indptr = b->t_indptr,
                       .t_indices = b->t_indices,
                       .ids = b->ids,
                       .n_dst = b->n_dst,
                       .z = work->z,
                       .zr = work->zr,
                       .score_src = work->score_src,
                       .norm = b->norm,
                       .agg = work->agg,
                       .positive = work->positive,
                       .stat = work->stat,
                       .dagg = work->dagg,
                       .dz = work->dz,
                       .dzr = work->dzr,
                       .dscore_dst = work->dscore_dst};
  if (work->features)
    work->x = (dg_input){.indptr = work->features->indptr,
                         .columns = work->features->indices,
                         .values = work->features->values,
                         .row = field->input_local,
                         .ids = b->ids,
                         .row_bits = work->row_bits};

cleanup:
  return status;
}

void dg_work_destroy(dg_work *work) {
  dg_halo_channel_destroy(&work->channel);
  if (work->layer && !has_edges(work->layer)) work->agg = NULL;
  dg_free(&work->z);
  dg_free(&work->zr);
  dg_free(&work->agg);
  dg_free(&work->stat);
  dg_free(&work->score_src);
  dg_free(&work->input);
  dg_free(&work->positive);
  dg_free(&work->dscore_dst);
  dg_free(&work->tile);
  dg_free(&work->row_bits);
  *work = (dg_work){0};
}
