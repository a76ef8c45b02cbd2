/* The kernels over edges for one instruction set and one type of tables: the including file defines DG_VL, DG_EDGES
   (the table of kernels), for tables in bf16 DG_TABLE_BF16, and selects the target. */
#include "kernels/vector_impl.h"
#include "kernels/table_impl.h"
#include "kernels/edges_impl.h"
#include "kernels/edges_backward_impl.h"
#include "kernels/edges_attributes_impl.h"
#ifndef DG_TABLE_BF16
#include "kernels/edges_input_impl.h"
#endif

const dg_edge_kernels DG_EDGES[2] = {
    {
        .gatv2_forward = gatv2_forward,
        .gat_forward = gat_forward,
        .gcn_forward = gcn_forward,
        .mean_forward = mean_forward,
        .gat_scores = gat_scores,
        .row_dots = row_dots,
        .gatv2_backward_dst = gatv2_backward_dst,
        .gatv2_note_size = gatv2_note_size,
        .gatv2_backward_src = gatv2_backward_src,
        .gatv2_backward_noted = gatv2_backward_noted,
        .gat_backward_src = gat_backward_src,
        .gcn_backward_src = gcn_backward_src,
        .mean_backward_src = mean_backward_src,
        .gatv2_alpha = gatv2_alpha,
        .gat_alpha = gat_alpha,
#ifndef DG_TABLE_BF16
        .gat_input_forward = gat_input_forward,
        .gat_input_backward = gat_input_backward,
#endif
    },
    {
        .gatv2_forward = gatv2_edge_forward,
        .gat_forward = gat_edge_forward,
        .gcn_forward = gcn_edge_forward,
        .mean_forward = mean_forward,
        .gat_scores = gat_scores,
        .row_dots = row_dots,
        .gatv2_backward_dst = gatv2_edge_backward_dst,
        .gatv2_note_size = gatv2_note_size,
        .gatv2_backward_src = gatv2_edge_backward_src,
        .gatv2_backward_noted = gatv2_backward_noted,
        .gat_backward_src = gat_edge_backward_src,
        .gcn_backward_src = gcn_edge_backward_src,
        .mean_backward_src = mean_backward_src,
        .gatv2_alpha = gatv2_edge_alpha,
        .gat_alpha = gat_edge_alpha,
#ifndef DG_TABLE_BF16
        .gat_input_forward = gat_input_edge_forward,
        .gat_input_backward = gat_input_edge_backward,
#endif
    },
};
