#ifndef DG_KERNELS_KERNELS_H
#define DG_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <distgat/real.h>
#include <distgat/status.h>

/* Inner loops of training, compiled once for each instruction set from kernels_impl.h and chosen at run time.

   Channel layout: channel d of head h lies at d * hp + h, hp being the heads padded to 1, 2, 3, 4, 8 or a multiple of
   16, and a row has ld >= D * hp elements, a multiple of 16. Heads thus fill vector lanes and sums over d need no
   shuffles. Padding is zero in every matrix, parameters included, and stays so.

   In tables in bf16 elements c and c + 16 of each whole 32 of a row are neighbours, 2 c and 2 c + 1 of these 32: a
   vector of words has two vectors of elements, each of which is widened where it is. What is left of a row, 16 or none,
   lies as in other matrices. */

#define DG_MAX_HEADS 256

/* Elements of a row of a table in bf16 of ld elements in which its first n lie. Local. */
static inline int dg_bf16_width(int n, int ld) {
  const int rest = n % 32, pairs = n - rest + 32 <= ld ? 2 * rest : rest;
  return n - rest + (pairs < 32 ? pairs : 32);
}

/* Random mask of a layer's input or of its attention: element kept when its 32 bits reach `threshold`. */
typedef struct dg_dropout {
  uint64_t key;       /* of (seed, epoch, layer, purpose) */
  uint32_t threshold; /* p * 2^32; 0: off */
  dg_real scale;      /* 1 / (1 - p) */
} dg_dropout;

/* Rows [begin, end), of targets and of the sources that these are. */
typedef struct dg_range {
  int32_t begin, end;
} dg_range;

/* Statistics of a target row, each [hp]: score maximum, 1 / sum, <dOut, Out>, target score (GAT). */
enum { DG_STAT_MAX, DG_STAT_RSUM, DG_STAT_DOT, DG_STAT_SCORE, DG_STATS };

/* One layer's aggregation over one block. */
typedef struct dg_edges {
  int hp, ld;
  int heads;                           /* of hp, where each has sums of input rows (GAT) */
  const int32_t *indptr, *indices;     /* in-edges of targets [n_dst + 1] */
  const int32_t *t_indptr, *t_indices; /* out-edges of sources [n_src + 1] */
  bool inner;                          /* those within a chunk are left out, see gatv2_backward_dst */
  const int32_t *ids;                  /* folded ids of sources (dg_id_fold); targets are their prefix */
  int32_t n_dst;
  int32_t n_edges;         /* of `indices` */
  int32_t n_out_edges;     /* of `t_indices` */
  int32_t ahead;           /* rows are prefetched so many edges before their use; 0: they fit the cache */
  dg_real *z;              /* [n_src, ld] projected sources */
  dg_real *zr;             /* [n_dst, ld] projected targets (GATv2) */
  const dg_real *att;      /* [ld] (GATv2), a_src (GAT) */
  const dg_real *att_dst;  /* [ld] a_dst (GAT) */
  dg_real *score_src;      /* [n_src, hp] (GAT) */
  const dg_real *norm;     /* [n_src] 1 / sqrt(degree) (GCN); [n_dst] 1 / neighbours (means) */
  const dg_real *out_norm; /* [n_src] that projected rows of sources are to be multiplied by, and coefficients by the
                              root of the target's in-edges (GAT over input rows); NULL: neither are */
  dg_real slope;           /* of LeakyReLU */
  dg_dropout drop;         /* of attention */
  dg_real *agg;            /* [n_dst, ld] aggregated rows, before the bias */
  dg_real *positive;       /* [n_dst, ld] the same over edges whose score is made of a positive argument (GAT); NULL
                              without a backward pass */
  dg_real *stat;           /* [n_dst, DG_STATS * hp] */
  dg_real *dagg;           /* [n_dst, ld] */
  dg_real *dz;             /* [n_src, ld] */
  dg_real *dzr;            /* [n_dst, ld] (GATv2) */
  uint8_t *notes;          /* [n_out_edges, note_size] what one backward pass notes of an out-edge for the other, in
                              the order of in-edges (GATv2); NULL: nothing, and NULL below */
  size_t note_size;
  const int32_t *t_notes;     /* [n_out_edges] note of each out-edge */
  const int32_t *first_note;  /* [n_dst] that of the first such in-edge of a target or of those behind it */
  dg_real *dscore_dst;        /* [n_dst, hp] (GAT); from forward to row_dots the sum of coefficients like `positive` */
  int edge_dim;               /* attributes of an edge; 0: none, and NULL below */
  const float *attributes;    /* [n_edges, edge_dim] of the in-edges */
  const int32_t *t_edges;     /* [n_edges] in-edge of each out-edge */
  const dg_real *lin_edge;    /* [edge_dim, ld] what attributes add to the argument of LeakyReLU (GATv2) */
  const dg_real *edge_scores; /* [edge_dim, hp] the same (GAT) */
  dg_dropout edge_drop;       /* of edges themselves, before the softmax; self-loops stay; attention alone */
  dg_dropout row_drop;        /* of the rows that edges gather, z, once scores are made; GAT alone */
  const dg_real *scored;      /* [n_src, ld] the rows before, where row_drop is on */
  dg_bf16 *z_bf16, *zr_bf16, *dagg_bf16; /* what kernels over tables in bf16 read in the place of z, zr and dagg */
} dg_edges;

