#include "nn/layer.h"

#include <string.h>

#include <distgat/rng.h>

#include "nn/parallel.h"

/* Products of rows with weights: forward, and the gradients of the weights. */

/* Rows that a layer projects here: its sources but those that come from other ranks, or that no target meets. */
static int32_t project_count(const dg_work *work) {
  if (!work->layer->conv->edges) return work->block->n_dst;
  return work->channel ? work->block->n_src_owned : work->block->n_src;
}

/* Rows of numbers: n of each, ld apart. */
typedef struct rows_of {
  const dg_real *at;
  int ld, n;
} rows_of;

/* Columns of the input that are dense: all, or beside sparse features those of labels, which come after them. */
static int dense_width(const dg_work *w) {
  return w->features && w->features->sparse ? w->layer->n_labels : w->layer->in_ld;
}

/* Where the dense columns of input rows from `begin` on are: in those that are kept, or in the tile of this thread. */
static dg_real *input_room(const dg_work *w, int32_t begin) {
  const size_t n = (size_t)dense_width(w);
  return w->in.to ? w->in.to + (size_t)begin * n : w->tile + (size_t)omp_get_thread_num() * TILE_ROWS * n;
}

/* The dense columns of input rows [begin, end), a tile at most: kept ones of a hidden layer, or results of the layer
   below, or features and labels, through their dropout again. */
static rows_of input_rows(const dg_work *w, const dg_params *params, int32_t begin, int32_t end) {
  const int n = dense_width(w);
  dg_real *rows = input_room(w, begin);
  if (w->in.to) return (rows_of){rows, n, n};
  if (w->layer->conv->gather) return (rows_of){NULL, 0, n}; /* each side has its own */
  if (!w->features)
    dg_transition_forward(&w->in, params, rows, begin, end);
  else if (!w->features->sparse)
    w->layer->kernels->dense_dropout(rows, w->features->dense, &w->x, w->features->n_cols, n, begin, end);
  if (w->layer->n_labels > 0) dg_labels_put(w, rows, n, n - w->layer->n_labels, begin, end);
  return (rows_of){rows, n, n};
}

/* A product of input rows with weights. */
typedef struct side {
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
  const dg_real *dense;        /* [dense_width, ld] the weights of dense columns, packed: as they are, or in `room` */
  dg_real *room;               /* NULL: as they are */
} side;

enum { MAX_SIDES = 3 };

/* Products of a layer: of all sources that are projected here, and of the targets, which are their first rows. */
static int list_sides(side list[MAX_SIDES], const dg_work *w, const dg_params *p, enum dg_sides wanted) {
  const dg_layer *l = w->layer;
  const dg_real *value = p->value, *bias = l->b >= 0 ? value + l->b : NULL;
  const int32_t n_dst = w->block->n_dst;
  int n = 0;
  if (wanted & DG_SOURCES && l->conv->project == NULL)
    list[n++] = (side){w->e.z, w->e.z_bf16,      w->e.dz, value + l->w, bias,
                       l->ld,  project_count(w), l->w,    l->b,         .input = w->gather.agg};
  if (wanted & DG_TARGETS && l->wr >= 0)
    list[n++] = (side){w->e.zr, w->e.zr_bf16, w->e.dzr, value + l->wr, value + l->br,
                       l->ld,   n_dst,        l->wr,    l->br,         .input = NULL};
  if (wanted & DG_TARGETS && l->n_skips > 0)
    list[n++] = (side){w->skip,  NULL,
                       w->dskip, w->skip_weights ? w->skip_weights : value + l->skip[0],
                       NULL,     l->bias_ld,
                       n_dst,    l->skip[0],
                       -1,       .input = w->gather.z};
  return n;
}

/* Rows of weights that meet sparse features; those of dense columns come after them. */
static size_t sparse_rows(const dg_work *w) {
  return w->features && w->features->sparse ? (size_t)w->features->n_cols : 0;
}

