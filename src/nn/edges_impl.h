/* Aggregation over edges, forward and backward. The edges of a row pass in tiles, three times each: scores, one after
   the other; exponentials of the tile, whose numbers then lie side by side and fill vectors whatever the heads; sums.
   A backward tile takes the edges of as many rows as fit. Functions over rows take the number nv of vectors in a row
   and the heads hp as constants where a fast path exists, and keep sums in registers then; FOR_SHAPES makes the paths.
 */

enum { TILE_EDGES = 32, TILE_NUMBERS = 512 };
#define MAX_PATTERN (DG_MAX_HEADS / DG_VL) /* vectors of a pattern on the stack */

/* Sums of a row in registers, where its length is known to the compiler; else in the memory they are meant for. */
#define MAX_FIXED (64 / DG_VL)
#define IS_FIXED(nv) (__builtin_constant_p(nv) && (nv) <= MAX_FIXED)

/* Numbers of a tile's edges, hp for each. */
typedef struct tile {
  dg_real weight[TILE_NUMBERS + DG_VL]; /* score less the row's maximum, then coefficient */
  dg_real slope[TILE_NUMBERS + DG_VL];  /* gradient of the score over the coefficient, then gradient of the score */
  dg_real rsum[TILE_NUMBERS + DG_VL];   /* 1 / sum of the row */
  dg_real mask[TILE_NUMBERS + DG_VL];   /* of dropout, where it is on */
  dg_real sign[TILE_NUMBERS + DG_VL];   /* 1 where the argument of LeakyReLU is positive (GAT) */
} __attribute__((aligned(64))) tile;

INLINE int tile_edges(int hp) {
  return hp * TILE_EDGES <= TILE_NUMBERS ? TILE_EDGES : TILE_NUMBERS / hp;
}

INLINE int min_int(int a, int b) {
  return a < b ? a : b;
}

/* Row index of the edge to prefetch while edge t is worked on. */
INLINE int32_t row_ahead(const dg_edges *e, const int32_t *indices, int32_t t) {
  return indices[t + e->ahead < e->n_edges ? t + e->ahead : t];
}

INLINE void prefetch(const dg_real *row, int n) {
  for (int c = 0; c < n; c += 64 / (int)sizeof *row) __builtin_prefetch(row + c);
}

/* What the forward pass gathers of a source. */
INLINE void prefetch_source(const dg_edges *e, int32_t t, size_t ld, int hp, bool v2) {
  const int32_t j = row_ahead(e, e->indices, t);
  prefetch(e->z + j * ld, (int)ld);
  if (!v2) prefetch(e->score_src + (size_t)j * hp, hp);
}

/* What the transposed passes gather of a target. */
INLINE void prefetch_target(const dg_edges *e, int32_t t, size_t ld, int hp, bool v2) {
  const int32_t i = row_ahead(e, e->t_indices, t);
  prefetch(e->dagg + i * ld, (int)ld);
  if (v2) prefetch(e->zr + i * ld, (int)ld);
  prefetch(e->stat + (size_t)i * DG_STATS * hp, DG_STATS * hp);
}

/* Score of one edge of GATv2 as a pattern: att . LeakyReLU(z_j + zr_i); LeakyReLU(u) = (1 + slope) / 2 u + (1 - slope)
 * / 2 |u|. */
INLINE void gatv2_score(vf *s, const vf *zj, const vf *zi, const vf *att, dg_real slope, int nv, int q, int hp) {
  const vi magnitude = ~(vi)splat((dg_real)-0.0);
  const vf a = splat((1 + slope) / 2), b = splat((1 - slope) / 2);
  for (int k = 0; k < q; k++) s[k] = splat(0);
  for (int v = 0; v < nv; v++) {
    vf u = zj[v] + zi[v];
    s[v % q] += att[v] * (a * u + b * (vf)((vi)u & magnitude));
  }
  for (int k = 0; k < q; k++) s[k] = fold(s[k], hp);
}

