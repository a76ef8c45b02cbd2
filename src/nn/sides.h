#ifndef DG_NN_SIDES_H
#define DG_NN_SIDES_H

#include "nn/layer.h"

/* The products of a layer's input rows with its weights: what their forward and backward passes share. All is Local. */

/* Rows of numbers: n of each, ld apart. */
typedef struct dg_rows_of {
  const dg_real *at;
  int ld, n;
} dg_rows_of;

/* A product of input rows with weights. */
typedef struct dg_side {
  dg_real *out;           /* [n, ld]; NULL where rows are rounded */
  dg_bf16 *rounded;       /* [n, ld] then */
  const dg_real *d;       /* [n, ld] its gradient */
  const dg_real *weights; /* [in, ld] */
  const dg_real *bias;    /* [ld]; NULL where there is none */
  int ld;
  int32_t n;
  int64_t weights_at, bias_at; /* where their gradients go in the block */
  const dg_real *input;        /* [n, in] rows of their own that are multiplied; NULL: those of the pass */
  const dg_real *turned;       /* [ld, in] the weights transposed and packed, where the gradient of the input is made */
  const dg_real *dense; /* [dg_dense_width, ld] the weights of dense columns, packed: as they are, or in `room` */
  dg_real *room;        /* NULL: as they are */
} dg_side;

enum { DG_MAX_SIDES = 3 };

/* One pass over rows of a dense input, each tile of which is made once for all that is done with it. */
typedef struct dg_rows_pass {
  const dg_side *side; /* [n_sides] projections: their rows begin with the same, the first has most */
  int n_sides;
  int n_weights;  /* the first so many get the gradients of their weights */
  dg_work *below; /* whose results the input is made of, and get their gradient through all sides; NULL: none do */
  int32_t n;      /* rows of the input */
} dg_rows_pass;

/* Numbers that the transition sums. */
static inline int64_t dg_transition_sums(const dg_work *work, const dg_rows_pass *pass) {
  return pass->below ? (int64_t)work->layer->input_sums * work->layer->in_ld : 0;
}

/* Rows that a layer projects here: its sources but those that come from other ranks, or that no target meets. */
int32_t dg_project_count(const dg_work *work);

/* Columns of the input that are dense: all, or beside sparse features those of labels, which come after them. */
int dg_dense_width(const dg_work *work);

/* The dense columns of input rows [begin, end), a tile at most: kept ones of a hidden layer, or results of the layer
   below, or features and labels, through their dropout again. */
dg_rows_of dg_input_rows(const dg_work *work, const dg_params *params, int32_t begin, int32_t end);

/* Where the dense columns of input rows from `begin` on are: in those that are kept, or in the tile of this thread. */
dg_real *dg_input_room(const dg_work *work, int32_t begin);

/* Products of a layer: of all sources that are projected here, and of the targets, which are their first rows. */
int dg_sides_list(dg_side list[DG_MAX_SIDES], const dg_work *work, const dg_params *params, enum dg_sides wanted);

/* The rows of a side from `begin` on, `shared` those of the pass. */
dg_rows_of dg_side_rows(const dg_work *work, const dg_side *side, dg_rows_of shared, int32_t begin);

/* Sides of sparse input that one pass over its rows makes: as many rows are in the first, and the rows are as long. */
int dg_sides_paired(const dg_side *list, int n);

/* How many of n rows or columns that have so many non-zeros make a strip: few enough for many threads. */
int32_t dg_sparse_strip(int64_t nonzeros, int32_t n);

static inline int32_t dg_min_row(int32_t a, int32_t b) {
  return a < b ? a : b;
}

/* Rows of [begin, end) that a side has: the first so many. */
static inline int32_t dg_side_count(const dg_side *side, int32_t begin, int32_t end) {
  const int32_t stop = dg_min_row(end, side->n);
  return stop > begin ? stop - begin : 0;
}

#endif