/* All of them for the forward pass, which reads weights packed. */
static int list_forward(side list[MAX_SIDES], const dg_work *w, const dg_params *p) {
  const int n = list_sides(list, w, p, DG_BOTH_SIDES);
  dg_real *room = w->packed;
  for (side *s = list; s < list + n; s++) {
    s->dense = s->weights + sparse_rows(w) * (size_t)s->ld;
    if (w->layer->kernels->in_place(dense_width(w), s->ld)) continue;
    s->dense = s->room = room;
    room += w->layer->kernels->packed_size(dense_width(w), s->ld);
  }
  return n;
}

void dg_layer_pack_weights(const dg_work *work, const dg_params *params) {
  side list[MAX_SIDES];
  const int n = list_forward(list, work, params);
  for (const side *s = list; s < list + n; s++)
    if (s->room)
      work->layer->kernels->pack(s->room, s->weights + sparse_rows(work) * (size_t)s->ld, (size_t)s->ld, 1,
                                 dense_width(work), s->ld);
}

/* The rows of a side from `begin` on. */
static rows_of side_rows(const dg_work *w, const side *s, rows_of shared, int32_t begin) {
  const int ld = w->gather.ld;
  return s->input ? (rows_of){s->input + (size_t)begin * (size_t)ld, ld, w->layer->in_ld} : shared;
}

/* Input rows [begin, end) for edges to gather; features that are there stay. */
static void put_input(const dg_work *w, bool there, int32_t begin, int32_t end) {
  const dg_layer *l = w->layer;
  const dg_features *x = w->features;
  dg_real *rows = w->gather.z + (size_t)begin * (size_t)w->gather.ld;
  if (!there) l->kernels->dense_dropout(rows, x->dense, &w->x, x->n_cols, w->gather.ld, begin, end);
  if (l->n_labels > 0) dg_labels_put(w, rows, w->gather.ld, x->n_cols, begin, end);
}

void dg_layer_gather_input(dg_work *work) {
  const dg_conv *conv = work->layer->conv;
  const bool dropped = work->x.drop.threshold != 0, there = work->gathered && !dropped;
  const bool same = there && work->layer->n_labels == 0;
  if (conv->gather == NULL) return;
  if (!same) FOR_TILES(work, work->block->n_src, put_input(work, there, begin, end));
  if (!same || conv->attention) conv->gather(work); /* coefficients change with the weights */
  work->gathered = !dropped;
}

static int32_t min_row(int32_t a, int32_t b) {
  return a < b ? a : b;
}

/* Where projected rows from `begin` on are made: where they belong, or in a tile of this thread. */
static dg_real *output_room(const dg_work *w, const side *s, int32_t begin) {
  return s->rounded ? dg_rounding_tile(w, s->rounded == w->e.zr_bf16) : s->out + (size_t)begin * s->ld;
}

/* What is left to do with rows [begin, end) of a product. */
static void finish_rows(const dg_work *w, const side *s, dg_real *rows, int32_t begin, int32_t end) {
  if (s->weights_at == w->layer->w) dg_symmetric_sources(w, rows, begin, end);
  if (s->rounded) w->layer->kernels->round_rows(s->rounded + (size_t)begin * s->ld, rows, s->ld, end - begin);
}

/* Projects input rows [begin, end). */
static void project_rows(dg_work *w, const dg_params *p, int32_t begin, int32_t end) {
  side list[MAX_SIDES];
  const rows_of in = input_rows(w, p, begin, end);
  const int n = list_forward(list, w, p);
  for (int i = 0; i < n; i++) {
    const side *s = &list[i];
    const int32_t stop = min_row(end, s->n);
    const rows_of x = side_rows(w, s, in, begin);
    dg_real *out = output_room(w, s, begin);
    if (begin >= stop) continue;
    w->layer->kernels->multiply(out, x.at, x.ld, s->dense, s->bias, false, x.n, s->ld, stop - begin);
    finish_rows(w, s, out, begin, stop);
  }
}

