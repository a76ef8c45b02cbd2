#include "nn/conv.h"

#include <math.h>
#include <stdio.h>

/* The tensors that kinds of layers are made of, named and shaped as in PyTorch Geometric. */

/* Adds a tensor of the layer, or of the norm behind it, and says where it lies. */
static dg_status add_to(dg_params *params, const dg_layer *l, int64_t *position, const char *part, const char *what,
                        dg_tensor tensor) {
  snprintf(tensor.name, sizeof tensor.name, "%s%d.%s", part, l->index + 1, what);
  *position = params->count;
  return dg_params_add(params, &tensor);
}

static dg_status add(dg_params *params, const dg_layer *l, int64_t *position, const char *what, dg_tensor tensor) {
  return add_to(params, l, position, "conv", what, tensor);
}

static dg_channels outputs(const dg_layer *l) {
  return (dg_channels){l->heads, l->dim, l->hp, l->ld};
}

/* Channels of the rows that a layer gives: the last one averages its heads. */
static dg_channels results(const dg_layer *l) {
  return l->last ? (dg_channels){1, l->dim, 1, l->bias_ld} : outputs(l);
}

/* Uniform in +-1/sqrt(fan_in), as torch starts linear layers. */
static double linear_bound(const dg_layer *l) {
  return 1 / sqrt(l->n_in > 0 ? l->n_in : 1);
}

/* A matrix of Glorot's bound. */
static dg_tensor matrix(dg_channels in, dg_channels out) {
  const int64_t n_in = (int64_t)in.heads * in.dim, n_out = (int64_t)out.heads * out.dim;
  return (dg_tensor){.in = in,
                     .out = out,
                     .rank = 2,
                     .shape = {n_out, n_in},
                     .init = DG_INIT_GLOROT,
                     .bound = sqrt(6.0 / (double)(n_in + n_out))};
}

static dg_tensor vector(dg_channels out) {
  return (dg_tensor){.out = out, .rank = 1, .shape = {(int64_t)out.heads * out.dim}};
}

static dg_tensor linear(const dg_layer *l, dg_tensor tensor) {
  tensor.init = DG_INIT_UNIFORM;
  tensor.bound = linear_bound(l);
  return tensor;
}

dg_status dg_layer_add_bias(dg_params *params, dg_layer *layer) {
  return add(params, layer, &layer->bias, "bias", vector(results(layer)));
}

dg_status dg_layer_add_attention(dg_params *params, dg_layer *layer, int64_t *position, const char *what) {
  return add(params, layer, position, what,
             (dg_tensor){.out = outputs(layer),
                         .rank = 3,
                         .shape = {1, layer->heads, layer->dim},
                         .init = DG_INIT_GLOROT,
                         .bound = sqrt(6.0 / (layer->heads + layer->dim))});
}

dg_status dg_layer_add_projection(dg_params *params, dg_layer *layer, int64_t *position, const char *what,
                                  dg_channels in) {
  return add(params, layer, position, what, matrix(in, outputs(layer)));
}

dg_status dg_layer_add_edge_map(dg_params *params, dg_layer *layer) {
  const dg_channels in = {1, layer->edge_dim, 1, layer->edge_dim};
  return add(params, layer, &layer->lin_edge, "lin_edge.weight", matrix(in, outputs(layer)));
}

dg_status dg_layer_add_projection_bias(dg_params *params, dg_layer *layer, int64_t *position, const char *what) {
  return add(params, layer, position, what, linear(layer, vector(outputs(layer))));
}

dg_status dg_layer_add_linear_bias(dg_params *params, dg_layer *layer, const char *what) {
  return add(params, layer, &layer->bias, what, linear(layer, vector(results(layer))));
}

dg_status dg_layer_add_linear(dg_params *params, dg_layer *layer, int64_t *position, const char *what, dg_channels in) {
  return add(params, layer, position, what, linear(layer, matrix(in, outputs(layer))));
}

dg_status dg_layer_add_linear_skip(dg_params *params, dg_layer *layer, const char *what, dg_channels in) {
  return add(params, layer, &layer->skip[layer->n_skips++], what, linear(layer, matrix(in, results(layer))));
}

dg_status dg_layer_add_skip(dg_params *params, dg_layer *layer, dg_channels in) {
  return add(params, layer, &layer->skip[layer->n_skips++], "res.weight", matrix(in, results(layer)));
}

/* ---- norms ---- */

static dg_tensor ones(dg_tensor tensor) {
  tensor.init = DG_INIT_ONE;
  return tensor;
}

static dg_tensor statistic(dg_tensor tensor) {
  tensor.is_statistic = true;
  return tensor;
}

dg_status dg_layer_add_norm(dg_params *params, dg_layer *layer) {
  const dg_tensor channels = vector(outputs(layer));
  dg_status status = DG_OK;
  DG_TRY(add_to(params, layer, &layer->scale, "norm", "weight", ones(channels)));
  DG_TRY(add_to(params, layer, &layer->shift, "norm", "bias", channels));

cleanup:
  return status;
}

dg_status dg_layer_add_statistics(dg_params *params, dg_layer *layer) {
  const dg_tensor channels = statistic(vector(outputs(layer)));
  dg_status status = DG_OK;
  DG_TRY(add_to(params, layer, &layer->mean, "norm", "running_mean", channels));
  DG_TRY(add_to(params, layer, &layer->variance, "norm", "running_var", ones(channels)));

cleanup:
  return status;
}
