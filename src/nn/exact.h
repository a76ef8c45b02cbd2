#ifndef DG_NN_EXACT_H
#define DG_NN_EXACT_H

#include "nn/sides.h"

/* A backward pass whose sums over nodes and edges are exact (kernels.h): gradients are the same bits at any number of
   ranks and threads. What an edge or a row gives to a sum is what the kernels make of it alone. The gradients of a
   layer are those of all ranks here; dg_exact_keep leaves them to one. */

/* Doubles that each thread needs at a time for a layer, and those that all share. Local. */
size_t dg_exact_thread_size(const dg_layer *layer, bool sparse);
size_t dg_exact_common_size(const dg_layer *layer, bool sparse);

/* Numbers of an exact sum of a row of dz. Local. */
static inline size_t dg_exact_row(const dg_layer *layer) {
  return DG_EXACT_PARTS * (size_t)layer->ld;
}

/* The value of number i of n exact sums. Local. */
static inline double dg_exact_value(const double *sum, int64_t n, int64_t i) {
  return (sum[i] + sum[n + i]) + sum[2 * n + i];
}

/* Clears the first `count` doubles of each thread's room. Local. */
void dg_exact_begin(const dg_work *work, int64_t count);

/* This thread's room. Local. */
double *dg_exact_room(const dg_work *work);

/* Sums of the first `count` doubles of the rooms of all threads of all ranks. Collective. */
const double *dg_exact_total(const dg_work *work, int64_t count);

/* The same of exact sums of n reals, out [n]. Collective. */
void dg_exact_reals(const dg_work *work, dg_real *out, int64_t n);

/* Adds a row of n doubles to exact sums [DG_EXACT_PARTS, n]. Local. */
void dg_exact_add_doubles(double *sum, const double *x, int64_t n);

/* dz, dzr and the gradients of attention vectors, given dagg: dg_layer_backward_halo, the exchange, and
   dg_layer_backward_owned in one. Collective. */
void dg_exact_backward_edges(const dg_work *work, dg_params *params);

/* out [n] = column sums of rows x [rows, n] of all ranks. Collective. */
void dg_exact_columns(const dg_work *work, dg_real *out, const dg_real *x, int n, int32_t rows);

/* reach[c] = the largest |x[r, c]| that is a number, or what it was; x [rows, n]. Local. */
void dg_exact_find_reach(double *reach, const dg_real *x, int n, int32_t rows);

/* What n columns are multiplied by, powers of 2, so that the largest number of each on any rank takes so many bits;
   what each thread found is in its room. Collective. */
const double *dg_exact_scales(const dg_work *work, int64_t n, int bits);

/* A pass over dense input rows as in weights.c: gradients of weights and biases, and what the transition below makes of
   its own. The gradient of sparse features' weights and of the bias of one side. Collective. */
void dg_exact_pass_rows(dg_work *work, dg_params *params, const dg_rows_pass *pass);
void dg_exact_sparse_weights(const dg_work *work, dg_params *params, const dg_side *side, const dg_columns *x);

/* The gradients of a layer, which all ranks have, are added to params->squares, and remain with the first rank alone:
   their sum over ranks is these. Local. */
void dg_exact_keep(const dg_work *work, dg_params *params);

#endif