/* Sides of sparse input that one pass over its rows makes: as many rows are in the first, and the rows are as long. */
static int paired(const side *list, int n) {
  return n > 1 && list[1].ld == list[0].ld ? 2 : 1;
}

/* How many of n rows or columns that have so many non-zeros make a strip: few enough for many threads. */
static int32_t sparse_strip(int64_t nonzeros, int32_t n) {
  enum { NON_ZEROS = 4096, LEAST = 16 };
  const int64_t size = NON_ZEROS * (int64_t)n / (nonzeros + 1) / LEAST * LEAST;
  return size < LEAST ? LEAST : size < TILE_ROWS ? (int32_t)size : TILE_ROWS;
}

/* Random bits of sparse rows [begin, end), which the weight gradient takes again. */
static void draw_rows(dg_work *w, int32_t begin, int32_t end) {
  for (int32_t i = begin; w->x.drop.threshold && i < end; i++)
    w->row_bits[i] = dg_rng_row(w->x.drop.key, (uint32_t)w->block->folded[i]);
}

/* Adds the labels of rows [begin, end) to products of sparse features. */
static void add_labels(dg_work *w, const dg_params *p, const side *list, int n, int32_t begin, int32_t end) {
  const rows_of in = input_rows(w, p, begin, end);
  for (int i = 0; i < n; i++) {
    const side *s = &list[i];
    const int32_t stop = min_row(end, s->n);
    if (begin < stop)
      w->layer->kernels->multiply(output_room(w, s, begin), in.at, in.ld, s->dense, NULL, true, in.n, s->ld,
                                  stop - begin);
  }
}

/* The first layer's input from row `begin` on. */
static dg_input input_from(const dg_work *w, int32_t begin) {
  dg_input x = w->x;
  x.row += begin, x.ids += begin;
  if (x.row_bits) x.row_bits += begin;
  return x;
}

/* Projects sparse input rows [begin, end) for one or two sides. */
static void project_sparse_rows(dg_work *w, const dg_params *p, const side *list, int n, int32_t begin, int32_t end) {
  const dg_input x = input_from(w, begin);
  dg_product product[2];
  for (int i = 0; i < n; i++)
    product[i] = (dg_product){output_room(w, &list[i], begin), list[i].weights, list[i].bias, list[i].n - begin};
  w->layer->kernels->sparse_forward(product, n, &x, list->ld, 0, end - begin);
  if (w->layer->n_labels > 0) add_labels(w, p, list, n, begin, end);
  for (int i = 0; i < n; i++)
    if (begin < list[i].n) finish_rows(w, &list[i], product[i].out, begin, min_row(end, list[i].n));
}

static void project_sparse(dg_work *w, const dg_params *p) {
  side list[MAX_SIDES];
  const dg_features *x = w->features;
  const int n = list_forward(list, w, p);
  const int32_t size = sparse_strip(x->indptr[x->n_rows], (int32_t)x->n_rows);
  for (int i = 0, k; i < n; i += k) {
    k = paired(list + i, n - i);
    FOR_STRIPS(w, list[i].n, size, {
      if (i == 0) draw_rows(w, begin, end);
      project_sparse_rows(w, p, list + i, k, begin, end);
    });
  }
}

static void project_dense(dg_work *w, const dg_params *p) {
  if (w->layer->conv->project) w->layer->conv->project(w);
  FOR_TILES(w, project_count(w), project_rows(w, p, begin, end));
}

void dg_layer_project_input(dg_work *work, const dg_params *params) {
  if (work->features->sparse)
    project_sparse(work, params);
  else
    project_dense(work, params);
}

void dg_layer_project(dg_work *work, const dg_work *below, const dg_params *params, enum dg_part part) {
  const dg_chunks *c = &below->block->dst;
  int from, to;
  dg_chunk_range(&from, &to, c, part);
  FOR_CHUNKS(
      work, *c, from, to, for (int32_t first = begin; first < end; first += TILE_ROWS) {
        const int32_t last = first + TILE_ROWS < end ? first + TILE_ROWS : end;
        if (work->in.to) dg_transition_forward(&work->in, params, input_room(work, first), first, last);
        project_rows(work, params, first, last);
      });
}

