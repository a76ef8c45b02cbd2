/* Aggregation over edges, forward. The edges of a row pass in tiles, three times each: scores, one after
   the other; exponentials of the tile, whose numbers then lie side by side and fill vectors whatever the heads; sums.
   Functions over rows take the number nv of vectors in a row
   and the heads hp as constants where a fast path exists, and keep sums in registers then; KERNEL makes the paths.
   Whether edges have attributes, `edge`, is a constant too: what is made for those without knows nothing of them. */

enum { TILE_EDGES = 32, TILE_NUMBERS = 512 };
#define MAX_PATTERN (DG_MAX_HEADS / DG_VL) /* vectors of a pattern on the stack */

/* Numbers of a tile's edges, hp for each. */
typedef struct tile {
  dg_real weight[TILE_NUMBERS + DG_VL]; /* score, then coefficient */
  dg_real slope[TILE_NUMBERS + DG_VL];  /* gradient of the coefficient, then of the score */
  dg_real top[TILE_NUMBERS + DG_VL];    /* statistics of the targets of out-edges: maximum, */
  dg_real rsum[TILE_NUMBERS + DG_VL];   /* 1 / sum of the row, */
  dg_real dot[TILE_NUMBERS + DG_VL];    /* <dOut, Out> */
  dg_real sign[TILE_NUMBERS + DG_VL];   /* 1 where the argument of LeakyReLU is positive (GAT) */
  uint32_t seed[TILE_NUMBERS + DG_VL];  /* of random bits, where dropout is on */
} __attribute__((aligned(64))) tile;

INLINE int tile_edges(int hp) {
  return hp * TILE_EDGES <= TILE_NUMBERS ? TILE_EDGES : TILE_NUMBERS / hp;
}

INLINE int min_int(int a, int b) {
  return a < b ? a : b;
}

/* Row index, of n, of the edge to prefetch while edge t is worked on. */
INLINE int32_t row_ahead(const dg_edges *e, const int32_t *indices, int32_t n, int32_t t) {
  return indices[t + e->ahead < n ? t + e->ahead : t];
}

INLINE void prefetch(const dg_real *row, int n) {
  for (int c = 0; c < n; c += 64 / (int)sizeof *row) prefetch_line(row + c);
}

/* What the forward pass gathers of a source. */
INLINE void prefetch_source(const dg_edges *e, int32_t t, size_t ld, int hp, bool v2) {
  const int32_t j = row_ahead(e, e->indices, e->n_edges, t);
  prefetch_row(TABLE(e, z) + j * ld, (int)ld);
  if (!v2) prefetch(e->score_src + (size_t)j * hp, hp);
}

/* Attributes of in-edge t; NULL where edges have none. */
INLINE const float *attributes_of(const dg_edges *e, int32_t t, bool edge) {
  return edge && e->edge_dim > 0 ? e->attributes + (size_t)t * (size_t)e->edge_dim : NULL;
}

/* The score of an edge that is dropped becomes one that weighs nothing beside that of the self-loop; DROPPED is above
   it and below all others. */
static const dg_real DROPPED = (dg_real)-1e29;

INLINE void drop_edge(vf *s, const dg_edges *e, int32_t i, int32_t j, int q) {
  const dg_dropout *drop = &e->edge_drop;
  if (!drop->threshold || i == j) return;
  const uint32_t row = dg_rng_row(drop->key, (uint32_t)e->ids[i]);
  if (dg_rng_column(row, drop->key, (uint32_t)e->ids[j]) >= drop->threshold) return;
  for (int k = 0; k < q; k++) s[k] = splat((dg_real)-1e30);
}

/* Vector v of the argument of GATv2's LeakyReLU: z_j + zr_i, and what the attributes `a` of the edge add, in an order
   that backward is that of forward. */
INLINE vf gatv2_argument(const dg_edges *e, table_row zj, table_row zi, const float *a, int v, int nv) {
  vf u = vector(zj, v) + vector(zi, v);
  for (int c = 0; a && c < e->edge_dim; c++) u = vfma(splat((dg_real)a[c]), ((const vf *)e->lin_edge)[c * nv + v], u);
  return u;
}

/* Score of one edge of GATv2, as a pattern: att . LeakyReLU(z_j + zr_i); LeakyReLU(u) = (1 + slope) / 2 u +
   (1 - slope) / 2 |u|. The backward pass makes it again and takes the forward pass's maximum from it: rounded
   otherwise, a large score would pass the maximum by so much that its coefficient were no longer one. */
