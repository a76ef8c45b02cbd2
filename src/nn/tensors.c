#include "nn/conv.h"

#include <math.h>
#include <stdio.h>

/* The tensors that kinds of layers are made of, named and shaped as in PyTorch Geometric. */

/* Adds a tensor of the layer and says where it lies. */
static dg_status add(dg_params *params, const dg_layer *l, int64_t *position, const char *what, dg_tensor tensor) {
  snprintf(tensor.name, sizeof tensor.name, "conv%d.%s", l->index + 1, what);
  *position = params->count;
  return dg_params_add(params, &tensor);
}

static dg_channels outputs(const dg_layer *l) {
  return (dg_channels){l->heads, l->dim, l->hp, l->ld};
}

/* Channels of the rows that a layer gives: the last one averages its heads. */
static dg_channels results(const dg_layer *l) {
  return l->last ? (dg_channels){1, l->dim, 1, l->bias_ld} : outputs(l);
}

dg_status dg_layer_add_bias(dg_params *params, dg_layer *layer) {
  const dg_channels out = results(layer);
  return add(params, layer, &layer->bias, "bias",
             (dg_tensor){.out = out, .rank = 1, .shape = {(int64_t)out.heads * out.dim}});
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
  const int64_t n_out = (int64_t)layer->heads * layer->dim;
  return add(params, layer, position, what,
             (dg_tensor){.in = in,
                         .out = outputs(layer),
                         .rank = 2,
                         .shape = {n_out, layer->n_in},
                         .init = DG_INIT_GLOROT,
                         .bound = sqrt(6.0 / (double)(layer->n_in + n_out))});
}

dg_status dg_layer_add_projection_bias(dg_params *params, dg_layer *layer, int64_t *position, const char *what) {
  return add(params, layer, position, what,
             (dg_tensor){.out = outputs(layer),
                         .rank = 1,
                         .shape = {(int64_t)layer->heads * layer->dim},
                         .init = DG_INIT_UNIFORM,
                         .bound = 1 / sqrt(layer->n_in > 0 ? layer->n_in : 1)});
}