/* ---- backward ---- */

/* sum += column sums of rows [begin, end) of x; `block` is zero, and stays so. */
static void add_columns(double *sum, dg_real *block, const dg_layer *l, const dg_real *x, int32_t begin, int32_t end) {
  for (int32_t first = begin, last; first < end; first = last) {
    last = block_end(NULL, first, end);
    l->kernels->column_sums(x, l->ld, first, last, block);
    add_block(sum, block, l->ld);
  }
}

/* grad = column sums of x [n, ld]. */
static void sum_columns(dg_work *w, dg_real *grad, const dg_real *x, int32_t n) {
  const int ld = w->layer->ld, sums = n_sums(n);
  const int32_t rows = sum_rows(n);
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) {
    dg_real *block = w->partial + (size_t)s * ld;
    double *sum = w->sums + (size_t)s * ld;
    memset(block, 0, (size_t)ld * sizeof *block);
    memset(sum, 0, (size_t)ld * sizeof *sum);
    add_columns(sum, block, w->layer, x, s * rows, (s + 1) * rows < n ? (s + 1) * rows : n);
  }
  add_sums(grad, w->sums, sums, ld);
}

/* One pass over rows of a dense input, each tile of which is made once for all that is done with it. */
typedef struct rows_pass {
  const side *side; /* [n_sides] projections: their rows begin with the same, the first has most */
  int n_sides;
  int n_weights;  /* the first so many get the gradients of their weights */
  dg_work *below; /* whose results the input is made of, and get their gradient through all sides; NULL: none do */
  int32_t n;      /* rows of the input */
} rows_pass;

/* What a share of these rows sums: of each side its weights' gradient [dense_width, ld] and a row for blocks, and sums
   of its bias [ld]; and what the transition sums [input_sums, in_ld], with room for blocks. */
typedef struct partial {
  dg_real *matrix[MAX_SIDES], *block;
  double *bias[MAX_SIDES], *sum;
} partial;

static int64_t side_size(const dg_work *w, const side *s) {
  return (int64_t)(dense_width(w) + 1) * s->ld;
}

/* Numbers that the transition sums. */
static int64_t input_sums(const dg_work *w, const rows_pass *p) {
  return p->below ? (int64_t)w->layer->input_sums * w->layer->in_ld : 0;
}

/* Elements from one share's matrices to the next one's. */
static int64_t partial_stride(const dg_work *w, const rows_pass *p) {
  int64_t stride = input_sums(w, p);
  for (int i = 0; i < p->n_weights; i++) stride += side_size(w, &p->side[i]);
  return stride;
}

/* The s-th of all shares. */
static partial partial_of(const dg_work *w, const rows_pass *p, int s) {
  partial out = {0};
  const int sums = n_sums(p->n);
  dg_real *next = w->partial + s * partial_stride(w, p);
  double *doubles = w->sums;
  for (int i = 0; i < p->n_weights; i++) {
    out.matrix[i] = next, next += side_size(w, &p->side[i]);
    if (p->side[i].bias) out.bias[i] = doubles + (size_t)s * (size_t)p->side[i].ld, doubles += sums * p->side[i].ld;
  }
  out.block = next, out.sum = doubles + s * input_sums(w, p);
  return out;
}

/* One tile's share of the gradients of a projection, out [x.n + 1, ld], whose last row is for blocks, and of its bias,
   NULL where there is none. */
static void tile_gradient(dg_real *out, double *bias, const dg_layer *l, rows_of x, const dg_real *d, bool add, int ld,
                          int rows) {
  dg_real *block = out + (size_t)x.n * ld;
  l->kernels->multiply_transposed(out, x.at, x.ld, d, add, x.n, ld, rows);
  if (!bias) return;
  if (!add) memset(block, 0, (size_t)ld * sizeof *block);
  if (!add) memset(bias, 0, (size_t)ld * sizeof *bias);
  add_columns(bias, block, l, d, 0, rows);
}