/* The same of GAT, and where its argument is positive. */
INLINE void gat_score(vf *s, vf *sign, const dg_edges *e, const vf *si, int32_t j, int q, int hp) {
  for (int k = 0; k < q; k++) {
    vf u = load_pattern(e->score_src + (size_t)j * hp, hp, k) + si[k];
    s[k] = where_positive(u, u, u * e->slope);
    sign[k] = where_positive(u, splat(1), splat(0));
  }
}

/* Stores the pattern p of edge t of a tile. */
INLINE void put(dg_real *numbers, int t, const vf *p, int q, int hp) {
  for (int k = 0; k < q; k++) store_pattern(numbers + (size_t)t * hp, hp, k, p[k]);
}

/* Fills the lanes after the last of n numbers. */
INLINE void pad(dg_real *numbers, int n, dg_real x) {
  if (n % DG_VL) store_unaligned(numbers + n, splat(x));
}

/* Running sums of one target row, as patterns; `sum` and `positive` over the lanes of all edges. */
typedef struct softmax {
  vf top[MAX_PATTERN], sum[MAX_PATTERN], positive[MAX_PATTERN];
} softmax;

/* Scores of edges [first, first + n) into the tile; raises the maximum. */
INLINE void score_tile(tile *tl, softmax *m, const dg_edges *e, int32_t i, int32_t first, int n, const vf *zi, bool v2,
                       int nv, int q, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  for (int t = 0; t < n; t++) {
    const int32_t j = e->indices[first + t];
    vf s[MAX_PATTERN], sign[MAX_PATTERN];
    if (e->ahead) prefetch_source(e, first + t, ld, hp, v2);
    if (v2)
      gatv2_score(s, (const vf *)(e->z + j * ld), zi, (const vf *)e->att, e->slope, nv, q, hp);
    else
      gat_score(s, sign, e, zi, j, q, hp);
    for (int k = 0; k < q; k++) m->top[k] = vmax(m->top[k], s[k]);
    put(tl->weight, t, s, q, hp);
    if (!v2 && e->positive) put(tl->sign, t, sign, q, hp);
    if (e->drop.threshold)
      for (int k = 0; k < q; k++) store_pattern(tl->mask + (size_t)t * hp, hp, k, edge_mask(e, i, j, k, hp));
  }
  pad(tl->weight, n * hp, (dg_real)-1e30); /* no edges: they weigh nothing */
  if (!v2 && e->positive) pad(tl->sign, n * hp, 0);
}

/* Scores become weights, exponentials under dropout; their sums grow. With `positive` those of positive arguments
   alone go to `slope`. */
INLINE void weigh_tile(tile *tl, softmax *m, const dg_edges *e, int numbers, bool positive, int q) {
  for (int at = 0; at < numbers; at += q * DG_VL)
    for (int k = 0; k < q; k++) {
      const int c = at + k * DG_VL;
      vf p = vexp(load(tl->weight + c) - m->top[k]);
      m->sum[k] += p;
      if (positive) m->positive[k] += p * load(tl->sign + c);
      if (e->drop.threshold) p *= load(tl->mask + c);
      store(tl->weight + c, p);
      if (positive) store(tl->slope + c, p * load(tl->sign + c));
    }
}

