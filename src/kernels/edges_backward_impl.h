/* Aggregation over edges, backward. A tile takes the edges of as many rows as fit. */

INLINE const dg_real *statistic(const dg_edges *e, int32_t i, int which, int hp) {
  return e->stat + ((size_t)i * DG_STATS + (size_t)which) * (size_t)hp;
}

/* What the transposed passes gather of a target. */
INLINE void prefetch_target(const dg_edges *e, int32_t t, size_t ld, int hp, bool v2) {
  const int32_t i = row_ahead(e, e->t_indices, e->n_out_edges, t);
  prefetch_row(TABLE(e, dagg) + i * ld, (int)ld);
  if (v2) prefetch_row(TABLE(e, zr) + i * ld, (int)ld);
  prefetch(e->stat + (size_t)i * DG_STATS * hp, DG_STATS * hp);
  if (e->drop.threshold) prefetch_line(e->ids + i);
}

/* Score of edge t of the tile, from j to i, and <dOut_i, z_j>, the gradient of its coefficient. */
INLINE void put_edge(tile *tl, int t, const dg_edges *e, const vf *att, table_row zj, table_row zi, table_row dagg,
                     int32_t i, int32_t j, const float *attributes, bool v2, bool edge, int nv, int q, int hp) {
  vf s[MAX_PATTERN], g[MAX_PATTERN], sign[MAX_PATTERN];
  if (v2) {
    gatv2_score(s, e, att, zj, zi, attributes, nv, q, hp);
  } else {
    for (int k = 0; k < q; k++) s[k] = load_pattern(statistic(e, i, DG_STAT_SCORE, hp), hp, k);
    gat_score(s, sign, e, s, j, attributes, q, hp);
    put(tl->sign, t, sign, q, hp);
  }
  if (edge) drop_edge(s, e, i, j, q);
  for (int k = 0; k < q; k++) g[k] = splat(0);
  FOR_ROW(v, k, nv, q) g[k] += vector(dagg, v) * vector(zj, v);
  fold_pattern(g, q, hp);
  put(tl->weight, t, s, q, hp);
  put(tl->slope, t, g, q, hp);
}

/* Statistics of a target, as patterns. */
typedef struct statistics {
  vf top[MAX_PATTERN], rsum[MAX_PATTERN], dot[MAX_PATTERN];
} statistics;

INLINE void load_statistics(statistics *s, const dg_edges *e, int32_t i, int q, int hp) {
  for (int k = 0; k < q; k++) {
    s->top[k] = load_pattern(statistic(e, i, DG_STAT_MAX, hp), hp, k);
    s->rsum[k] = load_pattern(statistic(e, i, DG_STAT_RSUM, hp), hp, k);
    s->dot[k] = load_pattern(statistic(e, i, DG_STAT_DOT, hp), hp, k);
  }
}

/* Stores those of the target of edge t. */
INLINE void put_statistics(tile *tl, int t, const statistics *s, int q, int hp) {
  put(tl->top, t, s->top, q, hp);
  put(tl->rsum, t, s->rsum, q, hp);
  put(tl->dot, t, s->dot, q, hp);
}

/* Scores of n edges become coefficients after dropout (`weight`) and gradients of scores, (<dOut_i, z_j> mask -
   <dOut_i, Out_i>) times the coefficient (`slope`), for GAT of the argument of LeakyReLU. */
