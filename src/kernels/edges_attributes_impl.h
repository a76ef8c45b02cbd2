/* Aggregation over edges with attributes: the same loops, which here are told of them. */

static void gatv2_edge_forward(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) attention_rows(e, begin, end, true, true, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gat_edge_forward(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) attention_rows(e, begin, end, false, true, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gcn_edge_forward(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) sum_rows(e, SUM_WEIGHTED, e->agg, TABLE(e, z), e->indptr, e->indices, begin, end, nv)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gatv2_edge_alpha(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha) {
#define CALL(nv, hp) alpha_rows(e, begin, end, alpha, true, true, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gat_edge_alpha(const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha) {
#define CALL(nv, hp) alpha_rows(e, begin, end, alpha, false, true, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gatv2_edge_backward_dst(const dg_edges *e, int32_t begin, int32_t end, dg_range chunk, dg_real *partial) {
  memset(partial + e->ld, 0, (size_t)e->edge_dim * (size_t)e->ld * sizeof *partial);
#define CALL(nv, hp) gatv2_dst_rows(e, begin, end, chunk, true, nv, hp, (vf *)partial)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gatv2_edge_backward_src(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp) gatv2_src_rows(e, begin, end, true, nv, hp)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gat_edge_backward_src(const dg_edges *e, int32_t begin, int32_t end, dg_real *partial) {
  memset(partial + 2 * e->ld, 0, (size_t)e->edge_dim * (size_t)e->hp * sizeof *partial);
#define CALL(nv, hp) gat_src_rows(e, begin, end, true, nv, hp, (vf *)partial)
  FOR_SHAPES(CALL);
#undef CALL
}

static void gcn_edge_backward_src(const dg_edges *e, int32_t begin, int32_t end) {
#define CALL(nv, hp)                                                                                                   \
  sum_rows(e, SUM_WEIGHTED_BACKWARD, e->dz, TABLE(e, dagg), e->t_indptr, e->t_indices, begin, end, nv)
  FOR_SHAPES(CALL);
#undef CALL
}