/* acc += weighted rows of the tile's sources; acc_positive, unless NULL, those of positive arguments alone. */
INLINE void add_tile(vf *acc, vf *acc_positive, const tile *tl, const dg_edges *e, int32_t first, int n, int nv, int q,
                     int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  for (int t = 0; t < n; t++) {
    const vf *zj = (const vf *)(e->z + e->indices[first + t] * ld);
    for (int v = 0; v < nv; v++) acc[v] += load_pattern(tl->weight + (size_t)t * hp, hp, v % q) * zj[v];
    for (int v = 0; acc_positive && v < nv; v++)
      acc_positive[v] += load_pattern(tl->slope + (size_t)t * hp, hp, v % q) * zj[v];
  }
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
INLINE void attention_row(const dg_edges *e, int32_t i, bool v2, int nv, int q, int hp, vf *acc, vf *acc_positive) {
  const int most = tile_edges(hp);
  tile tl;
  softmax m;
  vf si[MAX_PATTERN];
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
    score_tile(&tl, &m, e, i, first, n, v2 ? (const vf *)(e->zr + i * (size_t)nv * DG_VL) : si, v2, nv, q, hp);
    if (first > e->indptr[i]) shrink(&m, before, acc, acc_positive, nv, q);
    weigh_tile(&tl, &m, e, n * hp, acc_positive != NULL, q);
    add_tile(acc, acc_positive, &tl, e, first, n, nv, q, hp);
  }
  for (int k = 0; k < q; k++) {
    const vf rsum = 1 / fold(m.sum[k], hp);
    store_pattern(stat + DG_STAT_MAX * hp, hp, k, m.top[k]);
    store_pattern(stat + DG_STAT_RSUM * hp, hp, k, rsum);
    if (acc_positive) store_pattern(e->dscore_dst + (size_t)i * hp, hp, k, fold(m.positive[k], hp) * rsum);
    for (int v = k; v < nv; v += q) acc[v] *= rsum;
    for (int v = k; acc_positive && v < nv; v += q) acc_positive[v] *= rsum;
  }
}

/* Targets of GATv2 or GAT; those of GAT with what its backward pass needs, where there is one. */
INLINE void attention_rows(const dg_edges *e, int32_t begin, int32_t end, bool v2, int nv, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  const bool positive = !v2 && e->positive;
  for (int32_t i = begin; i < end; i++) {
    vf local[MAX_FIXED], local_positive[MAX_FIXED];
    vf *acc = IS_FIXED(nv) ? local : (vf *)(e->agg + i * ld);
    vf *acc_positive = IS_FIXED(nv) ? local_positive : (vf *)(e->positive + i * ld);
    if (positive)
      attention_row(e, i, v2, nv, q, hp, acc, acc_positive);
    else
      attention_row(e, i, v2, nv, q, hp, acc, NULL);
    for (int v = 0; IS_FIXED(nv) && v < nv; v++) ((vf *)(e->agg + i * ld))[v] = acc[v];
    for (int v = 0; IS_FIXED(nv) && positive && v < nv; v++) ((vf *)(e->positive + i * ld))[v] = acc_positive[v];
  }
}

/* Terms of the edge j -> i, edge t of the tile: score less maximum, and the gradient of its score over its coefficient,
   (<dOut_i, z_j> mask - <dOut_i, Out_i>), times the slope of LeakyReLU for GAT. */
INLINE void put_terms(tile *tl, int t, const dg_edges *e, const vf *zj, const vf *zi, const vf *dagg, int32_t i,
                      int32_t j, bool v2, int nv, int q, int hp) {
  const dg_real *stat = e->stat + (size_t)i * DG_STATS * hp;
  vf s[MAX_PATTERN], g[MAX_PATTERN], sign[MAX_PATTERN];
  if (v2) {
    gatv2_score(s, zj, zi, (const vf *)e->att, e->slope, nv, q, hp);
  } else {
    for (int k = 0; k < q; k++) s[k] = load_pattern(stat + DG_STAT_SCORE * hp, hp, k);
    gat_score(s, sign, e, s, j, q, hp);
  }
  for (int k = 0; k < q; k++) g[k] = splat(0);
  for (int v = 0; v < nv; v++) g[v % q] += dagg[v] * zj[v];
  for (int k = 0; k < q; k++) {
    g[k] = fold(g[k], hp);
    if (e->drop.threshold) {
      const vf mask = edge_mask(e, i, j, k, hp);
      g[k] *= mask;
      store_pattern(tl->mask + (size_t)t * hp, hp, k, mask);
    }
    g[k] -= load_pattern(stat + DG_STAT_DOT * hp, hp, k);
    if (!v2) g[k] *= sign[k] * (1 - e->slope) + e->slope;
    store_pattern(tl->weight + (size_t)t * hp, hp, k, s[k] - load_pattern(stat + DG_STAT_MAX * hp, hp, k));
    store_pattern(tl->slope + (size_t)t * hp, hp, k, g[k]);
    store_pattern(tl->rsum + (size_t)t * hp, hp, k, load_pattern(stat + DG_STAT_RSUM * hp, hp, k));
  }
}

