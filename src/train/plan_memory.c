#include "train/plan_parts.h"

#include <math.h>

#include "data/slab.h"
#include "nn/conv.h"
#include "par/reduce.h"

/* Rank 0 divides the graph: bytes that METIS was seen to take of large ones, an edge and a node. */
static const double METIS_EDGE = 37, METIS_NODE = 60;

/* All ranks divide it: what each was seen to take of large ones, an edge, a row of its block or of that one's halo, and
   for pieces of the file and messages. */
static const double BLOCK_EDGE = 22, BLOCK_ROW = 39, BLOCK_PIECES = 65e6;

enum { MAP_ROW = 24 }; /* bytes a row of a map of ids, half full */

static const char *const memory_names[] = {
#define X(name, text) text,
    DG_PLAN_MEMORY_LIST(X)
#undef X
};

const char *dg_plan_memory_name(dg_plan_memory kind) {
  return memory_names[kind];
}

static int64_t graph_bytes(const dg_division *d, int p) {
  const int64_t n = dg_plan_scaled(d->input, d->each[p].nodes), halo = dg_plan_scaled(d->input, d->each[p].halo);
  const int64_t edges = dg_plan_scaled(d->input, d->each[p].edges),
                boundary = dg_plan_scaled(d->input, d->each[p].boundary);
  const int64_t row = d->input->config->model.symmetric_norm ? 16 : 12;
  return row * (n + halo) + 17 * n + 4 * (1 + d->model->edge_dim) * edges + 4 * boundary;
}

/* Features of so many rows. */
static int64_t rows_bytes(const dg_graph_info *info, int64_t rows) {
  if (!info->sparse) return 4 * rows * info->n_features;
  return 8 * rows + (int64_t)(8.0 * (double)rows * (double)info->n_nonzeros / (double)info->n_nodes);
}

/* Those of a rank's nodes, and those of others with their labels where it projects them. */
static int64_t features_bytes(const dg_division *d, int p) {
  const dg_graph_info *info = d->input->info;
  const bool fetched = dg_conv_of(d->input->config->model.kind)->edges && !d->point->exchange_first;
  const int64_t halo = fetched ? dg_plan_scaled(d->input, d->each[p].halo) : 0;
  const int64_t label = d->model->layer[0].n_labels > 0 ? 1 + (info->multilabel ? info->n_classes : 4) : 0;
  return rows_bytes(info, dg_plan_scaled(d->input, d->each[p].nodes) + halo) + label * halo;
}

static int64_t block_bytes(const dg_division *d, const dg_layer_counts *n, bool backward) {
  const int64_t edge_dim = d->model->edge_dim, row = d->input->config->model.symmetric_norm ? 20 : 16;
  const int64_t forward = n->n_dst + (1 + edge_dim) * n->n_edges, back = n->n_src + (edge_dim > 0 ? 2 : 1) * n->n_edges;
  const int64_t numbers = dg_model_notes_edges(d->model) ? n->n_dst + n->n_outer : 0;
  return row * n->n_src + 4 * forward + (backward ? 4 * (back + numbers) : 0) + 4 * n->n_sent;
}

static int64_t field_bytes(const dg_division *d, const dg_counts *counts, int splits, bool backward) {
  const dg_field_config config = dg_division_field(d, splits, backward);
  const int64_t entries = counts->layer[0].entries;
  int64_t bytes = 9 * counts->n_out + 4 * counts->layer[0].n_src;
  for (int k = config.splits ? 0 : counts->n_layers - 1; k < counts->n_layers; k++)
    bytes += block_bytes(d, &counts->layer[k], backward);
  if (backward && d->input->info->sparse) bytes += 8 * (d->input->info->n_features + entries);
  return bytes;
}

static int64_t buffer_bytes(const dg_division *d, const dg_counts *counts, bool backward) {
  int64_t bytes = dg_pass_bytes(d->model, counts, d->input->info->sparse, backward);
  for (int k = 0; k < counts->n_layers; k++) {
    const int64_t there = dg_plan_row_bytes(d, k), back = backward ? dg_plan_gradient_bytes(d, k) : 0;
    bytes += counts->layer[k].n_sent * (there > back ? there : back);
  }
  return bytes;
}

/* Rank 0 with METIS: the graph, and what METIS makes of it. */
static int64_t dividing_bytes(const dg_division *d) {
  const double nodes = (double)dg_plan_scaled(d->input, d->input->graph->in.n_rows);
  const double edges = (double)dg_plan_scaled(d->input, d->input->graph->in.indptr[d->input->graph->in.n_rows]);
  const double graph = (4 + 8) * nodes + 4 * edges;
  if (d->dividing < 0) return (int64_t)(graph + METIS_NODE * nodes + METIS_EDGE * edges);
  return (int64_t)graph + dg_plan_scaled(d->input, d->dividing);
}