/* Rows of a sparse or dense input of the first layer. */
typedef struct dg_input {
  const int64_t *indptr; /* of the feature store */
  const int32_t *columns;
  const float *values;
  const int32_t *row; /* [n_src] row of the store of each source */
  const int32_t *ids; /* [n_src] folded */
  dg_dropout drop;
  const uint32_t *row_bits; /* [n_src] dg_rng_row of each, where rows are sparse and dropped; else NULL */
} dg_input;

/* The same input by columns. */
typedef struct dg_columns {
  const int64_t *indptr; /* [F + 1] */
  const int32_t *rows;   /* rows of the block, ascending in a column */
  const float *values;
  const uint32_t *row_bits; /* [n_src] dg_rng_row of each */
  dg_dropout drop;
} dg_columns;

/* One or two products with the same sparse factor: rows below n take part, in the second no more than in the first. */
typedef struct dg_product {
  dg_real *out;         /* [., ld] */
  const dg_real *from;  /* [., ld] rows that are multiplied and summed */
  const dg_real *start; /* [ld] what sums start from; NULL: zero */
  int32_t n;
} dg_product;

/* Exact sums: the same bits in whatever order, and in however many sums that are added up. A number is three whole
   multiples of steps, each in a double that holds every sum of them: what is smaller than the last step is rounded
   away from each number before it is added, alone. Below 2^37 and for up to 2^28 numbers; what is not finite stays so.
   Demmel and Nguyen 2015, Parallel Reproducible Summation, sec. 3, with steps that are known before. */
#define DG_EXACT_HIGH 0x1p-16
#define DG_EXACT_MIDDLE 0x1p-42
#define DG_EXACT_LOW 0x1p-68
enum { DG_EXACT_PARTS = 3 };

/* Its unit in the last place is the step: x + this - this is the multiple of the step that is nearest to x. */
#define DG_EXACT_ROUNDER(step) (1.5 * 0x1p52 * (step))

static inline double dg_exact_nearest(double x, double step) {
  return (x + DG_EXACT_ROUNDER(step)) - DG_EXACT_ROUNDER(step);
}

/* Products of rounded numbers: whole numbers of so many bits, that many rows of which a double sums. The sums are kept
   in multiples of a step, and the rest. */
enum { DG_EXACT_BITS = 22, DG_EXACT_ROWS = 256, DG_EXACT_PRODUCT_PARTS = 2 };
#define DG_EXACT_CARRY 0x1p26

/* Added to variances before their root, as torch.nn does. */
#define DG_NORM_EPS 1e-5

