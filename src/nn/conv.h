#ifndef DG_NN_CONV_H
#define DG_NN_CONV_H

#include <distgat/counts.h>
#include <distgat/model.h>

#include "kernels/kernels.h"

/* A kind of layer is one file with one table, dg_conv; what all kinds share lies in work.c (buffers), project.c and
   weights.c (products with weights, forward and backward), transition.c (what lies between two layers) and exact.c (the
   backward pass of reproducible training). */

typedef struct dg_conv dg_conv;

/* What a layer is. Positions of its tensors in the parameter block; -1 where the kind has none. */
typedef struct dg_layer {
  const dg_conv *conv;
  const dg_kernels *kernels;
  const dg_edge_kernels *edges;
  int index; /* 0 first */
  bool last, elu;
  int heads, dim, hp, ld; /* output channels, see kernels.h */
  bool bf16;              /* tables that edges gather rows from are in it */
  int n_in, in_ld;        /* input channels a row, and padded (the first layer's are not padded) */
  int gather_ld;          /* elements of an input row that edges gather */
  int n_labels;           /* of these the last, which labels are put into */
  double dropout, attention_dropout, edge_dropout, message_dropout, slope;
  bool source_only;     /* scores know nothing of the target (GAT) */
  bool symmetric;       /* see symmetric.c */
  int64_t first, count; /* the layer's part of the block */
  int64_t w, b;         /* projection of sources */
  int64_t wr, br;       /* projection of targets (GATv2) */
  int64_t att, att_dst;
  int edge_dim;               /* attributes of an edge; 0: none */
  int64_t lin_edge, att_edge; /* what attention makes of them */
  size_t note_size;           /* bytes that its backward pass notes of an out-edge (GATv2); 0: none */
  bool exact;                 /* sums over nodes and edges are exact, see exact.h */
  int64_t chunk_sums;         /* numbers that a chunk of rows sums for gradients of these four */
  int64_t bias;
  int bias_ld; /* elements of the bias, and of a row of results: ld, last layer classes padded */
  int n_skips; /* linear maps of a target's own input that are added to its result */
  int64_t skip[2];
  dg_norm norm;           /* of the results of a hidden layer, and its tensors */
  int64_t scale, shift;   /* gamma and beta */
  int64_t mean, variance; /* running statistics (batch norm) */
  int input_sums;         /* numbers a column that the transition below sums over rows; 0 below the first layer */
} dg_layer;

/* Buffers of a layer, in elements; those of the backward pass are shared by all layers. */
typedef struct dg_sizes {
  size_t z, zr, agg, stat, score_src; /* see dg_edges; agg 0: it is z itself */
  size_t positive, dscore_dst;        /* with a backward pass */
  size_t edge_scores, no_target;      /* see dg_work */
  size_t input, tile, row_bits;       /* see dg_work */
  size_t gather, gathered;            /* z and agg of dg_work's gather */
  size_t z_bf16, zr_bf16, dagg_bf16;  /* tables in bf16, in the place of z, zr and dagg */
  size_t dropped, rounding, by_head;  /* see dg_work */
  size_t labels, shown;               /* see dg_work */
  size_t skip, skip_weights, packed, share;
  size_t norm_room, norm_sums; /* see dg_normalizer; sums are doubles */
  size_t dagg, dzr, partial, turned;
  size_t notes;                                /* bytes */
  size_t sums;                                 /* doubles */
  size_t exact_dz, exact_thread, exact_common; /* see dg_exact; doubles */
} dg_sizes;

/* Where exact sums are made, see exact.h; of dg_scratch. */
typedef struct dg_exact {
  double *dz;     /* [n_src, DG_EXACT_PARTS, ld] */
  double *room;   /* [threads, stride] */
  double *common; /* see dg_exact_common_size */
  size_t stride;
} dg_exact;

/* Buffers of the backward pass that one layer after the other uses, sized for the largest. */
typedef struct dg_scratch {
  dg_real *dagg[2];   /* [n_dst, ld], see dg_layer_dagg; doubles as the gradient of the layer above's input */
  dg_bf16 *dagg_bf16; /* [n_dst, ld] */
  dg_real *dzr;       /* [n_dst, ld] */
  uint8_t *notes;     /* see dg_edges */
  dg_real *partial;   /* products, and sums of blocks of rows, of chunks */
  double *sums;       /* sums over chunks */
  dg_real *turned;    /* [2, ld, in_ld] transposed weights of a hidden layer, packed */
  dg_exact exact;
} dg_scratch;

