#include "nn/conv.h"

#include "nn/parallel.h"

/* Graph convolution: Kipf and Welling 2017, eq. 2. */

static dg_status add_tensors(dg_params *params, dg_layer *layer, dg_channels in) {
  const dg_status status = dg_layer_add_bias(params, layer);
  return status == DG_OK ? dg_layer_add_projection(params, layer, &layer->w, "lin.weight", in) : status;
}

static void forward(const dg_work *work, int from, int to) {
  FOR_CHUNKS(work, work->block->dst, from, to, work->layer->edges->gcn_forward(&work->e, begin, end));
}

static void backward_sources(const dg_work *work, int from, int to) {
  FOR_CHUNKS(work, work->block->src, from, to, work->layer->edges->gcn_backward_src(&work->e, begin, end));
}

static void backward_edge(const dg_work *work, const dg_edges *one, int32_t j, dg_real *partial) {
  (void)partial;
  work->layer->edges->gcn_backward_src(one, j, j + 1);
}

static void gather(const dg_work *work) {
  const dg_chunks *dst = &work->block->dst;
  FOR_CHUNKS(work, *dst, 0, dst->n, work->layer->edges->gcn_forward(&work->gather, begin, end));
}

/* The same sums, made of input rows: their projection, which comes after, and the backward pass meet no edges. */
static const dg_conv of_input = {.add_tensors = add_tensors, .gather = gather, .flops = 2, .target_rows = 1};

const dg_conv dg_conv_gcn = {.edges = true,
                             .add_tensors = add_tensors,
                             .forward = forward,
                             .backward_sources = backward_sources,
                             .backward_edge = backward_edge,
                             .flops = 2,
                             .flops_backward = 2,
                             .target_rows = 1,
                             .gathers_backward = 1,
                             .of_input = &of_input};