/* What a norm knows of its columns, each [ld]; padding is zero in y, bias and scale. */
typedef struct dg_norm_columns {
  int n, ld;                    /* channels, and elements of a row */
  const dg_real *inside;        /* 1 for channels, 0 for padding */
  const dg_real *bias;          /* that y lacks (layer norm) */
  const dg_real *scale;         /* batch norm: with 1 / deviation */
  const dg_real *center, *rstd; /* batch norm: mean of y, and 1 / deviation */
  const dg_real *mean;          /* its backward pass: mean over all rows of d */
  const dg_real *slope;         /* and that of d * (y - center) * rstd, times rstd */
} dg_norm_columns;

/* Kernels over the edges of a layer: all treat rows [begin, end) and are Local. Tables in bf16, rows that edges gather,
   are widened as they are read; all else, sums above all, has the numbers of the model. */
typedef struct dg_edge_kernels {
  /* Aggregation forward: agg and stat of targets. GATv2: Brody et al. 2022, eq. 7; GAT: Velickovic et al. 2018, eq.
     3-4; GCN: Kipf and Welling 2017, eq. 2; mean over neighbours, self-loops left out: Hamilton et al. 2017, sec. 3.3.
     */
  void (*gatv2_forward)(const dg_edges *e, int32_t begin, int32_t end);
  void (*gat_forward)(const dg_edges *e, int32_t begin, int32_t end);
  void (*gcn_forward)(const dg_edges *e, int32_t begin, int32_t end);
  void (*mean_forward)(const dg_edges *e, int32_t begin, int32_t end);

  /* Scores of GAT, of rows as the table has them: score_src of rows, and the target score of those below n_dst. */
  void (*gat_scores)(const dg_edges *e, int32_t begin, int32_t end);

  /* <dagg, agg> of each head into stat, for targets; for GAT also dscore_dst. */
  void (*row_dots)(const dg_edges *e, int32_t begin, int32_t end);

  /* Backward over in-edges of targets: dzr and partial [(1 + edge_dim) * ld] of att and lin_edge. GAT needs no such
     pass, see row_dots. Sums over rows go to `partial`, which they overwrite. Edges from sources in `chunk`, which has
     the targets, are done with: what they give dz is added to it, and the pass over out-edges, of which they are left
     out, goes on from there. An empty chunk: there are none such. All others are noted where there are `notes`. */
  void (*gatv2_backward_dst)(const dg_edges *e, int32_t begin, int32_t end, dg_range chunk, dg_real *partial);

  /* Bytes of a note; 0: rows are so short that registers hold them, and are not noted. */
  size_t (*gatv2_note_size)(int hp, int ld);

  /* Backward over out-edges of sources: dz; for GAT also partial [2 * ld + edge_dim * hp] of a_src, a_dst and
     edge_scores. */
  void (*gatv2_backward_src)(const dg_edges *e, int32_t begin, int32_t end);
  void (*gatv2_backward_noted)(const dg_edges *e, int32_t begin, int32_t end); /* the same of notes */
  void (*gat_backward_src)(const dg_edges *e, int32_t begin, int32_t end, dg_real *partial);
  void (*gcn_backward_src)(const dg_edges *e, int32_t begin, int32_t end);
  void (*mean_backward_src)(const dg_edges *e, int32_t begin, int32_t end);

  /* GAT whose edges gather input rows, z [n_src, ld], given score_src, of rows times out_norm, and target scores, of
     rows as they are: each head has sums of its own,
     agg [heads, n_dst, ld], and dzr their gradients. Backward makes <dOut, Out> in stat, and in partial [2 * heads * ld
     + edge_dim * hp] sums over edges of gradients of scores times rows, for each head those of sources, then for each
     those of targets, and the gradient of edge_scores. NULL over tables in bf16. */
  void (*gat_input_forward)(const dg_edges *e, int32_t begin, int32_t end);
  void (*gat_input_backward)(const dg_edges *e, int32_t begin, int32_t end, dg_real *partial);

  /* Attention coefficients of the in-edges of targets, alpha [indptr[end] - indptr[begin], hp]. */
  void (*gatv2_alpha)(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha);
  void (*gat_alpha)(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha);
} dg_edge_kernels;

