#include "bench/entries.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <distgat/memory.h>
#include <distgat/options.h>
#include <distgat/rng.h>

/* Checks every kernel in every variant that this processor runs against plain loops, then times it. */

static const char usage[] = "usage: bench_kernels [options]\n"
                            "\n"
                            "Checks the inner loops of training against plain loops in double precision, then times "
                            "them on one thread.";

enum { MAX_BLOCKS = 128, MAX_VARIANTS = 8, MAX_ROUNDS = 1000 };

typedef struct bench_job {
  bench_sizes sizes;
  int64_t rounds;
  char *only; /* part of the names of the kernels that are timed, NULL: all */
} bench_job;

/* ---- what entries need ---- */

static void *blocks[MAX_BLOCKS];
static int n_blocks;

void bench_must(dg_status status) {
  if (status == DG_OK) return;
  fflush(stdout);
  fprintf(stderr, "bench_kernels: %s\n", dg_status_message());
  exit(dg_status_exit_code(status));
}

void *bench_room(size_t count, size_t size) {
  DG_CHECK(n_blocks < MAX_BLOCKS);
  bench_must(dg_alloc(&blocks[n_blocks], count, size));
  return blocks[n_blocks++];
}

void bench_release(void) {
  while (n_blocks > 0) dg_free(&blocks[--n_blocks]);
}

bench_result bench_make(const char *name, size_t rows, size_t width, double terms) {
  dg_real *is = bench_room(rows * width, sizeof *is);
  return (bench_result){name, is, bench_room(rows * width, sizeof(double)), rows, width, width, terms};
}

dg_real *bench_draw(size_t n, uint64_t what, double low, double high) {
  dg_real *x = bench_room(n, sizeof *x);
  for (size_t i = 0; i < n; i++) x[i] = (dg_real)(low + (high - low) * dg_rng_uniform(what, i));
  return x;
}

dg_real *bench_draw_rows(const bench_sizes *s, size_t n, uint64_t what) {
  const int ld = s->ld;
  dg_real *x = bench_draw(n * (size_t)ld, what, -1, 1), *row = x;
  for (size_t r = 0; r < n; r++, row += ld)
    for (int c = 0; c < ld; c++)
      row[c] = c % s->hp < s->heads && c / s->hp < s->dim ? (dg_real)(floor(64 * (double)row[c]) / 64) : 0;
  return x;
}

dg_dropout bench_dropout(const bench_sizes *s) {
  return (dg_dropout){dg_rng_key(11, 12), (uint32_t)(s->dropout * 0x1p32), (dg_real)(1 / (1 - s->dropout))};
}

int32_t *bench_numbers(int64_t n) {
  int32_t *x = bench_room((size_t)n, sizeof *x);
  for (int64_t i = 0; i < n; i++) x[i] = (int32_t)i;
  return x;
}

/* ---- checks ---- */

static dg_real *row_of(const bench_result *r, size_t row) {
  return r->is + row * r->stride;
}

/* What a kernel leaves out must not pass for what another variant made. */
static void spoil(const bench_result *r) {
  for (size_t i = 0; i < r->rows; i++)
    for (size_t c = 0; c < r->width; c++) row_of(r, i)[c] = NAN;
}

/* Greatest error, relative to the greatest element where that is above 1. */
static double error_of(const bench_result *r) {
  double error = 0, scale = 1;
  for (size_t i = 0; i < r->rows; i++)
    for (size_t c = 0; c < r->width; c++) {
      const double is = row_of(r, i)[c], wanted = r->wanted[i * r->stride + c];
      error = fmax(error, isfinite(is) ? fabs(is - wanted) : INFINITY);
      scale = fmax(scale, fabs(wanted));
    }
  return error / scale;
}

/* Rounding errors of many terms add up as a random walk does. */
static double allowed(const bench_result *r) {
  return 1e-6 + 1.2e-7 * sqrt(r->terms);
}

static dg_status check(double *error, const bench_entry *entry, const dg_kernels *k) {
  *error = 0;
  for (const bench_result *r = entry->results; r->name; r++) spoil(r);
  if (entry->reset) entry->reset();
  entry->run(k);
  for (const bench_result *r = entry->results; r->name; r++) {
    const double e = error_of(r);
    if (!(e <= allowed(r)))
      return dg_fail(DG_RUNTIME, "%s of variant %s: %s is wrong: relative error %.2e, allowed %.2e", entry->name,
                     k->name, r->name, e, allowed(r));
    *error = fmax(*error, e);
  }
  return DG_OK;
}

/* ---- times ---- */

/* Seconds that this thread has run: turns that others take on its processor do not count. */
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Variants take turns, so that what else the machine does slows all of them; seconds [variant][rounds] are sorted. */
static void time_variants(double seconds[MAX_VARIANTS][MAX_ROUNDS], const bench_entry *entry, int64_t rounds) {
  const dg_kernels *const *all = dg_kernels_all();
  for (int64_t round = 0; round < rounds; round++)
    for (int n = 0; all[n]; n++) {
      if (entry->reset) entry->reset();
      const double before = now();
      entry->run(all[n]);
      seconds[n][round] = now() - before;
    }
  for (int n = 0; all[n]; n++) qsort(seconds[n], (size_t)rounds, sizeof **seconds, compare_doubles);
}

static void print_number(double x, int width, int digits) {
  if (x > 0)
    printf(" %*.*f", width, digits, x);
  else
    printf(" %*s", width, "-");
}

static void print_line(const bench_entry *entry, const char *variant, double error, double least, double median,
                       double portable) {
  printf("%-20s %-9s %8.1e %10.3f %10.3f  %-9s", entry->name, variant, error, 1e9 * least / entry->units,
         1e9 * median / entry->units, entry->unit);
  print_number(entry->bytes / least / 1e9, 8, 1);
  print_number(entry->flops / least / 1e9, 9, 1);
  printf(" %11.2f\n", portable / least);
}

