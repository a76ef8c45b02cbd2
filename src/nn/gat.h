#ifndef DG_NN_GAT_H
#define DG_NN_GAT_H

#include "nn/conv.h"

/* What GAT over projected rows and GAT over input rows share: tensors, and what attributes of edges add to scores. */
dg_status dg_gat_add_tensors(dg_params *params, dg_layer *layer, dg_channels in);
void dg_gat_begin_edge_scores(const dg_work *work, const dg_params *params);
void dg_gat_backward_edge_scores(const dg_work *work, dg_params *params);

/* GAT over input rows, see gat_input.c. */
extern const dg_conv dg_conv_gat_of_input;

#endif
