#ifndef DG_NN_LAYER_H
#define DG_NN_LAYER_H

#include "nn/conv.h"

/* Buffers of a layer over a block of such counts. Local. */
dg_sizes dg_layer_sizes(const dg_layer *layer, const dg_layer_counts *n, bool sparse, bool backward);

/* Which of two buffers holds a layer's dagg. One serves all layers, unless one of them reads its own while it makes
   that of the layer below. Local. */
int dg_layer_dagg(const dg_layer *layer);

/* Buffers that the layers' backward passes share. Errors: DG_MEMORY. Local. */
dg_status dg_scratch_create(dg_scratch *scratch, const dg_layer *layer, const dg_sizes *sizes, int layers);
void dg_scratch_destroy(dg_scratch *scratch);

/* Makes the buffers of one layer; `scratch`, borrowed, where there is a backward pass, else NULL. `below` is the layer
   below at work, NULL for the first. Errors: DG_MEMORY. Collective. */
dg_status dg_work_create(dg_work *work, const dg_layer *layer, const dg_work *below, const dg_pass *pass,
                         const dg_sizes *sizes, dg_halo_type halo_type);
void dg_work_destroy(dg_work *work);

/* Masks and weights of one step. Local. */
void dg_layer_begin(dg_work *work, const dg_params *params, const dg_step *step);

/* The norm behind a layer. Statistics of batch norm are measured over the results of all ranks in a step of training,
   once all rows are aggregated, else they are the running ones; dg_norm_measure is Collective, the others are Local.
   Errors: DG_MEMORY. */
void dg_norm_size(dg_sizes *sizes, const dg_layer *layer);
dg_status dg_norm_create(dg_normalizer *norm, const dg_layer *layer, const dg_sizes *sizes, int64_t n_nodes);
void dg_norm_destroy(dg_normalizer *norm);
void dg_norm_start_step(dg_normalizer *norm);
void dg_norm_begin(dg_normalizer *norm, const dg_layer *layer, const dg_params *params, bool training);
void dg_norm_measure(dg_work *work, const dg_params *params);
/* Whether a step measures it. */
bool dg_norm_is_measured(const dg_layer *layer, const dg_step *step);
/* Running statistics, see dg_pass_update_statistics. */
void dg_norm_update(const dg_normalizer *norm, const dg_layer *layer, dg_params *params);
/* Numbers of a column that dg_transition_backward sums over rows. */
int dg_norm_n_sums(dg_norm norm);
/* The gradients of the norm's tensors and of the layer's bias, from these sums over the rows of this rank, `sums`
   [dg_norm_n_sums, ld]; with exact sums of all ranks, here and below. */
void dg_norm_gradients(const dg_layer *layer, dg_params *params, const double *sums);
/* What is left of the backward pass of batch norm, once all rows of all ranks have been through dg_transition_backward;
   sums as above. Collective. */
void dg_norm_finish_backward(dg_work *below, const double *sums);

/* What a symmetric norm does, see symmetric.c; nothing without one: scales rows x, z or dz of sources [begin, end);
   scores of targets; results of chunks of targets; what the backward pass needs of all targets. Local. */
void dg_symmetric_sources(const dg_work *work, dg_real *x, int32_t begin, int32_t end);
void dg_symmetric_scores(const dg_work *work);
void dg_symmetric_results(const dg_work *work, int from, int to);
void dg_symmetric_dots(const dg_work *work);

/* Attention coefficients of the in-edges of a target row, alpha [edges, hp], after a forward pass. Local. */
void dg_layer_alpha(const dg_work *work, int32_t row, dg_real *alpha);

/* Labels as input. dg_labels_begin puts them in at the beginning of a step; dg_labels_reuse puts the probabilities of
   the logits in where no label is shown, and begins to pull those of other ranks' nodes; both are Collective.
   dg_labels_put gives rows [begin, end) through dropout as
   columns of rows [end - begin, ld], from `column` on. dg_loss_totals sums over this rank's rows in the loss. Local. */
void dg_labels_begin(const dg_pass *pass, const dg_step *step);
void dg_labels_reuse(const dg_pass *pass);
void dg_labels_put(const dg_work *work, dg_real *rows, int ld, int column, int32_t begin, int32_t end);
dg_totals dg_loss_totals(const dg_pass *pass);

/* Lays out what products read of the weights, at the beginning of a step. Local. */
void dg_layer_pack_weights(const dg_work *work, const dg_params *params);

/* Forward: sums of the first layer's input over in-edges, of kinds that gather it. Local. */
void dg_layer_gather_input(dg_work *work);
/* Projects the first layer's input, all rows. Local. */
void dg_layer_project_input(dg_work *work, const dg_params *params);
/* The same for a hidden layer, whose input is what `below` made of one kind of its target rows. Local. */
void dg_layer_project(dg_work *work, const dg_work *below, const dg_params *params, enum dg_part part);
/* Scores of source rows: owned ones, or those of the halo. Local. */
void dg_layer_score(const dg_work *work, enum dg_part part);
/* Aggregates over the in-edges of one kind of target rows. Local. */
void dg_layer_aggregate(const dg_work *work, enum dg_part part);

/* Rows of dagg, of targets [begin, end), into the table of it where that is in bf16; else nothing. Local. */
void dg_layer_round_dagg(const dg_work *work, const dg_real *rows, int32_t begin, int32_t end);
/* Where they are made, target `begin` first: in dagg, or where only the table is kept in the tile of this thread.
 * Local.
 */
dg_real *dg_layer_dagg_room(const dg_work *work, int32_t begin);

/* Backward, given dagg. Each is Local; in this order: */
void dg_layer_backward_halo(const dg_work *work); /* dz of halo rows, ready to travel home */
/* dzr, dz of owned rows, attention vectors' gradients. */
void dg_layer_backward_owned(const dg_work *work, dg_params *params);
/* Gradients of projections: the targets' may be made at once, the sources' after the halo gradients came home. The
   first layer's are all made with the sources'. */
void dg_layer_backward_weights(dg_work *work, dg_params *params, enum dg_sides sides);
/* The same of a hidden layer's that are left, the sources' among them, and in one pass with them dagg of the layer
   below, through the transition, and the gradients of its bias and norm. */
void dg_layer_backward_input(dg_work *work, dg_work *below, dg_params *params, enum dg_sides sides);

/* Results of a layer's targets, before bias and norm: [n_dst, ld]. Local. */
static inline const dg_real *dg_layer_results(const dg_work *work) {
  return work->skip ? work->skip : work->e.agg;
}

/* Rows [begin, end) of a transition, the first of which is the first of `to` and of d; backward turns the gradient of
   `to` in d into that of `from`, with batch norm into that of what is activated, and adds to sums [dg_norm_n_sums, ld]
   over rows: the gradient of what is added last; then with a norm that of its scale; then with layer norm that of the
   bias. Local. */
void dg_transition_forward(const dg_transition *t, const dg_params *params, dg_real *to, int32_t begin, int32_t end);
void dg_transition_backward(const dg_transition *t, dg_real *d, const dg_real *to, dg_real *sums, int32_t begin,
                            int32_t end);

/* Logits from the last layer. Local. */
void dg_layer_output(const dg_work *work, const dg_params *params, dg_real *logits, int n_classes, int ld_classes);

/* Random mask of one step, for a layer's input, its attention, its edges, or the rows that they sum. Local. */
enum dg_purpose { DG_DROP_INPUT, DG_DROP_ATTENTION, DG_DROP_EDGES, DG_DROP_MESSAGES };
dg_dropout dg_dropout_of(double p, const dg_step *step, int layer, enum dg_purpose purpose);

#endif