/* The norm of a layer at work, see norm.c. */
typedef struct dg_normalizer {
  dg_norm_columns columns; /* what kernels need of it */
  dg_real *room;           /* owns the columns */
  double *sums;            /* [2, ld] over all rows of all ranks: of results and their squares, or of the gradient and
                              its product with normalized results; behind them lies what is moved */
  double *moved;           /* [2, ld] what a training step adds to what it keeps of running means and variances */
  double kept;             /* the share: each of its passes moves them, as in torch */
  double n;                /* nodes of the graph */
} dg_normalizer;

/* All that lies between two layers: results of the one below become input rows of the one above, through bias or norm,
   activation and dropout. */
typedef struct dg_transition {
  const dg_layer *below;
  const dg_normalizer *norm; /* of the layer below */
  const dg_real *from;       /* [n, ld] results */
  dg_real *to;               /* [n, ld]; NULL below the first layer, where nothing lies, and where rows are made anew
                                for each use */
  const int32_t *ids;        /* [n] folded */
  dg_dropout drop;           /* of this step */
} dg_transition;

/* A layer at work over a block. Shapes in e and x, see kernels.h. */
typedef struct dg_work {
  const dg_comm *comm;
  const dg_layer *layer;
  const dg_block *block;
  const dg_features *features; /* of the first layer, else NULL */
  const dg_field *field;
  dg_edges e;
  dg_input x;            /* the first layer's input rows */
  dg_edges gather;       /* z [n_src, ld] are input rows, and agg [n_dst, ld], with attention [heads, n_dst, ld], their
                            sums, which are projected in the place of sources; of kinds that gather input */
  bool gathered;         /* the rows are there, and without dropout; labels among them change */
  dg_transition in;      /* a hidden layer's input rows, owned ones */
  dg_real *skip;         /* [n_dst, bias_ld] what skips add; a hidden layer's results once they are aggregated */
  const dg_real *dskip;  /* [n_dst, bias_ld] gradient of the results */
  dg_real *skip_weights; /* [in, bias_ld] sum of both skips' */
  dg_real *packed;       /* weights of dense columns, of all projections that are wide, as kernels read them */
  dg_real *share;        /* [n_dst] 1 / neighbours (means) */
  dg_real *edge_scores;  /* [2, edge_dim, hp] what each attribute adds to scores, and its gradient (GAT) */
  dg_real *dropped;      /* [n_src, ld] projected rows after their dropout, which edges gather then (GAT) */
  dg_real *no_target;    /* [ld] zero, in the place of a_dst where scores know nothing of the target (GAT) */
  dg_real *by_head;      /* what is made of weights that lie head by head, see gat_input.c */
  dg_normalizer norm;
  dg_real *partial, *turned; /* of dg_scratch */
  dg_exact exact;            /* the same */
  double *sums;              /* of dg_scratch */
  dg_real *tile;             /* dense input rows, one tile a thread */
  dg_real *rounding;         /* rows of tables in bf16 before they are rounded, one tile a thread and projection */
  uint32_t *row_bits;        /* [n_src] dg_rng_row of sparse input rows */
  dg_real *labels; /* [n_src, n_labels] of the first layer, owned rows alone where it has a channel; NULL where
                      no labels are input */
  uint8_t *shown;  /* [n_src] of the same rows, whether it is the label of a node itself */
  const uint8_t
      *left_out;    /* in training `shown`: training nodes, outputs are the first rows, that the loss leaves out */
  dg_totals totals; /* of the others */
  dg_halo_channel *channel;       /* NULL where nothing is exchanged */
  dg_halo_channel *label_channel; /* of labels that rows from other ranks are projected with here; NULL where these are
                                     known */
} dg_work;

/* Rows that need no halo and that no other rank needs; the others. */
enum dg_part { DG_INTERIOR, DG_BORDER };

/* Projections of a layer: that of its sources, and that of its targets where it has one (GATv2). */
enum dg_sides { DG_NO_SIDE = 0, DG_SOURCES = 1, DG_TARGETS = 2, DG_BOTH_SIDES = DG_SOURCES | DG_TARGETS };

