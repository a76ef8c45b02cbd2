#include "field/builder.h"

#include <distgat/memory.h>

static void mark_outputs(dg_builder *b) {
  const dg_shard *s = &b->local->shard;
  const dg_csr *in = &b->local->in;
  for (dg_row i = 0; i < b->local->n; i++) {
    if (b->config.full) b->level[i] = (uint16_t)b->config.n_layers;
    if (!b->config.splits || (s->mask[i] & b->config.splits)) b->level[i] = (uint16_t)(b->config.n_layers + 1);
    for (int64_t t = in->indptr[i]; b->config.edges && t < in->indptr[i + 1]; t++)
      if (in->indices[t] >= b->local->n) b->border[i] = 1;
  }
}

/* Tells owners which of their rows other ranks need as sources of layer k (1 ...). */
static dg_status request_rows(dg_builder *b, int k) {
  dg_status status = DG_OK;
  const dg_local *l = b->local;
  uint8_t *wanted = NULL, *asked = NULL;
  status = dg_alloc(&wanted, (size_t)l->n_halo, sizeof *wanted);
  if (status == DG_OK) status = dg_alloc(&asked, (size_t)l->n, sizeof *asked);
  DG_TRY(dg_comm_agree(&l->comm, status));
  for (dg_row h = 0; h < l->n_halo; h++) wanted[h] = b->halo_at[h] >= 0;
  DG_TRY(dg_halo_plan_mark(&l->plan, wanted, asked));
  for (dg_row i = 0; i < l->n; i++) {
    if (!asked[i]) continue;
    if (b->level[i] < k) b->level[i] = (uint16_t)k;
    b->border[i] = 1;
  }

cleanup:
  dg_free(&wanted);
  dg_free(&asked);
  return status;
}

void dg_reach_mark(dg_builder *b, int k) {
  const dg_local *l = b->local;
  for (dg_row h = 0; h < l->n_halo; h++) b->halo_at[h] = -1;
  for (dg_row i = 0; b->config.edges && i < l->n; i++) {
    if (b->level[i] <= k) continue;
    for (int64_t t = l->in.indptr[i]; t < l->in.indptr[i + 1]; t++) {
      dg_row j = l->in.indices[t];
      if (j >= l->n)
        b->halo_at[j - l->n] = 0;
      else if (b->level[j] < k)
        b->level[j] = (uint16_t)k;
    }
  }
}

dg_status dg_reach_find(dg_builder *b) {
  dg_status status = DG_OK;
  mark_outputs(b);
  for (int k = b->config.n_layers; k >= 1; k--) {
    dg_reach_mark(b, k);
    /* Halo inputs of the first layer that are here already ask nothing of their owners. */
    if (b->config.edges && (k > 1 || b->config.exchange_first)) DG_TRY(request_rows(b, k));
  }

cleanup:
  return status;
}

void dg_reach_number(dg_builder *b) {
  int32_t next = 0;
  for (int k = b->config.n_layers + 1; k >= 1; k--) {
    for (int border = 0; border < 2; border++)
      for (dg_row s = 0; s < b->local->n; s++) {
        const dg_row i = b->local->order[s];
        if (b->level[i] == k && b->border[i] == border) b->order[next] = i, b->place[next] = s, b->number[i] = next++;
      }
    b->count[k] = next;
  }
}
