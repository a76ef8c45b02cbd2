#include "nn/exact.h"

#include <distgat/memory.h>

#include "nn/parallel.h"

enum { CACHED_BYTES = 1 << 20, PREFETCH = 32 }; /* a table that the second-level cache holds; edges looked ahead */

/* Columns up to which a hidden layer's input rows are kept for the backward pass. Beside products with wider ones it is
   little work to make them anew from the results below, tile by tile. */
enum { KEPT = 128 };

static size_t max_size(size_t a, size_t b) {
  return a > b ? a : b;
}

/* ---- sizes ---- */

/* Matrices that a layer has of its input's width: of sources, of targets, and of skips. */
static size_t count_sides(const dg_layer *l) {
  return l->n_skips > 0 ? 3 : 2;
}

/* Columns of the input that dense products read: beside sparse features those of labels. */
static size_t dense_width(const dg_layer *l, bool sparse) {
  return (size_t)(sparse ? l->n_labels : l->in_ld);
}

/* Elements of wide weights, see dg_work's packed. */
static size_t packed_size(const dg_layer *l, bool sparse) {
  const int widths[] = {l->conv->project ? 0 : l->ld, l->wr >= 0 ? l->ld : 0, l->n_skips > 0 ? l->bias_ld : 0};
  const int in = (int)dense_width(l, sparse);
  size_t size = 0;
  for (int i = 0; i < 3; i++)
    if (!l->kernels->in_place(in, widths[i])) size += l->kernels->packed_size(in, widths[i]);
  return size;
}

/* What the transition below a layer sums over rows. */
static size_t transition_sums(const dg_layer *l) {
  return (size_t)l->input_sums * (size_t)l->in_ld;
}

/* Elements of partial results of the backward pass: of all that a pass over rows sums, or of chunks, whose sum has the
   place of one. */
static size_t partial_size(const dg_layer *l, const dg_layer_counts *n, bool sparse) {
  const size_t ld = (size_t)l->ld, sums = (size_t)most_sums((int32_t)n->n_src);
  const size_t width = dense_width(l, sparse), matrix = width > 0 ? count_sides(l) * (width + 1) * ld : 0;
  return max_size(sums * max_size(matrix + transition_sums(l), ld),
                  max_size((size_t)n->n_chunks, 1) * max_size(2 * ld, (size_t)l->chunk_sums));
}

/* Partial sums over rows, of projections' biases and of the transition, the latter also added up; or over chunks. */
static size_t sums_size(const dg_layer *l, const dg_layer_counts *n) {
  const size_t ld = (size_t)l->ld, sums = (size_t)most_sums((int32_t)n->n_src);
  const size_t chunks = (size_t)n->n_chunks * max_size(2 * ld, (size_t)l->chunk_sums);
  return max_size(sums * 2 * ld + (sums + 1) * transition_sums(l), chunks);
}

/* Whether the gradient of a layer's results is read as it is, beside the table of it: by skips, or by batch norm, which
   is through with it once all rows are there. */
static bool keeps_dagg(const dg_layer *l) {
  return !l->bf16 || l->n_skips > 0 || l->norm == DG_NORM_BATCH;
}

static void add_backward_sizes(dg_sizes *s, const dg_layer *l, const dg_layer_counts *n, bool sparse) {
  const size_t dagg = (size_t)n->n_dst * (size_t)l->ld;
  if (keeps_dagg(l)) s->dagg = dagg;
  if (l->bf16) s->dagg_bf16 = dagg;
  if (l->conv->edges) s->agg = (size_t)n->n_src * (size_t)l->ld; /* dz takes its place */
  if (l->index > 0) s->turned = count_sides(l) * l->kernels->packed_size(l->ld, l->in_ld);
  if (l->message_dropout > 0) s->dropped = (size_t)n->n_src * (size_t)l->ld;
  if (sparse) s->row_bits = (size_t)n->n_src;
  if (l->exact) {
    if (l->conv->edges) s->exact_dz = (size_t)n->n_src * dg_exact_row(l);
    s->exact_thread = dg_exact_thread_size(l, sparse), s->exact_common = dg_exact_common_size(l, sparse);
  }
  s->partial = partial_size(l, n, sparse);
  s->sums = sums_size(l, n);
}

