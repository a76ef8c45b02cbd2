#include "support/plain_rows.h"

#include <math.h>
#include <string.h>

#include <distgat/rng.h>

bool plain_kept(const dg_dropout *drop, int32_t id, uint32_t column) {
  return dg_rng_column(dg_rng_row(drop->key, (uint32_t)id), drop->key, column) >= drop->threshold;
}

double plain_bf16(double x) {
  int exponent;
  if (!isfinite(x) || x == 0) return x;
  frexp(x, &exponent);
  const int last = exponent > -126 ? exponent - 8 : -133; /* the power of the last digit */
  const double rounded = ldexp(nearbyint(ldexp(x, -last)), last);
  return fabs(rounded) < 0x1p128 ? rounded : copysign(INFINITY, x);
}

int plain_bf16_place(int c, int ld) {
  const int group = c / 32, in = c % 32;
  return 32 * (group + 1) > ld ? c : 32 * group + (in < 16 ? 2 * in : 2 * (in - 16) + 1);
}

/* out[c] += a * row[c]. */
static void add_row(double *out, double a, const dg_real *row, int ld) {
  for (int c = 0; c < ld; c++) out[c] += a * (double)row[c];
}

void plain_sparse_forward(double *out, const dg_input *x, const dg_real *w, const dg_real *bias, int ld, int32_t n) {
  for (int32_t r = 0; r < n; r++) {
    double *row = out + (size_t)r * (size_t)ld;
    for (int c = 0; c < ld; c++) row[c] = bias ? (double)bias[c] : 0;
    for (int64_t t = x->indptr[x->row[r]]; t < x->indptr[x->row[r] + 1]; t++)
      if (plain_kept(&x->drop, x->ids[r], (uint32_t)x->columns[t]))
        add_row(row, (double)x->values[t] * (double)x->drop.scale, w + (size_t)x->columns[t] * (size_t)ld, ld);
  }
}

void plain_sparse_backward(double *dw, const int64_t *indptr, const int32_t *rows, const float *values,
                           const dg_dropout *drop, const int32_t *ids, const dg_real *dz, int ld, int32_t n_rows,
                           int32_t n) {
  memset(dw, 0, (size_t)n * (size_t)ld * sizeof *dw);
  for (int32_t f = 0; f < n; f++)
    for (int64_t t = indptr[f]; t < indptr[f + 1]; t++)
      if (rows[t] < n_rows && plain_kept(drop, ids[rows[t]], (uint32_t)f))
        add_row(dw + (size_t)f * (size_t)ld, (double)values[t] * (double)drop->scale, dz + (size_t)rows[t] * (size_t)ld,
                ld);
}

void plain_dense_dropout(double *out, const float *x, const dg_input *rows, int n_columns, int ld, int32_t n) {
  for (int32_t r = 0; r < n; r++)
    for (int c = 0; c < ld; c++) {
      const bool kept = c < n_columns && plain_kept(&rows->drop, rows->ids[r], (uint32_t)c);
      const size_t from = (size_t)rows->row[r] * (size_t)n_columns + (size_t)c;
      out[(size_t)r * (size_t)ld + (size_t)c] = kept ? (double)x[from] * (double)rows->drop.scale : 0;
    }
}

void plain_multiply(double *out, const dg_real *x, int ld_x, const dg_real *w, const dg_real *bias, bool add, int n,
                    int ld, int32_t rows) {
  for (int32_t r = 0; r < rows; r++, out += ld) {
    for (int c = 0; c < ld; c++) out[c] = (add ? out[c] : 0) + (bias ? (double)bias[c] : 0);
    for (int k = 0; k < n; k++) add_row(out, (double)x[(size_t)r * (size_t)ld_x + (size_t)k], w + (size_t)k * ld, ld);
  }
}