/* Each rank where METIS cannot: a block of nodes as they are numbered, and neighbours of these by chance. */
static int64_t block_division_bytes(const dg_division *d) {
  const dg_graph_info *info = d->input->info;
  const double nodes = (double)info->n_nodes, parts = d->point->parts, edges = (double)info->n_edges / parts;
  const double halo = nodes * (1 - 1 / parts) * -expm1(-edges / nodes);
  return (int64_t)(BLOCK_EDGE * edges + BLOCK_ROW * (nodes / parts + halo) + BLOCK_PIECES);
}

/* A rank that turns the sources of its edges into rows, and one that has done so and reads features: beside its own are
   pieces of the file as they were read, and, of other owners, packed and come, columns and values one after the other.
 */
static int64_t loading_bytes(const dg_division *d, int p) {
  const dg_graph_info *info = d->input->info;
  const bool travel = d->point->parts > 1;
  const int64_t n = dg_plan_scaled(d->input, d->each[p].nodes), rows = n + dg_plan_scaled(d->input, d->each[p].halo);
  const int64_t kept = 4 * (1 + d->model->edge_dim) * dg_plan_scaled(d->input, d->each[p].edges) + 8 * rows + 8 * n;
  const int64_t block = info->n_nodes / d->point->parts, most = dg_slab_rows(info), piece = block < most ? block : most;
  const int64_t ends = (int64_t)((double)info->n_edges / (double)info->n_nodes * (double)piece);
  const int64_t edges = (travel ? 24 : 8) * ends + (travel ? MAP_ROW * rows : 0);
  const int64_t features = rows_bytes(info, n) + (!travel ? 1 : info->sparse ? 2 : 3) * rows_bytes(info, piece);
  return kept + (edges > features ? edges : features);
}

static int64_t setup_bytes(const dg_division *d, int p) {
  const dg_graph_info *info = d->input->info;
  const bool together = dg_partition_exceeds_metis(info->n_nodes, info->n_edges, d->point->parts);
  const int64_t alone = p == 0 ? dividing_bytes(d) : 0, loading = loading_bytes(d, p);
  const int64_t whole = d->point->parts == 1 ? 0 : together ? block_division_bytes(d) : alone;
  return whole > loading ? whole : loading;
}

/* Gradients, weights of the start and the best are each rank's own; weights and moments are shares, and so is what
   other nodes send of the gradients that this rank adds. */
static int64_t weights_bytes(const dg_division *d) {
  const int nodes = d->point->nodes;
  const int64_t count = d->model->params.count, share = count / dg_plan_shares(d->point);
  const int64_t others = nodes <= DG_REDUCE_DIRECT ? share - share / nodes : 0;
  return (3 * count + (nodes > 1 && d->point->parts > nodes ? 4 : 3) * share + others) * (int64_t)sizeof(dg_real);
}

static void predict_memory_of(int64_t memory[DG_PLAN_MEMORIES], const dg_division *d, int p) {
  const int all = DG_TRAIN | DG_VAL | DG_TEST;
  const int64_t steps_fields = field_bytes(d, &d->train[p], DG_TRAIN, true) + field_bytes(d, &d->val[p], DG_VAL, false);
  const int64_t steps_buffers = buffer_bytes(d, &d->train[p], true) + buffer_bytes(d, &d->val[p], false);
  const int64_t end_fields = field_bytes(d, &d->all[p], all, false), end_buffers = buffer_bytes(d, &d->all[p], false);
  const bool end = end_fields + end_buffers > steps_fields + steps_buffers;
  memory[DG_PLAN_GRAPH] = graph_bytes(d, p);
  memory[DG_PLAN_FEATURES] = features_bytes(d, p);
  memory[DG_PLAN_FIELDS] = end ? end_fields : steps_fields;
  memory[DG_PLAN_BUFFERS] = end ? end_buffers : steps_buffers;
  memory[DG_PLAN_WEIGHTS] = weights_bytes(d);
  int64_t rest = setup_bytes(d, p);
  for (int kind = DG_PLAN_GRAPH; kind <= DG_PLAN_WEIGHTS; kind++) rest -= memory[kind];
  memory[DG_PLAN_SETUP] = rest > 0 ? rest : 0;
}

static int64_t sum_memory(const int64_t memory[DG_PLAN_MEMORIES]) {
  int64_t sum = 0;
  for (int kind = 0; kind < DG_PLAN_MEMORIES; kind++) sum += memory[kind];
  return sum;
}

void dg_plan_predict_memory(const dg_division *d) {
  dg_plan_point *point = d->point;
  for (int p = 0; p < point->parts; p++) {
    int64_t memory[DG_PLAN_MEMORIES] = {d->input->program_bytes + (point->parts > 1 ? d->input->peer_bytes : 0)};
    predict_memory_of(memory, d, p);
    if (sum_memory(memory) <= point->memory_total) continue;
    point->memory_total = sum_memory(memory);
    for (int kind = 0; kind < DG_PLAN_MEMORIES; kind++) point->memory[kind] = memory[kind];
  }
}
