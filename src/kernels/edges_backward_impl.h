/* Aggregation over edges, backward. A tile takes the edges of as many rows as fit. */

/* What the transposed passes gather of a target. */
INLINE void prefetch_target(const dg_edges *e, int32_t t, size_t ld, int hp, bool v2) {
  const int32_t i = row_ahead(e, e->t_indices, t);
  prefetch_row(TABLE(e, dagg) + i * ld, (int)ld);
  if (v2) prefetch_row(TABLE(e, zr) + i * ld, (int)ld);
  prefetch(e->stat + (size_t)i * DG_STATS * hp, DG_STATS * hp);
}

/* Terms of the edge j -> i, edge t of the tile: score less maximum, and the gradient of its score over its coefficient,
   (<dOut_i, z_j> mask - <dOut_i, Out_i>), times the slope of LeakyReLU for GAT. */
INLINE void put_terms(tile *tl, int t, const dg_edges *e, table_row zj, table_row zi, table_row dagg, int32_t i,
                      int32_t j, const float *attributes, bool v2, bool edge, int nv, int q, int hp) {
  const dg_real *stat = e->stat + (size_t)i * DG_STATS * hp;
  vf s[MAX_PATTERN], g[MAX_PATTERN], sign[MAX_PATTERN];
  if (v2) {
    gatv2_score(s, e, zj, zi, (const vf *)e->att, e->slope, attributes, nv, q, hp);
  } else {
    for (int k = 0; k < q; k++) s[k] = load_pattern(stat + DG_STAT_SCORE * hp, hp, k);
    gat_score(s, sign, e, s, j, attributes, q, hp);
  }
  if (edge) drop_edge(s, e, i, j, q);
  for (int k = 0; k < q; k++) g[k] = splat(0);
  FOR_ROW(v, k, nv, q) g[k] += vector(dagg, v) * vector(zj, v);
  fold_pattern(g, q, hp);
  for (int k = 0; k < q; k++) {
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

/* Sources without out-edges take no part in tiles. */
INLINE void clear_empty(const dg_edges *e, int32_t begin, int32_t end, int nv) {
  for (int32_t j = begin; j < end; j++)
    if (e->t_indptr[j] == e->t_indptr[j + 1]) memset(e->dz + (size_t)j * nv * DG_VL, 0, (size_t)nv * sizeof(vf));
}

/* dzr = d loss / d zr of targets; sum gets the attention vector's gradient, and that of lin_edge is added behind it. */
INLINE void gatv2_dst_rows(const dg_edges *e, int32_t begin, int32_t end, bool edge, int nv, int hp, vf *sum) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  const vf *att = (const vf *)e->att;
  tile tl;
  vf local[MAX_FIXED], total[MAX_FIXED], room[MAX_FIXED], dagg_room[MAX_FIXED], *datt = IS_FIXED(nv) ? total : sum;
  for (int v = 0; v < nv; v++) datt[v] = splat(0);
  FOR_TILES_OF(s, e->indptr, begin, end, hp) {
    FOR_ROWS_OF(s, e->indptr, i, from, to) {
      const table_row zi = own_row(room, TABLE(e, zr) + i * ld, nv),
                      dagg = own_row(dagg_room, TABLE(e, dagg) + i * ld, nv);
      for (int32_t t = from; t < to; t++) {
        const int32_t j = e->indices[t];
        if (e->ahead) prefetch_row(TABLE(e, z) + row_ahead(e, e->indices, t) * ld, (int)ld);
        put_terms(&tl, t - s.first, e, row_of(TABLE(e, z) + j * ld), zi, dagg, i, j, attributes_of(e, t, edge), true,
                  edge, nv, q, hp);
      }
    }
    finish_terms(&tl, e, (s.last - s.first) * hp);
    FOR_ROWS_OF(s, e->indptr, i, from, to) {
      const table_row zi = own_row(room, TABLE(e, zr) + i * ld, nv);
      vf *acc = begin_row(local, e->dzr + i * ld, from == e->indptr[i], nv);
      for (int32_t t = from; t < to; t++) {
        const table_row zj = row_of(TABLE(e, z) + e->indices[t] * ld);
        const float *a = attributes_of(e, t, edge);
        FOR_ROW(v, k, nv, q) {
          const vf ds = load_pattern(tl.slope + (size_t)(t - s.first) * hp, hp, k),
                   u = gatv2_argument(e, zj, zi, a, v, nv);
          const vf d = where_positive(u, ds, ds * e->slope);
          acc[v] += d;
          datt[v] += d * u;
          for (int c = 0; a && c < e->edge_dim; c++) sum[(1 + c) * nv + v] += splat((dg_real)a[c]) * d;
        }
      }
      for (int v = 0; to == e->indptr[i + 1] && v < nv; v++) acc[v] *= att[v];
      end_row(e->dzr + i * ld, acc, nv);
    }
    s.row = next_row(&s, e->indptr);
  }
  for (int v = 0; IS_FIXED(nv) && v < nv; v++) sum[v] = datt[v];
  for (int v = nv; edge && v < (1 + e->edge_dim) * nv; v++) sum[v] *= att[v % nv];
}

/* Attributes of out-edge t; NULL where edges have none. */
INLINE const float *out_attributes_of(const dg_edges *e, int32_t t, bool edge) {
  return edge && e->edge_dim > 0 ? attributes_of(e, e->t_edges[t], true) : NULL;
}

/* Coefficients and gradients of scores of the out-edges in a tile. */
INLINE void put_out_edges(tile *tl, const span *s, const dg_edges *e, bool v2, bool edge, int nv, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  vf room[MAX_FIXED];
  FOR_ROWS_OF(*s, e->t_indptr, j, from, to) {
    const table_row zj = own_row(room, TABLE(e, z) + j * ld, nv);
    for (int32_t t = from; t < to; t++) {
      const int32_t i = e->t_indices[t];
      table_row zi = {0};
      if (v2) zi = row_of(TABLE(e, zr) + i * ld);
      if (e->ahead) prefetch_target(e, t, ld, hp, v2);
      if (e->ahead && edge && e->edge_dim > 0) __builtin_prefetch(attributes_of(e, row_ahead(e, e->t_edges, t), true));
      put_terms(tl, t - s->first, e, zj, zi, row_of(TABLE(e, dagg) + i * ld), i, j, out_attributes_of(e, t, edge), v2,
                edge, nv, pattern_size(hp), hp);
    }
  }
  finish_terms(tl, e, (s->last - s->first) * hp);
}

/* dz = d loss / d z of sources over their out-edges. */
INLINE void gatv2_src_rows(const dg_edges *e, int32_t begin, int32_t end, bool edge, int nv, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  const vf *att = (const vf *)e->att;
  tile tl;
  vf local[MAX_FIXED], room[MAX_FIXED];
  clear_empty(e, begin, end, nv);
  FOR_TILES_OF(s, e->t_indptr, begin, end, hp) {
    put_out_edges(&tl, &s, e, true, edge, nv, hp);
    FOR_ROWS_OF(s, e->t_indptr, j, from, to) {
      const table_row zj = own_row(room, TABLE(e, z) + j * ld, nv);
      vf *acc = begin_row(local, e->dz + j * ld, from == e->t_indptr[j], nv);
      for (int32_t t = from; t < to; t++) {
        const size_t i = (size_t)e->t_indices[t] * ld, first = (size_t)(t - s.first) * hp;
        const table_row zi = row_of(TABLE(e, zr) + i), dagg = row_of(TABLE(e, dagg) + i);
        const float *a = out_attributes_of(e, t, edge);
        FOR_ROW(v, k, nv, q) {
          const vf ds = load_pattern(tl.slope + first, hp, k), u = gatv2_argument(e, zj, zi, a, v, nv);
          acc[v] += load_pattern(tl.weight + first, hp, k) * vector(dagg, v) +
                    ds * where_positive(u, att[v], att[v] * e->slope);
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
  const table_row zj = row_of(TABLE(e, z) + (size_t)j * nv * DG_VL);
  vf ddst[MAX_PATTERN];
  for (int k = 0; k < q; k++) ddst[k] = j < e->n_dst ? load_pattern(e->dscore_dst + (size_t)j * hp, hp, k) : splat(0);
  FOR_ROW(v, k, nv, q) {
    acc[v] += dsrc[k] * ((const vf *)e->att)[v] + ddst[k] * ((const vf *)e->att_dst)[v];
    da[v] += dsrc[k] * vector(zj, v);
    da[nv + v] += ddst[k] * vector(zj, v);
  }
}

/* Adds the shares of a tile's out-edges to the gradient of edge_scores: attributes times gradients of LeakyReLU's
   arguments. */
INLINE void add_edge_scores(dg_real *sum, const tile *tl, const span *s, const dg_edges *e, int hp) {
  for (int32_t t = s->first; t < s->last; t++) {
    const float *attributes = out_attributes_of(e, t, true);
    for (int c = 0; c < e->edge_dim; c++)
      for (int k = 0; k < pattern_size(hp); k++) {
        const vf slope = load_pattern(tl->slope + (size_t)(t - s->first) * hp, hp, k);
        const vf before = load_pattern(sum + (size_t)c * hp, hp, k);
        store_pattern(sum + (size_t)c * hp, hp, k, before + splat((dg_real)attributes[c]) * slope);
      }
  }
}

/* dz = d loss / d z of sources (GAT), their own scores' share included; sum [2 nv] gets the gradients of a_src and
   a_dst, and that of edge_scores is added behind them. */
INLINE void gat_src_rows(const dg_edges *e, int32_t begin, int32_t end, bool edge, int nv, int hp, vf *sum) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  tile tl;
  vf local[MAX_FIXED], dsrc[MAX_PATTERN];
  for (int v = 0; v < 2 * nv; v++) sum[v] = splat(0);
  clear_empty(e, begin, end, nv);
  FOR_TILES_OF(s, e->t_indptr, begin, end, hp) {
    put_out_edges(&tl, &s, e, false, edge, nv, hp);
    if (edge) add_edge_scores((dg_real *)(sum + 2 * nv), &tl, &s, e, hp);
    FOR_ROWS_OF(s, e->t_indptr, j, from, to) {
      vf *acc = begin_row(local, e->dz + j * ld, from == e->t_indptr[j], nv);
      for (int k = 0; from == e->t_indptr[j] && k < q; k++) dsrc[k] = splat(0);
      for (int32_t t = from; t < to; t++) {
        const table_row dagg = row_of(TABLE(e, dagg) + e->t_indices[t] * ld);
        const size_t first = (size_t)(t - s.first) * hp;
        for (int k = 0; k < q; k++) dsrc[k] += load_pattern(tl.slope + first, hp, k);
        FOR_ROW(v, k, nv, q) acc[v] += load_pattern(tl.weight + first, hp, k) * vector(dagg, v);
      }
      if (to == e->t_indptr[j + 1]) add_scores(e, j, nv, hp, acc, dsrc, sum);
      end_row(e->dz + j * ld, acc, nv);
    }
    s.row = next_row(&s, e->t_indptr);
  }
}

static void gcn_backward_src(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) sum_rows(e, SUM_SYMMETRIC, e->dz, TABLE(e, dagg), e->t_indptr, e->t_indices, begin, end, nv)
  FOR_SHAPES(CALL);
#undef CALL
}

static void mean_backward_src(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) sum_rows(e, SUM_MEAN_BACKWARD, e->dz, TABLE(e, dagg), e->t_indptr, e->t_indices, begin, end, nv)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gatv2_backward_dst(const dg_edges *e, int32_t begin, int32_t end, dg_real *partial) {
#define CALL(nv, hp) gatv2_dst_rows(e, begin, end, false, nv, hp, (vf *)partial)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gatv2_backward_src(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) gatv2_src_rows(e, begin, end, false, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gat_backward_src(const dg_edges *e, int32_t begin, int32_t end, dg_real *partial) {
#define CALL(nv, hp) gat_src_rows(e, begin, end, false, nv, hp, (vf *)partial)
  FOR_SHAPES(CALL);
#undef CALL
}

/* The gradients of the scores of a row sum to zero: those at the lower slope of LeakyReLU cancel, and what is left of
   the target's score is (1 - slope) times the sum over edges of positive argument, <dOut, P> - <dOut, Out> A. */
INLINE void dot_rows(const dg_edges *e, int32_t begin, int32_t end, int nv, int hp) {
  const int q = pattern_size(hp);
  vf s[MAX_PATTERN], p[MAX_PATTERN];
  for (int32_t i = begin; i < end; i++) {
    const size_t first = (size_t)i * nv * DG_VL;
    head_dots(s, row_of(TABLE(e, dagg) + first), (const vf *)(e->agg + first), nv, q, hp);
    put(e->stat, i * DG_STATS + DG_STAT_DOT, s, q, hp);
    if (!e->positive) continue;
    head_dots(p, row_of(TABLE(e, dagg) + first), (const vf *)(e->positive + first), nv, q, hp);
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