/* Terms become coefficients after dropout (`weight`) and gradients of scores (`slope`). */
INLINE void finish_terms(tile *tl, const dg_edges *e, int numbers) {
  for (int c = 0; c < numbers; c += DG_VL) {
    vf a = vexp(load(tl->weight + c)) * load(tl->rsum + c);
    store(tl->slope + c, a * load(tl->slope + c));
    if (e->drop.threshold) a *= load(tl->mask + c);
    store(tl->weight + c, a);
  }
}

/* Edges [first, last) of a tile, which begin in `row`. */
typedef struct span {
  int32_t row, first, last;
} span;

/* The edges of rows [begin, end) tile by tile: SPAN is the span of each. */
#define FOR_TILES_OF(SPAN, indptr, begin, end, hp)                                                                     \
  for (span SPAN = {begin, (indptr)[begin], min_int((indptr)[begin] + tile_edges(hp), (indptr)[end])};                 \
       SPAN.first < (indptr)[end];                                                                                     \
       SPAN.first = SPAN.last, SPAN.last = min_int(SPAN.first + tile_edges(hp), (indptr)[end]))

/* The rows of a tile: edges [FROM, TO) of each lie in it. */
#define FOR_ROWS_OF(SPAN, indptr, ROW, FROM, TO)                                                                       \
  for (int32_t ROW = (SPAN).row, FROM = (SPAN).first, TO; FROM < (SPAN).last; ROW++, FROM = TO)                        \
    if (TO = min_int((indptr)[ROW + 1], (SPAN).last), true)

/* The row in which the next tile begins. */
INLINE int32_t next_row(const span *s, const int32_t *indptr) {
  int32_t row = s->row;
  while (s->last > indptr[row] && indptr[row + 1] <= s->last) row++;
  return row;
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

/* Sources without out-edges take no part in tiles. */
INLINE void clear_empty(const dg_edges *e, int32_t begin, int32_t end, int nv) {
  for (int32_t j = begin; j < end; j++)
    if (e->t_indptr[j] == e->t_indptr[j + 1]) memset(e->dz + (size_t)j * nv * DG_VL, 0, (size_t)nv * sizeof(vf));
}

/* dzr = d loss / d zr of targets; sum gets the attention vector's gradient. */
INLINE void gatv2_dst_rows(const dg_edges *e, int32_t begin, int32_t end, int nv, int hp, vf *sum) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  const vf *att = (const vf *)e->att;
  tile tl;
  vf local[MAX_FIXED], total[MAX_FIXED], *datt = IS_FIXED(nv) ? total : sum;
  for (int v = 0; v < nv; v++) datt[v] = splat(0);
  FOR_TILES_OF(s, e->indptr, begin, end, hp) {
    FOR_ROWS_OF(s, e->indptr, i, from, to) {
      const vf *zi = (const vf *)(e->zr + i * ld), *dagg = (const vf *)(e->dagg + i * ld);
      for (int32_t t = from; t < to; t++) {
        const int32_t j = e->indices[t];
        if (e->ahead) prefetch(e->z + row_ahead(e, e->indices, t) * ld, (int)ld);
        put_terms(&tl, t - s.first, e, (const vf *)(e->z + j * ld), zi, dagg, i, j, true, nv, q, hp);
      }
    }
    finish_terms(&tl, e, (s.last - s.first) * hp);
    FOR_ROWS_OF(s, e->indptr, i, from, to) {
      const vf *zi = (const vf *)(e->zr + i * ld);
      vf *acc = begin_row(local, e->dzr + i * ld, from == e->indptr[i], nv);
      for (int32_t t = from; t < to; t++) {
        const vf *zj = (const vf *)(e->z + e->indices[t] * ld);
        for (int v = 0; v < nv; v++) {
          const vf ds = load_pattern(tl.slope + (size_t)(t - s.first) * hp, hp, v % q), u = zj[v] + zi[v];
          const vf d = where_positive(u, ds, ds * e->slope);
          acc[v] += d;
          datt[v] += d * u;
        }
      }
      for (int v = 0; to == e->indptr[i + 1] && v < nv; v++) acc[v] *= att[v];
      end_row(e->dzr + i * ld, acc, nv);
    }
    s.row = next_row(&s, e->indptr);
  }
  for (int v = 0; IS_FIXED(nv) && v < nv; v++) sum[v] = datt[v];
}

