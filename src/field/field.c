#include "field/builder.h"

#include <distgat/memory.h>

/* Whether a full-graph block serves this layer as it serves the one above. */
static bool same_block(const dg_builder *b, int layer) {
  return b->config.splits == 0 && layer < b->config.n_layers;
}

static dg_status describe_outputs(dg_builder *b) {
  dg_status status = DG_OK;
  dg_field *f = b->field;
  f->n_out = b->count[b->config.n_layers + 1];
  DG_TRY(dg_alloc(&f->out_local, (size_t)f->n_out, sizeof *f->out_local));
  if (b->local->shard.labels) DG_TRY(dg_alloc(&f->labels, (size_t)f->n_out, sizeof *f->labels));
  DG_TRY(dg_alloc(&f->mask, (size_t)f->n_out, sizeof *f->mask));
  for (dg_row i = 0; i < f->n_out; i++) {
    f->out_local[i] = b->order[i];
    if (f->labels) f->labels[i] = b->local->shard.labels[b->order[i]];
    f->mask[i] = b->local->shard.mask[b->order[i]];
  }
  const dg_block *first = f->block[0];
  DG_TRY(dg_alloc(&f->input_local, (size_t)first->n_src, sizeof *f->input_local));
  for (dg_row i = 0; i < first->n_src_owned; i++) f->input_local[i] = b->order[i];
  for (dg_row h = 0; h < b->local->n_halo; h++)
    if (b->halo_at[h] >= 0) f->input_local[first->n_src_owned + b->halo_at[h]] = b->local->n + h;

cleanup:
  return status;
}

/* Columns of the sparse input rows, for the weight gradient. */
static dg_status transpose_input(dg_builder *b) {
  dg_status status = DG_OK;
  dg_field *f = b->field;
  const dg_features *x = &b->local->shard.features;
  const int32_t n = f->exchange_first ? f->block[0]->n_src_owned : f->block[0]->n_src;
  int64_t *next = NULL;
  DG_TRY(dg_alloc(&f->t_indptr, (size_t)x->n_cols + 1, sizeof *f->t_indptr));
  DG_TRY(dg_alloc(&next, (size_t)x->n_cols, sizeof *next));
  for (dg_row i = 0; i < n; i++)
    for (int64_t t = x->indptr[f->input_local[i]]; t < x->indptr[f->input_local[i] + 1]; t++)
      f->t_indptr[x->indices[t] + 1]++;
  for (int32_t c = 0; c < x->n_cols; c++) {
    f->t_indptr[c + 1] += f->t_indptr[c];
    next[c] = f->t_indptr[c];
  }
  DG_TRY(dg_alloc(&f->t_rows, (size_t)f->t_indptr[x->n_cols], sizeof *f->t_rows));
  DG_TRY(dg_alloc(&f->t_values, (size_t)f->t_indptr[x->n_cols], sizeof *f->t_values));
  for (dg_row i = 0; i < n; i++)
    for (int64_t t = x->indptr[f->input_local[i]]; t < x->indptr[f->input_local[i] + 1]; t++) {
      int64_t at = next[x->indices[t]]++;
      f->t_rows[at] = i, f->t_values[at] = x->values[t];
    }

cleanup:
  dg_free(&next);
  return status;
}

static dg_status alloc_builder(dg_builder *b) {
  dg_status status = DG_OK;
  const size_t n = (size_t)b->local->n;
  DG_TRY(dg_alloc(&b->level, n, sizeof *b->level));
  DG_TRY(dg_alloc(&b->border, n, sizeof *b->border));
  DG_TRY(dg_alloc(&b->number, n, sizeof *b->number));
  DG_TRY(dg_alloc(&b->order, n, sizeof *b->order));
  DG_TRY(dg_alloc(&b->place, n, sizeof *b->place));
  DG_TRY(dg_alloc(&b->halo_at, (size_t)b->local->n_halo, sizeof *b->halo_at));
  DG_TRY(dg_alloc(&b->count, (size_t)b->config.n_layers + 2, sizeof *b->count));
  DG_TRY(dg_alloc(&b->field, 1, sizeof *b->field));
  b->field->n_layers = b->config.n_layers;
  b->field->exchange_first = b->config.exchange_first;
  b->field->exchange_input = b->config.exchange_input;
  b->field->exchanges = b->config.edges && b->local->comm.size > 1;
  DG_TRY(dg_alloc(&b->field->block, (size_t)b->config.n_layers, sizeof(dg_block *)));

cleanup:
  return status;
}

dg_status dg_field_create(dg_field **field, const dg_local *local, const dg_field_config *config) {
  dg_status status = DG_OK;
  dg_builder b = {.local = local, .config = *config};
  *field = NULL;
  DG_TRY(dg_comm_agree(&local->comm, alloc_builder(&b)));
  DG_TRY(dg_reach_find(&b));
  dg_reach_number(&b);
  for (int layer = config->n_layers; layer >= 1; layer--) {
    if (same_block(&b, layer))
      b.field->block[layer - 1] = b.field->block[layer];
    else
      DG_TRY(dg_block_create(&b, layer));
  }
  status = describe_outputs(&b);
  if (status == DG_OK && config->backward && local->shard.features.sparse) status = transpose_input(&b);
  DG_TRY(dg_comm_agree(&local->comm, status));
  *field = b.field;
  b.field = NULL;

cleanup:
  dg_free(&b.level);
  dg_free(&b.border);
  dg_free(&b.number);
  dg_free(&b.order);
  dg_free(&b.place);
  dg_free(&b.halo_at);
  dg_free(&b.count);
  dg_field_destroy(&b.field);
  return status;
}

void dg_field_destroy(dg_field **field) {
  dg_field *f = *field;
  if (f == NULL) return;
  for (int k = 0; f->block && k < f->n_layers; k++)
    if (k + 1 == f->n_layers || f->block[k] != f->block[k + 1]) dg_block_destroy(&f->block[k]);
  dg_free(&f->block);
  dg_free(&f->out_local);
  dg_free(&f->labels);
  dg_free(&f->mask);
  dg_free(&f->input_local);
  dg_free(&f->t_indptr);
  dg_free(&f->t_rows);
  dg_free(&f->t_values);
  dg_free(field);
}
