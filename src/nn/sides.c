#include "nn/sides.h"

#include "nn/parallel.h"

int32_t dg_project_count(const dg_work *work) {
  if (!work->layer->conv->edges) return work->block->n_dst;
  return work->channel ? work->block->n_src_owned : work->block->n_src;
}

int dg_dense_width(const dg_work *w) {
  return w->features && w->features->sparse ? w->layer->n_labels : w->layer->in_ld;
}

dg_real *dg_input_room(const dg_work *w, int32_t begin) {
  const size_t n = (size_t)dg_dense_width(w);
  return w->in.to ? w->in.to + (size_t)begin * n : w->tile + (size_t)omp_get_thread_num() * TILE_ROWS * n;
}

dg_rows_of dg_input_rows(const dg_work *w, const dg_params *params, int32_t begin, int32_t end) {
  const int n = dg_dense_width(w);
  dg_real *rows = dg_input_room(w, begin);
  if (w->in.to) return (dg_rows_of){rows, n, n};
  if (w->layer->conv->gather) return (dg_rows_of){NULL, 0, n}; /* each side has its own */
  if (!w->features)
    dg_transition_forward(&w->in, params, rows, begin, end);
  else if (!w->features->sparse)
    w->layer->kernels->dense_dropout(rows, w->features->dense, &w->x, w->features->n_cols, n, begin, end);
  if (w->layer->n_labels > 0) dg_labels_put(w, rows, n, n - w->layer->n_labels, begin, end);
  return (dg_rows_of){rows, n, n};
}

int dg_sides_list(dg_side list[DG_MAX_SIDES], const dg_work *w, const dg_params *p, enum dg_sides wanted) {
  const dg_layer *l = w->layer;
  const dg_real *value = p->value, *bias = l->b >= 0 ? value + l->b : NULL;
  const int32_t n_dst = w->block->n_dst;
  int n = 0;
  if (wanted & DG_SOURCES && l->conv->project == NULL)
    list[n++] = (dg_side){w->e.z, w->e.z_bf16,         w->e.dz, value + l->w, bias,
                          l->ld,  dg_project_count(w), l->w,    l->b,         .input = w->gather.agg};
  if (wanted & DG_TARGETS && l->wr >= 0)
    list[n++] = (dg_side){w->e.zr, w->e.zr_bf16, w->e.dzr, value + l->wr, value + l->br,
                          l->ld,   n_dst,        l->wr,    l->br,         .input = NULL};
  if (wanted & DG_TARGETS && l->n_skips > 0)
    list[n++] = (dg_side){w->skip,  NULL,
                          w->dskip, w->skip_weights ? w->skip_weights : value + l->skip[0],
                          NULL,     l->bias_ld,
                          n_dst,    l->skip[0],
                          -1,       .input = w->gather.z};
  return n;
}

dg_rows_of dg_side_rows(const dg_work *w, const dg_side *s, dg_rows_of shared, int32_t begin) {
  const int ld = w->gather.ld;
  return s->input ? (dg_rows_of){s->input + (size_t)begin * (size_t)ld, ld, w->layer->in_ld} : shared;
}

int dg_sides_paired(const dg_side *list, int n) {
  return n > 1 && list[1].ld == list[0].ld ? 2 : 1;
}

int32_t dg_sparse_strip(int64_t nonzeros, int32_t n) {
  enum { NON_ZEROS = 4096, LEAST = 16 };
  const int64_t size = NON_ZEROS * (int64_t)n / (nonzeros + 1) / LEAST * LEAST;
  return size < LEAST ? LEAST : size < TILE_ROWS ? (int32_t)size : TILE_ROWS;
}
