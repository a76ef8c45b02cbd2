#include "data/normalize.h"

#include <float.h>
#include <math.h>

static float *row_of(const dg_features *x, int64_t i) {
  return x->sparse ? x->values + x->indptr[i] : x->dense + i * x->n_cols;
}

static int64_t row_length(const dg_features *x, int64_t i) {
  return x->sparse ? x->indptr[i + 1] - x->indptr[i] : x->n_cols;
}

/* Least and greatest entry of all ranks' rows; entries that are not stored are 0. Collective. */
static void find_range(double *least, double *greatest, const dg_features *x, const dg_comm *comm) {
  double low = INFINITY, high = -INFINITY;
  for (int64_t i = 0; i < x->n_rows; i++) {
    const float *row = row_of(x, i);
    const int64_t n = row_length(x, i);
    for (int64_t k = 0; k < n; k++) low = fmin(low, row[k]), high = fmax(high, row[k]);
    if (n < x->n_cols) low = fmin(low, 0), high = fmax(high, 0);
  }
  *least = -dg_comm_max_double(comm, -low);
  *greatest = dg_comm_max_double(comm, high);
}

static void scale_row(float *row, int64_t n, float least) {
  double sum = 0;
  for (int64_t k = 0; k < n; k++) row[k] -= least;
  for (int64_t k = 0; k < n; k++) sum += row[k];
  for (int64_t k = 0; k < n && sum > 1; k++) row[k] = (float)(row[k] / sum);
}

dg_status dg_normalize_rows(dg_features *x, const dg_comm *comm, const char *path) {
  double least, greatest;
  find_range(&least, &greatest, x, comm);
  if (x->sparse && least < 0)
    return dg_fail(DG_INPUT,
                   "%s: --normalize row subtracts the least feature, here %g, which fills a sparse matrix; store dense "
                   "features (features/dense), or scale them beforehand",
                   path, least);
  if (greatest - least > FLT_MAX)
    return dg_fail(DG_INPUT,
                   "%s: features go from %g to %g: their distance is beyond single precision, and --normalize row "
                   "cannot subtract the least from each",
                   path, least, greatest);
  for (int64_t i = 0; i < x->n_rows; i++) scale_row(row_of(x, i), row_length(x, i), (float)least);
  return DG_OK;
}
