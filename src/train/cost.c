#include "train/cost.h"

#include "nn/conv.h"
#include "par/node.h"

/* ---- the least time of a step ---- */

/* Work of one phase. */
typedef struct work_count {
  double flops, bytes;
  double product_flops; /* of dense products */
} work_count;

static double seconds(work_count w, const dg_machine *m) {
  const double products = w.product_flops / m->product_flops_per_second;
  const double compute = w.flops / m->flops_per_second + products, memory = w.bytes / m->bytes_per_second;
  return compute > memory ? compute : memory;
}

/* Bytes of gathering `edges` rows of so many bytes from a table: one row an edge where the table misses the cache, else
 * the table once. */
static double gathered(double edges, double rows, double bytes, const dg_machine *m) {
  const double table = rows * bytes;
  return table > m->cache_bytes ? edges * bytes : table;
}

/* Sources that a layer projects: of those that gather their input its targets. */
static int64_t projected_rows(const dg_layer *l, const dg_layer_counts *n) {
  return l->conv->gather ? n->n_dst : n->n_projected;
}

/* Numbers that a projection of so many rows reads: stored features, or what was made of them or by the layer below. */
static double inputs(const dg_layer *l, int64_t rows, int64_t entries) {
  const bool stored = l->index == 0 && !l->conv->gather;
  return stored ? (double)entries + (double)rows * l->n_labels : (double)rows * l->n_in;
}

/* Channels that a layer projects of its targets: GATv2's own projection, and skips. */
static double target_width(const dg_layer *l) {
  const int results = l->last ? l->dim : l->heads * l->dim;
  return (l->wr >= 0 ? l->heads * l->dim : 0) + (l->n_skips > 0 ? results : 0);
}

/* Projection, forward or for the weight gradient: as many flops; input, weights and output once. */
static work_count projection(const dg_layer *l, const dg_layer_counts *n, bool sparse) {
  const double width = (double)l->heads * l->dim, real = sizeof(dg_real), kept = sparse ? 1 - l->dropout : 1;
  const double rows = (double)projected_rows(l, n), in = kept * inputs(l, projected_rows(l, n), n->entries);
  const double read = in * (sparse ? 8 : real) * dg_layer_gathered_sums(l);
  work_count c = {.bytes = read + rows * width * real + l->n_in * width * real};
  const double in_dst = kept * inputs(l, n->n_dst, n->entries_dst), wide = target_width(l);
  *(sparse ? &c.flops : &c.product_flops) = 2 * (in * width + in_dst * wide);
  if (wide > 0) c.bytes += (double)n->n_dst * wide * real + l->n_in * wide * real;
  return c;
}

/* The same forward: tables may have smaller numbers than their gradients. */
static work_count forward_projection(const dg_layer *l, const dg_layer_counts *n, bool sparse) {
  const double rows = (double)projected_rows(l, n) + (l->wr >= 0 ? (double)n->n_dst : 0);
  work_count c = projection(l, n, sparse);
  c.bytes -= rows * l->heads * l->dim * (double)(sizeof(dg_real) - dg_layer_table_bytes(l));
  return c;
}

/* What attributes of edges add: their map, forward and for its gradient; each is read once a pass. */
static work_count attributes(const dg_layer *l, const dg_layer_counts *n, bool backward) {
  const double numbers = (double)n->n_edges * l->edge_dim, width = (double)l->heads * (l->att_edge >= 0 ? 1 : l->dim);
  return (work_count){.flops = l->lin_edge >= 0 ? 2 * numbers * width * (backward ? 2 : 1) : numbers,
                      .bytes = numbers * sizeof(float)};
}

/* Channels that edges meet in a training step, forward or backward: plain sums of gathered input are its projection's
   alone, and stay without dropout. */
static double edge_width(const dg_layer *l, bool backward) {
  if (l->conv->gather && !l->conv->attention && (backward || (l->dropout == 0 && l->n_labels == 0))) return 0;
  if (l->conv->gather) return l->n_in;
  return l->conv->edges ? l->heads * l->dim : 0;
}