/* Input rows [begin, end), a tile, back through the transition, their gradient being in d. */
static void tile_transition(const partial *out, const dg_work *w, const rows_pass *p, rows_of x, dg_real *d,
                            int32_t begin, int32_t end) {
  for (int32_t from = begin, to; from < end; from = to) {
    to = block_end(NULL, from, end);
    const size_t at = (size_t)(from - begin) * (size_t)x.ld; /* an input row is as long as one of results */
    dg_transition_backward(&w->in, d + at, x.at + at, out->block, from, to);
    add_block(out->sum, out->block, input_sums(w, p));
  }
  if (p->below->layer->norm != DG_NORM_BATCH) dg_layer_round_dagg(p->below, d, begin, end);
}

/* Input rows [begin, end), a tile, the first of a share unless `add`. Rows that no side has get no gradient. */
static void pass_tile(const partial *out, const dg_work *w, const dg_params *params, const rows_pass *p, int32_t begin,
                      int32_t end, bool add) {
  const dg_layer *l = w->layer;
  const rows_of x = input_rows(w, params, begin, end);
  dg_real *dx = p->below ? dg_layer_dagg_room(p->below, begin) : NULL;
  for (int i = 0; i < p->n_sides; i++) {
    const side *s = &p->side[i];
    const int32_t rows = min_row(end, s->n) > begin ? min_row(end, s->n) - begin : 0;
    const dg_real *d = s->d + (size_t)begin * s->ld;
    if (i < p->n_weights && (rows > 0 || !add))
      tile_gradient(out->matrix[i], out->bias[i], l, side_rows(w, s, x, begin), d, add, s->ld, rows);
    if (dx && i == 0) memset(dx + (size_t)rows * x.ld, 0, (size_t)(end - begin - rows) * x.ld * sizeof *dx);
    if (dx && rows > 0) l->kernels->multiply(dx, d, s->ld, s->turned, NULL, i > 0, s->ld, l->in_ld, rows);
  }
  if (dx) tile_transition(out, w, p, x, dx, begin, end);
}

/* The s-th share of rows. */
static void pass_share(const dg_work *w, const dg_params *params, const rows_pass *p, int s) {
  const partial out = partial_of(w, p, s);
  const int64_t count = input_sums(w, p);
  const int32_t first = s * sum_rows(p->n), stop = min_row(first + sum_rows(p->n), p->n);
  memset(out.block, 0, (size_t)count * sizeof *out.block);
  memset(out.sum, 0, (size_t)count * sizeof *out.sum);
  for (int32_t begin = first; begin < stop; begin += TILE_ROWS) {
    const int32_t end = min_row(begin + TILE_ROWS, stop);
    pass_tile(&out, w, params, p, begin, end, begin > first);
    progress(w->comm, p->n - end);
  }
}

/* All shares, and their sums: gradients of weights and biases, and what the transition below makes of its own. */
static void pass_rows(dg_work *w, dg_params *params, const rows_pass *p) {
  const int sums = n_sums(p->n);
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) pass_share(w, params, p, s);
  const partial out = partial_of(w, p, 0);
  const int64_t stride = partial_stride(w, p);
  for (int i = 0; i < p->n_weights; i++) {
    const side *s = &p->side[i];
    add_up(params->grad + s->weights_at, out.matrix[i], sums, stride, (int64_t)dense_width(w) * s->ld);
    if (s->bias) add_sums(params->grad + s->bias_at, out.bias[i], sums, s->ld);
  }
  if (!p->below) return;
  double *total = out.sum + sums * input_sums(w, p);
  add_doubles(total, out.sum, sums, input_sums(w, p));
  dg_norm_gradients(p->below->layer, params, total);
  dg_norm_finish_backward(p->below, total);
}

