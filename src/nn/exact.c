#include "nn/exact.h"

#include <string.h>

#include "nn/parallel.h"

/* ---- rooms of threads ---- */

double *dg_exact_room(const dg_work *work) {
  return work->exact.room + (size_t)omp_get_thread_num() * work->exact.stride;
}

void dg_exact_begin(const dg_work *work, int64_t count) {
  DG_CHECK((size_t)count <= work->exact.stride);
  for (int t = 0; t < omp_get_max_threads(); t++)
    memset(work->exact.room + (size_t)t * work->exact.stride, 0, (size_t)count * sizeof(double));
}

const double *dg_exact_total(const dg_work *work, int64_t count) {
  double *total = work->exact.room;
  for (int t = 1; t < omp_get_max_threads(); t++) {
    const double *room = work->exact.room + (size_t)t * work->exact.stride;
    for (int64_t i = 0; i < count; i++) total[i] += room[i];
  }
  dg_comm_sum_double(work->comm, total, (size_t)count);
  return total;
}

void dg_exact_reals(const dg_work *work, dg_real *out, int64_t n) {
  const double *total = dg_exact_total(work, DG_EXACT_PARTS * n);
  for (int64_t i = 0; i < n; i++) out[i] = (dg_real)dg_exact_value(total, n, i);
}

void dg_exact_add_doubles(double *sum, const double *x, int64_t n) {
  static const double step[DG_EXACT_PARTS] = {DG_EXACT_HIGH, DG_EXACT_MIDDLE, DG_EXACT_LOW};
  for (int64_t i = 0; i < n; i++) {
    double left = x[i];
    for (int p = 0; p < DG_EXACT_PARTS; p++) {
      const double whole = dg_exact_nearest(left, step[p]);
      sum[p * n + i] += whole;
      left -= whole;
    }
  }
}

/* ---- edges ---- */

/* Numbers that the edges of a layer sum for the gradients of attention vectors; 0 where it has none. */
static int64_t attention_sums(const dg_layer *l) {
  return l->conv->take_sums ? l->chunk_sums : 0;
}

/* A thread's room: sums for attention vectors, and what one call of a kernel gives to them. */
static dg_real *partial_room(const dg_work *work) {
  return (dg_real *)(dg_exact_room(work) + DG_EXACT_PARTS * attention_sums(work->layer));
}

/* Elements [begin, end) of what one call gave. */
static void add_partial(const dg_work *work, const dg_real *partial, int64_t begin, int64_t end) {
  const size_t n = (size_t)attention_sums(work->layer);
  if (begin < end) work->layer->kernels->exact_add(dg_exact_room(work) + begin, n, partial + begin, (int)(end - begin));
}

/* An index of rows of which kernels see row j alone: elements [j] and [j + 1] are the two of `ends`. */
static const int32_t *index_of(const int32_t *ends, int32_t j) {
  return (const int32_t *)((uintptr_t)ends - (uintptr_t)j * sizeof *ends);
}

/* The sum of dz of source j over its out-edges here, edge by edge. What a target's own score gives it comes with its
   self-loop. */
static void sum_source(const dg_work *work, const dg_edges *edges, int32_t j) {
  const dg_layer *l = work->layer;
  const size_t row = dg_exact_row(l);
  double *sum = work->exact.dz + (size_t)j * row;
  dg_real *partial = partial_room(work);
  dg_edges one = *edges;
  int32_t ends[2];
  memset(sum, 0, row * sizeof *sum);
  one.t_indptr = index_of(ends, j);
  for (int32_t t = edges->t_indptr[j]; t < edges->t_indptr[j + 1]; t++) {
    ends[0] = t, ends[1] = t + 1;
    const bool loop = edges->t_indices[t] == j;
    one.n_dst = loop ? edges->n_dst : 0;
    l->conv->backward_edge(work, &one, j, partial);
    l->kernels->exact_add(sum, (size_t)l->ld, edges->dz + (size_t)j * (size_t)l->ld, l->ld);
    if (l->conv->backward_target || attention_sums(l) == 0) continue;
    add_partial(work, partial, 0, loop ? 2 * l->ld : l->ld); /* of sources, then of targets */
    add_partial(work, partial, 2 * l->ld, l->chunk_sums);
  }
}

static void sum_sources(const dg_work *work, const dg_edges *edges, int32_t begin, int32_t end) {
#pragma omp parallel for schedule(dynamic, 64)
  for (int32_t j = begin; j < end; j++) sum_source(work, edges, j);
}

/* dz of owned sources, from their sums. */
static void round_sources(const dg_work *work) {
  const int ld = work->layer->ld;
  FOR_TILES(
      work, work->block->n_src_owned, for (int32_t j = begin; j < end; j++) {
        const double *sum = work->exact.dz + (size_t)j * dg_exact_row(work->layer);
        for (int c = 0; c < ld; c++) work->e.dz[(size_t)j * (size_t)ld + c] = (dg_real)dg_exact_value(sum, ld, c);
      });
}

static void pass_targets(const dg_work *work) {
#pragma omp parallel for schedule(dynamic, 64)
  for (int32_t i = 0; i < work->block->n_dst; i++) {
    work->layer->conv->backward_target(work, i, partial_room(work));
    add_partial(work, partial_room(work), 0, work->layer->chunk_sums);
  }
}

static void take_attention(const dg_work *work, dg_params *params) {
  const int64_t n = attention_sums(work->layer);
  if (n == 0) return;
  dg_real *sums = partial_room(work);
  dg_exact_reals(work, sums, n);
  work->layer->conv->take_sums(work, params, sums);
}

void dg_exact_backward_edges(const dg_work *work, dg_params *params) {
  const dg_conv *conv = work->layer->conv;
  const dg_block *b = work->block;
  if (conv->backward_edge == NULL) return;
  if (conv->backward_begin) conv->backward_begin(work);
  dg_symmetric_dots(work);
  const dg_edges edges = conv->seen_edges ? conv->seen_edges(work) : work->e;
  dg_exact_begin(work, DG_EXACT_PARTS * attention_sums(work->layer));
  sum_sources(work, &edges, b->n_src_owned, b->n_src);
  dg_halo_push_begin(work->channel);
  sum_sources(work, &edges, 0, b->n_src_owned);
  if (conv->backward_target) pass_targets(work);
  dg_halo_push_end(work->channel);
  round_sources(work);
  take_attention(work, params);
}

/* ---- rows ---- */

void dg_exact_columns(const dg_work *work, dg_real *out, const dg_real *x, int n, int32_t rows) {
  dg_exact_begin(work, DG_EXACT_PARTS * (int64_t)n);
  FOR_TILES(work, rows,
            for (int32_t r = begin; r < end; r++)
                work->layer->kernels->exact_add(dg_exact_room(work), (size_t)n, x + (size_t)r * (size_t)n, n));
  dg_exact_reals(work, out, n);
}

void dg_exact_keep(const dg_work *work, dg_params *params) {
  const dg_layer *l = work->layer;
  for (int64_t i = l->first; i < l->first + l->count; i++) {
    params->squares += (double)params->grad[i] * (double)params->grad[i];
    params->grad[i] += 0; /* no -0, as beside other ranks' 0 */
  }
  if (work->comm->rank > 0) memset(params->grad + l->first, 0, (size_t)l->count * sizeof *params->grad);
}
