#ifndef DISTGAT_TESTS_PLAIN_ROWS_H
#define DISTGAT_TESTS_PLAIN_ROWS_H

#include "kernels/kernels.h"

/* What the kernels over rows of matrices should make: plain loops in double precision that share no code with them.
   Arguments are those of kernels/kernels.h; rows are [0, n). */

/* Whether dropout keeps a column of the row of `id`. */
bool plain_kept(const dg_dropout *drop, int32_t id, uint32_t column);

/* The nearest number of eight digits and the exponents of bf16, ties to even. */
double plain_bf16(double x);

/* Where element c of a row of ld lies in a table of such numbers. */
int plain_bf16_place(int c, int ld);

void plain_sparse_forward(double *out, const dg_input *x, const dg_real *w, const dg_real *bias, int ld, int32_t n);

/* ids [n_rows] are those of block rows; f in [0, n). */
void plain_sparse_backward(double *dw, const int64_t *indptr, const int32_t *rows, const float *values,
                           const dg_dropout *drop, const int32_t *ids, const dg_real *dz, int ld, int32_t n_rows,
                           int32_t n);

void plain_dense_dropout(double *out, const float *x, const dg_input *rows, int n_columns, int ld, int32_t n);

void plain_multiply(double *out, const dg_real *x, int ld_x, const dg_real *w, const dg_real *bias, bool add, int n,
                    int ld, int32_t rows);

void plain_multiply_transposed(double *dw, const dg_real *x, int ld_x, const dg_real *dz, bool add, int n, int ld,
                               int32_t rows);

void plain_activate(double *x, const dg_real *agg, const dg_real *bias, bool elu, int ld, const int32_t *ids,
                    const dg_dropout *drop, int32_t n);

/* dx = d times the slope at agg + bias, which `activate` was given; its sum over rows is added to sum [ld]. */
void plain_activate_backward(double *dx, double *sum, const dg_real *d, const dg_real *agg, const dg_real *bias,
                             bool elu, int ld, const int32_t *ids, const dg_dropout *drop, int32_t n);

void plain_column_sums(double *sum, const dg_real *x, int ld, int32_t n);

double plain_cross_entropy(double *d, const dg_real *logits, int label, int n, int ld, double share, bool *correct);

void plain_output(double *logits, const dg_real *agg, const dg_real *bias, int heads, int hp, int ld, int n_classes,
                  int ldc, int32_t n);

/* Batch norm of y [n, ld] over its rows, variances biased, and its gradients: x gets (y - mean) / deviation * scale,
   columns what kernels are given of mean and deviation [2, ld], d_y the gradient of y where x has the gradient d, and
   d_scale that of scale. */
void plain_batch_norm(double *x, double *columns, double *d_y, double *d_scale, const dg_real *y, const dg_real *d,
                      const dg_norm_columns *norm, int32_t n);

/* Layer norm of the rows of y + bias, over the n channels that are inside, likewise; d_bias is the sum of d_y. */
void plain_layer_norm(double *x, double *d_y, double *d_scale, double *d_bias, const dg_real *y, const dg_real *d,
                      const dg_norm_columns *norm, int32_t n);

void plain_rmsprop(double *value, double *v, const dg_real *grad, int64_t n, double decay, double lr);

/* Step t, 1 the first, with learning rate lr. */
void plain_adam(double *value, double *m, double *v, const dg_real *grad, int64_t n, double decay, double lr, int t);

#endif