/* Tables in bf16 take the place of others. */
static void halve_tables(dg_sizes *s, const dg_layer *l) {
  const size_t projections = l->wr >= 0 ? 2 : 1;
  s->z_bf16 = s->z, s->zr_bf16 = s->zr;
  s->z = s->zr = 0;
  s->rounding = (size_t)omp_get_max_threads() * TILE_ROWS * projections * (size_t)l->ld;
}

dg_sizes dg_layer_sizes(const dg_layer *layer, const dg_layer_counts *n, bool sparse, bool backward) {
  const bool sparse_input = layer->index == 0 && sparse;
  dg_sizes s = {.z = (size_t)(layer->conv->edges ? n->n_src : n->n_dst) * (size_t)layer->ld};
  if (layer->conv->add_sizes) layer->conv->add_sizes(&s, layer, n);
  if (layer->bf16) halve_tables(&s, layer);
  if (layer->conv->edges) {
    s.agg = (size_t)n->n_dst * (size_t)layer->ld;
    s.stat = (size_t)n->n_dst * DG_STATS * (size_t)layer->hp;
  }
  if (layer->n_skips > 0) s.skip = (size_t)n->n_dst * (size_t)layer->bias_ld;
  if (layer->n_skips > 1) s.skip_weights = (size_t)layer->in_ld * (size_t)layer->bias_ld;
  s.packed = packed_size(layer, sparse_input);
  dg_norm_size(&s, layer);
  if (layer->conv->gather)
    s.gather = (size_t)n->n_src * (size_t)layer->gather_ld,
    s.gathered = (size_t)n->n_dst * (size_t)layer->gather_ld * (size_t)dg_layer_gathered_sums(layer);
  else if (layer->index > 0 && !(backward && layer->in_ld > KEPT))
    s.input = (size_t)n->n_src_owned * (size_t)layer->in_ld;
  else
    s.tile = (size_t)omp_get_max_threads() * TILE_ROWS * dense_width(layer, sparse_input);
  if (layer->n_labels > 0) s.shown = (size_t)n->n_projected, s.labels = s.shown * (size_t)layer->n_labels;
  if (backward)
    add_backward_sizes(&s, layer, n, sparse_input);
  else
    s.positive = s.dscore_dst = s.dzr = s.notes = 0;
  return s;
}

/* ---- scratch ---- */

int dg_layer_dagg(const dg_layer *layer) {
  return layer->conv->edges && layer->n_skips == 0 ? 0 : layer->index % 2;
}