/* dz = d loss / d z of sources over their out-edges. */
INLINE void gatv2_src_rows(const dg_edges *e, int32_t begin, int32_t end, int nv, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  const vf *att = (const vf *)e->att;
  tile tl;
  vf local[MAX_FIXED];
  clear_empty(e, begin, end, nv);
  FOR_TILES_OF(s, e->t_indptr, begin, end, hp) {
    FOR_ROWS_OF(s, e->t_indptr, j, from, to) {
      const vf *zj = (const vf *)(e->z + j * ld);
      for (int32_t t = from; t < to; t++) {
        const int32_t i = e->t_indices[t];
        if (e->ahead) prefetch_target(e, t, ld, hp, true);
        put_terms(&tl, t - s.first, e, zj, (const vf *)(e->zr + i * ld), (const vf *)(e->dagg + i * ld), i, j, true, nv,
                  q, hp);
      }
    }
    finish_terms(&tl, e, (s.last - s.first) * hp);
    FOR_ROWS_OF(s, e->t_indptr, j, from, to) {
      const vf *zj = (const vf *)(e->z + j * ld);
      vf *acc = begin_row(local, e->dz + j * ld, from == e->t_indptr[j], nv);
      for (int32_t t = from; t < to; t++) {
        const size_t i = (size_t)e->t_indices[t] * ld, at = (size_t)(t - s.first) * hp;
        const vf *zi = (const vf *)(e->zr + i), *dagg = (const vf *)(e->dagg + i);
        for (int v = 0; v < nv; v++) {
          const vf ds = load_pattern(tl.slope + at, hp, v % q), u = zj[v] + zi[v];
          acc[v] +=
              load_pattern(tl.weight + at, hp, v % q) * dagg[v] + ds * where_positive(u, att[v], att[v] * e->slope);
        }
      }
      end_row(e->dz + j * ld, acc, nv);
    }
    s.row = next_row(&s, e->t_indptr);
  }
}

/* Adds what the scores of source j give to its row of dz (GAT), and their shares of the attention vectors' gradients to
   da [2 nv]. */
INLINE void add_scores(const dg_edges *e, int32_t j, int nv, int hp, vf *acc, const vf *dsrc, vf *da) {
  const int q = pattern_size(hp);
  const vf *zj = (const vf *)(e->z + (size_t)j * nv * DG_VL);
  vf ddst[MAX_PATTERN];
  for (int k = 0; k < q; k++) ddst[k] = j < e->n_dst ? load_pattern(e->dscore_dst + (size_t)j * hp, hp, k) : splat(0);
  for (int v = 0; v < nv; v++) {
    acc[v] += dsrc[v % q] * ((const vf *)e->att)[v] + ddst[v % q] * ((const vf *)e->att_dst)[v];
    da[v] += dsrc[v % q] * zj[v];
    da[nv + v] += ddst[v % q] * zj[v];
  }
}

/* dz = d loss / d z of sources (GAT), their own scores' share included; sum [2 nv] gets the gradients of a_src and
   a_dst. */
