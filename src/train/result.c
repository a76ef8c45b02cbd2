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
  dg_summary s = {.runs = runs, .test_acc_mean = NAN, .test_acc_std = NAN};
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < runs; i++)
    if (results[i].diverged)
      s.diverged++;
    else
      sum += results[i].test.acc;
  const int64_t n = runs - s.diverged;
  if (n == 0) return s;
  s.test_acc_mean = sum / (double)n;
  for (int64_t i = 0; i < runs; i++)
    if (!results[i].diverged) squares += pow(results[i].test.acc - s.test_acc_mean, 2);
  s.test_acc_std = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
  return s;
}

static bool is_better(const dg_result *a, const dg_result *b) {
  return a->val.acc > b->val.acc || (a->val.acc == b->val.acc && a->val.loss < b->val.loss);
}

int64_t dg_best_run(const dg_result *results, int64_t runs) {
  int64_t best = -1;
  for (int64_t i = 0; i < runs; i++) {
    const bool validated = isfinite(results[i].val.acc);
    if (results[i].diverged) continue;
    if (best < 0 || !validated || is_better(&results[i], &results[best])) best = i;
  }
  return best < 0 ? runs - 1 : best;
}