void plain_multiply_transposed(double *dw, const dg_real *x, int ld_x, const dg_real *dz, bool add, int n, int ld,
                               int32_t rows) {
  if (!add) memset(dw, 0, (size_t)n * (size_t)ld * sizeof *dw);
  for (int32_t r = 0; r < rows; r++)
    for (int k = 0; k < n; k++)
      add_row(dw + (size_t)k * ld, (double)x[(size_t)r * (size_t)ld_x + (size_t)k], dz + (size_t)r * ld, ld);
}

static double activation(double y, bool elu) {
  return y > 0 ? y : elu ? expm1(y) : 0;
}

static double activation_slope(double y, bool elu) {
  return y > 0 ? 1 : elu ? exp(y) : 0;
}

void plain_activate(double *x, const dg_real *agg, const dg_real *bias, bool elu, int ld, const int32_t *ids,
                    const dg_dropout *drop, int32_t n) {
  for (int32_t r = 0; r < n; r++)
    for (int c = 0; c < ld; c++) {
      const size_t i = (size_t)r * (size_t)ld + (size_t)c;
      const double y = (double)agg[i] + (double)bias[c];
      x[i] = plain_kept(drop, ids[r], (uint32_t)c) ? activation(y, elu) * (double)drop->scale : 0;
    }
}

void plain_activate_backward(double *dx, double *sum, const dg_real *d, const dg_real *agg, const dg_real *bias,
                             bool elu, int ld, const int32_t *ids, const dg_dropout *drop, int32_t n) {
  for (int32_t r = 0; r < n; r++)
    for (int c = 0; c < ld; c++) {
      const size_t i = (size_t)r * (size_t)ld + (size_t)c;
      const double slope = activation_slope((double)agg[i] + (double)bias[c], elu) * (double)drop->scale;
      dx[i] = plain_kept(drop, ids[r], (uint32_t)c) ? (double)d[i] * slope : 0;
      sum[c] += dx[i];
    }
}

void plain_column_sums(double *sum, const dg_real *x, int ld, int32_t n) {
  for (int32_t r = 0; r < n; r++) add_row(sum, 1, x + (size_t)r * (size_t)ld, ld);
}

double plain_cross_entropy(double *d, const dg_real *logits, int label, int n, int ld, double share, bool *correct) {
  double sum = 0;
  int best = 0;
  for (int c = 1; c < n; c++)
    if (logits[c] > logits[best]) best = c;
  for (int c = 0; c < n; c++) sum += exp((double)logits[c] - (double)logits[best]);
  for (int c = 0; c < ld; c++) {
    const double p = c < n ? exp((double)logits[c] - (double)logits[best]) / sum : 0;
    d[c] = share * (p - (c == label));
  }
  *correct = best == label;
  return log(sum) + (double)logits[best] - (double)logits[label];
}

void plain_output(double *logits, const dg_real *agg, const dg_real *bias, int heads, int hp, int ld, int n_classes,
                  int ldc, int32_t n) {
  for (int32_t r = 0; r < n; r++)
    for (int c = 0; c < n_classes; c++) {
      double sum = 0;
      for (int h = 0; h < heads; h++) sum += (double)agg[(size_t)r * (size_t)ld + (size_t)(c * hp + h)];
      logits[(size_t)r * (size_t)ldc + (size_t)c] = sum / heads + (double)bias[c];
    }
}

void plain_adam(double *value, double *m, double *v, const dg_real *grad, int64_t n, double decay, double lr, int t) {
  const double c1 = 1 - pow(0.9, t), c2 = 1 - pow(0.999, t);
  for (int64_t i = 0; i < n; i++) {
    const double g = (double)grad[i] + decay * value[i];
    m[i] = 0.9 * m[i] + 0.1 * g;
    v[i] = 0.999 * v[i] + 0.001 * g * g;
    value[i] -= lr * (m[i] / c1) / (sqrt(v[i] / c2) + 1e-8);
  }
}

static const double eps = 1e-5;

