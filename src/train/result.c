#include "train/result.h"

#include <math.h>
#include <stdlib.h>

#include <distgat/memory.h>

static int compare_doubles(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

dg_status dg_history_median_ms(double *median, const dg_history *history, int64_t n) {
  double *seconds = NULL;
  *median = NAN;
  if (n == 0) return DG_OK;
  const dg_status status = dg_alloc(&seconds, (size_t)n, sizeof *seconds);
  if (status != DG_OK) return status;
  for (int64_t i = 0; i < n; i++) seconds[i] = history[i].step_seconds;
  qsort(seconds, (size_t)n, sizeof *seconds, compare_doubles);
  *median = 1e3 * (n % 2 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2);
  dg_free(&seconds);
  return DG_OK;
}

dg_summary dg_summarize(const dg_result *results, int64_t runs) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < runs; i++) sum += results[i].test.acc;
  const double mean = sum / (double)runs;
  for (int64_t i = 0; i < runs; i++) squares += pow(results[i].test.acc - mean, 2);
  return (dg_summary){runs, mean, runs > 1 ? sqrt(squares / (double)(runs - 1)) : 0};
}
