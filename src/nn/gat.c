#include "nn/gat.h"

#include "nn/parallel.h"

/* Graph attention: Velickovic et al. 2018, eq. 3-6. */

dg_status dg_gat_add_tensors(dg_params *params, dg_layer *layer, dg_channels in) {
  dg_status status = DG_OK;
  DG_TRY(dg_layer_add_attention(params, layer, &layer->att, "att_src"));
  if (!layer->source_only) DG_TRY(dg_layer_add_attention(params, layer, &layer->att_dst, "att_dst"));
  DG_TRY(dg_layer_add_bias(params, layer));
  DG_TRY(dg_layer_add_projection(params, layer, &layer->w, "lin.weight", in));
  if (layer->edge_dim == 0) return DG_OK;
  DG_TRY(dg_layer_add_edge_map(params, layer));
  DG_TRY(dg_layer_add_attention(params, layer, &layer->att_edge, "att_edge"));
  layer->chunk_sums += ((int64_t)layer->edge_dim * layer->hp + 15) / 16 * 16; /* those of edge_scores */

cleanup:
  return status;
}

static void add_sizes(dg_sizes *sizes, const dg_layer *layer, const dg_layer_counts *n) {
  sizes->score_src = (size_t)n->n_src * (size_t)layer->hp;
  sizes->positive = (size_t)n->n_dst * (size_t)layer->ld;
  sizes->dscore_dst = (size_t)n->n_dst * (size_t)layer->hp;
  sizes->edge_scores = 2 * (size_t)layer->edge_dim * (size_t)layer->hp;
  sizes->no_target = layer->source_only ? (size_t)layer->ld : 0;
}

/* Scores are linear in attributes: of each, the score of its map. */
void dg_gat_begin_edge_scores(const dg_work *work, const dg_params *params) {
  const dg_layer *l = work->layer;
  for (int c = 0; c < l->edge_dim; c++)
    for (int h = 0; h < l->hp; h++) {
      const dg_real *map = params->value + l->lin_edge + (int64_t)c * l->ld, *att = params->value + l->att_edge;
      double sum = 0;
      for (int i = h; i < l->ld; i += l->hp) sum += (double)map[i] * (double)att[i];
      work->edge_scores[c * l->hp + h] = (dg_real)sum;
    }
}

/* Gradients of the map and of its attention vector, from those of the scores. */
void dg_gat_backward_edge_scores(const dg_work *work, dg_params *params) {
  const dg_layer *l = work->layer;
  const dg_real *dscores = work->edge_scores + l->edge_dim * l->hp;
  const dg_real *map = params->value + l->lin_edge, *att = params->value + l->att_edge;
  dg_real *dmap = params->grad + l->lin_edge, *datt = params->grad + l->att_edge;
  for (int i = 0; i < l->ld; i++) {
    double sum = 0;
    for (int c = 0; c < l->edge_dim; c++) {
      const dg_real d = dscores[c * l->hp + i % l->hp];
      dmap[(int64_t)c * l->ld + i] = d * att[i];
      sum += (double)d * (double)map[(int64_t)c * l->ld + i];
    }
    datt[i] = (dg_real)sum;
  }
}

static void score(const dg_work *work, int32_t first, int32_t stop) {
  const dg_edges *e = &work->e;
  FOR_TILES(work, stop - first, work->layer->edges->gat_scores(e, first + begin, first + end));
  if (!e->row_drop.threshold) return;
  FOR_TILES(
      work, stop - first,
      work->layer->kernels->drop_rows(work->dropped, e->z, e->ld, e->ids, &e->row_drop, first + begin, first + end));
}

/* What edges see: dropped rows, where there are such. Others wait for the rows as they are: these stay. */
static dg_edges seen_edges(const dg_work *work) {
  dg_edges e = work->e;
  if (e.row_drop.threshold) e.scored = e.z, e.z = work->dropped;
  return e;
}

static void forward(const dg_work *work, int from, int to) {
  const dg_edges e = seen_edges(work);
  FOR_CHUNKS(work, work->block->dst, from, to, work->layer->edges->gat_forward(&e, begin, end));
}

static void backward_begin(const dg_work *work) {
  FOR_TILES(work, work->block->n_dst, work->layer->edges->row_dots(&work->e, begin, end));
}

/* dz of a chunk of sources, and its share of the gradients of attention vectors and edge_scores. */
static void backward_chunk(const dg_work *work, const dg_edges *e, int chunk, int32_t begin, int32_t end) {
  const size_t count = (size_t)work->layer->chunk_sums;
  dg_real *block = work->partial + (size_t)chunk * count;
  double *sum = work->sums + (size_t)chunk * count;
  memset(sum, 0, count * sizeof *sum);
  for (int32_t first = begin, last; first < end; first = last) {
    last = block_end(NULL, first, end);
    work->layer->edges->gat_backward_src(e, first, last, block);
    add_block(sum, block, (int64_t)count);
  }
}

static void backward_sources(const dg_work *work, int from, int to) {
  const dg_edges e = seen_edges(work);
  FOR_CHUNKS(work, work->block->src, from, to, backward_chunk(work, &e, c_, begin, end));
}

static void take_sums(const dg_work *work, dg_params *params, const dg_real *sums) {
  const dg_layer *l = work->layer;
  const size_t both = 2 * (size_t)l->ld, n_scores = (size_t)l->edge_dim * (size_t)l->hp;
  DG_CHECK(l->source_only || l->att_dst == l->att + l->ld); /* they lie side by side in the block */
  memcpy(params->grad + l->att, sums, (l->source_only ? (size_t)l->ld : both) * sizeof *sums);
  if (l->edge_dim == 0) return;
  memcpy(work->edge_scores + n_scores, sums + both, n_scores * sizeof *sums);
  dg_gat_backward_edge_scores(work, params);
}

static void backward_end(const dg_work *work, dg_params *params) {
  add_sums(work->partial, work->sums, work->block->src.n, work->layer->chunk_sums);
  take_sums(work, params, work->partial);
}

static void backward_edge(const dg_work *work, const dg_edges *one, int32_t j, dg_real *partial) {
  memset(partial, 0, (size_t)work->layer->chunk_sums * sizeof *partial);
  work->layer->edges->gat_backward_src(one, j, j + 1, partial);
}

static void alpha(const dg_work *work, int32_t begin, int32_t end, dg_real *out) {
  work->layer->edges->gat_alpha(&work->e, begin, end, out);
}

const dg_conv dg_conv_gat = {.edges = true,
                             .attention = true,
                             .add_tensors = dg_gat_add_tensors,
                             .add_sizes = add_sizes,
                             .begin = dg_gat_begin_edge_scores,
                             .score = score,
                             .forward = forward,
                             .backward_begin = backward_begin,
                             .backward_sources = backward_sources,
                             .backward_end = backward_end,
                             .seen_edges = seen_edges,
                             .backward_edge = backward_edge,
                             .take_sums = take_sums,
                             .alpha = alpha,
                             .flops = 2,
                             .flops_backward = 4,
                             .target_rows = 1,
                             .gathers_backward = 1,
                             .of_input = &dg_conv_gat_of_input};