/* All functions treat rows [begin, end) and are Local. */
typedef struct dg_kernels {
  const char *name;

  /* Kernels over edges, [0], and [1] over edges with attributes, or dropped edges or rows. There GCN multiplies by
     an edge's attribute, its weight, self-loops weighing 1; attention adds them to scores, as edge_dim of PyTorch
     Geometric's GATConv and GATv2Conv. Means take no attributes. */
  const dg_edge_kernels *edges;
  const dg_edge_kernels *edges_bf16; /* the same over tables in bf16; NULL in double precision */

  /* Rows of a table in bf16, out [n, ld] = in [n, ld] rounded to the nearest, ties to even; what is not a number stays
     that. NULL in double precision. */
  void (*round_rows)(dg_bf16 *out, const dg_real *in, int ld, int32_t n);

  /* out[r, :] = start + sum over kept non-zeros x[r, f] * from[f, :], from [F, ld], for the rows of each product. */
  void (*sparse_forward)(const dg_product *product, int n_products, const dg_input *x, int ld, int32_t begin,
                         int32_t end);
  /* out[f, :] = sum over the rows of each product with a kept non-zero in column f of x[r, f] * from[r, :], from
     [n, ld], f in [begin, end). */
  void (*sparse_backward)(const dg_product *product, int n_products, const dg_columns *x, int ld, int32_t begin,
                          int32_t end);

  /* Copies dense feature rows [end - begin, n] through dropout; out has `ld` elements a row, the rest zero. */
  void (*dense_dropout)(dg_real *out, const float *x, const dg_input *rows, int n, int ld, int32_t begin, int32_t end);

  /* Whether multiply reads a matrix [n, ld] as it lies, row by row; and elements of one that is packed. */
  bool (*in_place)(int n, int ld);
  size_t (*packed_size)(int n, int ld);

  /* A matrix [n, ld], element (k, c) at w[k * row + c * column], as multiply reads it, out [packed_size]. */
  void (*pack)(dg_real *out, const dg_real *w, size_t row, size_t column, int n, int ld);

  /* out [rows, ld] = x [rows, n] w [n, ld] + bias, or with `add` plus what out holds; w is packed; bias may be NULL. */
  void (*multiply)(dg_real *out, const dg_real *x, int ld_x, const dg_real *w, const dg_real *bias, bool add, int n,
                   int ld, int32_t rows);
  /* dw [n, ld] = x^T [n, rows] dz [rows, ld], or with `add` plus what dw holds. */
  void (*multiply_transposed)(dg_real *dw, const dg_real *x, int ld_x, const dg_real *dz, bool add, int n, int ld,
                              int32_t rows);

  /* x[r, :] = dropout(activation(agg[r, :] + bias)); a dropped element is stored as -0; agg may be x. */
  void (*activate)(dg_real *x, const dg_real *agg, const dg_real *bias, bool elu, int ld, const int32_t *ids,
                   const dg_dropout *drop, int32_t begin, int32_t end);
  /* dx[r, :] becomes the gradient before activation, given x of `activate`; its sum over rows is added to sum [ld]. */
  void (*activate_backward)(dg_real *dx, const dg_real *x, bool elu, int ld, const dg_dropout *drop, int32_t begin,
                            int32_t end, dg_real *sum);
  /* out[r, :] = dropout(in[r, :]), of rows of ids[r]. */
  void (*drop_rows)(dg_real *out, const dg_real *in, int ld, const int32_t *ids, const dg_dropout *drop, int32_t begin,
                    int32_t end);
  /* y[r, :] += x[r, :]. */
  void (*add_rows)(dg_real *y, const dg_real *x, int ld, int32_t begin, int32_t end);

  /* sum [2, ld] += sums over rows of y and of its squares. */
  void (*column_moments)(double *sum, const dg_real *y, int ld, int32_t begin, int32_t end);
  /* x[r, :] = (y[r, :] - center) * scale: Ioffe and Szegedy 2015, algorithm 1, but for the shift. */
  void (*batch_norm)(dg_real *x, const dg_real *y, const dg_norm_columns *norm, int32_t begin, int32_t end);
  /* sum [ld] += sum over rows of d * (y - center) * rstd. */
  void (*batch_norm_sums)(dg_real *sum, const dg_real *d, const dg_real *y, const dg_norm_columns *norm, int32_t begin,
                          int32_t end);
  /* d becomes the gradient of y: (d - mean - (y - center) * slope) * scale. */
  void (*batch_norm_backward)(dg_real *d, const dg_real *y, const dg_norm_columns *norm, int32_t begin, int32_t end);
  /* x[r, :] = (y[r, :] + bias - mean of the row) / its deviation * scale: Ba et al. 2016, eq. 4, but for the shift. */
  void (*layer_norm)(dg_real *x, const dg_real *y, const dg_norm_columns *norm, int32_t begin, int32_t end);
  /* d becomes the gradient of y; sum [2, ld] += sums over rows of the gradients of scale and of bias. */
  void (*layer_norm_backward)(dg_real *d, const dg_real *y, const dg_norm_columns *norm, int32_t begin, int32_t end,
                              dg_real *sum);

  /* sum[c] += sum over rows of x[r, c]. */
  void (*column_sums)(const dg_real *x, int ld, int32_t begin, int32_t end, dg_real *sum);

  /* Exact sums += x [n], n a multiple of 16, the parts of the sums `part` apart. */
  void (*exact_add)(double *sum, size_t part, const dg_real *x, int n);
  /* out [n] = x [n] times scale [n], rounded to whole numbers. */
  void (*exact_round)(double *out, const dg_real *x, const double *scale, int n);
  /* sum [DG_EXACT_PRODUCT_PARTS, n, ld] += x^T [n, rows] d [rows, ld], whole numbers below 2^DG_EXACT_BITS of at most
     DG_EXACT_ROWS rows. */
  void (*exact_multiply)(double *sum, const double *x, int n, const double *d, int ld, int32_t rows);

  /* logits [., ldc] = mean over heads of agg + bias; ldc = C rounded up to 16. */
  void (*output)(dg_real *logits, const dg_real *agg, const dg_real *bias, int heads, int hp, int ld, int n_classes,
                 int ldc, int32_t begin, int32_t end);

  /* Cross-entropy of a row of n logits, and its gradient times `share` in d [ld], which may be the logits; says whether
     the label's logit is the largest, the first of equals. */
  double (*cross_entropy)(dg_real *d, const dg_real *logits, int label, int n, int ld, dg_real share, bool *correct);

  /* Adam with L2 in the gradient over elements [begin, end): Kingma and Ba 2015, algorithm 1. */
  void (*adam)(dg_real *value, const dg_real *grad, dg_real *m, dg_real *v, int64_t begin, int64_t end, dg_real decay,
               dg_real step, dg_real rsqrt_correction);

  /* RMSprop with L2 in the gradient, as torch.optim.RMSprop, over elements [begin, end). */
  void (*rmsprop)(dg_real *value, const dg_real *grad, dg_real *v, int64_t begin, int64_t end, dg_real decay,
                  dg_real lr);

  /* Runs independent fused multiply-adds and returns how many floating-point operations they were; and the same of
     what products of wide matrices are made of. For benchmarks. */
  double (*fma_flops)(int64_t rounds);
  double (*product_flops)(int64_t rounds);

  /* y = exp(x), or exp(x) - 1, as the kernels above make it, n a multiple of 16; for tests. */
  void (*exp)(dg_real *y, const dg_real *x, int64_t n);
  void (*expm1)(dg_real *y, const dg_real *x, int64_t n);
} dg_kernels;

/* The fastest variant this processor runs, or the one named by the environment variable DISTGAT_SIMD (portable, avx2,
   avx512, amx) where it runs. Local. */
const dg_kernels *dg_kernels_get(void);

/* Whether DISTGAT_SIMD, unless empty or not set, names a variant, of this processor or of another. Errors:
   DG_USAGE. Local. */
dg_status dg_kernels_check_choice(void);

/* Every variant this processor runs, ended by NULL; for tests and benchmarks. Local. */
const dg_kernels *const *dg_kernels_all(void);

#endif