/* A kind of layer. Functions are Local; ranges are of chunks of the block's targets or sources. */
struct dg_conv {
  bool edges;       /* projected rows meet their neighbours */
  bool attention;   /* has heads and coefficients */
  bool inner_edges; /* its backward pass is through with edges within a chunk of targets once it has been over these */
  /* Adds the layer's tensors, named and shaped as in PyTorch Geometric, to the table. Errors: DG_MEMORY. */
  dg_status (*add_tensors)(dg_params *params, dg_layer *layer, dg_channels in);
  /* Adds the kind's own buffers to those that all have. */
  void (*add_sizes)(dg_sizes *sizes, const dg_layer *layer, const dg_layer_counts *n);
  /* Sums of the first layer's input over in-edges, see dg_work; NULL: rows meet once they are projected, or not. */
  void (*gather)(const dg_work *work);
  /* Results of these sums; NULL: all heads have the same sum, and it is projected as rows are. */
  void (*project)(const dg_work *work);
  /* What follows from the weights alone, at the beginning of a step; NULL: nothing. */
  void (*begin)(const dg_work *work, const dg_params *params);
  /* Scores of source rows [begin, end); NULL: none are made ahead of the edges. */
  void (*score)(const dg_work *work, int32_t begin, int32_t end);
  /* Aggregates over the in-edges of chunks of targets; NULL: what was projected is the result. */
  void (*forward)(const dg_work *work, int from, int to);
  /* What the backward pass needs of all targets first; NULL: nothing. */
  void (*backward_begin)(const dg_work *work);
  /* After the halo's sources and before the owned ones: dzr, and where `inner_edges` what edges within chunks of
     targets give dz; NULL: none. */
  void (*backward_targets)(const dg_work *work);
  /* dz of chunks of sources. */
  void (*backward_sources)(const dg_work *work, int from, int to);
  /* The edges that edges' kernels are to see; NULL: those of the work. */
  dg_edges (*seen_edges)(const dg_work *work);
  /* What exact sums (exact.h) are made of: dz of source j over the out-edges that `one` has of it, and in partial
     [chunk_sums] what it gives the attention vectors; NULL: rows meet no edges. And dzr of target i, with partial, of
     kinds that have these of targets; NULL: of sources. */
  void (*backward_edge)(const dg_work *work, const dg_edges *one, int32_t j, dg_real *partial);
  void (*backward_target)(const dg_work *work, int32_t i, dg_real *partial);
  /* Gradients of the attention vectors, from sums [chunk_sums]; NULL: it has none. */
  void (*take_sums)(const dg_work *work, dg_params *params, const dg_real *sums);
  /* After all sources: the rest, the attention vectors' gradients; NULL: none. */
  void (*backward_end)(const dg_work *work, dg_params *params);
  /* Attention coefficients of target rows; NULL: none. */
  void (*alpha)(const dg_work *work, int32_t begin, int32_t end, dg_real *alpha);
  /* Operations an edge and channel, forward and backward; rows a target is read with; passes that gather backward. */
  double flops, flops_backward;
  int target_rows, gathers_backward;
  /* The same results of a first layer that gathers its input; NULL: they would not be the same. */
  const dg_conv *of_input;
};

/* Bytes of a number in a table that edges gather rows from. Local. */
static inline size_t dg_layer_table_bytes(const dg_layer *layer) {
  return layer->bf16 ? sizeof(dg_bf16) : sizeof(dg_real);
}

/* Sums that a target has: heads of their own where they weigh gathered input each in its way. Local. */
static inline int dg_layer_gathered_sums(const dg_layer *layer) {
  return layer->conv->gather && layer->conv->attention ? layer->heads : 1;
}

/* The table of a kind. Local. */
const dg_conv *dg_conv_of(dg_model_kind kind);

extern const dg_conv dg_conv_gcn, dg_conv_gat, dg_conv_gatv2, dg_conv_mlp, dg_conv_sage;

/* Adds one tensor of a layer to the table; `position` gets where it lies. Errors: DG_MEMORY. Local. */
dg_status dg_layer_add_bias(dg_params *params, dg_layer *layer);
dg_status dg_layer_add_attention(dg_params *params, dg_layer *layer, int64_t *position, const char *what);
dg_status dg_layer_add_projection(dg_params *params, dg_layer *layer, int64_t *position, const char *what,
                                  dg_channels in);
dg_status dg_layer_add_projection_bias(dg_params *params, dg_layer *layer, int64_t *position, const char *what);

/* The same of the map of an edge's attributes to the layer's channels. */
dg_status dg_layer_add_edge_map(dg_params *params, dg_layer *layer);

/* The same of a linear layer of torch, its start uniform in +-1/sqrt(fan_in): bias of the results, projection, skip. */
dg_status dg_layer_add_linear_bias(dg_params *params, dg_layer *layer, const char *what);
dg_status dg_layer_add_linear(dg_params *params, dg_layer *layer, int64_t *position, const char *what, dg_channels in);
dg_status dg_layer_add_linear_skip(dg_params *params, dg_layer *layer, const char *what, dg_channels in);

/* The same of a skip of --residual, of the norm behind a hidden layer, and of its running statistics, which no gradient
   trains. */
dg_status dg_layer_add_skip(dg_params *params, dg_layer *layer, dg_channels in);
dg_status dg_layer_add_norm(dg_params *params, dg_layer *layer);
dg_status dg_layer_add_statistics(dg_params *params, dg_layer *layer);

#endif