INLINE void gatv2_score(vf *s, const dg_edges *e, const vf *att, table_row zj, table_row zi, const float *attributes,
                        int nv, int q, int hp) {
  const vi magnitude = ~(vi)splat((dg_real)-0.0);
  vf bent[MAX_PATTERN];
  for (int k = 0; k < q; k++) s[k] = bent[k] = splat(0);
  FOR_ROW(v, k, nv, q) {
    const vf u = gatv2_argument(e, zj, zi, attributes, v, nv);
    s[k] = vfma(att[v], u, s[k]);
    bent[k] = vfma(att[v], (vf)((vi)u & magnitude), bent[k]);
  }
  for (int k = 0; k < q; k++) s[k] = vfma(splat((1 + e->slope) / 2), s[k], (1 - e->slope) / 2 * bent[k]);
  fold_pattern(s, q, hp);
}

/* The same of GAT, and where its argument is positive. */
INLINE void gat_score(vf *s, vf *sign, const dg_edges *e, const vf *si, int32_t j, const float *attributes, int q,
                      int hp) {
  for (int k = 0; k < q; k++) {
    vf u = load_pattern(e->score_src + (size_t)j * hp, hp, k) + si[k];
    for (int c = 0; attributes && c < e->edge_dim; c++)
      u = vfma(splat((dg_real)attributes[c]), load_pattern(e->edge_scores + (size_t)c * hp, hp, k), u);
    s[k] = where_positive(u, u, u * e->slope);
    sign[k] = where_positive(u, splat(1), splat(0));
  }
}

/* Stores the pattern p of edge t of a tile. */
INLINE void put(dg_real *numbers, int t, const vf *p, int q, int hp) {
  for (int k = 0; k < q; k++) store_pattern(numbers + (size_t)t * hp, hp, k, p[k]);
}

/* Stores the seeds of edge t. */
INLINE void put_seeds(tile *tl, int t, uint32_t row, int32_t src, int q, int hp) {
  for (int k = 0; k < q; k++) {
    const vu seed = edge_seed(row, (uint32_t)src, k, hp);
    const int left = hp - k * DG_VL, n = left < DG_VL ? left : DG_VL;
    if (n > 0) memcpy(tl->seed + t * hp + k * DG_VL, &seed, (size_t)n * sizeof *tl->seed);
  }
}

/* Which of the tile's coefficients from number c on are kept. */
INLINE vi load_kept(const tile *tl, const dg_edges *e, int c) {
  vu seed;
  memcpy(&seed, tl->seed + c, sizeof seed);
  return kept_of(seed, &e->drop);
}

/* dg_rng_row of a target under dropout of attention. */
INLINE uint32_t row_bits(const dg_edges *e, int32_t i) {
  return e->drop.threshold ? dg_rng_row(e->drop.key, (uint32_t)e->ids[i]) : 0;
}

/* Fills the lanes after the last of n numbers, of patterns of q vectors. */
INLINE void pad(dg_real *numbers, int n, int q, dg_real x) {
  const int pattern = q * DG_VL, end = (n + pattern - 1) / pattern * pattern;
  for (int at = n; at < end; at += DG_VL) store_unaligned(numbers + at, splat(x));
}

/* Running sums of one target row, as patterns; `sum` and `positive` over the lanes of all edges. */
typedef struct softmax {
  vf top[MAX_PATTERN], sum[MAX_PATTERN], positive[MAX_PATTERN];
} softmax;

/* Scores of edges [first, first + n) into the tile; raises the maximum. zi is the target's row for GATv2, si its score
   for GAT. */
INLINE void score_tile(tile *tl, softmax *m, const dg_edges *e, const vf *att, int32_t i, int32_t first, int n,
                       table_row zi, const vf *si, bool v2, bool edge, int nv, int q, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const uint32_t row = row_bits(e, i);
  for (int t = 0; t < n; t++) {
    const int32_t j = e->indices[first + t];
    const float *attributes = attributes_of(e, first + t, edge);
    vf s[MAX_PATTERN], sign[MAX_PATTERN];
    if (e->ahead) prefetch_source(e, first + t, ld, hp, v2);
    if (v2)
      gatv2_score(s, e, att, row_of(TABLE(e, z) + j * ld, nv), zi, attributes, nv, q, hp);
    else
      gat_score(s, sign, e, si, j, attributes, q, hp);
    if (edge) drop_edge(s, e, i, j, q);
    for (int k = 0; k < q; k++) m->top[k] = vmax(m->top[k], s[k]);
    put(tl->weight, t, s, q, hp);
    if (!v2 && e->positive) put(tl->sign, t, sign, q, hp);
    if (e->drop.threshold) put_seeds(tl, t, row, e->ids[j], q, hp);
  }
  pad(tl->weight, n * hp, q, (dg_real)-1e30); /* no edges: they weigh nothing */
  if (!v2 && e->positive) pad(tl->sign, n * hp, q, 0);
}

