#include "nn/conv.h"

#include "nn/parallel.h"

/* GraphSAGE with the mean of neighbours, to which a linear map of the node itself is added: Hamilton et al. 2017,
   algorithm 1; as SAGEConv of PyTorch Geometric, which leaves rows at their length. */

static dg_status add_tensors(dg_params *params, dg_layer *layer, dg_channels in) {
  dg_status status = DG_OK;
  DG_TRY(dg_layer_add_linear_bias(params, layer, "lin_l.bias"));
  DG_TRY(dg_layer_add_linear(params, layer, &layer->w, "lin_l.weight", in));
  DG_TRY(dg_layer_add_linear_skip(params, layer, "lin_r.weight", in));

cleanup:
  return status;
}

static void add_sizes(dg_sizes *sizes, const dg_layer *layer, const dg_layer_counts *n) {
  (void)layer;
  sizes->share = (size_t)n->n_dst;
}

static void forward(const dg_work *work, int from, int to) {
  FOR_CHUNKS(work, work->block->dst, from, to, work->layer->edges->mean_forward(&work->e, begin, end));
}

static void backward_sources(const dg_work *work, int from, int to) {
  FOR_CHUNKS(work, work->block->src, from, to, work->layer->edges->mean_backward_src(&work->e, begin, end));
}

static void backward_edge(const dg_work *work, const dg_edges *one, int32_t j, dg_real *partial) {
  (void)partial;
  work->layer->edges->mean_backward_src(one, j, j + 1);
}

static void gather(const dg_work *work) {
  const dg_chunks *dst = &work->block->dst;
  FOR_CHUNKS(work, *dst, 0, dst->n, work->layer->edges->mean_forward(&work->gather, begin, end));
}

/* Means of input rows, which are projected then. */
static const dg_conv of_input = {
    .add_tensors = add_tensors, .add_sizes = add_sizes, .gather = gather, .flops = 2, .target_rows = 1};

const dg_conv dg_conv_sage = {.edges = true,
                              .add_tensors = add_tensors,
                              .add_sizes = add_sizes,
                              .forward = forward,
                              .backward_sources = backward_sources,
                              .backward_edge = backward_edge,
                              .flops = 2,
                              .flops_backward = 2,
                              .target_rows = 1,
                              .gathers_backward = 1,
                              .of_input = &of_input};
