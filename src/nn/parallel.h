#ifndef DG_NN_PARALLEL_H
#define DG_NN_PARALLEL_H

#include <omp.h>
#include <string.h>

#include "nn/layer.h"

/* How the rows of a layer are shared by threads: tiles and sums of fixed size, and chunks of a block, none of which
   depends on the number of threads, so that results do not either. */
enum { TILE_ROWS = 256, MAX_SUMS = 16, MIN_SUM_ROWS = 2048 };

/* Messages under way move on between two pieces of work. */
static inline void progress(const dg_comm *comm) {
  if (comm->size > 1 && omp_get_thread_num() == 0) dg_comm_progress(comm);
}

/* Runs BODY for tiles [begin, end) of n rows; their bounds do not depend on the number of threads. */
#define FOR_TILES(work, n_rows, ...)                                                                                   \
  do {                                                                                                                 \
    const int32_t rows_ = (n_rows), tiles_ = (rows_ + TILE_ROWS - 1) / TILE_ROWS;                                      \
    _Pragma("omp parallel for schedule(dynamic, 1) if (tiles_ > 1)") for (int32_t tile_ = 0; tile_ < tiles_;           \
                                                                          tile_++) {                                   \
      const int32_t begin = tile_ * TILE_ROWS, end = begin + TILE_ROWS < rows_ ? begin + TILE_ROWS : rows_;            \
      __VA_ARGS__;                                                                                                     \
      progress((work)->comm);                                                                                          \
    }                                                                                                                  \
  } while (0)

/* Runs BODY for chunks [from, to) of a block's rows. */
#define FOR_CHUNKS(work, chunks, from, to, ...)                                                                        \
  do {                                                                                                                 \
    const int first_ = (from), last_ = (to);                                                                           \
    _Pragma("omp parallel for schedule(dynamic, 1) if (last_ - first_ > 1)") for (int c_ = first_; c_ < last_; c_++) { \
      const int32_t begin = (chunks).begin[c_], end = (chunks).end[c_];                                                \
      __VA_ARGS__;                                                                                                     \
      progress((work)->comm);                                                                                          \
    }                                                                                                                  \
  } while (0)

/* Chunks [from, to) of one kind of rows: the first n_first need no halo. */
static inline void dg_chunk_range(int *from, int *to, const dg_chunks *c, enum dg_part part) {
  *from = part == DG_INTERIOR ? 0 : c->n_first;
  *to = part == DG_INTERIOR ? c->n_first : c->n;
}

/* Rows summed into one partial result, so that there are at most MAX_SUMS of these. */
static inline int32_t sum_rows(int32_t n) {
  int32_t rows = (n + MAX_SUMS - 1) / MAX_SUMS;
  rows = (rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
  return rows > MIN_SUM_ROWS ? rows : MIN_SUM_ROWS;
}

static inline int n_sums(int32_t n) {
  return (n + sum_rows(n) - 1) / sum_rows(n);
}

/* out[count] = sum of n partial results, `stride` elements apart, in order. */
static inline void add_up(dg_real *out, const dg_real *partial, int n, int64_t stride, int64_t count) {
  memset(out, 0, (size_t)count * sizeof *out);
  for (int s = 0; s < n; s++)
    for (int64_t i = 0; i < count; i++) out[i] += partial[s * stride + i];
}

#endif
