#include <distgat/model.h>

#include <math.h>
#include <omp.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "nn/exact.h"

/* Buffers of every layer; sizes [layers]. */
static dg_status size_layers(dg_sizes *sizes, const dg_pass *pass, bool backward) {
  dg_counts counts;
  const dg_status status = dg_counts_create(&counts, pass->local, pass->field);
  for (int k = 0; status == DG_OK && k < counts.n_layers; k++)
    sizes[k] = dg_layer_sizes(&pass->model->layer[k], &counts.layer[k], pass->local->shard.features.sparse, backward);
  dg_counts_destroy(&counts);
  return status;
}

static int64_t largest(int64_t a, size_t b) {
  return a > (int64_t)b ? a : (int64_t)b;
}

int64_t dg_pass_bytes(const dg_model *model, const dg_counts *counts, bool sparse, bool backward) {
  const int64_t ld_classes = model->layer[counts->n_layers - 1].bias_ld;
  int64_t reals = counts->n_out * ld_classes, words = 0, doubles = 0, bytes = 0;
  int64_t halves = 0, dagg_bf16 = 0;
  /* The layers' backward passes share these. */
  int64_t dagg[2] = {0}, dzr = 0, partial = 0, turned = 0, notes = 0, sums = 0;
  int64_t exact_dz = 0, exact_thread = 0, exact_common = 0;
  for (int k = 0; k < counts->n_layers; k++) {
    const dg_sizes s = dg_layer_sizes(&model->layer[k], &counts->layer[k], sparse, backward);
    reals += (int64_t)(s.z + s.zr + s.agg + s.stat + s.score_src + s.positive + s.dscore_dst + s.input + s.tile +
                       s.gather + s.gathered + s.dropped + s.rounding);
    halves += (int64_t)(s.z_bf16 + s.zr_bf16);
    reals += (int64_t)(s.labels + s.skip + s.skip_weights + s.packed + s.share + s.edge_scores + s.no_target +
                       s.by_head + s.norm_room);
    doubles += (int64_t)s.norm_sums;
    words += (int64_t)s.row_bits, bytes += (int64_t)s.shown;
    const int which = dg_layer_dagg(&model->layer[k]);
    dagg[which] = largest(dagg[which], s.dagg), dagg_bf16 = largest(dagg_bf16, s.dagg_bf16);
    dzr = largest(dzr, s.dzr);
    partial = largest(partial, s.partial), turned = largest(turned, s.turned);
    notes = largest(notes, s.notes), sums = largest(sums, s.sums);
    exact_dz = largest(exact_dz, s.exact_dz), exact_thread = largest(exact_thread, s.exact_thread);
    exact_common = largest(exact_common, s.exact_common);
  }
  reals += dagg[0] + dagg[1] + dzr + partial + turned;
  doubles += exact_dz + omp_get_max_threads() * exact_thread + exact_common;
  return bytes + notes + reals * (int64_t)sizeof(dg_real) + (halves + dagg_bf16) * (int64_t)sizeof(dg_bf16) +
         words * (int64_t)sizeof(uint32_t) + (doubles + sums) * (int64_t)sizeof(double);
}

dg_status dg_pass_create(dg_pass *pass, dg_model *model, const dg_local *local, const dg_field *field, bool backward,
                         dg_halo_type halo_type) {
  dg_status status = DG_OK;
  const int layers = model->config.layers;
  dg_sizes *sizes = NULL;
  *pass = (dg_pass){.model = model, .local = local, .field = field, .ld_classes = model->layer[layers - 1].bias_ld};
  status = dg_alloc(&pass->work, (size_t)layers, sizeof *pass->work);
  if (status == DG_OK) status = dg_alloc(&sizes, (size_t)layers, sizeof *sizes);
  if (status == DG_OK) status = size_layers(sizes, pass, backward);
  if (status == DG_OK) status = dg_alloc(&pass->logits, (size_t)field->n_out * pass->ld_classes, sizeof *pass->logits);
  if (status == DG_OK && backward) status = dg_alloc(&pass->scratch, 1, sizeof *pass->scratch);
  if (status == DG_OK && backward) status = dg_scratch_create(pass->scratch, model->layer, sizes, layers);
  DG_TRY(dg_comm_agree(&local->comm, status));
  for (int k = 0; k < layers; k++)
    DG_TRY(dg_work_create(&pass->work[k], &model->layer[k], k > 0 ? &pass->work[k - 1] : NULL, pass, &sizes[k],
                          halo_type));

cleanup:
  dg_free(&sizes);
  if (status != DG_OK) dg_pass_destroy(pass);
  return status;
}

