#ifndef DG_NN_LAYER_H
#define DG_NN_LAYER_H

#include <distgat/model.h>

#include "kernels/kernels.h"

/* What a layer is. Positions of its tensors in the parameter block; -1 where the kind has none. */
typedef struct dg_layer {
  dg_model_kind kind;
  int index; /* 0 first */
  bool last, elu;
  int heads, dim, hp, ld; /* output channels, see kernels.h */
  int n_in, in_ld;        /* input channels a row, and padded (the first layer's are not padded) */
  double dropout, attention_dropout, slope;
  int64_t first, count; /* the layer's part of the block */
  int64_t w, b;         /* projection of sources */
  int64_t wr, br;       /* projection of targets (GATv2) */
  int64_t att, att_dst;
  int64_t bias;
  int bias_ld; /* elements of the bias: ld, last layer classes padded */
} dg_layer;

/* Buffers of the backward pass that one layer after the other uses, sized for the largest. */
typedef struct dg_scratch {
  dg_real *dagg[2];  /* [n_dst, ld] of even and odd layers; doubles as the gradient of the layer above's input */
  dg_real *dz, *dzr; /* [n_src, ld], [n_dst, ld] */
  dg_real *partial;  /* sums over chunks */
  dg_real *turned;   /* [2, ld, in_ld] transposed weights of a hidden layer */
} dg_scratch;

/* A layer at work over a block. Shapes in e and x, see kernels.h. */
typedef struct dg_work {
  const dg_comm *comm;
  const dg_layer *layer;
  const dg_block *block;
  const dg_features *features; /* of the first layer, else NULL */
  const dg_field *field;
  dg_edges e;
  dg_input x;                               /* the first layer's input rows */
  dg_real *z, *zr, *agg, *stat, *score_src; /* agg is z itself for MLP */
  dg_real *input; /* [n_src_owned, in_ld] activated, dropped input; NULL for the first layer */
  dg_real *positive, *dscore_dst;
  dg_real *dagg, *dz, *dzr, *partial, *turned; /* of dg_scratch; dz is dagg itself for MLP */
  dg_real *tile;                               /* dense input rows, one tile a thread */
  uint32_t *row_bits;                          /* [n_src] dg_rng_row of sparse input rows */
  dg_halo_channel *channel;                    /* NULL where nothing is exchanged */
} dg_work;

/* Rows that a layer projects here: its sources but those that come from other ranks. Local. */
static inline int32_t dg_work_rows(const dg_work *work) {
  return work->channel ? work->block->n_src_owned : work->block->n_src;
}

/* Rows that need no halo and that no other rank needs; the others. */
enum dg_part { DG_INTERIOR, DG_BORDER };

/* Projections of a layer: that of its sources, and that of its targets where it has one (GATv2). */
enum dg_sides { DG_SOURCES = 1, DG_TARGETS = 2, DG_BOTH_SIDES = DG_SOURCES | DG_TARGETS };

/* Errors: DG_MEMORY. Local. */
dg_status dg_scratch_create(dg_scratch *scratch, const dg_model *model, const dg_local *local, const dg_field *field);
void dg_scratch_destroy(dg_scratch *scratch);

/* Makes the buffers of one layer; `scratch`, borrowed, where there is a backward pass, else NULL. Errors: DG_MEMORY.
   Collective. */
dg_status dg_work_create(dg_work *work, const dg_layer *layer, const dg_local *local, const dg_field *field,
                         const dg_scratch *scratch, dg_halo_type halo_type);
void dg_work_destroy(dg_work *work);

/* Forward: begins a step and projects the first layer's input, all rows. Local. */
void dg_layer_project_input(dg_work *work, const dg_params *params, const dg_step *step);
/* The same for a hidden layer, whose input is what `below` made of one kind of its target rows. Local. */
void dg_layer_project(dg_work *work, const dg_work *below, const dg_params *params, const dg_step *step,
                      enum dg_part part);
/* Scores of source rows (GAT): owned ones, or those of the halo. Local. */
void dg_layer_score(dg_work *work, enum dg_part part);
/* Aggregates over the in-edges of one kind of target rows. Local. */
void dg_layer_aggregate(dg_work *work, enum dg_part part);

/* Backward, given dagg. Each is Local; in this order: */
void dg_layer_backward_halo(dg_work *work); /* dz of halo rows, ready to travel home */
void dg_layer_backward_owned(dg_work *work,
                             dg_params *params); /* dzr, dz of owned rows, attention vectors' gradients */
/* Gradients of projections: the targets' may be made at once, the sources' after the halo gradients came home. The
   first layer's are all made with the sources'. */
void dg_layer_backward_weights(dg_work *work, dg_params *params, enum dg_sides sides);
void dg_layer_backward_input(dg_work *work, dg_work *below, dg_params *params); /* dagg of the layer below */

/* Logits from the last layer. Local. */
void dg_layer_output(const dg_work *work, const dg_params *params, dg_real *logits, int n_classes, int ld_classes);
/* Loss and its gradient: metrics of rows of `split`, dagg and the bias gradient of the last layer; n_total rows over
   all ranks. Local. */
dg_metrics dg_layer_loss(dg_work *work, dg_params *params, const dg_pass *pass, int split, int64_t n_total);

#endif
