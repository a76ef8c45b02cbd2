#include "train/plan_parts.h"

#include <distgat/memory.h>

#include "nn/conv.h"
#include "train/cost.h"

/* About as many chunks as a block of such counts is cut into. */
static int64_t chunks_of(const dg_layer_counts *n) {
  const int64_t few = 64, least = 512, most = 1 << 17, all = n->n_edges + n->n_src, wanted = all / least + 2;
  return wanted < few ? wanted : few < all / most ? all / most + 2 : few;
}

static void scale_counts(const dg_plan_input *in, dg_counts *counts) {
  counts->n_out = dg_plan_scaled(in, counts->n_out);
  for (int k = 0; k < counts->n_layers; k++) {
    dg_layer_counts *n = &counts->layer[k];
    int64_t *const grows[] = {&n->n_dst,  &n->n_src_owned, &n->n_src,   &n->n_projected,
                              &n->n_sent, &n->n_edges,     &n->entries, &n->entries_dst};
    for (size_t i = 0; i < sizeof grows / sizeof *grows; i++) *grows[i] = dg_plan_scaled(in, *grows[i]);
    n->n_chunks = chunks_of(n);
    n->n_outer = (n->n_edges - n->n_dst) / 6 * 5; /* about: chunks of rows that lie by clusters keep some edges */
  }
}

dg_field_config dg_division_field(const dg_division *d, int splits, bool backward) {
  const dg_config *c = d->input->config;
  return (dg_field_config){.n_layers = c->model.layers,
                           .splits = dg_config_prunes(c) ? splits : 0,
                           .edges = dg_conv_of(c->model.kind)->edges,
                           .exchange_first = d->point->exchange_first,
                           .exchange_input = c->model.label_iterations > 0,
                           .backward = backward,
                           .full = backward && dg_model_is_full(&c->model)};
}

static dg_status count(dg_counts **counts, const dg_division *d, int splits) {
  dg_status status = DG_OK;
  const int parts = d->point->parts;
  const dg_field_config config = dg_division_field(d, splits, splits == DG_TRAIN);
  DG_TRY(dg_alloc(counts, (size_t)parts, sizeof **counts));
  DG_TRY(dg_counts_of_parts(*counts, d->input->graph, d->part, parts, &config));

cleanup:
  return status;
}

static void destroy_counts(dg_counts **counts, int parts) {
  for (int p = 0; *counts && p < parts; p++) dg_counts_destroy(&(*counts)[p]);
  dg_free(counts);
}

void dg_division_destroy(dg_division *d) {
  destroy_counts(&d->train, d->point->parts);
  destroy_counts(&d->val, d->point->parts);
  destroy_counts(&d->all, d->point->parts);
  dg_free(&d->each);
  dg_free(&d->part);
}

static bool exchanges_first(const dg_division *d) {
  const dg_config *c = d->input->config;
  int64_t halo = 0;
  if (d->point->parts == 1 || !dg_conv_of(c->model.kind)->edges) return false;
  if (c->first_halo != DG_FIRST_AUTO) return c->first_halo == DG_FIRST_EXCHANGE;
  if (dg_model_may_gather_input(d->model, d->input->info->sparse)) return false;
  for (int p = 0; p < d->point->parts; p++)
    if (d->each[p].halo > halo) halo = d->each[p].halo;
  return dg_cost_exchange_pays_for(d->model, d->input->info, dg_plan_scaled(d->input, halo), d->point->nodes == 1);
}

static dg_status measure_parts(dg_division *d) {
  dg_status status = DG_OK;
  const dg_csr *in = &d->input->graph->in;
  dg_plan_point *point = d->point;
  dg_partition_quality quality;
  DG_TRY(dg_partition_measure(&quality, in, d->part, point->parts));
  DG_TRY(dg_alloc(&d->each, (size_t)point->parts, sizeof *d->each));
  DG_TRY(dg_partition_measure_parts(d->each, in, d->part, point->parts));
  point->edge_cut = dg_plan_scaled(d->input, quality.edge_cut);
  point->halo_nodes = dg_plan_scaled(d->input, quality.halo_nodes);
  point->edge_imbalance = quality.edge_imbalance;

cleanup:
  return status;
}

/* Parts by METIS, and what that takes: how much shrinks when METIS contracts a graph is in its edges. */
static dg_status divide_watched(dg_division *d, const dg_dividing *how) {
  dg_memory_trim();
  const bool watched = dg_memory_forget_peak();
  const int64_t before = dg_memory_peak();
  const dg_status status = how->divide(d->part, d->point->parts, how->context);
  d->dividing = watched ? dg_memory_peak() - before : -1;
  return status;
}

dg_status dg_division_make(dg_division *d, const dg_dividing *how) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&d->part, (size_t)d->input->graph->in.n_rows, sizeof *d->part));
  DG_TRY(divide_watched(d, how));
  DG_TRY(measure_parts(d));
  d->point->exchange_first = exchanges_first(d);
  DG_TRY(count(&d->train, d, DG_TRAIN));
  DG_TRY(count(&d->val, d, DG_VAL));
  DG_TRY(count(&d->all, d, DG_TRAIN | DG_VAL | DG_TEST));

cleanup:
  return status;
}

void dg_division_scale(dg_division *d) {
  for (int p = 0; p < d->point->parts; p++) {
    scale_counts(d->input, &d->train[p]);
    scale_counts(d->input, &d->val[p]);
    scale_counts(d->input, &d->all[p]);
  }
}
