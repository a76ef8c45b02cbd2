#include <stdio.h>

#include <distgat/memory.h>

#include "nn/layer.h"
#include "train/predictor.h"

/* Edges of one layer as three columns, targets ascending by id. */
typedef struct edge_list {
  int64_t *count, *src, *dst;
  float *alpha;
} edge_list;

static bool is_asked(const dg_predictor *p, int32_t i) {
  return !p->asked || p->asked[i];
}

static dg_status alloc_edges(edge_list *e, const dg_predictor *p, const dg_work *w) {
  dg_status status = DG_OK;
  const dg_block *b = w->block;
  size_t edges = 0;
  for (int32_t i = 0; i < p->local.n; i++)
    if (is_asked(p, i)) edges += (size_t)(b->indptr[p->row[i] + 1] - b->indptr[p->row[i]]);
  DG_TRY(dg_alloc(&e->count, (size_t)b->n_dst, sizeof *e->count));
  DG_TRY(dg_alloc(&e->src, edges, sizeof *e->src));
  DG_TRY(dg_alloc(&e->dst, edges, sizeof *e->dst));
  DG_TRY(dg_alloc(&e->alpha, edges * (size_t)w->layer->heads, sizeof *e->alpha));

cleanup:
  return status;
}

static void free_edges(edge_list *e) {
  dg_free(&e->count);
  dg_free(&e->src);
  dg_free(&e->dst);
  dg_free(&e->alpha);
}

static int32_t longest_row(const dg_block *b) {
  int32_t most = 0;
  for (int32_t i = 0; i < b->n_dst; i++)
    if (b->indptr[i + 1] - b->indptr[i] > most) most = b->indptr[i + 1] - b->indptr[i];
  return most;
}

static void fill_edges(edge_list *e, const dg_predictor *p, const dg_work *w, dg_real *scratch) {
  const dg_block *b = w->block;
  const int heads = w->layer->heads, hp = w->layer->hp;
  int64_t at = 0;
  for (int32_t i = 0; i < p->local.n; i++) {
    const int32_t row = p->row[i];
    if (!is_asked(p, i)) continue;
    dg_layer_alpha(w, row, scratch);
    e->count[i] = b->indptr[row + 1] - b->indptr[row];
    for (int64_t t = 0; t < e->count[i]; t++, at++) {
      e->src[at] = b->ids[b->indices[b->indptr[row] + t]];
      e->dst[at] = b->ids[row];
      for (int h = 0; h < heads; h++) e->alpha[at * heads + h] = (float)scratch[t * hp + h];
    }
  }
}

static dg_status write_column(dg_predictor *p, int layer, const char *what, dg_h5_type type, int columns,
                              const int64_t *count, const void *data) {
  char name[64];
  snprintf(name, sizeof name, "attention/conv%d/%s", layer + 1, what);
  return dg_ragged_write(p->comm, p->out, name, type, dg_predictor_rows(p), count, columns, data);
}

dg_status dg_predictor_write_attention(dg_predictor *p, int k) {
  dg_status status = DG_OK;
  const dg_work *w = &p->pass.work[k];
  edge_list e = {0};
  dg_real *scratch = NULL;
  status = alloc_edges(&e, p, w);
  if (status == DG_OK)
    status = dg_alloc(&scratch, (size_t)longest_row(w->block) * (size_t)w->layer->hp, sizeof *scratch);
  DG_TRY(dg_comm_agree(p->comm, status));
  fill_edges(&e, p, w, scratch);
  DG_TRY(write_column(p, k, "src", DG_H5_I64, 0, e.count, e.src));
  DG_TRY(write_column(p, k, "dst", DG_H5_I64, 0, e.count, e.dst));
  DG_TRY(write_column(p, k, "alpha", DG_H5_F32, w->layer->heads, e.count, e.alpha));

cleanup:
  free_edges(&e);
  dg_free(&scratch);
  return status;
}