static work_count edges(const dg_layer *l, const dg_layer_counts *n, bool backward, const dg_machine *m) {
  const double n_edges = (double)n->n_edges, width = edge_width(l, backward), real = sizeof(dg_real);
  const double n_src = (double)n->n_src, n_dst = (double)n->n_dst, row = width * (double)dg_layer_table_bytes(l);
  const double sums = dg_layer_gathered_sums(l);
  work_count c = {0};
  if (width == 0) return c;
  c.flops = n_edges * width * sums * (backward ? l->conv->flops_backward : l->conv->flops);
  c.bytes = n_edges * 4 + gathered(n_edges, n_src, row, m) + n_dst * l->conv->target_rows * row * sums;
  if (!backward) c.bytes += n_dst * (width * real - row); /* of these results, which no table is of */
  if (backward) {
    c.bytes += (l->conv->gather ? n_dst * sums : n_src) * width * real; /* gradients of the sums, or dz */
    /* A second pass gathers dOut over the transpose, and zr unless there are notes. */
    if (l->conv->gathers_backward == 2)
      c.bytes += n_edges * 4 + gathered(n_edges, n_dst, (l->note_size > 0 ? 1 : 2) * row, m) + n_dst * width * real +
                 2 * (double)n->n_outer * (double)l->note_size;
  }
  const work_count more = attributes(l, n, backward);
  return (work_count){.flops = c.flops + more.flops, .bytes = c.bytes + more.bytes};
}

double dg_cost_step_bound(const dg_model *model, const dg_counts *counts, bool sparse, const dg_machine *machine) {
  const double params = (double)(model->params.sums ? model->params.sums->n : model->params.count);
  const int passes = dg_model_passes(&model->config);
  double total = 0;
  for (int k = 0; k < model->config.layers; k++) {
    const dg_layer *l = &model->layer[k];
    const dg_layer_counts *n = &counts->layer[k];
    const bool sparse_input = sparse && k == 0;
    total += passes *
             (seconds(forward_projection(l, n, sparse_input), machine) + seconds(edges(l, n, false, machine), machine));
    /* Gradients of weights, and of the input or of its sums. */
    total += seconds(projection(l, n, sparse_input), machine) * (k > 0 || l->conv->project ? 2 : 1);
    total += seconds(edges(l, n, true, machine), machine);
  }
  return total + seconds((work_count){.flops = 12 * params, .bytes = 7 * params * sizeof(dg_real)}, machine);
}

/* ---- work in units ---- */

/* Multiply-adds of a layer's projections. */
static double projected(const dg_layer *l, const dg_layer_counts *n) {
  return inputs(l, projected_rows(l, n), n->entries) * l->heads * l->dim +
         inputs(l, n->n_dst, n->entries_dst) * target_width(l);
}

void dg_cost_units(double units[DG_PHASES], const dg_model *model, const dg_counts *counts) {
  for (int p = 0; p < DG_PHASES; p++) units[p] = 0;
  for (int k = 0; k < counts->n_layers; k++) {
    const dg_layer *l = &model->layer[k];
    const dg_layer_counts *n = &counts->layer[k];
    units[DG_PHASE_PROJECTION] += projected(l, n), units[DG_PHASE_WEIGHT_GRADIENT] += projected(l, n);
    units[DG_PHASE_EDGE_FORWARD] += (double)n->n_edges * edge_width(l, false) * dg_layer_gathered_sums(l);
    units[DG_PHASE_EDGE_BACKWARD] += (double)n->n_edges * edge_width(l, true) * dg_layer_gathered_sums(l);
  }
  units[DG_PHASE_LOSS] = (double)counts->n_out * model->n_classes;
  units[DG_PHASE_ADAM] = (double)model->params.count;
}

/* ---- the first layer's halo ---- */

/* Assumed rates of one rank, of which the order of magnitude counts: sparse and dense projections in flops a second,
   messages inside a node and between nodes in bytes a second, and the seconds that one more exchange costs in waiting.
 */
static const double sparse_rate = 4e10, dense_rate = 1e11, node_rate = 4e9, network_rate = 1e9, waiting = 1e-4;

static bool all_on_one_node(const dg_comm *comm) {
  dg_node node;
  dg_node_create(&node, comm);
  const bool one = node.n_nodes == 1;
  dg_node_destroy(&node);
  return one;
}

bool dg_cost_exchange_pays_for(const dg_model *model, const dg_graph_info *info, int64_t n_halo, bool one_node) {
  const dg_layer *l = &model->layer[0];
  const double rows = (double)n_halo, width = (double)l->heads * l->dim;
  const double entries = (double)info->n_nonzeros / (double)info->n_nodes + l->n_labels; /* of a row */
  const double times = dg_model_passes(&model->config) + 1; /* forward, and for the weight gradient or back */
  const double labels = (double)model->config.label_iterations * l->n_labels;
  const double flops = 2 * times * entries * width, bytes = (times * width - labels) * sizeof(dg_real);
  const double project = rows * flops / (info->sparse ? sparse_rate : dense_rate);
  const double exchange = rows * bytes / (one_node ? node_rate : network_rate);
  return project > 2 * exchange + waiting;
}

bool dg_cost_exchange_pays(const dg_comm *comm, const dg_model *model, const dg_graph_info *info, int64_t n_halo) {
  return dg_cost_exchange_pays_for(model, info, dg_comm_max_int64(comm, n_halo), all_on_one_node(comm));
}
