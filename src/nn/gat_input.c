#include "nn/gat.h"

#include "nn/parallel.h"

/* GAT whose edges gather input rows, narrower than a head: what it sums is linear in them, sum over j of alpha_ij W x_j
   = W sum over j of alpha_ij x_j, and so are its scores, <a, W x_j> = <W^T a, x_j>. The sums of a head are multiplied
   by its own columns of W, which lie apart here. Velickovic et al. 2018, eq. 3-6. */

/* What is made of the weights, see dg_work's by_head. */
typedef struct by_head {
  int width;          /* elements of a row of a head's channels */
  int score_width;    /* of a row of `scores` */
  int tile_width;     /* of a row of a tile, for either */
  size_t head;        /* elements of a head's weights, packed */
  size_t turned_head; /* the same of transposed ones */
  size_t size;        /* elements of all that follows */
  dg_real
      *weights; /* [heads, head] of [in, width]; the backward pass puts gradients [heads, in, width] in their place */
  dg_real *turned; /* [heads, turned_head] of [dim, gather_ld] */
  dg_real *scores; /* [in, score_width] W^T a of sources [hp], then of targets [hp], packed */
  dg_real *sums;   /* [2, heads, gather_ld] gradients of scores times rows, of sources and of targets */
  dg_real *flat;   /* one of these matrices before it is packed */
} by_head;

static int round_up(int n) {
  return (n + 15) / 16 * 16;
}

/* Where it all lies in `room`; NULL: only its size is asked for. */
static by_head by_head_of(const dg_layer *l, dg_real *room) {
  by_head b = {.width = round_up(l->dim), .score_width = round_up(2 * l->hp)};
  b.tile_width = b.width > b.score_width ? b.width : b.score_width;
  const size_t heads = (size_t)l->heads, gather_ld = (size_t)l->gather_ld;
  b.head = l->kernels->packed_size(l->in_ld, b.width);
  b.turned_head = l->kernels->packed_size(l->dim, l->gather_ld);
  const size_t weights = heads * b.head, turned = heads * b.turned_head;
  const size_t scores = l->kernels->packed_size(l->in_ld, b.score_width), sums = 2 * heads * gather_ld;
  const size_t flat = gather_ld * (size_t)b.tile_width; /* dim is not above width, nor in above gather_ld */
  b.size = weights + turned + scores + sums + flat;
  if (room == NULL) return b;
  b.weights = room;
  b.turned = b.weights + weights;
  b.scores = b.turned + turned;
  b.sums = b.scores + scores;
  b.flat = b.sums + sums;
  return b;
}

static void add_sizes(dg_sizes *sizes, const dg_layer *l, const dg_layer_counts *n) {
  const by_head b = by_head_of(l, NULL);
  sizes->score_src = (size_t)n->n_src * (size_t)l->hp;
  sizes->stat = (size_t)n->n_dst * DG_STATS * (size_t)l->hp;
  sizes->edge_scores = 2 * (size_t)l->edge_dim * (size_t)l->hp;
  sizes->no_target = l->source_only ? (size_t)l->ld : 0;
  sizes->dzr = (size_t)n->n_dst * (size_t)l->heads * (size_t)l->gather_ld;
  sizes->tile = (size_t)omp_get_max_threads() * TILE_ROWS * (size_t)b.tile_width;
  sizes->by_head = b.size;
}

/* A tile of this thread. */
static dg_real *tile_of(const dg_work *work) {
  const by_head b = by_head_of(work->layer, work->by_head);
  return work->tile + (size_t)omp_get_thread_num() * TILE_ROWS * (size_t)b.tile_width;
}

/* Rows of head h from `begin` on, of sums or of their gradients. */
static dg_real *head_rows(const dg_work *work, dg_real *rows, int h, int32_t begin) {
  return rows + ((size_t)h * (size_t)work->block->n_dst + (size_t)begin) * (size_t)work->layer->gather_ld;
}

/* The channels of head h of n rows, out [n, width]; and back. */
static void take_head(dg_real *out, const dg_real *rows, const dg_layer *l, int h, int width, int32_t n) {
  for (int32_t r = 0; r < n; r++, out += width, rows += l->ld) {
    for (int d = 0; d < l->dim; d++) out[d] = rows[d * l->hp + h];
    for (int d = l->dim; d < width; d++) out[d] = 0;
  }
}

static void put_head(dg_real *rows, const dg_real *in, const dg_layer *l, int h, int width, int32_t n) {
  for (int32_t r = 0; r < n; r++, in += width, rows += l->ld)
    for (int d = 0; d < l->dim; d++) rows[d * l->hp + h] = in[d];
}

/* <w, a> of head h. */
static dg_real head_dot(const dg_layer *l, const dg_real *w, const dg_real *a, int h) {
  double sum = 0;
  for (int c = h; c < l->dim * l->hp; c += l->hp) sum += (double)w[c] * (double)a[c];
  return (dg_real)sum;
}