/* Gradients of the weights of labels beside sparse features. */
static void label_weights(dg_work *w, dg_params *params, const side *list, int n) {
  side of[MAX_SIDES];
  for (int i = 0; i < n; i++) {
    of[i] = list[i];
    of[i].bias = NULL;
    of[i].weights_at += (int64_t)w->features->n_cols * list[i].ld;
  }
  pass_rows(w, params, &(rows_pass){.side = of, .n_sides = n, .n_weights = n, .n = of->n});
}

/* Gradients of projections and their biases, input sparse. */
static void sparse_weights(dg_work *w, dg_params *params, const side *list, int n) {
  dg_real *grad = params->grad;
  const dg_field *f = w->field;
  const dg_columns x = {f->t_indptr, f->t_rows, f->t_values, w->row_bits, w->x.drop};
  const int32_t n_cols = w->features->n_cols;
  dg_product product[MAX_SIDES];
  for (int i = 0; i < n; i++) product[i] = (dg_product){grad + list[i].weights_at, list[i].d, NULL, list[i].n};
  for (int i = 0, k; i < n; i += k) {
    k = paired(list + i, n - i);
    FOR_STRIPS(w, n_cols, sparse_strip(f->t_indptr[n_cols], n_cols),
               w->layer->kernels->sparse_backward(product + i, k, &x, list[i].ld, begin, end));
  }
  for (int i = 0; i < n; i++)
    if (list[i].bias) sum_columns(w, grad + list[i].bias_at, list[i].d, list[i].n);
  if (w->layer->n_labels > 0) label_weights(w, params, list, n);
}

/* What is left to do with gradients of projected rows before they are used. */
static void finish_gradients(const dg_work *w, enum dg_sides sides) {
  if (!w->layer->symmetric || !(sides & DG_SOURCES)) return;
  FOR_TILES(w, project_count(w), dg_symmetric_sources(w, w->e.dz + (size_t)begin * (size_t)w->layer->ld, begin, end));
}

/* Two skips have the same gradient. */
static void copy_skip(dg_params *params, const dg_layer *l, enum dg_sides sides) {
  if (l->n_skips > 1 && sides & DG_TARGETS)
    memcpy(params->grad + l->skip[1], params->grad + l->skip[0],
           (size_t)l->in_ld * (size_t)l->bias_ld * sizeof *params->grad);
}

void dg_layer_backward_weights(dg_work *work, dg_params *params, enum dg_sides sides) {
  side list[MAX_SIDES];
  /* Dropped features are made anew for every use: all projections share one. */
  if (work->features) sides = sides & DG_SOURCES ? DG_BOTH_SIDES : DG_NO_SIDE;
  const int n = list_sides(list, work, params, sides);
  if (n == 0) return;
  finish_gradients(work, sides);
  if (work->features && work->features->sparse)
    sparse_weights(work, params, list, n);
  else
    pass_rows(work, params, &(rows_pass){.side = list, .n_sides = n, .n_weights = n, .n = list->n});
  copy_skip(params, work->layer, sides);
}

/* Gives sides their transposed weights. */
static void turn_sides(side *list, int n, const dg_work *w) {
  dg_real *turned = w->turned;
  const int in = w->layer->in_ld;
  for (int i = 0; i < n; turned += w->layer->kernels->packed_size(list[i].ld, in), i++) {
    w->layer->kernels->pack(turned, list[i].weights, 1, (size_t)list[i].ld, list[i].ld, in);
    list[i].turned = turned;
  }
}

void dg_layer_backward_input(dg_work *work, dg_work *below, dg_params *params, enum dg_sides sides) {
  side list[MAX_SIDES];
  rows_pass p = {.side = list, .below = below, .n = work->block->n_src_owned};
  p.n_weights = list_sides(list, work, params, sides);
  p.n_sides = list_sides(list, work, params, DG_BOTH_SIDES); /* sources, whose weights are wanted, come first */
  turn_sides(list, p.n_sides, work);
  finish_gradients(work, sides);
  pass_rows(work, params, &p);
  copy_skip(params, work->layer, sides);
}
