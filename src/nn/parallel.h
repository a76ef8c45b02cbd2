#ifndef DG_NN_PARALLEL_H
#define DG_NN_PARALLEL_H

#include <omp.h>
#include <string.h>

#include "nn/layer.h"

/* How the rows of a layer are shared by threads: tiles and sums of fixed size, and chunks of a block, none of which
   depends on the number of threads, so that results do not either. */
enum { TILE_ROWS = 256, MAX_SUMS = 16, MIN_SUM_ROWS = 2048 };

/* Rows, and edges of several rows, that are summed in the model's precision; sums of such blocks are added in double. A
   tile is a whole number of blocks. */
enum { BLOCK_ROWS = 64, BLOCK_EDGES = 1024 };

/* Messages under way move on between two pieces of work, of which `left` are still to come. Not after the last: where
   ranks share a core, MPI gives it away while it has nothing to move. */
static inline void progress(const dg_comm *comm, int left) {
  if (left > 0 && comm->size > 1 && omp_get_thread_num() == 0) dg_comm_progress(comm);
}

/* Runs BODY for strips [begin, end) of n rows, `size` each; their bounds do not depend on the number of threads. */
#define FOR_STRIPS(work, n_rows, size, ...)                                                                            \
  do {                                                                                                                 \
    const int32_t rows_ = (n_rows), size_ = (size), tiles_ = (rows_ + size_ - 1) / size_;                              \
    _Pragma("omp parallel for schedule(dynamic, 1) if (tiles_ > 1)") for (int32_t tile_ = 0; tile_ < tiles_;           \
                                                                          tile_++) {                                   \
      const int32_t begin = tile_ * size_, end = begin + size_ < rows_ ? begin + size_ : rows_;                        \
      __VA_ARGS__;                                                                                                     \
      progress((work)->comm, tiles_ - tile_ - 1);                                                                      \
    }                                                                                                                  \
  } while (0)

/* The same for tiles. */
#define FOR_TILES(work, n_rows, ...) FOR_STRIPS(work, n_rows, TILE_ROWS, __VA_ARGS__)

/* Runs BODY for chunks [from, to) of a block's rows. */
#define FOR_CHUNKS(work, chunks, from, to, ...)                                                                        \
  do {                                                                                                                 \
    const int first_ = (from), last_ = (to);                                                                           \
    _Pragma("omp parallel for schedule(dynamic, 1) if (last_ - first_ > 1)") for (int c_ = first_; c_ < last_; c_++) { \
      const int32_t begin = (chunks).begin[c_], end = (chunks).end[c_];                                                \
      __VA_ARGS__;                                                                                                     \
      progress((work)->comm, last_ - c_ - 1);                                                                          \
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

/* The most sums of n rows or fewer: fewer rows can be more sums. */
static inline int most_sums(int32_t n) {
  return n < MAX_SUMS * MIN_SUM_ROWS ? (n + MIN_SUM_ROWS - 1) / MIN_SUM_ROWS : MAX_SUMS;
}

/* Rows of this thread before they are rounded, [TILE_ROWS, ld], of a projection: 0 sources, 1 targets. */
static inline dg_real *dg_rounding_tile(const dg_work *work, int projection) {
  const size_t projections = work->layer->wr >= 0 ? 2 : 1, n = (size_t)omp_get_thread_num() * projections;
  return work->rounding + (n + (size_t)projection) * TILE_ROWS * (size_t)work->layer->ld;
}

/* Moves the sums of a block of rows to those of many; the block's begin anew. */
static inline void add_block(double *sum, dg_real *block, int64_t count) {
  for (int64_t i = 0; i < count; i++) sum[i] += (double)block[i];
  memset(block, 0, (size_t)count * sizeof *block);
}

/* The end of the block of rows of [begin, end) that begins with `begin`, rows with edges by indptr; or without, NULL.
 */
static inline int32_t block_end(const int32_t *indptr, int32_t begin, int32_t end) {
  const int32_t most = end - begin < BLOCK_ROWS ? end : begin + BLOCK_ROWS;
  int32_t last = begin + 1;
  while (last < most && (indptr == NULL || indptr[last + 1] - indptr[begin] <= BLOCK_EDGES)) last++;
  return last;
}

/* out[count] = sum of n partial results, `stride` elements apart, in order. */
static inline void add_parts(dg_real *out, const double *partial, int n, int64_t stride, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    double sum = 0;
    for (int s = 0; s < n; s++) sum += partial[s * stride + i];
    out[i] = (dg_real)sum;
  }
}

/* The same of partial results that follow each other. */
static inline void add_sums(dg_real *out, const double *partial, int n, int64_t count) {
  add_parts(out, partial, n, count, count);
}

/* The same in double. */
static inline void add_doubles(double *out, const double *partial, int n, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    out[i] = 0;
    for (int s = 0; s < n; s++) out[i] += partial[s * count + i];
  }
}

/* The same of partial results in the model's precision, `stride` elements apart. */
static inline void add_up(dg_real *out, const dg_real *partial, int n, int64_t stride, int64_t count) {
  enum { STRIP = 256 };
  for (int64_t at = 0; at < count; at += STRIP) {
    double sum[STRIP] = {0};
    const int64_t width = count - at < STRIP ? count - at : STRIP;
    for (int s = 0; s < n; s++)
      for (int64_t i = 0; i < width; i++) sum[i] += (double)partial[s * stride + at + i];
    for (int64_t i = 0; i < width; i++) out[at + i] = (dg_real)sum[i];
  }
}

#endif
