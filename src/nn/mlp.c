#include "nn/conv.h"

/* A linear layer: rows meet nobody. */

static dg_status add_tensors(dg_params *params, dg_layer *layer, dg_channels in) {
  const dg_status status = dg_layer_add_bias(params, layer);
  return status == DG_OK ? dg_layer_add_projection(params, layer, &layer->w, "weight", in) : status;
}

const dg_conv dg_conv_mlp = {.add_tensors = add_tensors};
