#include "train/result.h"

#include <math.h>
#include <stddef.h>
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

/* Mean and sample deviation of one figure of the runs that have not diverged; NaN where there is none. */
static void summarize(double *mean, double *deviation, const dg_result *results, int64_t runs, size_t figure) {
  double sum = 0, squares = 0;
  int64_t n = 0;
  for (int64_t i = 0; i < runs; i++)
    if (!results[i].diverged) sum += *(const double *)((const char *)&results[i] + figure), n++;
  *mean = sum / (double)n; /* 0 / 0 is NaN */
  for (int64_t i = 0; i < runs; i++)
    if (!results[i].diverged) squares += pow(*(const double *)((const char *)&results[i] + figure) - *mean, 2);
  *deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : n == 1 ? 0 : NAN;
}

dg_summary dg_summarize(const dg_result *results, int64_t runs) {
  dg_summary s = {.runs = runs};
  for (int64_t i = 0; i < runs; i++) s.diverged += results[i].diverged;
  summarize(&s.test_acc_mean, &s.test_acc_std, results, runs, offsetof(dg_result, test.acc));
  summarize(&s.val_acc_mean, &s.val_acc_std, results, runs, offsetof(dg_result, val.acc));
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
