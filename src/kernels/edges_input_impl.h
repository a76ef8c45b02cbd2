/* GAT over edges that gather input rows: heads share a row, and each has sums of its own. */

/* acc [nv] += rows of the tile's sources, each times its number of head h. */
INLINE void add_input_block(vf *acc, const dg_real *numbers, const dg_edges *e, int32_t first, int n, int h, block b,
                            int nv, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  vf sum[MAX_BLOCK];
  UNROLLED for (int v = 0; v < b.n; v++) sum[v] = acc[b.first + v];
  for (int t = 0; t < n; t++) {
    const vf weight = splat(numbers[t * hp + h]), *x = (const vf *)(e->z + e->indices[first + t] * ld) + b.first;
    UNROLLED for (int v = 0; v < b.n; v++) sum[v] += weight * x[v];
  }
  UNROLLED for (int v = 0; v < b.n; v++) acc[b.first + v] = sum[v];
}

INLINE void add_input(vf *acc, const dg_real *numbers, const dg_edges *e, int32_t first, int n, int h, int nv, int hp) {
#define CALL_BLOCK(b) add_input_block(acc, numbers, e, first, n, h, b, nv, hp)
  FOR_BLOCKS(CALL_BLOCK, nv, 1);
#undef CALL_BLOCK
}

/* Row i of the sums of head h, or of their gradients. */
INLINE vf *head_row(dg_real *rows, const dg_edges *e, int h, int32_t i, int nv) {
  return (vf *)(rows + ((size_t)h * (size_t)e->n_dst + (size_t)i) * (size_t)nv * DG_VL);
}

/* The sums of all heads of target i times their numbers in a pattern. */
INLINE void scale_heads(const dg_edges *e, int32_t i, const vf *factor, int nv, int q, int hp) {
  dg_real number[DG_MAX_HEADS] __attribute__((aligned(64)));
  for (int k = 0; k < q; k++) store_pattern(number, hp, k, factor[k]);
  for (int h = 0; h < e->heads; h++) {
    vf *acc = head_row(e->agg, e, h, i, nv);
    for (int v = 0; v < nv; v++) acc[v] *= number[h];
  }
}

/* Numbers of a tile's edges times what the rows of their sources are multiplied by. */
INLINE void scale_sources(dg_real *numbers, const dg_edges *e, int32_t first, int n, int hp) {
  for (int t = 0; e->out_norm && t < n; t++)
    for (int h = 0; h < hp; h++) numbers[t * hp + h] *= e->out_norm[e->indices[first + t]];
}

/* What the coefficients of target i are multiplied by. */
INLINE dg_real target_root(const dg_edges *e, int32_t i) {
  return e->out_norm ? (dg_real)sqrt((double)(e->indptr[i + 1] - e->indptr[i])) : 1;
}

/* attention_row() of target i. */
INLINE void input_row(const dg_edges *e, int32_t i, bool edge, int nv, int hp) {
  const int q = pattern_size(hp), most = tile_edges(hp);
  tile tl;
  softmax m;
  vf si[MAX_PATTERN], factor[MAX_PATTERN];
  dg_real *stat = e->stat + (size_t)i * DG_STATS * hp;
  for (int k = 0; k < q; k++) {
    m.top[k] = splat((dg_real)-1e30), m.sum[k] = splat(0);
    si[k] = load_pattern(stat + DG_STAT_SCORE * hp, hp, k);
  }
  for (int h = 0; h < e->heads; h++)
    for (int v = 0; v < nv; v++) head_row(e->agg, e, h, i, nv)[v] = splat(0);
  for (int32_t first = e->indptr[i]; first < e->indptr[i + 1]; first += most) {
    const int n = min_int(e->indptr[i + 1] - first, most);
    for (int k = 0; k < q; k++) factor[k] = m.top[k];
    score_tile(&tl, &m, e, NULL, i, first, n, (table_row){0}, si, false, edge, nv, q, hp);
    for (int k = 0; k < q; k++) factor[k] = vexp(factor[k] - m.top[k]), m.sum[k] *= factor[k];
    if (first > e->indptr[i]) scale_heads(e, i, factor, nv, q, hp);
    weigh_tile(&tl, &m, e, n * hp, false, edge, q);
    scale_sources(tl.weight, e, first, n, hp);
    for (int h = 0; h < e->heads; h++) add_input(head_row(e->agg, e, h, i, nv), tl.weight, e, first, n, h, nv, hp);
  }
  fold_pattern(m.sum, q, hp);
  for (int k = 0; k < q; k++) {
    factor[k] = target_root(e, i) / m.sum[k];
    store_pattern(stat + DG_STAT_MAX * hp, hp, k, m.top[k]);
    store_pattern(stat + DG_STAT_RSUM * hp, hp, k, factor[k]);
  }
  scale_heads(e, i, factor, nv, q, hp);
}

INLINE void input_rows(const dg_edges *e, int32_t begin, int32_t end, bool edge, int nv, int hp) {
  for (int32_t i = begin; i < end; i++) input_row(e, i, edge, nv, hp);
}

