/* Aggregation over edges, forward and backward. Row bodies take the number nv of vectors in a row and q in a pattern as
   constants where a fast path exists, and keep sums in registers then; `DG_SPECIALISE` makes the paths. */

#define TILE 32                            /* pattern vectors scored before their edges are accumulated */
#define MAX_PATTERN (DG_MAX_HEADS / DG_VL) /* vectors of a pattern on the stack */

/* Row index of the edge to prefetch while edge t is worked on. */
INLINE int32_t row_ahead(const dg_edges *e, const int32_t *indices, int32_t t) {
  return indices[t + e->ahead < e->n_edges ? t + e->ahead : t];
}

INLINE void prefetch(const dg_real *row, int n) {
  for (int c = 0; c < n; c += 64 / (int)sizeof *row) __builtin_prefetch(row + c);
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

INLINE void gat_score(vf *s, const dg_edges *e, const vf *si, int32_t j, int q) {
  for (int k = 0; k < q; k++) {
    vf u = load_pattern(e->score_src + (size_t)j * e->hp, e->hp, k) + si[k];
    s[k] = blend(u > 0, u, u * e->slope);
  }
}

/* Softmax-weighted sum over the in-edges of target i in one pass with running maximum and sum. */
INLINE void attention_row(const dg_edges *e, int32_t i, bool v2, int nv, int q, int hp, vf *acc) {
  const size_t ld = (size_t)nv * DG_VL;
  const int tile_edges = q < TILE ? TILE / q : 1;
  vf weight[TILE + MAX_PATTERN], top[MAX_PATTERN], sum[MAX_PATTERN], si[MAX_PATTERN];
  dg_real *stat = e->stat + (size_t)i * DG_STATS * hp;
  const vf *zi = v2 ? (const vf *)(e->zr + i * ld) : NULL;
  for (int k = 0; k < q; k++) {
    top[k] = splat((dg_real)-1e30), sum[k] = splat(0);
    if (!v2) si[k] = load_pattern(stat + DG_STAT_SCORE * hp, hp, k);
  }
  for (int v = 0; v < nv; v++) acc[v] = splat(0);
  for (int32_t first = e->indptr[i]; first < e->indptr[i + 1]; first += tile_edges) {
    int n = e->indptr[i + 1] - first < tile_edges ? e->indptr[i + 1] - first : tile_edges;
    vf before[MAX_PATTERN];
    for (int k = 0; k < q; k++) before[k] = top[k];
    for (int t = 0; t < n; t++) {
      int32_t j = e->indices[first + t];
      if (e->ahead) prefetch(e->z + row_ahead(e, e->indices, first + t) * ld, (int)ld);
      if (v2)
        gatv2_score(weight + t * q, (const vf *)(e->z + j * ld), zi, (const vf *)e->att, e->slope, nv, q, hp);
      else
        gat_score(weight + t * q, e, si, j, q);
      for (int k = 0; k < q; k++) top[k] = vmax(top[k], weight[t * q + k]);
    }
    if (first > e->indptr[i]) {
      vf shrink[MAX_PATTERN];
      for (int k = 0; k < q; k++) shrink[k] = vexp(before[k] - top[k]), sum[k] *= shrink[k];
      for (int v = 0; v < nv; v++) acc[v] *= shrink[v % q];
    }
    for (int t = 0; t < n; t++) {
      int32_t j = e->indices[first + t];
      const vf *zj = (const vf *)(e->z + j * ld);
      vf p[MAX_PATTERN];
      for (int k = 0; k < q; k++) {
        p[k] = vexp(weight[t * q + k] - top[k]);
        sum[k] += p[k];
        if (e->drop.threshold) p[k] *= edge_mask(e, i, j, k);
      }
      for (int v = 0; v < nv; v++) acc[v] += p[v % q] * zj[v];
    }
  }
  vf rsum[MAX_PATTERN];
  for (int k = 0; k < q; k++) {
    rsum[k] = 1 / sum[k];
    store_pattern(stat + DG_STAT_MAX * hp, hp, k, top[k]);
    store_pattern(stat + DG_STAT_RSUM * hp, hp, k, rsum[k]);
  }
  for (int v = 0; v < nv; v++) acc[v] *= rsum[v % q];
}

/* What the backward pass needs of target i: maximum, 1 / sum, <dOut, Out>. */
typedef struct row_stat {
  vf top[MAX_PATTERN], rsum[MAX_PATTERN], dot[MAX_PATTERN], score[MAX_PATTERN];
} row_stat;

INLINE void load_stat(row_stat *r, const dg_edges *e, int32_t i, int q, int hp, bool v2) {
  const dg_real *stat = e->stat + (size_t)i * DG_STATS * hp;
  for (int k = 0; k < q; k++) {
    r->top[k] = load_pattern(stat + DG_STAT_MAX * hp, hp, k);
    r->rsum[k] = load_pattern(stat + DG_STAT_RSUM * hp, hp, k);
    r->dot[k] = load_pattern(stat + DG_STAT_DOT * hp, hp, k);
    if (!v2) r->score[k] = load_pattern(stat + DG_STAT_SCORE * hp, hp, k);
  }
}

/* Coefficient after dropout, and gradient of the score, of the edge j -> i. */
INLINE void edge_gradient(vf *alpha, vf *ds, const dg_edges *e, const row_stat *r, const vf *zj, const vf *zi,
                          const vf *dagg, int32_t i, int32_t j, bool v2, int nv, int q, int hp) {
  vf s[MAX_PATTERN], g[MAX_PATTERN];
  if (v2)
    gatv2_score(s, zj, zi, (const vf *)e->att, e->slope, nv, q, hp);
  else
    gat_score(s, e, r->score, j, q);
  for (int k = 0; k < q; k++) g[k] = splat(0);
  for (int v = 0; v < nv; v++) g[v % q] += dagg[v] * zj[v];
  for (int k = 0; k < q; k++) {
    vf a = vexp(s[k] - r->top[k]) * r->rsum[k];
    vf mask = e->drop.threshold ? edge_mask(e, i, j, k) : splat(1);
    ds[k] = a * (fold(g[k], hp) * mask - r->dot[k]);
    alpha[k] = a * mask;
    if (!v2) {
      vf u = load_pattern(e->score_src + (size_t)j * hp, hp, k) + r->score[k];
      ds[k] *= blend(u > 0, splat(1), splat(e->slope));
    }
  }
}

/* acc = d loss / d zr_i; datt += its share. */
INLINE void gatv2_dst_row(const dg_edges *e, int32_t i, int nv, int q, int hp, vf *acc, vf *datt) {
  const size_t ld = (size_t)nv * DG_VL;
  const vf *zi = (const vf *)(e->zr + i * ld), *dagg = (const vf *)(e->dagg + i * ld), *att = (const vf *)e->att;
  const vf slope = splat(e->slope);
  row_stat r;
  load_stat(&r, e, i, q, hp, true);
  for (int v = 0; v < nv; v++) acc[v] = splat(0);
  for (int32_t t = e->indptr[i]; t < e->indptr[i + 1]; t++) {
    int32_t j = e->indices[t];
    const vf *zj = (const vf *)(e->z + j * ld);
    if (e->ahead) prefetch(e->z + row_ahead(e, e->indices, t) * ld, (int)ld);
    vf alpha[MAX_PATTERN], ds[MAX_PATTERN];
    edge_gradient(alpha, ds, e, &r, zj, zi, dagg, i, j, true, nv, q, hp);
    for (int v = 0; v < nv; v++) {
      vf u = zj[v] + zi[v];
      vf d = ds[v % q] * blend(u > 0, splat(1), slope);
      acc[v] += d;
      datt[v] += d * u;
    }
  }
  for (int v = 0; v < nv; v++) acc[v] *= att[v];
}

/* acc = d loss / d z_j over the out-edges of j. */
INLINE void gatv2_src_row(const dg_edges *e, int32_t j, int nv, int q, int hp, vf *acc) {
  const size_t ld = (size_t)nv * DG_VL;
  const vf *zj = (const vf *)(e->z + j * ld), *att = (const vf *)e->att;
  const vf slope = splat(e->slope);
  for (int v = 0; v < nv; v++) acc[v] = splat(0);
  for (int32_t t = e->t_indptr[j]; t < e->t_indptr[j + 1]; t++) {
    int32_t i = e->t_indices[t];
    if (e->ahead) prefetch_target(e, t, ld, hp, true);
    const vf *zi = (const vf *)(e->zr + i * ld), *dagg = (const vf *)(e->dagg + i * ld);
    row_stat r;
    load_stat(&r, e, i, q, hp, true);
    vf alpha[MAX_PATTERN], ds[MAX_PATTERN];
    edge_gradient(alpha, ds, e, &r, zj, zi, dagg, i, j, true, nv, q, hp);
    for (int v = 0; v < nv; v++) {
      vf u = zj[v] + zi[v];
      acc[v] += alpha[v % q] * dagg[v] + ds[v % q] * blend(u > 0, att[v], att[v] * slope);
    }
  }
}

/* acc = d loss / d z_j (GAT), its own scores' share included; da [2 nv] += shares of a_src and a_dst. */
INLINE void gat_src_row(const dg_edges *e, int32_t j, int nv, int q, int hp, vf *acc, vf *da) {
  const size_t ld = (size_t)nv * DG_VL;
  const vf *zj = (const vf *)(e->z + j * ld);
  vf dsrc[MAX_PATTERN], ddst[MAX_PATTERN];
  for (int k = 0; k < q; k++) {
    dsrc[k] = splat(0);
    ddst[k] = j < e->n_dst ? load_pattern(e->dscore_dst + (size_t)j * hp, hp, k) : splat(0);
  }
  for (int v = 0; v < nv; v++) acc[v] = splat(0);
  for (int32_t t = e->t_indptr[j]; t < e->t_indptr[j + 1]; t++) {
    int32_t i = e->t_indices[t];
    if (e->ahead) prefetch_target(e, t, ld, hp, false);
    const vf *dagg = (const vf *)(e->dagg + i * ld);
    row_stat r;
    load_stat(&r, e, i, q, hp, false);
    vf alpha[MAX_PATTERN], ds[MAX_PATTERN];
    edge_gradient(alpha, ds, e, &r, zj, NULL, dagg, i, j, false, nv, q, hp);
    for (int k = 0; k < q; k++) dsrc[k] += ds[k];
    for (int v = 0; v < nv; v++) acc[v] += alpha[v % q] * dagg[v];
  }
  for (int v = 0; v < nv; v++) {
    acc[v] += dsrc[v % q] * ((const vf *)e->att)[v] + ddst[v % q] * ((const vf *)e->att_dst)[v];
    da[v] += dsrc[v % q] * zj[v];
    da[nv + v] += ddst[v % q] * zj[v];
  }
}

INLINE void gat_dst_row(const dg_edges *e, int32_t i, int nv, int q, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const vf *dagg = (const vf *)(e->dagg + i * ld);
  row_stat r;
  load_stat(&r, e, i, q, hp, false);
  vf sum[MAX_PATTERN];
  for (int k = 0; k < q; k++) sum[k] = splat(0);
  for (int32_t t = e->indptr[i]; t < e->indptr[i + 1]; t++) {
    int32_t j = e->indices[t];
    if (e->ahead) prefetch(e->z + row_ahead(e, e->indices, t) * ld, (int)ld);
    vf alpha[MAX_PATTERN], ds[MAX_PATTERN];
    edge_gradient(alpha, ds, e, &r, (const vf *)(e->z + j * ld), NULL, dagg, i, j, false, nv, q, hp);
    for (int k = 0; k < q; k++) sum[k] += ds[k];
  }
  for (int k = 0; k < q; k++) store_pattern(e->dscore_dst + (size_t)i * hp, hp, k, sum[k]);
}

/* acc = sum of norm_row * norm_other * x_other over a row of `indices`. */
INLINE void gcn_row(const dg_edges *e, const dg_real *x, const int32_t *indptr, const int32_t *indices, int32_t row,
                    int nv, vf *acc) {
  const size_t ld = (size_t)nv * DG_VL;
  for (int v = 0; v < nv; v++) acc[v] = splat(0);
  for (int32_t t = indptr[row]; t < indptr[row + 1]; t++) {
    const vf *other = (const vf *)(x + indices[t] * ld);
    if (e->ahead) prefetch(x + row_ahead(e, indices, t) * ld, (int)ld);
    vf w = splat(e->norm[row] * e->norm[indices[t]]);
    for (int v = 0; v < nv; v++) acc[v] += w * other[v];
  }
}

/* Runs BODY(nv, q, hp, acc) for each row with constants for usual shapes; acc then lives in registers and is stored to
   the row of `out`, else it is that row. */
#define FIXED_ROWS(NV, HP, OUT, BODY)                                                                                  \
  for (int32_t row = begin; row < end; row++) {                                                                        \
    vf acc[NV];                                                                                                        \
    BODY(row, NV, ((HP) > DG_VL ? (HP) / DG_VL : 1), HP, acc);                                                         \
    for (int v = 0; v < (NV); v++) ((vf *)((OUT) + (size_t)row * e->ld))[v] = acc[v];                                  \
  }
#define ANY_ROWS(Q, OUT, BODY)                                                                                         \
  for (int32_t row = begin; row < end; row++) BODY(row, e->ld / DG_VL, Q, e->hp, (vf *)((OUT) + (size_t)row * e->ld));
#define DG_SPECIALISE(OUT, BODY)                                                                                       \
  if (e->hp == 8 && e->ld == 64) {                                                                                     \
    FIXED_ROWS(64 / DG_VL, 8, OUT, BODY)                                                                               \
  } else if (e->hp == 1 && e->ld == 16) {                                                                              \
    FIXED_ROWS(16 / DG_VL, 1, OUT, BODY)                                                                               \
  } else if (e->hp == 1 && e->ld == 48) {                                                                              \
    FIXED_ROWS(48 / DG_VL, 1, OUT, BODY)                                                                               \
  } else if (e->hp == 1 && e->ld == 64) {                                                                              \
    FIXED_ROWS(64 / DG_VL, 1, OUT, BODY)                                                                               \
  } else if (e->hp <= DG_VL) {                                                                                         \
    ANY_ROWS(1, OUT, BODY)                                                                                             \
  } else {                                                                                                             \
    ANY_ROWS(e->hp / DG_VL, OUT, BODY)                                                                                 \
  }

static void gatv2_forward(const dg_edges *e, int32_t begin, int32_t end) {
#define BODY(row, nv, q, hp, acc) attention_row(e, row, true, nv, q, hp, acc)
  DG_SPECIALISE(e->agg, BODY)
#undef BODY
}

static void gat_forward(const dg_edges *e, int32_t begin, int32_t end) {
#define BODY(row, nv, q, hp, acc) attention_row(e, row, false, nv, q, hp, acc)
  DG_SPECIALISE(e->agg, BODY)
#undef BODY
}

static void gcn_forward(const dg_edges *e, int32_t begin, int32_t end) {
#define BODY(row, nv, q, hp, acc) gcn_row(e, e->z, e->indptr, e->indices, row, nv, acc)
  DG_SPECIALISE(e->agg, BODY)
#undef BODY
}

static void gcn_backward_src(const dg_edges *e, int32_t begin, int32_t end) {
#define BODY(row, nv, q, hp, acc) gcn_row(e, e->dagg, e->t_indptr, e->t_indices, row, nv, acc)
  DG_SPECIALISE(e->dz, BODY)
#undef BODY
}

static void gatv2_backward_dst(const dg_edges *e, int32_t begin, int32_t end, dg_real *partial) {
  memset(partial, 0, (size_t)e->ld * sizeof *partial);
#define BODY(row, nv, q, hp, acc) gatv2_dst_row(e, row, nv, q, hp, acc, (vf *)partial)
  DG_SPECIALISE(e->dzr, BODY)
#undef BODY
}

static void gatv2_backward_src(const dg_edges *e, int32_t begin, int32_t end) {
#define BODY(row, nv, q, hp, acc) gatv2_src_row(e, row, nv, q, hp, acc)
  DG_SPECIALISE(e->dz, BODY)
#undef BODY
}

static void gat_backward_src(const dg_edges *e, int32_t begin, int32_t end, dg_real *partial) {
  memset(partial, 0, 2 * (size_t)e->ld * sizeof *partial);
#define BODY(row, nv, q, hp, acc) gat_src_row(e, row, nv, q, hp, acc, (vf *)partial)
  DG_SPECIALISE(e->dz, BODY)
#undef BODY
}

static void gat_backward_dst(const dg_edges *e, int32_t begin, int32_t end) {
  if (e->hp == 8 && e->ld == 64)
    for (int32_t i = begin; i < end; i++) gat_dst_row(e, i, 64 / DG_VL, 8 > DG_VL ? 8 / DG_VL : 1, 8);
  else
    for (int32_t i = begin; i < end; i++) gat_dst_row(e, i, e->ld / DG_VL, pattern_size(e->hp), e->hp);
}

/* Pattern of <x, y> a head. */
INLINE void head_dots(vf *s, const vf *x, const vf *y, int nv, int q, int hp) {
  for (int k = 0; k < q; k++) s[k] = splat(0);
  for (int v = 0; v < nv; v++) s[v % q] += x[v] * y[v];
  for (int k = 0; k < q; k++) s[k] = fold(s[k], hp);
}

static void gat_scores(const dg_edges *e, int32_t begin, int32_t end) {
  const int nv = e->ld / DG_VL, q = pattern_size(e->hp), hp = e->hp;
  vf s[MAX_PATTERN];
  for (int32_t j = begin; j < end; j++) {
    const vf *z = (const vf *)(e->z + (size_t)j * e->ld);
    head_dots(s, z, (const vf *)e->att, nv, q, hp);
    for (int k = 0; k < q; k++) store_pattern(e->score_src + (size_t)j * hp, hp, k, s[k]);
    if (j >= e->n_dst) continue;
    head_dots(s, z, (const vf *)e->att_dst, nv, q, hp);
    dg_real *stat = e->stat + ((size_t)j * DG_STATS + DG_STAT_SCORE) * hp;
    for (int k = 0; k < q; k++) store_pattern(stat, hp, k, s[k]);
  }
}

static void row_dots(const dg_edges *e, int32_t begin, int32_t end) {
  const int nv = e->ld / DG_VL, q = pattern_size(e->hp), hp = e->hp;
  vf s[MAX_PATTERN];
  for (int32_t i = begin; i < end; i++) {
    head_dots(s, (const vf *)(e->dagg + (size_t)i * e->ld), (const vf *)(e->agg + (size_t)i * e->ld), nv, q, hp);
    dg_real *stat = e->stat + ((size_t)i * DG_STATS + DG_STAT_DOT) * hp;
    for (int k = 0; k < q; k++) store_pattern(stat, hp, k, s[k]);
  }
}

INLINE void alpha_rows(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha, bool v2) {
  const int nv = e->ld / DG_VL, q = pattern_size(e->hp), hp = e->hp;
  for (int32_t i = begin; i < end; i++) {
    row_stat r;
    load_stat(&r, e, i, q, hp, v2);
    for (int32_t t = e->indptr[i]; t < e->indptr[i + 1]; t++, alpha += hp) {
      vf s[MAX_PATTERN];
      int32_t j = e->indices[t];
      if (v2)
        gatv2_score(s, (const vf *)(e->z + (size_t)j * e->ld), (const vf *)(e->zr + (size_t)i * e->ld),
                    (const vf *)e->att, e->slope, nv, q, hp);
      else
        gat_score(s, e, r.score, j, q);
      for (int k = 0; k < q; k++) store_pattern(alpha, hp, k, vexp(s[k] - r.top[k]) * r.rsum[k]);
    }
  }
}

static void gatv2_alpha(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha) {
  alpha_rows(e, begin, end, alpha, true);
}

static void gat_alpha(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha) {
  alpha_rows(e, begin, end, alpha, false);
}