/* Scores become weights, exponentials under dropout; their sums grow. With `positive` those of positive arguments
   alone go to `slope`. */
INLINE void weigh_tile(tile *tl, softmax *m, const dg_edges *e, int numbers, bool positive, bool edge, int q) {
  for (int at = 0; at < numbers; at += q * DG_VL)
    for (int k = 0; k < q; k++) {
      const int c = at + k * DG_VL;
      const vf score = load(tl->weight + c);
      vf p = vexp(score - m->top[k]);
      if (edge && e->edge_drop.threshold) p = where_positive(DROPPED - score, splat(0), p); /* exp ends above zero */
      m->sum[k] += p;
      if (positive) m->positive[k] += p * load(tl->sign + c);
      if (e->drop.threshold) p = through(p, load_kept(tl, e, c), &e->drop);
      store(tl->weight + c, p);
      if (positive) store(tl->slope + c, p * load(tl->sign + c));
    }
}

/* A block of a row's vectors, whose sums over edges stay in registers: n from `first` on, of which the pattern has
   vector `k` first. */
typedef struct block {
  int first, k, n;
} block;

/* Calls with the blocks of a row: the whole where its length is known to the compiler, else as many patterns as
   registers hold, and what is left vector by vector. */
#define FOR_BLOCKS(CALL, nv, q)                                                                                        \
  do {                                                                                                                 \
    const int n_ = __builtin_constant_p(q) ? MAX_BLOCK / (q) * (q) : 0;                                                \
    int v_ = 0;                                                                                                        \
    if (IS_FIXED(nv)) {                                                                                                \
      CALL(((block){0, 0, nv}));                                                                                       \
      break;                                                                                                           \
    }                                                                                                                  \
    for (; n_ > 0 && v_ + n_ <= (nv); v_ += n_) CALL(((block){v_, 0, n_}));                                            \
    for (; v_ < (nv); v_++) CALL(((block){v_, v_ % (q), 1}));                                                          \
  } while (0)

/* acc += weighted rows of the tile's sources; acc_positive, unless NULL, those of positive arguments alone. */
INLINE void add_block(vf *acc, vf *acc_positive, const tile *tl, const dg_edges *e, int32_t first, int n, block b,
                      int nv, int q, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  vf sum[MAX_BLOCK], positive[MAX_BLOCK];
  UNROLLED for (int v = 0; v < b.n; v++) {
    sum[v] = acc[b.first + v];
    if (acc_positive) positive[v] = acc_positive[b.first + v];
  }
  for (int t = 0; t < n; t++) {
    const table_row zj = row_of(TABLE(e, z) + e->indices[first + t] * ld, nv);
    UNROLLED for (int v = 0; v < b.n; v++) {
      const vf x = vector(zj, b.first + v);
      sum[v] += load_pattern(tl->weight + (size_t)t * hp, hp, (b.k + v) % q) * x;
      if (acc_positive) positive[v] += load_pattern(tl->slope + (size_t)t * hp, hp, (b.k + v) % q) * x;
    }
  }
  UNROLLED for (int v = 0; v < b.n; v++) {
    acc[b.first + v] = sum[v];
    if (acc_positive) acc_positive[b.first + v] = positive[v];
  }
}

INLINE void add_tile(vf *acc, vf *acc_positive, const tile *tl, const dg_edges *e, int32_t first, int n, int nv, int q,
                     int hp) {
#define CALL_BLOCK(b) add_block(acc, acc_positive, tl, e, first, n, b, nv, q, hp)
  FOR_BLOCKS(CALL_BLOCK, nv, q);
#undef CALL_BLOCK
}

/* A new maximum shrinks what was summed before. */
INLINE void shrink(softmax *m, const vf *before, vf *acc, vf *acc_positive, int nv, int q) {
  for (int k = 0; k < q; k++) {
    const vf factor = vexp(before[k] - m->top[k]);
    m->sum[k] *= factor, m->positive[k] *= factor;
    for (int v = k; v < nv; v += q) acc[v] *= factor;
    for (int v = k; acc_positive && v < nv; v += q) acc_positive[v] *= factor;
  }
}

