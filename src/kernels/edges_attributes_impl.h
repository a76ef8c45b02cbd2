/* Aggregation over edges with attributes: the same loops, which here are told of them. */

ROWS_KERNEL(gatv2_edge_forward, attention_rows(e, begin, end, true, true, nv, hp))

ROWS_KERNEL(gat_edge_forward, attention_rows(e, begin, end, false, true, nv, hp))

SUM_KERNEL(gcn_edge_forward, sum_rows(e, SUM_WEIGHTED, e->agg, TABLE(e, z), e->indptr, e->indices, begin, end, nv))

KERNEL(gatv2_edge_alpha, (const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha), (e, begin, end, alpha),
       alpha_rows(e, begin, end, alpha, true, true, nv, hp))

KERNEL(gat_edge_alpha, (const dg_edges *e, int32_t begin, int32_t end, dg_real *alpha), (e, begin, end, alpha),
       alpha_rows(e, begin, end, alpha, false, true, nv, hp))

KERNEL(gatv2_edge_backward_dst, (const dg_edges *e, int32_t begin, int32_t end, dg_range chunk, dg_real *partial),
       (e, begin, end, chunk, partial), gatv2_dst_rows(e, begin, end, chunk, true, nv, hp, (vf *)partial))

ROWS_KERNEL(gatv2_edge_backward_src, gatv2_src_rows(e, begin, end, true, nv, hp))

KERNEL(gat_edge_backward_src, (const dg_edges *e, int32_t begin, int32_t end, dg_real *partial),
       (e, begin, end, partial), gat_src_rows(e, begin, end, true, nv, hp, (vf *)partial))

SUM_KERNEL(gcn_edge_backward_src,
           sum_rows(e, SUM_WEIGHTED_BACKWARD, e->dz, TABLE(e, dagg), e->t_indptr, e->t_indices, begin, end, nv))
