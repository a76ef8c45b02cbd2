#include "nn/conv.h"

#include "nn/parallel.h"

/* Graph attention: Velickovic et al. 2018, eq. 3-6. */

static dg_status add_tensors(dg_params *params, dg_layer *layer, dg_channels in) {
  dg_status status = DG_OK;
  DG_TRY(dg_layer_add_attention(params, layer, &layer->att, "att_src"));
  DG_TRY(dg_layer_add_attention(params, layer, &layer->att_dst, "att_dst"));
  DG_TRY(dg_layer_add_bias(params, layer));
  DG_TRY(dg_layer_add_projection(params, layer, &layer->w, "lin.weight", in));

cleanup:
  return status;
}

static void add_sizes(dg_sizes *sizes, const dg_layer *layer, const dg_layer_counts *n) {
  sizes->score_src = (size_t)n->n_src * (size_t)layer->hp;
  sizes->positive = (size_t)n->n_dst * (size_t)layer->ld;
  sizes->dscore_dst = (size_t)n->n_dst * (size_t)layer->hp;
}

static void score(const dg_work *work, int32_t first, int32_t stop) {
  FOR_TILES(work, stop - first, work->layer->kernels->gat_scores(&work->e, first + begin, first + end));
}

static void forward(const dg_work *work, int from, int to) {
  FOR_CHUNKS(work, work->block->dst, from, to, work->layer->kernels->gat_forward(&work->e, begin, end));
}

static void backward_begin(const dg_work *work) {
  FOR_TILES(work, work->block->n_dst, work->layer->kernels->row_dots(&work->e, begin, end));
}

/* dz of a chunk of sources, and its share of the attention vectors' gradients. */
static void backward_chunk(const dg_work *work, int chunk, int32_t begin, int32_t end) {
  const size_t both = 2 * (size_t)work->layer->ld;
  dg_real *block = work->partial + (size_t)chunk * both;
  double *sum = work->sums + (size_t)chunk * both;
  memset(sum, 0, both * sizeof *sum);
  for (int32_t first = begin, last; first < end; first = last) {
    last = block_end(NULL, first, end);
    work->layer->kernels->gat_backward_src(&work->e, first, last, block);
    add_block(sum, block, (int64_t)both);
  }
}

static void backward_sources(const dg_work *work, int from, int to) {
  FOR_CHUNKS(work, work->block->src, from, to, backward_chunk(work, c_, begin, end));
}

static void backward_end(const dg_work *work, dg_params *params) {
  const dg_layer *l = work->layer;
  const int64_t both = 2 * (int64_t)l->ld;
  DG_CHECK(l->att_dst == l->att + l->ld); /* a_src and a_dst lie side by side in the block */
  add_sums(params->grad + l->att, work->sums, work->block->src.n, both);
}

static void alpha(const dg_work *work, int32_t begin, int32_t end, dg_real *out) {
  work->layer->kernels->gat_alpha(&work->e, begin, end, out);
}

const dg_conv dg_conv_gat = {.edges = true,
                             .attention = true,
                             .add_tensors = add_tensors,
                             .add_sizes = add_sizes,
                             .score = score,
                             .forward = forward,
                             .backward_begin = backward_begin,
                             .backward_sources = backward_sources,
                             .backward_end = backward_end,
                             .alpha = alpha,
                             .flops = 2,
                             .flops_backward = 4,
                             .target_rows = 1,
                             .gathers_backward = 1};