static dg_status run_entry(const bench_entry *entry, const bench_job *job) {
  static double seconds[MAX_VARIANTS][MAX_ROUNDS];
  const dg_kernels *const *all = dg_kernels_all();
  double error[MAX_VARIANTS] = {0}, portable = 0;
  dg_status status = DG_OK;
  if (entry->plain) entry->plain();
  for (int n = 0; all[n]; n++) DG_TRY(check(&error[n], entry, all[n]));
  if (job->only && !strstr(entry->name, job->only)) goto cleanup;
  time_variants(seconds, entry, job->rounds);
  for (int n = 0; all[n]; n++)
    if (strcmp(all[n]->name, "portable") == 0) portable = seconds[n][0];
  for (int n = 0; all[n]; n++)
    print_line(entry, all[n]->name, error[n], seconds[n][0], seconds[n][job->rounds / 2], portable);
  fflush(stdout);
cleanup:
  return status;
}

static dg_status run_table(const bench_entry *table, const bench_job *job) {
  dg_status status = DG_OK;
  for (const bench_entry *entry = table; entry->name; entry++) DG_TRY(run_entry(entry, job));
cleanup:
  return status;
}

static double flops_rate(double (*run)(int64_t rounds)) {
  double best = 0;
  for (int round = 0; round < 3; round++) {
    const double before = now(), flops = run(1 << 20);
    best = fmax(best, flops / (now() - before));
  }
  return best;
}

/* The problem, and the rates that arithmetic can reach. */
static void print_head(const bench_job *job) {
  const bench_sizes *s = &job->sizes;
  printf("%lld nodes of mean in-degree %lld, %lld heads of %lld channels in rows of %d, dropout %g, one thread\n",
         (long long)s->nodes, (long long)s->degree, (long long)s->heads, (long long)s->dim, s->ld, s->dropout);
  printf("%lld features, sparse rows with %lld of them; minimum and median of %lld rounds\n", (long long)s->features,
         (long long)(s->nonzeros < s->features ? s->nonzeros : s->features), (long long)job->rounds);
  printf("multiply-adds of products:");
  for (const dg_kernels *const *k = dg_kernels_all(); *k; k++)
    printf("%s %s %.1f", k == dg_kernels_all() ? "" : ",", (*k)->name, flops_rate((*k)->product_flops) / 1e9);
  printf(" GFLOP/s\n\n%-20s %-9s %8s %10s %10s  %-9s %8s %9s %11s\n", "kernel", "variant", "error", "min ns",
         "median ns", "per", "GB/s", "GFLOP/s", "x portable");
}

/* ---- the program ---- */

static const char *const table_types[] = {"f32", "bf16", NULL};

static dg_status parse(bench_job *job, int argc, char **argv, bool *help) {
  bench_sizes *s = &job->sizes;
  *job = (bench_job){{20000, 14, 8, 8, 128, 16, 6, 0.6, 0, 0, 0}, 7, NULL};
  dg_option options[] = {
      dg_option_int("nodes", &s->nodes, 1, 1 << 26, "N", "nodes of the random graph (20000)"),
      dg_option_int("degree", &s->degree, 1, 10000, "N", "mean in-degree, self-loop included (14)"),
      dg_option_int("heads", &s->heads, 1, DG_MAX_HEADS, "N", "attention heads (8)"),
      dg_option_int("dim", &s->dim, 1, 4096, "N", "channels of a head (8)"),
      dg_option_int("features", &s->features, 1, 1 << 20, "N", "input features (128)"),
      dg_option_int("nonzeros", &s->nonzeros, 1, 1 << 20, "N", "of them in a sparse row (16)"),
      dg_option_real("dropout", &s->dropout, 0, nextafter(1, 0), "P", "of inputs and of attention, 0 for none (0.6)"),
      dg_option_int("ahead", &s->ahead, 0, 1000, "N", "edges that rows are prefetched ahead, 0 for no prefetch (6)"),
      dg_option_choice("table-type", &s->bf16, table_types, "of rows that edges gather (f32)"),
      dg_option_int("rounds", &job->rounds, 1, MAX_ROUNDS, "N", "times that each variant runs (7)"),
      dg_option_text("only", &job->only, "TEXT", "time only kernels with this in their names; all are checked"),
      dg_option_end()};
  dg_status status = DG_OK;
  DG_TRY(dg_options_parse(options, argc, argv, usage, NULL, 0, help));
  for (s->hp = 1; s->hp < s->heads && s->hp < 8;) s->hp *= 2;
  if (s->heads > 8) s->hp = ((int)s->heads + 15) / 16 * 16;
  s->ld = ((int)s->dim * s->hp + 15) / 16 * 16;
  const int64_t row = 2 * s->degree > s->nonzeros ? 2 * s->degree : s->nonzeros;
  if (s->degree > s->nodes) return dg_fail(DG_USAGE, "--degree must not be above --nodes");
  if (s->nodes * row > INT32_MAX) return dg_fail(DG_USAGE, "too many edges or non-zeros for --nodes");
cleanup:
  return status;
}

int main(int argc, char **argv) {
  bench_job job;
  bool help = false;
  dg_status status = parse(&job, argc, argv, &help);
  if (status == DG_OK && !help) {
    print_head(&job);
    status = run_table(edge_entries(&job.sizes), &job);
    edge_entries_free();
  }
  if (status == DG_OK && !help) {
    status = run_table(row_entries(&job.sizes), &job);
    row_entries_free();
  }
  free(job.only);
  bench_must(status);
  return 0;
}
