#include "nn/conv.h"

#include "nn/parallel.h"

/* Graph attention with a score that depends on the target: Brody et al. 2022, eq. 7. */

/* Notes spare the pass over out-edges the rows of targets; they are made where they are small beside these. */
static size_t note_size(const dg_layer *layer) {
  const size_t size = layer->edges->gatv2_note_size(layer->hp, layer->ld);
  return 8 * size <= (size_t)layer->ld * dg_layer_table_bytes(layer) ? size : 0;
}

static dg_status add_tensors(dg_params *params, dg_layer *layer, dg_channels in) {
  dg_status status = DG_OK;
  DG_TRY(dg_layer_add_attention(params, layer, &layer->att, "att"));
  DG_TRY(dg_layer_add_bias(params, layer));
  DG_TRY(dg_layer_add_projection(params, layer, &layer->w, "lin_l.weight", in));
  DG_TRY(dg_layer_add_projection_bias(params, layer, &layer->b, "lin_l.bias"));
  DG_TRY(dg_layer_add_projection(params, layer, &layer->wr, "lin_r.weight", in));
  DG_TRY(dg_layer_add_projection_bias(params, layer, &layer->br, "lin_r.bias"));
  if (layer->edge_dim > 0) DG_TRY(dg_layer_add_edge_map(params, layer));
  layer->note_size = layer->exact ? 0 : note_size(layer); /* exact sums are made of whole rows */
  layer->chunk_sums = (1 + (int64_t)layer->edge_dim) * layer->ld;

cleanup:
  return status;
}

static void add_sizes(dg_sizes *sizes, const dg_layer *layer, const dg_layer_counts *n) {
  sizes->zr = sizes->dzr = (size_t)n->n_dst * (size_t)layer->ld;
  sizes->notes = (size_t)n->n_outer * layer->note_size;
}

static void forward(const dg_work *work, int from, int to) {
  FOR_CHUNKS(work, work->block->dst, from, to, work->layer->edges->gatv2_forward(&work->e, begin, end));
}

static void backward_begin(const dg_work *work) {
  FOR_TILES(work, work->block->n_dst, work->layer->edges->row_dots(&work->e, begin, end));
}

/* Owned sources come once targets have noted their edges, halo sources before. */
static void backward_sources(const dg_work *work, int from, int to) {
  const dg_chunks *src = &work->block->src;
  const dg_edge_kernels *edges = work->layer->edges;
  if (work->e.notes && from == src->n_first)
    FOR_CHUNKS(work, *src, from, to, edges->gatv2_backward_noted(&work->e, begin, end));
  else
    FOR_CHUNKS(work, *src, from, to, edges->gatv2_backward_src(&work->e, begin, end));
}

/* dzr of a chunk of targets, its share of the gradients of the attention vector and of the map of attributes, and what
   its edges within give dz. */
static void backward_chunk(const dg_work *work, int chunk, int32_t begin, int32_t end) {
  const dg_layer *l = work->layer;
  const size_t count = (size_t)l->chunk_sums;
  dg_real *block = work->partial + (size_t)chunk * count;
  double *sum = work->sums + (size_t)chunk * count;
  memset(sum, 0, count * sizeof *sum);
  memset(work->e.dz + (size_t)begin * (size_t)l->ld, 0, (size_t)(end - begin) * (size_t)l->ld * sizeof *work->e.dz);
  for (int32_t first = begin, last; first < end; first = last) {
    last = block_end(work->e.indptr, first, end);
    l->edges->gatv2_backward_dst(&work->e, first, last, (dg_range){begin, end}, block);
    add_block(sum, block, (int64_t)count);
  }
}

static void backward_targets(const dg_work *work) {
  FOR_CHUNKS(work, work->block->dst, 0, work->block->dst.n, backward_chunk(work, c_, begin, end));
}

static void backward_edge(const dg_work *work, const dg_edges *one, int32_t j, dg_real *partial) {
  (void)partial;
  work->layer->edges->gatv2_backward_src(one, j, j + 1);
}

static void backward_target(const dg_work *work, int32_t i, dg_real *partial) {
  memset(partial, 0, (size_t)work->layer->chunk_sums * sizeof *partial);
  work->layer->edges->gatv2_backward_dst(&work->e, i, i + 1, (dg_range){0, 0}, partial);
}

static void take_sums(const dg_work *work, dg_params *params, const dg_real *sums) {
  const dg_layer *l = work->layer;
  memcpy(params->grad + l->att, sums, (size_t)l->ld * sizeof *sums);
  if (l->edge_dim > 0)
    memcpy(params->grad + l->lin_edge, sums + l->ld, (size_t)l->edge_dim * (size_t)l->ld * sizeof *sums);
}

static void backward_end(const dg_work *work, dg_params *params) {
  add_sums(work->partial, work->sums, work->block->dst.n, work->layer->chunk_sums);
  take_sums(work, params, work->partial);
}

static void alpha(const dg_work *work, int32_t begin, int32_t end, dg_real *out) {
  work->layer->edges->gatv2_alpha(&work->e, begin, end, out);
}

const dg_conv dg_conv_gatv2 = {.edges = true,
                               .attention = true,
                               .add_tensors = add_tensors,
                               .add_sizes = add_sizes,
                               .forward = forward,
                               .backward_begin = backward_begin,
                               .inner_edges = true,
                               .backward_targets = backward_targets,
                               .backward_sources = backward_sources,
                               .backward_end = backward_end,
                               .backward_edge = backward_edge,
                               .backward_target = backward_target,
                               .take_sums = take_sums,
                               .alpha = alpha,
                               .flops = 7,           /* score and sum */
                               .flops_backward = 14, /* score, <dOut, z>, dz, dzr, datt */
                               .target_rows = 2,     /* dOut and zr */
                               .gathers_backward = 2};