/* Weights of head h, and the same transposed. */
static void begin_head(const dg_work *work, const dg_params *params, int h) {
  const dg_layer *l = work->layer;
  const by_head b = by_head_of(l, work->by_head);
  const dg_real *w = params->value + l->w + h;
  const size_t gather_ld = (size_t)l->gather_ld;
  take_head(b.flat, params->value + l->w, l, h, b.width, l->in_ld);
  l->kernels->pack(b.weights + (size_t)h * b.head, b.flat, (size_t)b.width, 1, l->in_ld, b.width);
  for (int d = 0; d < l->dim; d++)
    for (size_t f = 0; f < gather_ld; f++)
      b.flat[(size_t)d * gather_ld + f] = f < (size_t)l->in_ld ? w[f * (size_t)l->ld + (size_t)(d * l->hp)] : 0;
  l->kernels->pack(b.turned + (size_t)h * b.turned_head, b.flat, gather_ld, 1, l->dim, l->gather_ld);
}

static void begin(const dg_work *work, const dg_params *params) {
  const dg_layer *l = work->layer;
  const by_head b = by_head_of(l, work->by_head);
  dg_gat_begin_edge_scores(work, params);
  for (int h = 0; h < l->heads; h++) begin_head(work, params, h);
  memset(b.flat, 0, (size_t)l->in_ld * (size_t)b.score_width * sizeof *b.flat);
  for (int f = 0; f < l->in_ld; f++)
    for (int h = 0; h < l->heads; h++) {
      const dg_real *w = params->value + l->w + (int64_t)f * l->ld;
      dg_real *score = b.flat + (size_t)f * (size_t)b.score_width;
      score[h] = head_dot(l, w, work->e.att, h), score[l->hp + h] = head_dot(l, w, work->e.att_dst, h);
    }
  l->kernels->pack(b.scores, b.flat, (size_t)b.score_width, 1, l->in_ld, b.score_width);
}

/* What edges over input rows need beside what all kinds have. */
static dg_edges input_edges(const dg_work *work) {
  dg_edges e = work->gather;
  e.heads = work->layer->heads;
  e.drop = work->e.drop, e.edge_drop = work->e.edge_drop, e.edge_scores = work->e.edge_scores;
  e.stat = work->e.stat, e.score_src = work->e.score_src, e.dzr = work->e.dzr;
  return e;
}

/* Scores of sources [begin, end), and of those that are targets as such. */
static void score_tile(const dg_work *work, int32_t begin, int32_t end) {
  const dg_layer *l = work->layer;
  const by_head b = by_head_of(l, work->by_head);
  const size_t hp = (size_t)l->hp;
  const dg_real *norm = work->gather.out_norm;
  const dg_real *row = tile_of(work);
  l->kernels->multiply(tile_of(work), work->gather.z + (size_t)begin * (size_t)l->gather_ld, l->gather_ld, b.scores,
                       NULL, false, l->in_ld, b.score_width, end - begin);
  for (int32_t j = begin; j < end; j++, row += b.score_width) {
    for (size_t h = 0; h < hp; h++) work->e.score_src[(size_t)j * hp + h] = norm ? row[h] * norm[j] : row[h];
    if (j < work->block->n_dst)
      memcpy(work->e.stat + ((size_t)j * DG_STATS + DG_STAT_SCORE) * hp, row + hp, hp * sizeof *row);
  }
}

static void gather(const dg_work *work) {
  const dg_chunks *dst = &work->block->dst;
  const dg_edges e = input_edges(work);
  FOR_TILES(work, work->block->n_src, score_tile(work, begin, end));
  FOR_CHUNKS(work, *dst, 0, dst->n, work->layer->edges->gat_input_forward(&e, begin, end));
}

/* Results [begin, end) of the sums of all heads. */
static void project_tile(const dg_work *work, int32_t begin, int32_t end) {
  const dg_layer *l = work->layer;
  const by_head b = by_head_of(l, work->by_head);
  dg_real *tile = tile_of(work);
  for (int h = 0; h < l->heads; h++) {
    l->kernels->multiply(tile, head_rows(work, work->gather.agg, h, begin), l->gather_ld,
                         b.weights + (size_t)h * b.head, NULL, false, l->in_ld, b.width, end - begin);
    put_head(work->e.z + (size_t)begin * (size_t)l->ld, tile, l, h, b.width, end - begin);
  }
}

static void project(const dg_work *work) {
  FOR_TILES(work, work->block->n_dst, project_tile(work, begin, end));
}

/* ---- backward ---- */

/* Back through the projection, rows [begin, end) of a share: gradients of the sums, and in dw [heads, in, width] those
   of the weights. */