/* Softmax-weighted sum over the in-edges of target i in one pass with running maximum and sum. For the backward pass of
   GAT acc_positive, unless NULL, gets the sum over edges whose score's argument is positive alone, and dscore_dst that
   of their coefficients: row_dots makes the gradient of the target's score of them. */
INLINE void attention_row(const dg_edges *e, const vf *att, int32_t i, bool v2, bool edge, int nv, int q, int hp,
                          vf *acc, vf *acc_positive) {
  const int most = tile_edges(hp);
  tile tl;
  softmax m;
  vf si[MAX_PATTERN], room[MAX_FIXED];
  dg_real *stat = e->stat + (size_t)i * DG_STATS * hp;
  for (int k = 0; k < q; k++) {
    m.top[k] = splat((dg_real)-1e30), m.sum[k] = splat(0), m.positive[k] = splat(0);
    if (!v2) si[k] = load_pattern(stat + DG_STAT_SCORE * hp, hp, k);
  }
  for (int v = 0; v < nv; v++) acc[v] = splat(0);
  for (int v = 0; acc_positive && v < nv; v++) acc_positive[v] = splat(0);
  for (int32_t first = e->indptr[i]; first < e->indptr[i + 1]; first += most) {
    const int n = min_int(e->indptr[i + 1] - first, most);
    vf before[MAX_PATTERN];
    for (int k = 0; k < q; k++) before[k] = m.top[k];
    score_tile(&tl, &m, e, att, i, first, n,
               v2 ? own_row(room, TABLE(e, zr) + i * (size_t)nv * DG_VL, nv) : (table_row){0}, si, v2, edge, nv, q, hp);
    if (first > e->indptr[i]) shrink(&m, before, acc, acc_positive, nv, q);
    weigh_tile(&tl, &m, e, n * hp, acc_positive != NULL, edge, q);
    add_tile(acc, acc_positive, &tl, e, first, n, nv, q, hp);
  }
  fold_pattern(m.sum, q, hp);
  if (acc_positive) fold_pattern(m.positive, q, hp);
  for (int k = 0; k < q; k++) {
    const vf rsum = 1 / m.sum[k];
    store_pattern(stat + DG_STAT_MAX * hp, hp, k, m.top[k]);
    store_pattern(stat + DG_STAT_RSUM * hp, hp, k, rsum);
    if (acc_positive) store_pattern(e->dscore_dst + (size_t)i * hp, hp, k, m.positive[k] * rsum);
    for (int v = k; v < nv; v += q) acc[v] *= rsum;
    for (int v = k; acc_positive && v < nv; v += q) acc_positive[v] *= rsum;
  }
}

/* Targets of GATv2 or GAT; those of GAT with what its backward pass needs, where there is one. */
INLINE void attention_rows(const dg_edges *e, int32_t begin, int32_t end, bool v2, bool edge, int nv, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  const bool positive = !v2 && e->positive;
  vf room[MAX_FIXED];
  const vf *att = own_vectors(room, e->att, nv);
  for (int32_t i = begin; i < end; i++) {
    vf local[MAX_FIXED], local_positive[MAX_FIXED];
    vf *acc = IS_FIXED(nv) ? local : (vf *)(e->agg + i * ld);
    vf *acc_positive = IS_FIXED(nv) ? local_positive : (vf *)(e->positive + i * ld);
    if (positive)
      attention_row(e, att, i, v2, edge, nv, q, hp, acc, acc_positive);
    else
      attention_row(e, att, i, v2, edge, nv, q, hp, acc, NULL);
    for (int v = 0; IS_FIXED(nv) && v < nv; v++) ((vf *)(e->agg + i * ld))[v] = acc[v];
    for (int v = 0; IS_FIXED(nv) && positive && v < nv; v++) ((vf *)(e->positive + i * ld))[v] = acc_positive[v];
  }
}

/* Where the sums of a row are made: in registers, or where they belong; zero at the row's first edge. */
INLINE vf *begin_row(vf *local, dg_real *out, bool first, int nv) {
  vf *acc = IS_FIXED(nv) ? local : (vf *)out;
  for (int v = 0; v < nv; v++) acc[v] = first ? splat(0) : ((vf *)out)[v];
  return acc;
}

INLINE void end_row(dg_real *out, const vf *acc, int nv) {
  for (int v = 0; IS_FIXED(nv) && v < nv; v++) ((vf *)out)[v] = acc[v];
}