INLINE void gat_src_rows(const dg_edges *e, int32_t begin, int32_t end, int nv, int hp, vf *sum) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  tile tl;
  vf local[MAX_FIXED], dsrc[MAX_PATTERN];
  for (int v = 0; v < 2 * nv; v++) sum[v] = splat(0);
  clear_empty(e, begin, end, nv);
  FOR_TILES_OF(s, e->t_indptr, begin, end, hp) {
    FOR_ROWS_OF(s, e->t_indptr, j, from, to) {
      const vf *zj = (const vf *)(e->z + j * ld);
      for (int32_t t = from; t < to; t++) {
        const int32_t i = e->t_indices[t];
        if (e->ahead) prefetch_target(e, t, ld, hp, false);
        put_terms(&tl, t - s.first, e, zj, NULL, (const vf *)(e->dagg + i * ld), i, j, false, nv, q, hp);
      }
    }
    finish_terms(&tl, e, (s.last - s.first) * hp);
    FOR_ROWS_OF(s, e->t_indptr, j, from, to) {
      vf *acc = begin_row(local, e->dz + j * ld, from == e->t_indptr[j], nv);
      for (int k = 0; from == e->t_indptr[j] && k < q; k++) dsrc[k] = splat(0);
      for (int32_t t = from; t < to; t++) {
        const vf *dagg = (const vf *)(e->dagg + e->t_indices[t] * ld);
        const size_t at = (size_t)(t - s.first) * hp;
        for (int k = 0; k < q; k++) dsrc[k] += load_pattern(tl.slope + at, hp, k);
        for (int v = 0; v < nv; v++) acc[v] += load_pattern(tl.weight + at, hp, v % q) * dagg[v];
      }
      if (to == e->t_indptr[j + 1]) add_scores(e, j, nv, hp, acc, dsrc, sum);
      end_row(e->dz + j * ld, acc, nv);
    }
    s.row = next_row(&s, e->t_indptr);
  }
}

/* out = sum of norm_row * norm_other * x_other over rows of `indices`. */
INLINE void gcn_rows(const dg_edges *e, dg_real *out, const dg_real *x, const int32_t *indptr, const int32_t *indices,
                     int32_t begin, int32_t end, int nv) {
  const size_t ld = (size_t)nv * DG_VL;
  vf local[MAX_FIXED];
  for (int32_t row = begin; row < end; row++) {
    vf *acc = begin_row(local, out + row * ld, true, nv);
    for (int32_t t = indptr[row]; t < indptr[row + 1]; t++) {
      const vf *other = (const vf *)(x + indices[t] * ld);
      if (e->ahead) prefetch(x + row_ahead(e, indices, t) * ld, (int)ld);
      const vf w = splat(e->norm[row] * e->norm[indices[t]]);
      for (int v = 0; v < nv; v++) acc[v] += w * other[v];
    }
    end_row(out + row * ld, acc, nv);
  }
}

/* Calls with (nv, hp), constant for usual shapes; for others at least the heads, where they are usual. */
#define FOR_SHAPES(CALL)                                                                                               \
  if (e->hp == 8 && e->ld == 64)                                                                                       \
    CALL(64 / DG_VL, 8);                                                                                               \
  else if (e->hp == 1 && e->ld == 16)                                                                                  \
    CALL(16 / DG_VL, 1);                                                                                               \
  else if (e->hp == 1 && e->ld == 48)                                                                                  \
    CALL(48 / DG_VL, 1);                                                                                               \
  else if (e->hp == 1 && e->ld == 64)                                                                                  \
    CALL(64 / DG_VL, 1);                                                                                               \
  else if (e->hp == 1)                                                                                                 \
    CALL(e->ld / DG_VL, 1);                                                                                            \
  else if (e->hp == 8)                                                                                                 \
    CALL(e->ld / DG_VL, 8);                                                                                            \
  else                                                                                                                 \
    CALL(e->ld / DG_VL, e->hp)