dg_status dg_scratch_create(dg_scratch *scratch, const dg_layer *layer, const dg_sizes *sizes, int layers) {
  dg_status status = DG_OK;
  size_t dagg[2] = {0};
  dg_sizes most = {0};
  *scratch = (dg_scratch){0};
  for (int k = 0; k < layers; k++) {
    const int which = dg_layer_dagg(&layer[k]);
    dagg[which] = max_size(dagg[which], sizes[k].dagg);
    most.dagg_bf16 = max_size(most.dagg_bf16, sizes[k].dagg_bf16);
    most.dzr = max_size(most.dzr, sizes[k].dzr);
    most.notes = max_size(most.notes, sizes[k].notes);
    most.partial = max_size(most.partial, sizes[k].partial);
    most.turned = max_size(most.turned, sizes[k].turned);
    most.sums = max_size(most.sums, sizes[k].sums);
    most.exact_dz = max_size(most.exact_dz, sizes[k].exact_dz);
    most.exact_thread = max_size(most.exact_thread, sizes[k].exact_thread);
    most.exact_common = max_size(most.exact_common, sizes[k].exact_common);
  }
  DG_TRY(dg_alloc(&scratch->dagg[0], dagg[0], sizeof(dg_real)));
  DG_TRY(dg_alloc(&scratch->dagg[1], dagg[1], sizeof(dg_real)));
  DG_TRY(dg_alloc(&scratch->dagg_bf16, most.dagg_bf16, sizeof *scratch->dagg_bf16));
  DG_TRY(dg_alloc(&scratch->dzr, most.dzr, sizeof(dg_real)));
  DG_TRY(dg_alloc(&scratch->notes, most.notes, 1));
  DG_TRY(dg_alloc(&scratch->partial, most.partial, sizeof(dg_real)));
  DG_TRY(dg_alloc(&scratch->turned, most.turned, sizeof(dg_real)));
  DG_TRY(dg_alloc(&scratch->sums, most.sums, sizeof *scratch->sums));
  scratch->exact.stride = most.exact_thread;
  DG_TRY(dg_alloc(&scratch->exact.dz, most.exact_dz, sizeof(double)));
  DG_TRY(dg_alloc(&scratch->exact.room, (size_t)omp_get_max_threads() * most.exact_thread, sizeof(double)));
  DG_TRY(dg_alloc(&scratch->exact.common, most.exact_common, sizeof(double)));

cleanup:
  return status;
}

void dg_scratch_destroy(dg_scratch *scratch) {
  dg_free(&scratch->dagg[0]);
  dg_free(&scratch->dagg[1]);
  dg_free(&scratch->dagg_bf16);
  dg_free(&scratch->dzr);
  dg_free(&scratch->notes);
  dg_free(&scratch->partial);
  dg_free(&scratch->turned);
  dg_free(&scratch->sums);
  dg_free(&scratch->exact.dz);
  dg_free(&scratch->exact.room);
  dg_free(&scratch->exact.common);
}

static void borrow_scratch(dg_work *w, const dg_scratch *s) {
  if (keeps_dagg(w->layer)) w->e.dagg = s->dagg[dg_layer_dagg(w->layer)];
  if (w->layer->bf16) w->e.dagg_bf16 = s->dagg_bf16;
  /* Once the backward pass of a layer has its row_dots, nothing reads agg; what it gives a product is in the layer
   * above. */
  w->e.dz = w->layer->conv->edges ? w->e.agg : w->e.dagg;
  if (w->layer->note_size > 0 && w->block->t_number) {
    w->e.notes = s->notes, w->e.note_size = w->layer->note_size;
    w->e.t_notes = w->block->t_number, w->e.first_note = w->block->number;
  }
  w->e.dzr = s->dzr, w->partial = s->partial, w->turned = s->turned, w->sums = s->sums;
  w->exact = s->exact;
  w->dskip = w->e.dagg;
}

/* ---- a layer at work ---- */

/* Allocates what has a size; the rest stays NULL. */
static dg_status allocate(void *out, size_t count, size_t size) {
  return count > 0 ? dg_alloc(out, count, size) : DG_OK;
}