INLINE void finish_edges(tile *tl, const dg_edges *e, int n, bool v2, int q, int hp) {
  for (int at = 0; at < n * hp; at += q * DG_VL)
    for (int k = 0; k < q; k++) {
      const int c = at + k * DG_VL;
      vf a = vexp(load(tl->weight + c) - load(tl->top + c)) * load(tl->rsum + c), g = load(tl->slope + c);
      vi kept;
      if (e->drop.threshold) kept = load_kept(tl, e, c), g = through(g, kept, &e->drop);
      g -= load(tl->dot + c);
      if (!v2) g *= load(tl->sign + c) * (1 - e->slope) + e->slope;
      store(tl->slope + c, a * g);
      if (e->drop.threshold) a = through(a, kept, &e->drop);
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

/* Whether row j of dz has nothing yet before its first out-edge. */
INLINE bool is_fresh(const dg_edges *e, int32_t j) {
  return !e->inner || j >= e->n_dst;
}

/* Sources without out-edges take no part in tiles. */
INLINE void clear_empty(const dg_edges *e, int32_t begin, int32_t end, int nv) {
  for (int32_t j = begin; j < end; j++)
    if (e->t_indptr[j] == e->t_indptr[j + 1] && is_fresh(e, j))
      memset(e->dz + (size_t)j * nv * DG_VL, 0, (size_t)nv * sizeof(vf));
}

/* In-edges of a target, by their places in a tile: those from sources in the chunk first. */
typedef struct sorting {
  int n, n_inner;
  uint8_t order[TILE_EDGES];
} sorting;

INLINE void sort_edges(sorting *s, const int32_t *sources, int from, int to, dg_range chunk) {
  int inner = 0, outer = to - from;
  s->n = to - from;
  for (int t = from; t < to; t++) {
    const bool in = (uint32_t)(sources[t] - chunk.begin) < (uint32_t)(chunk.end - chunk.begin);
    s->order[in ? inner : outer - 1] = (uint8_t)t;
    inner += in, outer -= !in;
  }
  s->n_inner = inner;
}

/* What is noted of an edge: coefficients after dropout [hp], gradients of scores [hp], and of each vector of the row in
   which lanes the argument of LeakyReLU is positive. */
typedef struct edge_note {
  dg_real *weight, *slope;
  lane_mask *positive;
} edge_note;

INLINE edge_note note_at(const dg_edges *e, int32_t n, int hp) {
  dg_real *numbers = (dg_real *)(e->notes + (size_t)n * e->note_size);
  return (edge_note){numbers, numbers + hp, (lane_mask *)(numbers + 2 * hp)};
}

static size_t gatv2_note_size(int hp, int ld) {
  const size_t bytes = 2 * (size_t)hp * sizeof(dg_real) + (size_t)(ld / DG_VL) * sizeof(lane_mask);
  return ld > 64 ? (bytes + 63) / 64 * 64 : 0;
}

/* A target, its rows, whether a tile has its first and its last edge, and what is summed over its edges in a block. */
typedef struct target {
  int32_t i;
  int32_t note; /* of the first of its outer edges in the tile */
  bool begins, ends;
  table_row z, dagg;
  vf acc[MAX_BLOCK], datt[MAX_BLOCK];
} target;

/* Whether outer edges are noted; where registers hold rows they never are. */
INLINE bool is_noted(const dg_edges *e, int nv) {
  return !IS_FIXED(nv) && e->notes;
}

/* Note of the k-th of the sorted edges, an outer one: these lie there from the last to the first. */
INLINE int32_t note_of(const target *to, const sorting *s, int k) {
  return to->note + s->n - 1 - k;
}

/* Notes of the outer edges of a target in a tile, but for what add_in_edge notes. */
INLINE void put_notes(const target *to, const dg_edges *e, const tile *tl, const sorting *s, int hp) {
  const size_t bytes = (size_t)hp * sizeof(dg_real);
  for (int k = s->n_inner; k < s->n; k++) {
    const edge_note n = note_at(e, note_of(to, s, k), hp);
    memcpy(n.weight, tl->weight + (size_t)s->order[k] * hp, bytes);
    memcpy(n.slope, tl->slope + (size_t)s->order[k] * hp, bytes);
  }
}

/* What edge t of the tile, the first of which is in-edge `first`, gives a block: dzr, gradients of the attention vector
   and of lin_edge, and where it is `inner` dz of its source; `positive`, unless NULL, gets what is noted of it. */
INLINE void add_in_edge(target *to, const dg_edges *e, const tile *tl, int32_t first, int t, const vf *att, bool inner,
                        lane_mask *positive, bool edge, vf *dedge, block b, int nv, int q, int hp) {
  const int32_t j = e->indices[first + t];
  const table_row zj = row_of(TABLE(e, z) + (size_t)j * nv * DG_VL, nv);
  const float *a = attributes_of(e, first + t, edge);
  vf *dz = (vf *)(e->dz + (size_t)j * nv * DG_VL);
  UNROLLED for (int v = 0; v < b.n; v++) {
    const int c = b.first + v, k = (b.k + v) % q;
    const vf ds = load_pattern(tl->slope + (size_t)t * hp, hp, k), u = gatv2_argument(e, zj, to->z, a, c, nv),
             d = where_positive(u, ds, ds * e->slope);
    to->acc[v] += d;
    to->datt[v] += d * u;
    if (positive) positive[c] = positive_bits(u);
    if (inner) dz[c] += load_pattern(tl->weight + (size_t)t * hp, hp, k) * vector(to->dagg, c) + d * att[c];
    for (int f = 0; a && f < e->edge_dim; f++) dedge[f * nv + c] += splat((dg_real)a[f]) * d;
  }
}

/* What a block gets of the edges of a tile; dzr is at its start with the row's first edge. */
INLINE void add_in_edges(target *to, const dg_edges *e, const tile *tl, const sorting *s, int32_t first, const vf *att,
                         bool edge, vf *datt, vf *dedge, block b, int nv, int q, int hp) {
  vf *out = (vf *)(e->dzr + (size_t)to->i * nv * DG_VL) + b.first;
  int k = 0;
  UNROLLED for (int v = 0; v < b.n; v++) {
    to->acc[v] = to->begins ? splat(0) : out[v];
    to->datt[v] = datt[b.first + v];
  }
  for (; k < s->n_inner; k++) add_in_edge(to, e, tl, first, s->order[k], att, true, NULL, edge, dedge, b, nv, q, hp);
  for (; is_noted(e, nv) && k < s->n; k++)
    add_in_edge(to, e, tl, first, s->order[k], att, false, note_at(e, note_of(to, s, k), hp).positive, edge, dedge, b,
                nv, q, hp);
  for (; k < s->n; k++) add_in_edge(to, e, tl, first, s->order[k], att, false, NULL, edge, dedge, b, nv, q, hp);
  UNROLLED for (int v = 0; v < b.n; v++) {
    if (to->ends) to->acc[v] *= att[b.first + v];
    out[v] = to->acc[v];
    datt[b.first + v] = to->datt[v];
  }
}

/* Coefficients and gradients of scores of the in-edges in a tile. */
INLINE void put_in_edges(tile *tl, const span *s, const dg_edges *e, const vf *att, bool edge, int nv, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  vf room[MAX_FIXED], dagg_room[MAX_FIXED];
  statistics own;
  FOR_ROWS_OF(*s, e->indptr, i, from, to) {
    const table_row zi = own_row(room, TABLE(e, zr) + i * ld, nv),
                    dagg = own_row(dagg_room, TABLE(e, dagg) + i * ld, nv);
    const uint32_t row = row_bits(e, i);
    load_statistics(&own, e, i, q, hp);
    for (int32_t t = from; t < to; t++) {
      const int32_t j = e->indices[t];
      if (e->ahead) prefetch_row(TABLE(e, z) + row_ahead(e, e->indices, e->n_edges, t) * ld, (int)ld);
      put_edge(tl, t - s->first, e, att, row_of(TABLE(e, z) + j * ld, nv), zi, dagg, i, j, attributes_of(e, t, edge),
               true, edge, nv, q, hp);
      put_statistics(tl, t - s->first, &own, q, hp);
      if (e->drop.threshold) put_seeds(tl, t - s->first, row, e->ids[j], q, hp);
    }
  }
  finish_edges(tl, e, s->last - s->first, true, q, hp);
}

/* dzr = d loss / d zr of targets; sum gets the attention vector's gradient, and that of lin_edge is added behind it. */
INLINE void gatv2_dst_rows(const dg_edges *e, int32_t begin, int32_t end, dg_range chunk, bool edge, int nv, int hp,
                           vf *sum) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  tile tl;
  sorting sorted;
  int32_t note = is_noted(e, nv) ? e->first_note[begin] : 0;
  vf local[MAX_FIXED], att_room[MAX_FIXED], room[MAX_FIXED], dagg_room[MAX_FIXED], *datt = IS_FIXED(nv) ? local : sum;
  const vf *att = own_vectors(att_room, e->att, nv);
  for (int v = 0; v < nv; v++) datt[v] = splat(0);
  for (int v = nv; edge && v < (1 + e->edge_dim) * nv; v++) sum[v] = splat(0);
  FOR_TILES_OF(s, e->indptr, begin, end, hp) {
    put_in_edges(&tl, &s, e, att, edge, nv, hp);
    FOR_ROWS_OF(s, e->indptr, i, from, to) {
      target of = {.i = i, .note = note, .begins = from == e->indptr[i], .ends = to == e->indptr[i + 1]};
      of.z = own_row(room, TABLE(e, zr) + i * ld, nv), of.dagg = own_row(dagg_room, TABLE(e, dagg) + i * ld, nv);
      sort_edges(&sorted, e->indices + s.first, from - s.first, to - s.first, chunk);
      if (is_noted(e, nv)) put_notes(&of, e, &tl, &sorted, hp);
      note += sorted.n - sorted.n_inner;
#define CALL_BLOCK(b) add_in_edges(&of, e, &tl, &sorted, s.first, att, edge, datt, sum + nv, b, nv, q, hp)
      FOR_BLOCKS(CALL_BLOCK, nv, q);
#undef CALL_BLOCK
    }
    s.row = next_row(&s, e->indptr);
  }
  for (int v = 0; IS_FIXED(nv) && v < nv; v++) sum[v] = datt[v];
  for (int v = nv; edge && v < (1 + e->edge_dim) * nv; v++) sum[v] *= ((const vf *)e->att)[v % nv];
}

/* Attributes of out-edge t; NULL where edges have none. */
INLINE const float *out_attributes_of(const dg_edges *e, int32_t t, bool edge) {
  return edge && e->edge_dim > 0 ? attributes_of(e, e->t_edges[t], true) : NULL;
}

/* Coefficients and gradients of scores of the out-edges in a tile. */
INLINE void put_out_edges(tile *tl, const span *s, const dg_edges *e, const vf *att, bool v2, bool edge, int nv,
                          int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  vf room[MAX_FIXED];
  statistics of;
  FOR_ROWS_OF(*s, e->t_indptr, j, from, to) {
    const table_row zj = own_row(room, TABLE(e, z) + j * ld, nv);
    for (int32_t t = from; t < to; t++) {
      const int32_t i = e->t_indices[t];
      table_row zi = {0};
      if (v2) zi = row_of(TABLE(e, zr) + i * ld, nv);
      if (e->ahead) prefetch_target(e, t, ld, hp, v2);
      if (e->ahead && edge && e->edge_dim > 0)
        prefetch_line(attributes_of(e, row_ahead(e, e->t_edges, e->n_out_edges, t), true));
      put_edge(tl, t - s->first, e, att, zj, zi, row_of(TABLE(e, dagg) + i * ld, nv), i, j,
               out_attributes_of(e, t, edge), v2, edge, nv, q, hp);
      load_statistics(&of, e, i, q, hp);
      put_statistics(tl, t - s->first, &of, q, hp);
      if (e->drop.threshold) put_seeds(tl, t - s->first, row_bits(e, i), e->ids[j], q, hp);
    }
  }
  finish_edges(tl, e, s->last - s->first, v2, q, hp);
}

/* Sums of a block over out-edges: of rows of dagg by their coefficients, onto what dz has, and of the gradients of
   scores, all, and those that meet a positive argument of LeakyReLU. */
typedef struct source_sums {
  vf acc[MAX_BLOCK], positive[MAX_BLOCK], all[MAX_PATTERN];
} source_sums;

INLINE void begin_sums(source_sums *s, const vf *out, bool fresh, block b, int q) {
  UNROLLED for (int v = 0; v < b.n; v++) {
    s->acc[v] = fresh ? splat(0) : out[v];
    s->positive[v] = splat(0);
  }
  for (int k = 0; k < q; k++) s->all[k] = splat(0);
}

/* Scores give dz by att, whole where the argument is positive, else by the slope. */
INLINE void end_sums(vf *out, const source_sums *s, const dg_edges *e, block b, int q) {
  const vf *att = (const vf *)e->att + b.first;
  UNROLLED for (int v = 0; v < b.n; v++) out[v] =
      s->acc[v] + att[v] * (e->slope * s->all[(b.k + v) % q] + (1 - e->slope) * s->positive[v]);
}

/* What a block of dz gets of out-edges [from, to) of source j. */
INLINE void add_out_edges(const dg_edges *e, const tile *tl, int first, int32_t j, int32_t from, int32_t to,
                          table_row zj, bool edge, block b, int nv, int q, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  vf *out = (vf *)(e->dz + j * ld) + b.first;
  source_sums sums;
  begin_sums(&sums, out, from == e->t_indptr[j] && is_fresh(e, j), b, q);
  for (int32_t t = from; t < to; t++) {
    const size_t i = (size_t)e->t_indices[t] * ld, at = (size_t)(t - first) * hp;
    const table_row zi = row_of(TABLE(e, zr) + i, nv), dagg = row_of(TABLE(e, dagg) + i, nv);
    const float *a = out_attributes_of(e, t, edge);
    for (int k = 0; k < q; k++) sums.all[k] += load_pattern(tl->slope + at, hp, k);
    UNROLLED for (int v = 0; v < b.n; v++) {
      const int k = (b.k + v) % q;
      sums.positive[v] = add_positive(sums.positive[v], gatv2_argument(e, zj, zi, a, b.first + v, nv),
                                      load_pattern(tl->slope + at, hp, k));
      sums.acc[v] += load_pattern(tl->weight + at, hp, k) * vector(dagg, b.first + v);
    }
  }
  end_sums(out, &sums, e, b, q);
}

/* dz = d loss / d z of sources over their out-edges. */
INLINE void gatv2_src_rows(const dg_edges *e, int32_t begin, int32_t end, bool edge, int nv, int hp) {
  const int q = pattern_size(hp);
  tile tl;
  vf room[MAX_FIXED], att_room[MAX_FIXED];
  const vf *att = own_vectors(att_room, e->att, nv);
  clear_empty(e, begin, end, nv);
  FOR_TILES_OF(s, e->t_indptr, begin, end, hp) {
    put_out_edges(&tl, &s, e, att, true, edge, nv, hp);
    FOR_ROWS_OF(s, e->t_indptr, j, from, to) {
      const table_row zj = own_row(room, TABLE(e, z) + (size_t)j * nv * DG_VL, nv);
#define CALL_BLOCK(b) add_out_edges(e, &tl, s.first, j, from, to, zj, edge, b, nv, q, hp)
      FOR_BLOCKS(CALL_BLOCK, nv, q);
#undef CALL_BLOCK
    }
    s.row = next_row(&s, e->t_indptr);
  }
}

/* What that of noted edges gathers. */
INLINE void prefetch_noted(const dg_edges *e, int32_t t, size_t ld) {
  const uint8_t *note = e->notes + (size_t)row_ahead(e, e->t_notes, e->n_out_edges, t) * e->note_size;
  prefetch_row(TABLE(e, dagg) + row_ahead(e, e->t_indices, e->n_out_edges, t) * ld, (int)ld);
  for (size_t at = 0; at < e->note_size; at += 64) prefetch_line(note + at);
}

/* What a block of dz gets of out-edges [from, to) of source j, of their notes alone and of dagg. */
INLINE void add_noted_edges(const dg_edges *e, int32_t j, int32_t from, int32_t to, block b, int nv, int q, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  vf *out = (vf *)(e->dz + j * ld) + b.first;
  source_sums sums;
  begin_sums(&sums, out, from == e->t_indptr[j] && is_fresh(e, j), b, q);
  for (int32_t t = from; t < to; t++) {
    const table_row dagg = row_of(TABLE(e, dagg) + e->t_indices[t] * ld, nv);
    const edge_note n = note_at(e, e->t_notes[t], hp);
    if (e->ahead && b.first == 0) prefetch_noted(e, t, ld);
    for (int k = 0; k < q; k++) sums.all[k] += load_pattern(n.slope, hp, k);
    UNROLLED for (int v = 0; v < b.n; v++) {
      const int k = (b.k + v) % q;
      sums.positive[v] = add_where(sums.positive[v], n.positive[b.first + v], load_pattern(n.slope, hp, k));
      sums.acc[v] += load_pattern(n.weight, hp, k) * vector(dagg, b.first + v);
    }
  }
  end_sums(out, &sums, e, b, q);
}

/* gatv2_src_rows of notes. */
INLINE void noted_rows(const dg_edges *e, int32_t begin, int32_t end, int nv, int hp) {
  const int q = pattern_size(hp);
  if (IS_FIXED(nv)) return; /* never noted */
  clear_empty(e, begin, end, nv);
  for (int32_t j = begin; j < end; j++)
    for (int32_t from = e->t_indptr[j], to; from < e->t_indptr[j + 1]; from = to) {
      to = min_int(from + TILE_EDGES, e->t_indptr[j + 1]);
#define CALL_BLOCK(b) add_noted_edges(e, j, from, to, b, nv, q, hp)
      FOR_BLOCKS(CALL_BLOCK, nv, q);
#undef CALL_BLOCK
    }
}

/* The gradient of a row that edges saw through dropout becomes that of the row before. */
INLINE void drop_gradient(vf *acc, const dg_edges *e, int32_t j, int nv) {
  const uint32_t row = dg_rng_row(e->row_drop.key, (uint32_t)e->ids[j]);
  for (int v = 0; v < nv; v++)
    acc[v] = through(acc[v], kept(row, &e->row_drop, iota((uint32_t)(v * DG_VL))), &e->row_drop);
}

/* Adds what the scores of source j give to its row of dz (GAT), and their shares of the attention vectors' gradients to
   da [2 nv]. */
INLINE void add_scores(const dg_edges *e, int32_t j, bool edge, int nv, int hp, vf *acc, const vf *dsrc, vf *da) {
  const int q = pattern_size(hp);
  const size_t first = (size_t)j * nv * DG_VL;
  const table_row zj = row_of(TABLE(e, z) + first, nv);
  const vf *scored = edge && e->row_drop.threshold ? (const vf *)(e->scored + first) : NULL;
  vf ddst[MAX_PATTERN];
  for (int k = 0; k < q; k++) ddst[k] = j < e->n_dst ? load_pattern(e->dscore_dst + (size_t)j * hp, hp, k) : splat(0);
  if (scored) drop_gradient(acc, e, j, nv);
  FOR_ROW(v, k, nv, q) {
    const vf z = scored ? scored[v] : vector(zj, v);
    acc[v] += dsrc[k] * ((const vf *)e->att)[v] + ddst[k] * ((const vf *)e->att_dst)[v];
    da[v] += dsrc[k] * z;
    da[nv + v] += ddst[k] * z;
  }
}

/* Adds the shares of a tile's edges to the gradient of edge_scores: attributes times gradients of LeakyReLU's
   arguments. Edges are in-edges, or out-edges, of which `edges` has the in-edges. */
INLINE void add_edge_scores(dg_real *sum, const tile *tl, const span *s, const dg_edges *e, const int32_t *edges,
                            int hp) {
  for (int32_t t = s->first; t < s->last; t++) {
    const float *attributes = attributes_of(e, edges ? edges[t] : t, true);
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
  if (edge) memset(sum + 2 * nv, 0, (size_t)e->edge_dim * (size_t)hp * sizeof(dg_real));
  clear_empty(e, begin, end, nv);
  FOR_TILES_OF(s, e->t_indptr, begin, end, hp) {
    put_out_edges(&tl, &s, e, NULL, false, edge, nv, hp);
    if (edge) add_edge_scores((dg_real *)(sum + 2 * nv), &tl, &s, e, e->t_edges, hp);
    FOR_ROWS_OF(s, e->t_indptr, j, from, to) {
      vf *acc = begin_row(local, e->dz + j * ld, from == e->t_indptr[j], nv);
      for (int k = 0; from == e->t_indptr[j] && k < q; k++) dsrc[k] = splat(0);
      for (int32_t t = from; t < to; t++) {
        const table_row dagg = row_of(TABLE(e, dagg) + e->t_indices[t] * ld, nv);
        const size_t first = (size_t)(t - s.first) * hp;
        for (int k = 0; k < q; k++) dsrc[k] += load_pattern(tl.slope + first, hp, k);
        FOR_ROW(v, k, nv, q) acc[v] += load_pattern(tl.weight + first, hp, k) * vector(dagg, v);
      }
      if (to == e->t_indptr[j + 1]) add_scores(e, j, edge, nv, hp, acc, dsrc, sum);
      end_row(e->dz + j * ld, acc, nv);
    }
    s.row = next_row(&s, e->t_indptr);
  }
}

SUM_KERNEL(gcn_backward_src,
           sum_rows(e, SUM_SYMMETRIC, e->dz, TABLE(e, dagg), e->t_indptr, e->t_indices, begin, end, nv))

SUM_KERNEL(mean_backward_src,
           sum_rows(e, SUM_MEAN_BACKWARD, e->dz, TABLE(e, dagg), e->t_indptr, e->t_indices, begin, end, nv))

KERNEL(gatv2_backward_dst, (const dg_edges *e, int32_t begin, int32_t end, dg_range chunk, dg_real *partial),
       (e, begin, end, chunk, partial), gatv2_dst_rows(e, begin, end, chunk, false, nv, hp, (vf *)partial))

ROWS_KERNEL(gatv2_backward_src, gatv2_src_rows(e, begin, end, false, nv, hp))

ROWS_KERNEL(gatv2_backward_noted, noted_rows(e, begin, end, nv, hp))

KERNEL(gat_backward_src, (const dg_edges *e, int32_t begin, int32_t end, dg_real *partial), (e, begin, end, partial),
       gat_src_rows(e, begin, end, false, nv, hp, (vf *)partial))

/* The gradients of the scores of a row sum to zero: those at the lower slope of LeakyReLU cancel, and what is left of
   the target's score is (1 - slope) times the sum over edges of positive argument, <dOut, P> - <dOut, Out> A. */
INLINE void dot_rows(const dg_edges *e, int32_t begin, int32_t end, int nv, int hp) {
  const int q = pattern_size(hp);
  vf s[MAX_PATTERN], p[MAX_PATTERN];
  for (int32_t i = begin; i < end; i++) {
    const size_t first = (size_t)i * nv * DG_VL;
    head_dots(s, row_of(TABLE(e, dagg) + first, nv), (const vf *)(e->agg + first), nv, q, hp);
    put(e->stat, i * DG_STATS + DG_STAT_DOT, s, q, hp);
    if (!e->positive) continue;
    head_dots(p, row_of(TABLE(e, dagg) + first, nv), (const vf *)(e->positive + first), nv, q, hp);
    for (int k = 0; k < q; k++)
      p[k] = (p[k] - s[k] * load_pattern(e->dscore_dst + (size_t)i * hp, hp, k)) * (1 - e->slope);
    put(e->dscore_dst, i, p, q, hp);
  }
}

ROWS_KERNEL(row_dots, dot_rows(e, begin, end, nv, hp))