void dg_pass_destroy(dg_pass *pass) {
  for (int k = 0; pass->work && k < pass->model->config.layers; k++) dg_work_destroy(&pass->work[k]);
  if (pass->scratch) dg_scratch_destroy(pass->scratch);
  dg_free(&pass->scratch);
  dg_free(&pass->work);
  dg_free(&pass->logits);
  *pass = (dg_pass){0};
}

/* Aggregates one kind of a layer's rows and projects them for the layer above, where there is one. */
static void forward_rows(const dg_pass *pass, dg_work *w, dg_work *above, enum dg_part part) {
  dg_layer_aggregate(w, part);
  dg_timer_lap(pass->timer, DG_PHASE_EDGE_FORWARD);
  if (above) dg_layer_project(above, w, &pass->model->params, part);
  dg_timer_lap(pass->timer, DG_PHASE_PROJECTION);
}

/* One layer with batch norm in training: its statistics are those of all rows, so nothing above begins before. */
static void forward_measured(const dg_pass *pass, dg_work *w, dg_work *above) {
  dg_layer_score(w, DG_INTERIOR);
  forward_rows(pass, w, NULL, DG_INTERIOR);
  dg_halo_pull_end(w->channel);
  dg_timer_lap(pass->timer, DG_PHASE_HALO_WAIT);
  dg_layer_score(w, DG_BORDER);
  forward_rows(pass, w, NULL, DG_BORDER);
  dg_norm_measure(w, &pass->model->params);
  dg_timer_lap(pass->timer, DG_PHASE_ALL_REDUCE);
  dg_layer_project(above, w, &pass->model->params, DG_BORDER);
  dg_timer_lap(pass->timer, DG_PHASE_PROJECTION);
  dg_halo_pull_begin(above->channel);
  dg_timer_lap(pass->timer, DG_PHASE_HALO_WAIT);
  dg_layer_project(above, w, &pass->model->params, DG_INTERIOR);
  dg_timer_lap(pass->timer, DG_PHASE_PROJECTION);
}

/* One layer. Rows that need no halo come first while the halo is under way; where nothing is, rows that others wait
   for: the exchange of the layer above begins as soon as these are there. */
static void forward_layer(const dg_pass *pass, dg_work *w, dg_work *above) {
  dg_halo_channel *next = above ? above->channel : NULL;
  dg_layer_score(w, DG_INTERIOR);
  if (w->channel) {
    forward_rows(pass, w, above, DG_INTERIOR);
    dg_halo_pull_end(w->channel);
    dg_timer_lap(pass->timer, DG_PHASE_HALO_WAIT);
    dg_layer_score(w, DG_BORDER);
    forward_rows(pass, w, above, DG_BORDER);
    dg_halo_pull_begin(next);
  } else {
    dg_layer_score(w, DG_BORDER);
    forward_rows(pass, w, above, DG_BORDER);
    dg_halo_pull_begin(next);
    dg_timer_lap(pass->timer, DG_PHASE_HALO_WAIT);
    forward_rows(pass, w, above, DG_INTERIOR);
  }
}

/* One pass over what stands in the label columns. */
static void forward_once(const dg_pass *pass, const dg_step *step) {
  const dg_params *params = &pass->model->params;
  const int layers = pass->model->config.layers;
  dg_work *work = pass->work, *last = &work[layers - 1];
  for (int k = 0; k < layers; k++) dg_layer_begin(&work[k], params, step);
  dg_layer_gather_input(work);
  dg_timer_lap(pass->timer, DG_PHASE_EDGE_FORWARD);
  dg_layer_project_input(work, params);
  dg_timer_lap(pass->timer, DG_PHASE_PROJECTION);
  dg_halo_pull_begin(work->channel);
  for (int k = 0; k < layers; k++)
    if (dg_norm_is_measured(work[k].layer, step))
      forward_measured(pass, &work[k], &work[k + 1]);
    else
      forward_layer(pass, &work[k], k + 1 < layers ? &work[k + 1] : NULL);
  dg_layer_output(last, params, pass->logits, pass->model->n_classes, pass->ld_classes);
}