static dg_status allocate_all(dg_work *w, const dg_sizes *s) {
  dg_status status = DG_OK;
  DG_TRY(allocate(&w->e.z, s->z, sizeof(dg_real)));
  DG_TRY(allocate(&w->e.zr, s->zr, sizeof(dg_real)));
  DG_TRY(allocate(&w->e.z_bf16, s->z_bf16, sizeof(dg_bf16)));
  DG_TRY(allocate(&w->e.zr_bf16, s->zr_bf16, sizeof(dg_bf16)));
  DG_TRY(allocate(&w->dropped, s->dropped, sizeof(dg_real)));
  DG_TRY(allocate(&w->rounding, s->rounding, sizeof(dg_real)));
  if (w->layer->conv->edges) DG_TRY(dg_alloc(&w->e.agg, s->agg, sizeof(dg_real))); /* also of ranks without rows */
  DG_TRY(allocate(&w->e.stat, s->stat, sizeof(dg_real)));
  DG_TRY(allocate(&w->e.score_src, s->score_src, sizeof(dg_real)));
  DG_TRY(allocate(&w->e.positive, s->positive, sizeof(dg_real)));
  DG_TRY(allocate(&w->e.dscore_dst, s->dscore_dst, sizeof(dg_real)));
  DG_TRY(allocate(&w->in.to, s->input, sizeof(dg_real)));
  DG_TRY(allocate(&w->tile, s->tile, sizeof(dg_real)));
  DG_TRY(allocate(&w->gather.z, s->gather, sizeof(dg_real)));
  DG_TRY(allocate(&w->gather.agg, s->gathered, sizeof(dg_real)));
  DG_TRY(allocate(&w->row_bits, s->row_bits, sizeof *w->row_bits));
  DG_TRY(allocate(&w->labels, s->labels, sizeof(dg_real)));
  DG_TRY(allocate(&w->shown, s->shown, sizeof *w->shown));
  DG_TRY(allocate(&w->skip, s->skip, sizeof(dg_real)));
  DG_TRY(allocate(&w->skip_weights, s->skip_weights, sizeof(dg_real)));
  DG_TRY(allocate(&w->packed, s->packed, sizeof(dg_real)));
  DG_TRY(allocate(&w->share, s->share, sizeof(dg_real)));
  DG_TRY(allocate(&w->edge_scores, s->edge_scores, sizeof(dg_real)));
  DG_TRY(allocate(&w->no_target, s->no_target, sizeof(dg_real)));
  DG_TRY(allocate(&w->by_head, s->by_head, sizeof(dg_real)));

cleanup:
  return status;
}

/* Targets are the first sources of all layers below, the first one's included. */
static void fill_shares(dg_work *w, const dg_local *local) {
  for (dg_row i = 0; i < w->block->n_dst; i++) {
    const dg_real degree = local->degree[w->field->input_local[i]];
    w->share[i] = degree > 0 ? 1 / degree : 0;
  }
  w->e.norm = w->gather.norm = w->share;
}

static void describe_edges(dg_edges *e, const dg_layer *l, const dg_block *b, int ld) {
  const int ahead = l->conv->attention ? PREFETCH : 2 * PREFETCH; /* sums alone do less between two gathers */
  e->hp = l->hp, e->ld = ld;
  e->slope = (dg_real)l->slope;
  e->indptr = b->indptr, e->indices = b->indices;
  e->t_indptr = b->t_indptr, e->t_indices = b->t_indices, e->inner = l->conv->inner_edges && !l->exact;
  e->ids = b->folded, e->norm = b->norm;
  e->n_dst = b->n_dst, e->n_edges = b->indptr[b->n_dst];
  e->n_out_edges = b->t_indptr ? b->t_indptr[b->n_src] : 0;
  e->edge_dim = b->edge_dim, e->attributes = b->attributes, e->t_edges = b->t_edges;
  e->ahead = (size_t)b->n_src * (size_t)ld * dg_layer_table_bytes(l) > CACHED_BYTES ? ahead : 0;
}

static void describe_input(dg_work *w) {
  const dg_features *f = w->features;
  w->x = (dg_input){.indptr = f->indptr,
                    .columns = f->indices,
                    .values = f->values,
                    .row = w->field->input_local,
                    .ids = w->block->folded,
                    .row_bits = w->row_bits};
}

/* Rows of a table in bf16 travel as they are. */
static dg_status create_channel(dg_work *w, dg_halo_type type) {
  const dg_layer *l = w->layer;
  const dg_halo_plan *plan = &w->block->plan;
  const int width = l->dim * l->hp;
  if (w->exact.stride > 0)
    return dg_halo_channel_create_sums(&w->channel, plan, w->e.z, w->e.z_bf16,
                                       l->bf16 ? dg_bf16_width(width, l->ld) : width, l->ld, w->exact.dz,
                                       (int)dg_exact_row(l));
  if (l->bf16)
    return dg_halo_channel_create_bf16(&w->channel, plan, w->e.z_bf16, dg_bf16_width(width, l->ld), w->e.dz, width,
                                       l->ld, type);
  return dg_halo_channel_create(&w->channel, plan, w->e.z, w->e.dz, width, l->ld, type);
}