INLINE dg_real dot(const vf *x, const vf *y, int nv) {
  vf sum = splat(0);
  for (int v = 0; v < nv; v++) sum += x[v] * y[v];
  return fold(sum, 1)[0];
}

/* <dOut, Out> of each head of target i, which its sums and their gradients give as well, its root aside. */
INLINE void put_dots(const dg_edges *e, int32_t i, int nv, int hp) {
  dg_real *out = e->stat + ((size_t)i * DG_STATS + DG_STAT_DOT) * (size_t)hp;
  const dg_real root = target_root(e, i);
  for (int h = 0; h < hp; h++)
    out[h] = h < e->heads ? dot(head_row(e->dzr, e, h, i, nv), head_row(e->agg, e, h, i, nv), nv) / root : 0;
}

/* Scores of the in-edges in a tile, gradients of their coefficients, <gradient of the sums of i, x_j>, and what
   finish_edges makes of them. */
INLINE void put_input_edges(tile *tl, const span *s, const dg_edges *e, bool edge, int nv, int hp) {
  const size_t ld = (size_t)nv * DG_VL;
  const int q = pattern_size(hp);
  statistics own;
  FOR_ROWS_OF(*s, e->indptr, i, from, to) {
    const uint32_t row = row_bits(e, i);
    load_statistics(&own, e, i, q, hp);
    for (int32_t t = from; t < to; t++) {
      const int32_t j = e->indices[t];
      const int at = t - s->first;
      vf score[MAX_PATTERN], sign[MAX_PATTERN];
      if (e->ahead) prefetch_source(e, t, ld, hp, false);
      for (int k = 0; k < q; k++) score[k] = load_pattern(statistic(e, i, DG_STAT_SCORE, hp), hp, k);
      gat_score(score, sign, e, score, j, attributes_of(e, t, edge), q, hp);
      if (edge) drop_edge(score, e, i, j, q);
      put(tl->weight, at, score, q, hp);
      put(tl->sign, at, sign, q, hp);
      for (int h = 0; h < hp; h++)
        tl->slope[at * hp + h] = h < e->heads ? dot(head_row(e->dzr, e, h, i, nv), (const vf *)(e->z + j * ld), nv) : 0;
      put_statistics(tl, at, &own, q, hp);
      if (e->drop.threshold) put_seeds(tl, at, row, e->ids[j], q, hp);
    }
  }
  scale_sources(tl->slope, e, s->first, s->last - s->first, hp);
  finish_edges(tl, e, s->last - s->first, false, q, hp);
}

/* Adds gradients of scores times rows to sum [2 heads, nv]: of the sources of a tile's edges, and of their targets. */
INLINE void add_score_gradients(vf *sum, tile *tl, const span *s, const dg_edges *e, int nv, int hp) {
  const int n = s->last - s->first;
  for (int h = 0; h < e->heads; h++) {
    vf *of_targets = sum + (e->heads + h) * nv;
    FOR_ROWS_OF(*s, e->indptr, i, from, to) {
      dg_real d = 0;
      for (int32_t t = from; t < to; t++) d += tl->slope[(t - s->first) * hp + h];
      for (int v = 0; v < nv; v++) of_targets[v] += d * ((const vf *)(e->z + (size_t)i * nv * DG_VL))[v];
    }
  }
  scale_sources(tl->slope, e, s->first, n, hp);
  for (int h = 0; h < e->heads; h++) add_input(sum + h * nv, tl->slope, e, s->first, n, h, nv, hp);
}

INLINE void input_backward_rows(const dg_edges *e, int32_t begin, int32_t end, bool edge, int nv, int hp, vf *sum) {
  tile tl;
  for (int v = 0; v < 2 * e->heads * nv; v++) sum[v] = splat(0);
  if (edge) memset(sum + 2 * e->heads * nv, 0, (size_t)e->edge_dim * (size_t)hp * sizeof(dg_real));
  for (int32_t i = begin; i < end; i++) put_dots(e, i, nv, hp);
  FOR_TILES_OF(s, e->indptr, begin, end, hp) {
    put_input_edges(&tl, &s, e, edge, nv, hp);
    if (edge) add_edge_scores((dg_real *)(sum + 2 * e->heads * nv), &tl, &s, e, NULL, hp);
    add_score_gradients(sum, &tl, &s, e, nv, hp);
    s.row = next_row(&s, e->indptr);
  }
}

ROWS_KERNEL(gat_input_forward, input_rows(e, begin, end, false, nv, hp))

ROWS_KERNEL(gat_input_edge_forward, input_rows(e, begin, end, true, nv, hp))

KERNEL(gat_input_backward, (const dg_edges *e, int32_t begin, int32_t end, dg_real *partial), (e, begin, end, partial),
       input_backward_rows(e, begin, end, false, nv, hp, (vf *)partial))

KERNEL(gat_input_edge_backward, (const dg_edges *e, int32_t begin, int32_t end, dg_real *partial),
       (e, begin, end, partial), input_backward_rows(e, begin, end, true, nv, hp, (vf *)partial))
