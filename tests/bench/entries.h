#ifndef DISTGAT_TESTS_ENTRIES_H
#define DISTGAT_TESTS_ENTRIES_H

#include <stddef.h>

#include <distgat/status.h>

#include "kernels/kernels.h"

/* What bench_kernels runs. To add a kernel: its plain loops in tests/support, then in edge_entries.c or row_entries.c
   its arrays, a line ENTRY_CALL and a line of the table. */

/* Sizes of the problem. */
typedef struct bench_sizes {
  int64_t nodes, degree, heads, dim, features, nonzeros, ahead;
  double dropout;
  int bf16;   /* whether tables that edges gather from are in it */
  int hp, ld; /* of heads and dim, see kernels/kernels.h */
} bench_sizes;

/* Rows [rows, width] that a kernel makes, `stride` elements apart, and what they should be. An element is the sum of
   about `terms` numbers, of which it takes rounding errors. */
typedef struct bench_result {
  const char *name; /* NULL: none */
  dg_real *is;
  double *wanted;
  size_t rows, stride, width;
  double terms;
} bench_result;

typedef struct bench_entry {
  const char *name; /* NULL ends a table */
  void (*run)(const dg_kernels *k);
  const char *unit;           /* what `units` counts */
  double units, flops, bytes; /* of one call; bytes: each array once */
  bench_result results[6];
  void (*plain)(void); /* makes what is wanted here and below; NULL: it is there */
  void (*reset)(void); /* restores what the kernel changes; NULL: nothing */
} bench_entry;

/* Defines the call of a kernel, for its entry. */
#define ENTRY_CALL(kernel, ...)                                                                                        \
  static void call_##kernel(const dg_kernels *k) {                                                                     \
    k->kernel(__VA_ARGS__);                                                                                            \
  }
#define ENTRY(kernel) ENTRY_AS(#kernel, kernel)
#define ENTRY_AS(text, kernel) .name = text, .run = call_##kernel

/* Makes a problem of these sizes, and the table of its kernels; entries take what those above them made. */
const bench_entry *edge_entries(const bench_sizes *s);
void edge_entries_free(void);
const bench_entry *row_entries(const bench_sizes *s);
void row_entries_free(void);

/* Ends the program, saying why, unless the status is DG_OK. */
void bench_must(dg_status status);

/* Memory that lasts until bench_release. */
void *bench_room(size_t count, size_t size);
void bench_release(void);

/* A result with memory of its own. */
bench_result bench_make(const char *name, size_t rows, size_t width, double terms);

/* Random numbers of stream `what` in [low, high). */
dg_real *bench_draw(size_t n, uint64_t what, double low, double high);

/* Rows of random multiples of 1/64 in [-1, 1), their padding zero. The scores of GAT are exact then: rounding might
   turn their sign, at which the slope of LeakyReLU changes. */
dg_real *bench_draw_rows(const bench_sizes *s, size_t n, uint64_t what);

/* Dropout as in a step of training. */
dg_dropout bench_dropout(const bench_sizes *s);

/* 0, 1, .. n - 1. */
int32_t *bench_numbers(int64_t n);

#endif