/* How sums over edges weigh their rows: GCN by both ends, and by the edge's weight where it has one; means of
   neighbours by the target, which forward is the row that is summed for and backward the other, and without self-loops.
 */
enum sum_kind { SUM_SYMMETRIC, SUM_WEIGHTED, SUM_WEIGHTED_BACKWARD, SUM_MEAN, SUM_MEAN_BACKWARD };

/* Of edge t, an in-edge or backward an out-edge; a self-loop weighs 1. */
INLINE dg_real sum_weight(const dg_edges *e, enum sum_kind kind, int32_t row, int32_t other, int32_t t) {
  if (kind == SUM_MEAN || kind == SUM_MEAN_BACKWARD) return e->norm[kind == SUM_MEAN ? row : other];
  if (kind == SUM_SYMMETRIC || row == other) return e->norm[row] * e->norm[other];
  const float weight = e->attributes[kind == SUM_WEIGHTED ? t : e->t_edges[t]];
  return e->norm[row] * e->norm[other] * (dg_real)weight;
}

/* out = weighted sum of x_other over rows of `indices`. */
INLINE void sum_rows(const dg_edges *e, enum sum_kind kind, dg_real *out, const element *x, const int32_t *indptr,
                     const int32_t *indices, int32_t begin, int32_t end, int nv) {
  const size_t ld = (size_t)nv * DG_VL;
  const int32_t n = indices == e->indices ? e->n_edges : e->n_out_edges;
  vf local[MAX_FIXED];
  for (int32_t r = begin; r < end; r++) {
    vf *acc = begin_row(local, out + r * ld, true, nv);
    for (int32_t t = indptr[r]; t < indptr[r + 1]; t++) {
      const table_row other = row_of(x + indices[t] * ld, nv);
      if (e->ahead) prefetch_row(x + row_ahead(e, indices, n, t) * ld, (int)ld);
      if (kind >= SUM_MEAN && indices[t] == r) continue;
      const vf w = splat(sum_weight(e, kind, r, indices[t], t));
      for (int v = 0; v < nv; v++) acc[v] += w * vector(other, v);
    }
    end_row(out + r * ld, acc, nv);
  }
}

/* One shape of a kernel, of nv vectors in a row and hp heads: a function of its own, for what a compiler needs grows
   faster than a function does. */
#define SHAPE(name, parameters, vectors, n_heads, ...)                                                                 \
  static NOINLINE void name parameters {                                                                               \
    const int nv = (vectors), hp = (n_heads);                                                                          \
    (void)hp;                                                                                                          \
    __VA_ARGS__;                                                                                                       \
  }

/* A kernel of edges of one head, or whose rows know no heads: its statement for each usual shape, whose nv is a
   constant, and the function that calls that of the edges e. */
