#include <float.h>
#include <math.h>

#include <distgat/memory.h>

#include "data/normalize.h"

/* Figures of the columns of all ranks' rows. */
typedef struct columns {
  int n;
  double *reach; /* [2, n] greatest -x, greatest x */
  double *mean, *deviation;
  int64_t *sum; /* of values as whole multiples of a small step: the same bits wherever the rows lie */
} columns;

static dg_status create_columns(columns *c, int n) {
  dg_status status = DG_OK;
  *c = (columns){.n = n};
  DG_TRY(dg_alloc(&c->reach, 2 * (size_t)n, sizeof *c->reach));
  DG_TRY(dg_alloc(&c->mean, (size_t)n, sizeof *c->mean));
  DG_TRY(dg_alloc(&c->deviation, (size_t)n, sizeof *c->deviation));
  DG_TRY(dg_alloc(&c->sum, (size_t)n, sizeof *c->sum));

cleanup:
  return status;
}

static void destroy_columns(columns *c) {
  dg_free(&c->reach);
  dg_free(&c->mean);
  dg_free(&c->deviation);
  dg_free(&c->sum);
}

static void find_reach(columns *c, const dg_features *x, const dg_comm *comm) {
  for (int k = 0; k < 2 * c->n; k++) c->reach[k] = -INFINITY;
  for (int64_t i = 0; i < x->n_rows; i++)
    for (int k = 0; k < c->n; k++) {
      const double value = x->dense[i * c->n + k];
      c->reach[k] = fmax(c->reach[k], -value);
      c->reach[c->n + k] = fmax(c->reach[c->n + k], value);
    }
  dg_comm_max_doubles(comm, c->reach, 2 * (size_t)c->n);
}

static double square(double x) {
  return x * x;
}

/* Whole multiples of a step that no value of a column exceeds so far that their sum over all nodes would not fit: steps
   in 1. `most` is the greatest of the values. */
static double steps_in_one(double most, int64_t n_nodes) {
  int exponent, bits;
  frexp(most, &exponent);
  frexp((double)n_nodes, &bits);
  return ldexp(1, 62 - bits - exponent);
}

static void find_means(columns *c, const dg_features *x, int64_t n_nodes, const dg_comm *comm) {
  double *steps = c->deviation; /* not needed before there are means */
  for (int k = 0; k < c->n; k++) steps[k] = steps_in_one(fmax(fabs(c->reach[k]), fabs(c->reach[c->n + k])), n_nodes);
  for (int64_t i = 0; i < x->n_rows; i++)
    for (int k = 0; k < c->n; k++) c->sum[k] += llrint(x->dense[i * c->n + k] * steps[k]);
  dg_comm_sum_int64(comm, c->sum, (size_t)c->n);
  for (int k = 0; k < c->n; k++) c->mean[k] = (double)c->sum[k] / steps[k] / (double)n_nodes;
}

/* Those of columns of one value are 1. */
static void find_deviations(columns *c, const dg_features *x, int64_t n_nodes, const dg_comm *comm) {
  double *steps = c->deviation;
  for (int k = 0; k < c->n; k++) {
    c->sum[k] = 0;
    steps[k] = steps_in_one(fmax(square(c->reach[k] + c->mean[k]), square(c->reach[c->n + k] - c->mean[k])), n_nodes);
  }
  for (int64_t i = 0; i < x->n_rows; i++)
    for (int k = 0; k < c->n; k++) c->sum[k] += llrint(square(x->dense[i * c->n + k] - c->mean[k]) * steps[k]);
  dg_comm_sum_int64(comm, c->sum, (size_t)c->n);
  for (int k = 0; k < c->n; k++)
    c->deviation[k] = -c->reach[k] < c->reach[c->n + k] ? sqrt((double)c->sum[k] / steps[k] / (double)n_nodes) : 1;
}

dg_status dg_standardize_columns(dg_features *x, int64_t n_nodes, const dg_comm *comm, const char *path) {
  dg_status status = DG_OK;
  columns c = {0};
  if (x->sparse)
    return dg_fail(DG_INPUT,
                   "%s: --normalize standardize subtracts each column's mean, which fills a sparse matrix; store dense "
                   "features (features/dense), or use --normalize row",
                   path);
  DG_TRY(dg_comm_agree(comm, create_columns(&c, x->n_cols)));
  find_reach(&c, x, comm);
  find_means(&c, x, n_nodes, comm);
  find_deviations(&c, x, n_nodes, comm);
  for (int64_t i = 0; i < x->n_rows; i++)
    for (int k = 0; k < c.n; k++) {
      float *value = &x->dense[i * c.n + k];
      *value = (float)((*value - c.mean[k]) / c.deviation[k]);
    }

cleanup:
  destroy_columns(&c);
  return status;
}

/* ---- how large columns are ---- */

dg_status dg_feature_sizes_find(dg_feature_sizes *sizes, const dg_features *x, int64_t n_rows, int64_t n_nodes,
                                const dg_comm *comm) {
  double *squares = NULL;
  *sizes = (dg_feature_sizes){.least = INFINITY};
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&squares, (size_t)x->n_cols, sizeof *squares)));
  for (int64_t k = 0; x->sparse && k < x->indptr[n_rows]; k++) squares[x->indices[k]] += square(x->values[k]);
  for (int64_t i = 0; !x->sparse && i < n_rows; i++)
    for (int k = 0; k < x->n_cols; k++) squares[k] += square(x->dense[i * x->n_cols + k]);
  dg_comm_sum_double(comm, squares, (size_t)x->n_cols);
  for (int k = 0; k < x->n_cols; k++) {
    const double size = sqrt(squares[k] / (double)n_nodes);
    if (size > sizes->most) sizes->most = size, sizes->most_column = k;
    if (size > 0 && size < sizes->least) sizes->least = size, sizes->least_column = k;
  }

cleanup:
  dg_free(&squares);
  return status;
}
