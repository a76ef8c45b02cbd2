#include "nn/sides.h"

#include <string.h>

#include <distgat/rng.h>

#include "nn/parallel.h"

/* Products of input rows with weights, forward. */

/* Rows of weights that meet sparse features; those of dense columns come after them. */
static size_t sparse_rows(const dg_work *w) {
  return w->features && w->features->sparse ? (size_t)w->features->n_cols : 0;
}

/* All of them for the forward pass, which reads weights packed. */
static int list_forward(dg_side list[DG_MAX_SIDES], const dg_work *w, const dg_params *p) {
  const int n = dg_sides_list(list, w, p, DG_BOTH_SIDES);
  dg_real *room = w->packed;
  for (dg_side *s = list; s < list + n; s++) {
    s->dense = s->weights + sparse_rows(w) * (size_t)s->ld;
    if (w->layer->kernels->in_place(dg_dense_width(w), s->ld)) continue;
    s->dense = s->room = room;
    room += w->layer->kernels->packed_size(dg_dense_width(w), s->ld);
  }
  return n;
}

void dg_layer_pack_weights(const dg_work *work, const dg_params *params) {
  dg_side list[DG_MAX_SIDES];
  const int n = list_forward(list, work, params);
  for (const dg_side *s = list; s < list + n; s++)
    if (s->room)
      work->layer->kernels->pack(s->room, s->weights + sparse_rows(work) * (size_t)s->ld, (size_t)s->ld, 1,
                                 dg_dense_width(work), s->ld);
}

/* Input rows [begin, end) for edges to gather; features that are there stay. */
static void put_input(const dg_work *w, bool there, int32_t begin, int32_t end) {
  const dg_layer *l = w->layer;
  const dg_features *x = w->features;
  dg_real *rows = w->gather.z + (size_t)begin * (size_t)w->gather.ld;
  if (!there) l->kernels->dense_dropout(rows, x->dense, &w->x, x->n_cols, w->gather.ld, begin, end);
  if (l->n_labels > 0) dg_labels_put(w, rows, w->gather.ld, x->n_cols, begin, end);
}

void dg_layer_gather_input(dg_work *work) {
  const dg_conv *conv = work->layer->conv;
  const bool dropped = work->x.drop.threshold != 0, there = work->gathered && !dropped;
  const bool same = there && work->layer->n_labels == 0;
  if (conv->gather == NULL) return;
  if (!same) FOR_TILES(work, work->block->n_src, put_input(work, there, begin, end));
  if (!same || conv->attention) conv->gather(work); /* coefficients change with the weights */
  work->gathered = !dropped;
}

/* Where projected rows from `begin` on are made: where they belong, or in a tile of this thread. */
static dg_real *output_room(const dg_work *w, const dg_side *s, int32_t begin) {
  return s->rounded ? dg_rounding_tile(w, s->rounded == w->e.zr_bf16) : s->out + (size_t)begin * s->ld;
}

/* What is left to do with rows [begin, end) of a product. */
static void finish_rows(const dg_work *w, const dg_side *s, dg_real *rows, int32_t begin, int32_t end) {
  if (s->weights_at == w->layer->w) dg_symmetric_sources(w, rows, begin, end);
  if (s->rounded) w->layer->kernels->round_rows(s->rounded + (size_t)begin * s->ld, rows, s->ld, end - begin);
}

/* Projects input rows [begin, end). */
static void project_rows(dg_work *w, const dg_params *p, int32_t begin, int32_t end) {
  dg_side list[DG_MAX_SIDES];
  const dg_rows_of in = dg_input_rows(w, p, begin, end);
  const int n = list_forward(list, w, p);
  for (int i = 0; i < n; i++) {
    const dg_side *s = &list[i];
    const int32_t stop = dg_min_row(end, s->n);
    const dg_rows_of x = dg_side_rows(w, s, in, begin);
    dg_real *out = output_room(w, s, begin);
    if (begin >= stop) continue;
    w->layer->kernels->multiply(out, x.at, x.ld, s->dense, s->bias, false, x.n, s->ld, stop - begin);
    finish_rows(w, s, out, begin, stop);
  }
}