static void backward_tile(dg_real *dw, const dg_work *work, int32_t begin, int32_t end, bool add) {
  const dg_layer *l = work->layer;
  const by_head b = by_head_of(l, work->by_head);
  dg_real *d = tile_of(work);
  for (int h = 0; h < l->heads; h++, dw += (size_t)l->in_ld * (size_t)b.width) {
    take_head(d, work->e.dagg + (size_t)begin * (size_t)l->ld, l, h, b.width, end - begin);
    l->kernels->multiply_transposed(dw, head_rows(work, work->gather.agg, h, begin), l->gather_ld, d, add, l->in_ld,
                                    b.width, end - begin);
    l->kernels->multiply(head_rows(work, work->e.dzr, h, begin), d, b.width, b.turned + (size_t)h * b.turned_head, NULL,
                         false, l->dim, l->gather_ld, end - begin);
  }
}

static void backward_share(dg_real *dw, const dg_work *work, int s) {
  const int32_t n = work->block->n_dst, first = s * sum_rows(n), rest = n - first;
  const int32_t stop = first + (rest < sum_rows(n) ? rest : sum_rows(n));
  for (int32_t begin = first; begin < stop; begin += TILE_ROWS)
    backward_tile(dw, work, begin, begin + TILE_ROWS < stop ? begin + TILE_ROWS : stop, begin > first);
}

static void backward_rows(const dg_work *work) {
  const dg_layer *l = work->layer;
  const by_head b = by_head_of(l, work->by_head);
  const int64_t count = (int64_t)l->heads * l->in_ld * b.width;
  const int sums = n_sums(work->block->n_dst);
#pragma omp parallel for schedule(dynamic, 1) if (sums > 1)
  for (int s = 0; s < sums; s++) backward_share(work->partial + s * count, work, s);
  add_up(b.weights, work->partial, sums, count, count);
}

static void backward_chunk(const dg_work *work, const dg_edges *e, int64_t count, int chunk, int32_t begin,
                           int32_t end) {
  dg_real *block = work->partial + chunk * count;
  double *sum = work->sums + chunk * count;
  memset(sum, 0, (size_t)count * sizeof *sum);
  for (int32_t first = begin, last; first < end; first = last) {
    last = block_end(e->indptr, first, end);
    work->layer->edges->gat_input_backward(e, first, last, block);
    add_block(sum, block, count);
  }
}

static void backward_edges(const dg_work *work, dg_params *params) {
  const dg_layer *l = work->layer;
  const by_head b = by_head_of(l, work->by_head);
  const dg_chunks *dst = &work->block->dst;
  const dg_edges e = input_edges(work);
  const int64_t both = 2 * (int64_t)l->heads * l->gather_ld, n_scores = (int64_t)l->edge_dim * l->hp;
  const int64_t count = both + round_up((int)n_scores);
  FOR_CHUNKS(work, *dst, 0, dst->n, backward_chunk(work, &e, count, c_, begin, end));
  add_parts(b.sums, work->sums, dst->n, count, both);
  if (l->edge_dim == 0) return;
  add_parts(work->edge_scores + n_scores, work->sums + both, dst->n, count, n_scores);
  dg_gat_backward_edge_scores(work, params);
}

/* Gradients of an attention vector and, added to them, of the weights, `of_rows` [heads, gather_ld] being those of
   scores times rows. */
static void add_score_gradients(const dg_work *work, dg_params *params, int64_t att, const dg_real *of_rows) {
  const dg_layer *l = work->layer;
  const dg_real *a = params->value + att;
  for (int h = 0; h < l->heads; h++, of_rows += l->gather_ld)
    for (int c = h; c < l->dim * l->hp; c += l->hp) {
      const dg_real *w = params->value + l->w + c;
      dg_real *dw = params->grad + l->w + c;
      double sum = 0;
      for (int64_t f = 0; f < l->in_ld; f++) {
        sum += (double)w[f * l->ld] * (double)of_rows[f];
        dw[f * l->ld] += a[c] * of_rows[f];
      }
      params->grad[att + c] = (dg_real)sum;
    }
}

static void backward_end(const dg_work *work, dg_params *params) {
  const dg_layer *l = work->layer;
  const by_head b = by_head_of(l, work->by_head);
  backward_rows(work);
  for (int h = 0; h < l->heads; h++)
    put_head(params->grad + l->w, b.weights + (size_t)h * (size_t)l->in_ld * (size_t)b.width, l, h, b.width, l->in_ld);
  backward_edges(work, params);
  add_score_gradients(work, params, l->att, b.sums);
  if (!l->source_only) add_score_gradients(work, params, l->att_dst, b.sums + (size_t)l->heads * (size_t)l->gather_ld);
}

const dg_conv dg_conv_gat_of_input = {.attention = true,
                                      .add_tensors = dg_gat_add_tensors,
                                      .add_sizes = add_sizes,
                                      .begin = begin,
                                      .gather = gather,
                                      .project = project,
                                      .backward_end = backward_end,
                                      .flops = 2,
                                      .flops_backward = 4,
                                      .target_rows = 1,
                                      .gathers_backward = 1};