#define ONE_HEAD_KERNEL(name, parameters, arguments, ...)                                                              \
  SHAPE(name##x16, parameters, 16 / DG_VL, 1, __VA_ARGS__)                                                             \
  SHAPE(name##x48, parameters, 48 / DG_VL, 1, __VA_ARGS__)                                                             \
  SHAPE(name##x64, parameters, 64 / DG_VL, 1, __VA_ARGS__)                                                             \
  SHAPE(name##xany, parameters, e->ld / DG_VL, 1, __VA_ARGS__)                                                         \
  static void name parameters {                                                                                        \
    if (e->ld == 16)                                                                                                   \
      name##x16 arguments;                                                                                             \
    else if (e->ld == 48)                                                                                              \
      name##x48 arguments;                                                                                             \
    else if (e->ld == 64)                                                                                              \
      name##x64 arguments;                                                                                             \
    else                                                                                                               \
      name##xany arguments;                                                                                            \
  }

/* A kernel of any heads: hp is a constant where they are usual, of one shape nv too. */
#define KERNEL(name, parameters, arguments, ...)                                                                       \
  ONE_HEAD_KERNEL(name##_1, parameters, arguments, __VA_ARGS__)                                                        \
  SHAPE(name##_8x64, parameters, 64 / DG_VL, 8, __VA_ARGS__)                                                           \
  SHAPE(name##_8, parameters, e->ld / DG_VL, 8, __VA_ARGS__)                                                           \
  SHAPE(name##_4, parameters, e->ld / DG_VL, 4, __VA_ARGS__)                                                           \
  SHAPE(name##_3, parameters, e->ld / DG_VL, 3, __VA_ARGS__)                                                           \
  SHAPE(name##_any, parameters, e->ld / DG_VL, e->hp, __VA_ARGS__)                                                     \
  static void name parameters {                                                                                        \
    if (e->hp == 1)                                                                                                    \
      name##_1 arguments;                                                                                              \
    else if (e->hp == 8 && e->ld == 64)                                                                                \
      name##_8x64 arguments;                                                                                           \
    else if (e->hp == 8)                                                                                               \
      name##_8 arguments;                                                                                              \
    else if (e->hp == 4)                                                                                               \
      name##_4 arguments;                                                                                              \
    else if (e->hp == 3)                                                                                               \
      name##_3 arguments;                                                                                              \
    else                                                                                                               \
      name##_any arguments;                                                                                            \
  }

#define ROWS_KERNEL(name, ...)                                                                                         \
  KERNEL(name, (const dg_edges *e, int32_t begin, int32_t end), (e, begin, end), __VA_ARGS__)

#define SUM_KERNEL(name, ...)                                                                                          \
  ONE_HEAD_KERNEL(name, (const dg_edges *e, int32_t begin, int32_t end), (e, begin, end), __VA_ARGS__)

ROWS_KERNEL(gatv2_forward, attention_rows(e, begin, end, true, false, nv, hp))

ROWS_KERNEL(gat_forward, attention_rows(e, begin, end, false, false, nv, hp))

SUM_KERNEL(gcn_forward, sum_rows(e, SUM_SYMMETRIC, e->agg, TABLE(e, z), e->indptr, e->indices, begin, end, nv))

SUM_KERNEL(mean_forward, sum_rows(e, SUM_MEAN, e->agg, TABLE(e, z), e->indptr, e->indices, begin, end, nv))

/* Pattern of <x, y> a head. */
INLINE void head_dots(vf *s, table_row x, const vf *y, int nv, int q, int hp) {
  for (int k = 0; k < q; k++) s[k] = splat(0);
  FOR_ROW(v, k, nv, q) s[k] += vector(x, v) * y[v];
  fold_pattern(s, q, hp);
}

INLINE void score_rows(const dg_edges *e, int32_t begin, int32_t end, int nv, int hp) {
  const int q = pattern_size(hp);
  vf s[MAX_PATTERN];
  for (int32_t j = begin; j < end; j++) {
    const table_row z = row_of(TABLE(e, z) + (size_t)j * nv * DG_VL, nv);
    head_dots(s, z, (const vf *)e->att, nv, q, hp);
    put(e->score_src, j, s, q, hp);
    if (j >= e->n_dst) continue;
    head_dots(s, z, (const vf *)e->att_dst, nv, q, hp);
    put(e->stat, j * DG_STATS + DG_STAT_SCORE, s, q, hp);
  }
}

ROWS_KERNEL(gat_scores, score_rows(e, begin, end, nv, hp))

INLINE void alpha_rows(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha, bool v2, bool edge, int nv,
                       int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  for (int32_t i = begin; i < end; i++) {
    const dg_real *stat = e->stat + (size_t)i * DG_STATS * hp;
    for (int32_t t = e->indptr[i]; t < e->indptr[i + 1]; t++, alpha += hp) {
      vf s[MAX_PATTERN], si[MAX_PATTERN], sign[MAX_PATTERN];
      const int32_t j = e->indices[t];
      const float *attributes = attributes_of(e, t, edge);
      for (int k = 0; k < q; k++) si[k] = load_pattern(stat + DG_STAT_SCORE * hp, hp, k);
      if (v2)
        gatv2_score(s, e, (const vf *)e->att, row_of(TABLE(e, z) + j * ld, nv), row_of(TABLE(e, zr) + i * ld, nv),
                    attributes, nv, q, hp);
      else
        gat_score(s, sign, e, si, j, attributes, q, hp);
      if (edge) drop_edge(s, e, i, j, q);
      for (int k = 0; k < q; k++)
        s[k] =
            vexp(s[k] - load_pattern(stat + DG_STAT_MAX * hp, hp, k)) * load_pattern(stat + DG_STAT_RSUM * hp, hp, k);
      put(alpha, 0, s, q, hp);
    }
  }
}

KERNEL(gatv2_alpha, (const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha), (e, begin, end, alpha),
       alpha_rows(e, begin, end, alpha, true, false, nv, hp))

KERNEL(gat_alpha, (const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha), (e, begin, end, alpha),
       alpha_rows(e, begin, end, alpha, false, false, nv, hp))