static void gatv2_forward(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) attention_rows(e, begin, end, true, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gat_forward(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) attention_rows(e, begin, end, false, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gcn_forward(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) gcn_rows(e, e->agg, e->z, e->indptr, e->indices, begin, end, nv)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gcn_backward_src(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) gcn_rows(e, e->dz, e->dagg, e->t_indptr, e->t_indices, begin, end, nv)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gatv2_backward_dst(const dg_edges *e, int32_t begin, int32_t end, dg_real *partial) {
#define CALL(nv, hp) gatv2_dst_rows(e, begin, end, nv, hp, (vf *)partial)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gatv2_backward_src(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) gatv2_src_rows(e, begin, end, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gat_backward_src(const dg_edges *e, int32_t begin, int32_t end, dg_real *partial) {
#define CALL(nv, hp) gat_src_rows(e, begin, end, nv, hp, (vf *)partial)
  FOR_SHAPES(CALL);
#undef CALL
}

/* Pattern of <x, y> a head. */
INLINE void head_dots(vf *s, const vf *x, const vf *y, int nv, int q, int hp) {
  for (int k = 0; k < q; k++) s[k] = splat(0);
  for (int v = 0; v < nv; v++) s[v % q] += x[v] * y[v];
  for (int k = 0; k < q; k++) s[k] = fold(s[k], hp);
}

INLINE void score_rows(const dg_edges *e, int32_t begin, int32_t end, int nv, int hp) {
  const int q = pattern_size(hp);
  vf s[MAX_PATTERN];
  for (int32_t j = begin; j < end; j++) {
    const vf *z = (const vf *)(e->z + (size_t)j * nv * DG_VL);
    head_dots(s, z, (const vf *)e->att, nv, q, hp);
    put(e->score_src, j, s, q, hp);
    if (j >= e->n_dst) continue;
    head_dots(s, z, (const vf *)e->att_dst, nv, q, hp);
    put(e->stat, j * DG_STATS + DG_STAT_SCORE, s, q, hp);
  }
}

static void gat_scores(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) score_rows(e, begin, end, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

/* The gradients of the scores of a row sum to zero: those at the lower slope of LeakyReLU cancel, and what is left of
   the target's score is (1 - slope) times the sum over edges of positive argument, <dOut, P> - <dOut, Out> A. */
INLINE void dot_rows(const dg_edges *e, int32_t begin, int32_t end, int nv, int hp) {
  const int q = pattern_size(hp);
  vf s[MAX_PATTERN], p[MAX_PATTERN];
  for (int32_t i = begin; i < end; i++) {
    const size_t row = (size_t)i * nv * DG_VL;
    head_dots(s, (const vf *)(e->dagg + row), (const vf *)(e->agg + row), nv, q, hp);
    put(e->stat, i * DG_STATS + DG_STAT_DOT, s, q, hp);
    if (!e->positive) continue;
    head_dots(p, (const vf *)(e->dagg + row), (const vf *)(e->positive + row), nv, q, hp);
    for (int k = 0; k < q; k++)
      p[k] = (p[k] - s[k] * load_pattern(e->dscore_dst + (size_t)i * hp, hp, k)) * (1 - e->slope);
    put(e->dscore_dst, i, p, q, hp);
  }
}

static void row_dots(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) dot_rows(e, begin, end, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

INLINE void alpha_rows(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha, bool v2, int nv, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  for (int32_t i = begin; i < end; i++) {
    const dg_real *stat = e->stat + (size_t)i * DG_STATS * hp;
    for (int32_t t = e->indptr[i]; t < e->indptr[i + 1]; t++, alpha += hp) {
      vf s[MAX_PATTERN], si[MAX_PATTERN], sign[MAX_PATTERN];
      const int32_t j = e->indices[t];
      for (int k = 0; k < q; k++) si[k] = load_pattern(stat + DG_STAT_SCORE * hp, hp, k);
      if (v2)
        gatv2_score(s, (const vf *)(e->z + j * ld), (const vf *)(e->zr + i * ld), (const vf *)e->att, e->slope, nv, q,
                    hp);
      else
        gat_score(s, sign, e, si, j, q, hp);
      for (int k = 0; k < q; k++)
        s[k] =
            vexp(s[k] - load_pattern(stat + DG_STAT_MAX * hp, hp, k)) * load_pattern(stat + DG_STAT_RSUM * hp, hp, k);
      put(alpha, 0, s, q, hp);
    }
  }
}

static void gatv2_alpha(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha) {
#define CALL(nv, hp) alpha_rows(e, begin, end, alpha, true, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gat_alpha(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha) {
#define CALL(nv, hp) alpha_rows(e, begin, end, alpha, false, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}
