#include <distgat/counts.h>

#include <distgat/memory.h>

/* Stored features of the first n rows of a field's input. */
static int64_t count_entries(const dg_features *x, const int32_t *row, int64_t n) {
  int64_t sum = 0;
  if (!x->sparse) return n * x->n_cols;
  for (int64_t i = 0; i < n; i++) sum += x->indptr[row[i] + 1] - x->indptr[row[i]];
  return sum;
}

/* `projected`: rows come from other ranks once they are projected; `exchanged`: at all. */
static dg_layer_counts count_block(const dg_block *b, bool projected, bool exchanged) {
  return (dg_layer_counts){.n_dst = b->n_dst,
                           .n_src_owned = b->n_src_owned,
                           .n_src = b->n_src,
                           .n_projected = projected ? b->n_src_owned : b->n_src,
                           .n_sent = exchanged ? b->plan.send_offset[b->plan.n_send_ranks] : 0,
                           .n_send_ranks = exchanged ? b->plan.n_send_ranks : 0,
                           .n_recv_ranks = exchanged ? b->plan.n_recv_ranks : 0,
                           .n_edges = b->indptr[b->n_dst],
                           .n_outer = b->t_indptr ? b->t_indptr[b->n_src] : 0,
                           .n_chunks = b->dst.n > b->src.n ? b->dst.n : b->src.n};
}

dg_status dg_counts_create(dg_counts *counts, const dg_local *local, const dg_field *field) {
  *counts = (dg_counts){.n_layers = field->n_layers, .n_out = field->n_out};
  const dg_status status = dg_alloc(&counts->layer, (size_t)field->n_layers, sizeof *counts->layer);
  if (status != DG_OK) return status;
  for (int k = 0; k < field->n_layers; k++) {
    const bool projected = dg_field_exchanges(field, k);
    counts->layer[k] =
        count_block(field->block[k], projected, projected || (k == 0 && dg_field_exchanges_input(field)));
  }
  dg_layer_counts *first = &counts->layer[0];
  first->entries = count_entries(&local->shard.features, field->input_local, first->n_projected);
  first->entries_dst = count_entries(&local->shard.features, field->input_local, first->n_dst);
  return DG_OK;
}

void dg_counts_destroy(dg_counts *counts) {
  dg_free(&counts->layer);
  *counts = (dg_counts){0};
}