/* Labels of other ranks' nodes: which of them are shown each rank knows, but what is said of the rest their owners. */
static dg_status create_label_channel(dg_work *w, dg_halo_type type) {
  const int n = w->layer->n_labels;
  return dg_halo_channel_create(&w->label_channel, &w->block->plan, w->labels, NULL, n, n, type);
}

dg_status dg_work_create(dg_work *work, const dg_layer *layer, const dg_work *below, const dg_pass *pass,
                         const dg_sizes *sizes, dg_halo_type halo_type) {
  dg_status status = DG_OK;
  const dg_comm *comm = &pass->local->comm;
  const dg_block *b = pass->field->block[layer->index];
  *work = (dg_work){.comm = comm, .layer = layer, .block = b, .field = pass->field};
  status = allocate_all(work, sizes);
  if (status == DG_OK) status = dg_norm_create(&work->norm, layer, sizes, pass->local->shard.info.n_nodes);
  DG_TRY(dg_comm_agree(comm, status));
  DG_CHECK(layer->edge_dim == b->edge_dim);
  describe_edges(&work->e, layer, b, layer->ld);
  if (layer->conv->gather) describe_edges(&work->gather, layer, b, layer->gather_ld);
  if (layer->symmetric) work->gather.out_norm = b->out_norm;
  work->e.edge_scores = work->edge_scores, work->e.att_dst = work->no_target;
  if (work->share) fill_shares(work, pass->local);
  if (!layer->conv->edges) work->e.agg = work->e.z;
  if (pass->scratch) borrow_scratch(work, pass->scratch);
  if (layer->last && layer->heads > 1) work->dskip = pass->logits;
  if (below == NULL) {
    work->features = &pass->local->shard.features;
    describe_input(work);
  } else {
    work->in = (dg_transition){.below = below->layer,
                               .norm = &below->norm,
                               .from = dg_layer_results(below),
                               .to = work->in.to,
                               .ids = b->folded};
  }
  if (dg_field_exchanges(pass->field, layer->index)) DG_TRY(create_channel(work, halo_type));
  if (below == NULL && dg_field_exchanges_input(pass->field)) DG_TRY(create_label_channel(work, halo_type));

cleanup:
  return status;
}

void dg_work_destroy(dg_work *work) {
  dg_halo_channel_destroy(&work->channel);
  dg_halo_channel_destroy(&work->label_channel);
  if (work->layer && !work->layer->conv->edges) work->e.agg = NULL;
  dg_free(&work->e.z);
  dg_free(&work->e.zr);
  dg_free(&work->e.z_bf16);
  dg_free(&work->e.zr_bf16);
  dg_free(&work->dropped);
  dg_free(&work->rounding);
  dg_free(&work->e.agg);
  dg_free(&work->e.stat);
  dg_free(&work->e.score_src);
  dg_free(&work->e.positive);
  dg_free(&work->e.dscore_dst);
  dg_free(&work->in.to);
  dg_free(&work->tile);
  dg_free(&work->gather.z);
  dg_free(&work->gather.agg);
  dg_free(&work->row_bits);
  dg_free(&work->labels);
  dg_free(&work->shown);
  dg_free(&work->skip);
  dg_free(&work->skip_weights);
  dg_free(&work->packed);
  dg_free(&work->share);
  dg_free(&work->edge_scores);
  dg_free(&work->no_target);
  dg_free(&work->by_head);
  dg_norm_destroy(&work->norm);
  *work = (dg_work){0};
}