void dg_pass_forward(const dg_pass *pass, const dg_step *step) {
  for (int k = 0; k < pass->model->config.layers; k++) dg_norm_start_step(&pass->work[k].norm);
  dg_labels_begin(pass, step);
  dg_timer_lap(pass->timer, DG_PHASE_PROJECTION);
  for (int k = 0; k < pass->model->config.label_iterations; k++) {
    dg_step before = *step;
    before.seed = dg_rng_key(step->seed, 1 + (uint64_t)k);
    forward_once(pass, &before);
    dg_labels_reuse(pass);
    dg_timer_lap(pass->timer, DG_PHASE_LOSS);
    dg_halo_pull_end(pass->work->label_channel);
    dg_timer_lap(pass->timer, DG_PHASE_HALO_WAIT);
  }
  forward_once(pass, step);
}

void dg_pass_evaluate(const dg_pass *pass) {
  const dg_step step = {.training = false};
  dg_pass_forward(pass, &step);
}

/* Halo gradients come first and travel home while the rows owned here and the targets' weights are worked on. */
static void backward_layer(const dg_pass *pass, dg_work *w, dg_work *below) {
  dg_params *params = &pass->model->params;
  const enum dg_sides early = w->channel ? DG_TARGETS : DG_NO_SIDE; /* with nothing under way both share their input */
  dg_layer_backward_halo(w);
  dg_timer_lap(pass->timer, DG_PHASE_EDGE_BACKWARD);
  dg_halo_push_begin(w->channel);
  dg_layer_backward_owned(w, params);
  dg_timer_lap(pass->timer, DG_PHASE_EDGE_BACKWARD);
  dg_layer_backward_weights(w, params, early);
  dg_timer_lap(pass->timer, DG_PHASE_WEIGHT_GRADIENT);
  dg_halo_push_end(w->channel);
  dg_timer_lap(pass->timer, DG_PHASE_HALO_WAIT);
  if (below)
    dg_layer_backward_input(w, below, params, DG_BOTH_SIDES & ~early);
  else
    dg_layer_backward_weights(w, params, DG_BOTH_SIDES & ~early);
  dg_timer_lap(pass->timer, DG_PHASE_WEIGHT_GRADIENT);
}

/* The same by exact sums, which hold all ranks' rows. */
static void backward_layer_exactly(const dg_pass *pass, dg_work *w, dg_work *below) {
  dg_params *params = &pass->model->params;
  dg_exact_backward_edges(w, params);
  dg_timer_lap(pass->timer, DG_PHASE_EDGE_BACKWARD);
  if (below)
    dg_layer_backward_input(w, below, params, DG_BOTH_SIDES);
  else
    dg_layer_backward_weights(w, params, DG_BOTH_SIDES);
  dg_exact_keep(w, params);
  dg_timer_lap(pass->timer, DG_PHASE_WEIGHT_GRADIENT);
}

void dg_pass_backward(const dg_pass *pass, dg_sums *sums) {
  pass->model->params.squares = 0;
  for (int k = pass->model->config.layers - 1; k >= 0; k--) {
    const dg_layer *l = &pass->model->layer[k];
    dg_work *w = &pass->work[k], *below = k > 0 ? &pass->work[k - 1] : NULL;
    if (l->exact)
      backward_layer_exactly(pass, w, below);
    else
      backward_layer(pass, w, below);
    dg_sums_begin(sums, l->first);
    dg_timer_lap(pass->timer, DG_PHASE_ALL_REDUCE);
  }
}

void dg_pass_update_statistics(const dg_pass *pass) {
  for (int k = 0; k < pass->model->config.layers; k++)
    dg_norm_update(&pass->work[k].norm, &pass->model->layer[k], &pass->model->params);
}
