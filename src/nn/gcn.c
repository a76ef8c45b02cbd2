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

/* Input rows through their dropout, and their sums, which stay where no dropout changes them. */
static void gather(dg_work *work) {
  const dg_edges *e = &work->gather;
  const dg_features *x = work->features;
  const bool dropped = work->x.drop.threshold != 0;
  if (work->gathered && !dropped) return;
  FOR_TILES(work, work->block->n_src,
            work->layer->kernels->dense_dropout(e->z + (size_t)begin * (size_t)e->ld, x->dense, &work->x, x->n_cols,
                                                e->ld, begin, end));
  FOR_CHUNKS(work, work->block->dst, 0, work->block->dst.n, work->layer->edges->gcn_forward(e, begin, end));
  work->gathered = !dropped;
}

const dg_conv dg_conv_gcn = {.edges = true,
                             .add_tensors = add_tensors,
                             .forward = forward,
                             .backward_sources = backward_sources,
                             .flops = 2,
                             .flops_backward = 2,
                             .target_rows = 1,
                             .gathers_backward = 1};

/* The same sums, made of input rows: their projection, which comes after, and the backward pass meet no edges. */
const dg_conv dg_conv_gcn_input = {.add_tensors = add_tensors, .gather = gather, .flops = 2, .target_rows = 1};