/* Numbers of one column or row: mean and 1 / deviation of those with a weight of 1. */
static void moments(double *mean, double *rstd, const double *x, const double *weight, size_t n) {
  double count = 0, squares = 0;
  *mean = 0;
  for (size_t i = 0; i < n; i++) count += weight[i], *mean += weight[i] * x[i];
  *mean /= count;
  for (size_t i = 0; i < n; i++) squares += weight[i] * (x[i] - *mean) * (x[i] - *mean);
  *rstd = 1 / sqrt(squares / count + eps);
}

/* dx of the normalized numbers (x - mean) rstd, given the gradient g of these. */
static void normalized_gradient(double *dx, const double *x, const double *g, const double *weight, double mean,
                                double rstd, size_t n) {
  double count = 0, level = 0, along = 0;
  for (size_t i = 0; i < n; i++) {
    count += weight[i], level += weight[i] * g[i];
    along += weight[i] * g[i] * (x[i] - mean) * rstd;
  }
  for (size_t i = 0; i < n; i++)
    dx[i] = weight[i] * rstd * (g[i] - level / count - (x[i] - mean) * rstd * along / count);
}

enum { MOST = 2048 }; /* numbers of a row or column */

void plain_batch_norm(double *x, double *columns, double *d_y, double *d_scale, const dg_real *y, const dg_real *d,
                      const dg_norm_columns *norm, int32_t n) {
  const size_t ld = (size_t)norm->ld, rows = (size_t)n;
  double in[MOST], g[MOST], one[MOST], dx[MOST];
  for (size_t c = 0; c < ld; c++) {
    double *mean = &columns[c], *rstd = &columns[ld + c];
    for (size_t r = 0; r < rows; r++)
      in[r] = (double)y[r * ld + c], one[r] = 1, g[r] = (double)d[r * ld + c] * (double)norm->scale[c];
    moments(mean, rstd, in, one, rows);
    normalized_gradient(dx, in, g, one, *mean, *rstd, rows);
    d_scale[c] = 0;
    for (size_t r = 0; r < rows; r++) {
      x[r * ld + c] = (in[r] - *mean) * *rstd * (double)norm->scale[c];
      d_y[r * ld + c] = dx[r];
      d_scale[c] += (double)d[r * ld + c] * (in[r] - *mean) * *rstd;
    }
  }
}

void plain_layer_norm(double *x, double *d_y, double *d_scale, double *d_bias, const dg_real *y, const dg_real *d,
                      const dg_norm_columns *norm, int32_t n) {
  const size_t ld = (size_t)norm->ld;
  double in[MOST], g[MOST], inside[MOST];
  memset(d_scale, 0, ld * sizeof *d_scale);
  memset(d_bias, 0, ld * sizeof *d_bias);
  for (int32_t r = 0; r < n; r++) {
    const size_t at = (size_t)r * ld;
    double mean, rstd;
    for (size_t c = 0; c < ld; c++) {
      in[c] = (double)y[at + c] + (double)norm->bias[c], inside[c] = (double)norm->inside[c];
      g[c] = (double)d[at + c] * (double)norm->scale[c];
    }
    moments(&mean, &rstd, in, inside, ld);
    normalized_gradient(d_y + at, in, g, inside, mean, rstd, ld);
    for (size_t c = 0; c < ld; c++) {
      x[at + c] = inside[c] * (in[c] - mean) * rstd * (double)norm->scale[c];
      d_scale[c] += inside[c] * (double)d[at + c] * (in[c] - mean) * rstd;
      d_bias[c] += d_y[at + c];
    }
  }
}

void plain_rmsprop(double *value, double *v, const dg_real *grad, int64_t n, double decay, double lr) {
  for (int64_t i = 0; i < n; i++) {
    const double g = (double)grad[i] + decay * value[i];
    v[i] = 0.99 * v[i] + 0.01 * g * g;
    value[i] -= lr * g / (sqrt(v[i]) + 1e-8);
  }
}