/* Random bits of sparse rows [begin, end), which the weight gradient takes again. */
static void draw_rows(dg_work *w, int32_t begin, int32_t end) {
  for (int32_t i = begin; w->x.drop.threshold && i < end; i++)
    w->row_bits[i] = dg_rng_row(w->x.drop.key, (uint32_t)w->block->folded[i]);
}

/* Adds the labels of rows [begin, end) to products of sparse features. */
static void add_labels(dg_work *w, const dg_params *p, const dg_side *list, int n, int32_t begin, int32_t end) {
  const dg_rows_of in = dg_input_rows(w, p, begin, end);
  for (int i = 0; i < n; i++) {
    const dg_side *s = &list[i];
    const int32_t stop = dg_min_row(end, s->n);
    if (begin < stop)
      w->layer->kernels->multiply(output_room(w, s, begin), in.at, in.ld, s->dense, NULL, true, in.n, s->ld,
                                  stop - begin);
  }
}

/* The first layer's input from row `begin` on. */
static dg_input input_from(const dg_work *w, int32_t begin) {
  dg_input x = w->x;
  x.row += begin, x.ids += begin;
  if (x.row_bits) x.row_bits += begin;
  return x;
}

/* Projects sparse input rows [begin, end) for one or two sides. */
static void project_sparse_rows(dg_work *w, const dg_params *p, const dg_side *list, int n, int32_t begin,
                                int32_t end) {
  const dg_input x = input_from(w, begin);
  dg_product product[2];
  for (int i = 0; i < n; i++)
    product[i] = (dg_product){output_room(w, &list[i], begin), list[i].weights, list[i].bias, list[i].n - begin};
  w->layer->kernels->sparse_forward(product, n, &x, list->ld, 0, end - begin);
  if (w->layer->n_labels > 0) add_labels(w, p, list, n, begin, end);
  for (int i = 0; i < n; i++)
    if (begin < list[i].n) finish_rows(w, &list[i], product[i].out, begin, dg_min_row(end, list[i].n));
}

static void project_sparse(dg_work *w, const dg_params *p) {
  dg_side list[DG_MAX_SIDES];
  const dg_features *x = w->features;
  const int n = list_forward(list, w, p);
  const int32_t size = dg_sparse_strip(x->indptr[x->n_rows], (int32_t)x->n_rows);
  for (int i = 0, k; i < n; i += k) {
    k = dg_sides_paired(list + i, n - i);
    FOR_STRIPS(w, list[i].n, size, {
      if (i == 0) draw_rows(w, begin, end);
      project_sparse_rows(w, p, list + i, k, begin, end);
    });
  }
}

static void project_dense(dg_work *w, const dg_params *p) {
  if (w->layer->conv->project) w->layer->conv->project(w);
  FOR_TILES(w, dg_project_count(w), project_rows(w, p, begin, end));
}

void dg_layer_project_input(dg_work *work, const dg_params *params) {
  if (work->features->sparse)
    project_sparse(work, params);
  else
    project_dense(work, params);
}

void dg_layer_project(dg_work *work, const dg_work *below, const dg_params *params, enum dg_part part) {
  const dg_chunks *c = &below->block->dst;
  int from, to;
  dg_chunk_range(&from, &to, c, part);
  FOR_CHUNKS(
      work, *c, from, to, for (int32_t first = begin; first < end; first += TILE_ROWS) {
        const int32_t last = first + TILE_ROWS < end ? first + TILE_ROWS : end;
        if (work->in.to) dg_transition_forward(&work->in, params, dg_input_room(work, first), first, last);
        project_rows(work, params, first, last);
      });
}
