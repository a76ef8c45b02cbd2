#include <distgat/plan.h>

#include <math.h>

#include <distgat/memory.h>
#include <distgat/partition.h>

#include "data/slab.h"
#include "nn/conv.h"
#include "par/reduce.h"
#include "train/cost.h"
#include "train/rates.h"

/* A piece of more edges is not timed; the rates of a smaller one are taken. */
static const int64_t MOST_EDGES = 5000000;

/* Rank 0 divides the graph: bytes that METIS was seen to take of large ones, an edge and a node. */
static const double METIS_EDGE = 37, METIS_NODE = 60;

/* All ranks divide it: what each was seen to take of large ones, an edge, a row of its block or of that one's halo, and
   for pieces of the file and messages. */
static const double BLOCK_EDGE = 22, BLOCK_ROW = 39, BLOCK_PIECES = 65e6;

enum { MAP_ROW = 24 }; /* bytes a row of a map of ids, half full */

static const double MESSAGE = 1e-6; /* seconds that a rank spends on one more message of an exchange */
static const double CLOSE = 1.05;   /* as good, for fewer ranks */

static const char *const memory_names[] = {
#define X(name, text) text,
    DG_PLAN_MEMORY_LIST(X)
#undef X
};

const char *dg_plan_memory_name(dg_plan_memory kind) {
  return memory_names[kind];
}

/* ---- a graph divided ---- */

/* How all graphs are divided. */
typedef struct dividing {
  dg_status (*divide)(int32_t *part, int parts, void *context);
  void *context;
} dividing;

/* What is known of one number of parts. */
typedef struct division {
  const dg_plan_input *input;
  const dg_model *model;
  dg_plan_point *point;
  int32_t *part;                /* [n_nodes of the outline] */
  int64_t dividing;             /* bytes that it took, beside graph and part; -1: unknown */
  dg_partition_part *each;      /* [parts] */
  dg_counts *train, *val, *all; /* [parts] */
} division;

static int64_t scaled(const dg_plan_input *in, int64_t count) {
  return (int64_t)((double)count * in->scale);
}

/* About as many chunks as a block of such counts is cut into. */
static int64_t chunks_of(const dg_layer_counts *n) {
  const int64_t few = 64, least = 512, most = 1 << 17, all = n->n_edges + n->n_src, wanted = all / least + 2;
  return wanted < few ? wanted : few < all / most ? all / most + 2 : few;
}

static void scale_counts(const dg_plan_input *in, dg_counts *counts) {
  counts->n_out = scaled(in, counts->n_out);
  for (int k = 0; k < counts->n_layers; k++) {
    dg_layer_counts *n = &counts->layer[k];
    int64_t *const grows[] = {&n->n_dst,  &n->n_src_owned, &n->n_src,   &n->n_projected,
                              &n->n_sent, &n->n_edges,     &n->entries, &n->entries_dst};
    for (size_t i = 0; i < sizeof grows / sizeof *grows; i++) *grows[i] = scaled(in, *grows[i]);
    n->n_chunks = chunks_of(n);
    n->n_outer = (n->n_edges - n->n_dst) / 6 * 5; /* about: chunks of rows that lie by clusters keep some edges */
  }
}

static dg_field_config field_of(const division *d, int splits, bool backward) {
  const dg_config *c = d->input->config;
  return (dg_field_config){.n_layers = c->model.layers,
                           .splits = dg_config_prunes(c) ? splits : 0,
                           .edges = dg_conv_of(c->model.kind)->edges,
                           .exchange_first = d->point->exchange_first,
                           .exchange_input = c->model.label_iterations > 0,
                           .backward = backward,
                           .full = backward && dg_model_is_full(&c->model)};
}

static dg_status count(dg_counts **counts, const division *d, int splits) {
  dg_status status = DG_OK;
  const int parts = d->point->parts;
  const dg_field_config config = field_of(d, splits, splits == DG_TRAIN);
  DG_TRY(dg_alloc(counts, (size_t)parts, sizeof **counts));
  DG_TRY(dg_counts_of_parts(*counts, d->input->graph, d->part, parts, &config));

cleanup:
  return status;
}

static void destroy_counts(dg_counts **counts, int parts) {
  for (int p = 0; *counts && p < parts; p++) dg_counts_destroy(&(*counts)[p]);
  dg_free(counts);
}

static void destroy_division(division *d) {
  destroy_counts(&d->train, d->point->parts);
  destroy_counts(&d->val, d->point->parts);
  destroy_counts(&d->all, d->point->parts);
  dg_free(&d->each);
  dg_free(&d->part);
}

static bool exchanges_first(const division *d) {
  const dg_config *c = d->input->config;
  int64_t halo = 0;
  if (d->point->parts == 1 || !dg_conv_of(c->model.kind)->edges) return false;
  if (c->first_halo != DG_FIRST_AUTO) return c->first_halo == DG_FIRST_EXCHANGE;
  if (dg_model_may_gather_input(d->model, d->input->info->sparse)) return false;
  for (int p = 0; p < d->point->parts; p++)
    if (d->each[p].halo > halo) halo = d->each[p].halo;
  return dg_cost_exchange_pays_for(d->model, d->input->info, scaled(d->input, halo), d->point->nodes == 1);
}

static dg_status measure_parts(division *d) {
  dg_status status = DG_OK;
  const dg_csr *in = &d->input->graph->in;
  dg_plan_point *point = d->point;
  dg_partition_quality quality;
  DG_TRY(dg_partition_measure(&quality, in, d->part, point->parts));
  DG_TRY(dg_alloc(&d->each, (size_t)point->parts, sizeof *d->each));
  DG_TRY(dg_partition_measure_parts(d->each, in, d->part, point->parts));
  point->edge_cut = scaled(d->input, quality.edge_cut);
  point->halo_nodes = scaled(d->input, quality.halo_nodes);
  point->edge_imbalance = quality.edge_imbalance;

cleanup:
  return status;
}

/* Parts by METIS, and what that takes: how much shrinks when METIS contracts a graph is in its edges. */
static dg_status divide_watched(division *d, const dividing *how) {
  dg_memory_trim();
  const bool watched = dg_memory_forget_peak();
  const int64_t before = dg_memory_peak();
  const dg_status status = how->divide(d->part, d->point->parts, how->context);
  d->dividing = watched ? dg_memory_peak() - before : -1;
  return status;
}

static dg_status divide_graph(division *d, const dividing *how) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&d->part, (size_t)d->input->graph->in.n_rows, sizeof *d->part));
  DG_TRY(divide_watched(d, how));
  DG_TRY(measure_parts(d));
  d->point->exchange_first = exchanges_first(d);
  DG_TRY(count(&d->train, d, DG_TRAIN));
  DG_TRY(count(&d->val, d, DG_VAL));
  DG_TRY(count(&d->all, d, DG_TRAIN | DG_VAL | DG_TEST));

cleanup:
  return status;
}

/* From here on the counts are those of the graph that is planned for. */
static void scale_division(division *d) {
  for (int p = 0; p < d->point->parts; p++) {
    scale_counts(d->input, &d->train[p]);
    scale_counts(d->input, &d->val[p]);
    scale_counts(d->input, &d->all[p]);
  }
}

/* ---- time ---- */

/* Whether part a does more in a step than part b, by a measure that needs no rates. */
static bool is_heavier(const dg_model *model, const dg_counts *a, const dg_counts *b) {
  double x[DG_PHASES], y[DG_PHASES];
  dg_cost_units(x, model, a), dg_cost_units(y, model, b);
  return x[DG_PHASE_PROJECTION] + x[DG_PHASE_EDGE_FORWARD] > y[DG_PHASE_PROJECTION] + y[DG_PHASE_EDGE_FORWARD];
}

/* The heaviest part among those with training nodes, -1 where none has. */
static dg_status find_heaviest(int *heaviest, const division *d) {
  dg_status status = DG_OK;
  const dg_outline *graph = d->input->graph;
  bool *trains = NULL;
  *heaviest = -1;
  DG_TRY(dg_alloc(&trains, (size_t)d->point->parts, sizeof *trains));
  for (int64_t i = 0; i < graph->in.n_rows; i++) trains[d->part[i]] |= (graph->mask[i] & DG_TRAIN) != 0;
  for (int p = 0; p < d->point->parts; p++)
    if (trains[p] && (*heaviest < 0 || is_heavier(d->model, &d->train[p], &d->train[*heaviest]))) *heaviest = p;

cleanup:
  dg_free(&trains);
  return status;
}

/* The rates that are known. */
typedef struct known_rates {
  dg_rates rates;
  int parts, threads; /* they were measured on one of so many parts, 0: none are known */
  dg_rates_node node;
} known_rates;

static int fewest(int a, int b) {
  return a < b ? a : b;
}

/* Ranks on the node of rank 0. */
static int ranks_of_node(const dg_plan_point *point, const dg_plan_cluster *cluster) {
  return fewest(point->parts, cluster->ranks_per_node);
}

/* Threads of a node's ranks for each of its cores, where they are more. */
static double crowd_of(const dg_plan_point *point, const dg_plan_cluster *cluster) {
  return fmax(1, (double)ranks_of_node(point, cluster) * point->threads / cluster->cores);
}

/* Whether what other ranks send for layer k is labels, which are input. */
static bool gets_labels(const division *d, int k) {
  return k == 0 && !d->point->exchange_first;
}

/* Elements of a row of layer k on its way. */
static int64_t wire_width(const division *d, int k) {
  const dg_layer *l = &d->model->layer[k];
  return gets_labels(d, k) ? l->n_labels : (int64_t)l->dim * l->hp;
}

/* Bytes of a gradient on its way home, and of a row on its way there: tables in bf16 travel as they are. */
static int64_t real_bytes(const division *d, int k) {
  return wire_width(d, k) * (d->input->config->halo_type == DG_HALO_F32 ? 4 : 2);
}

static int64_t gradient_bytes(const division *d, int k) {
  return gets_labels(d, k) ? 0 : real_bytes(d, k);
}

static int64_t row_bytes(const division *d, int k) {
  const dg_layer *l = &d->model->layer[k];
  if (!l->bf16 || gets_labels(d, k)) return real_bytes(d, k);
  return dg_bf16_width((int)wire_width(d, k), l->ld) * (int64_t)sizeof(dg_bf16);
}

/* Times that rows of layer k travel in a step, and their gradients. */
static int pulls(const division *d, int k) {
  const dg_model_config *c = &d->input->config->model;
  return gets_labels(d, k) ? c->label_iterations : dg_model_passes(c);
}

static int pushes(const division *d, int k) {
  return gets_labels(d, k) ? 0 : 1;
}

/* Bytes of a row in all passes of a step, and of its gradient. */
static int64_t both_bytes(const division *d, int k) {
  return pulls(d, k) * row_bytes(d, k) + gradient_bytes(d, k);
}

/* Exchanges of a step, there and back. */
static int count_exchanges(const division *d) {
  int n = 0;
  for (int k = 0; k < d->train[0].n_layers; k++) {
    bool any = false;
    for (int p = 0; p < d->point->parts; p++) any |= d->train[p].layer[k].n_send_ranks > 0;
    n += any ? pulls(d, k) + pushes(d, k) : 0;
  }
  return n;
}

/* How a point is timed here: by no more threads than there are cores, and with as many ranks of a node as have cores
   here, or share them as they do there. */
static known_rates describe_timing(const division *d) {
  const dg_plan_cluster *c = &d->input->cluster;
  const int threads = fewest(d->point->threads, c->cores_here), local = ranks_of_node(d->point, c);
  const int abreast = fewest(local, c->cores_here / threads);
  const int ranks = fewest(local, (int)(crowd_of(d->point, c) * c->cores_here / threads));
  return (known_rates){.parts = d->point->parts,
                       .threads = threads,
                       .node = {ranks > abreast ? ranks : abreast, abreast, count_exchanges(d)}};
}

/* Times steps on the heaviest part; where it is too large the rates of a smaller one stay. */
static dg_status time_heaviest(known_rates *known, const known_rates *timing, const division *d, const dg_comm *alone) {
  dg_config config = *d->input->config;
  int p;
  const dg_status status = find_heaviest(&p, d);
  const dg_graph_part piece = {d->input->graph, d->part, p};
  if (status != DG_OK) return status;
  if (p < 0) return dg_fail(DG_INPUT, "the training split is empty; it needs at least one labelled node");
  if (known->parts > 0 && d->each[p].edges > MOST_EDGES) return DG_OK;
  *known = *timing;
  config.threads = known->threads;
  return dg_rates_measure(&known->rates, alone, &config, d->input->info, &piece, &known->node);
}

/* Rates for the parts of a division. Where a smaller graph stands for a larger one, its parts are too small: then they
   are those of as many fewer parts. */
static dg_status find_rates(known_rates *known, const division *d, const dividing *how, const dg_comm *alone) {
  dg_status status = DG_OK;
  dg_plan_point point = *d->point;
  division fewer = {.input = d->input, .model = d->model, .point = &point};
  known_rates timing = describe_timing(d);
  if (d->input->scale <= 1) return time_heaviest(known, &timing, d, alone);
  timing.parts = point.parts = (int)fmax(1, d->point->parts / d->input->scale);
  if (known->parts == timing.parts && known->threads == timing.threads && known->node.ranks == timing.node.ranks)
    return DG_OK;
  DG_TRY(divide_graph(&fewer, how));
  DG_TRY(time_heaviest(known, &timing, &fewer, alone));

cleanup:
  destroy_division(&fewer);
  return status;
}

/* Seconds of one rank's exchanges in a step, nothing of them hidden: rows there in each pass, gradients back. */
static double time_exchanges(const division *d, const dg_counts *counts) {
  const dg_plan_cluster *c = &d->input->cluster;
  const bool far = d->point->nodes > 1;
  const int sharing = far && c->ranks_per_node < d->point->parts ? c->ranks_per_node : 1; /* the node's link */
  const double latency = far ? c->latency : c->node_latency, rate = far ? c->bandwidth : c->node_bandwidth;
  double seconds = 0;
  for (int k = 0; k < counts->n_layers; k++) {
    const dg_layer_counts *n = &counts->layer[k];
    const int64_t got = n->n_recv_ranks > 0 ? n->n_src - n->n_src_owned : 0, most = got > n->n_sent ? got : n->n_sent;
    const int64_t messages = n->n_send_ranks + n->n_recv_ranks;
    if (messages > 0)
      seconds += (pulls(d, k) + pushes(d, k)) * (latency + (double)messages * MESSAGE) +
                 (double)(most * both_bytes(d, k)) * sharing / rate;
  }
  return seconds;
}

/* Shares of the parameters, as many as the node with the fewest ranks has. */
static int count_shares(const dg_plan_point *point) {
  return point->parts / point->nodes;
}

/* Bytes that all ranks of a node give to sums over nodes. */
static double summed_bytes(const division *d) {
  return (double)(d->model->params.count + (int64_t)count_shares(d->point) * DG_TAIL) * sizeof(dg_real);
}

/* Seconds of the sum of gradients: inside each node what was measured on one of fewer ranks, the rounds of the others,
   and their gradients where no two ranks could be tried; between nodes each byte goes there and back, by two messages
   of each to each where nodes are few. */
static double time_sum(const division *d, const known_rates *known) {
  const dg_plan_cluster *c = &d->input->cluster;
  const int nodes = d->point->nodes, local = ranks_of_node(d->point, c), tried = known->node.ranks;
  const double bytes = summed_bytes(d);
  double seconds = known->rates.together;
  if (local > tried) seconds += 2 * ceil(log2((double)local / tried)) * c->node_latency;
  if (local > 1 && tried == 1) seconds += bytes / c->node_bandwidth;
  const double rounds = nodes <= DG_REDUCE_DIRECT ? 1 : ceil(log2(nodes));
  if (nodes > 1) seconds += 2 * rounds * c->latency + 2 * bytes * (nodes - 1) / nodes / c->bandwidth;
  return seconds;
}

/* Seconds of batch norm's sums, which are small and which everything waits for: all ranks of all nodes. */
static double time_norms(const division *d) {
  const dg_plan_cluster *c = &d->input->cluster;
  const double latency = d->point->nodes > 1 ? c->latency : c->node_latency;
  return dg_model_norm_sums(d->model) * ceil(log2(d->point->parts)) * latency;
}

/* Threads beyond those that were timed are taken to work as fast. */
static void predict_time(const division *d, const known_rates *known) {
  dg_plan_point *point = d->point;
  const dg_plan_cluster *c = &d->input->cluster;
  const double crowd = crowd_of(point, c);
  const double pace = (double)point->threads / known->threads;
  const int shares = count_shares(point);
  double mean = 0;
  for (int p = 0; p < point->parts; p++) {
    const double compute = crowd / pace * dg_rates_seconds(&known->rates, d->model, &d->train[p], shares);
    mean += compute / point->parts;
    point->compute = fmax(point->compute, compute);
    point->halo = fmax(point->halo, time_exchanges(d, &d->train[p]));
    for (int k = 0; k < d->train[p].n_layers; k++) {
      const dg_layer_counts *n = &d->train[p].layer[k];
      point->step_halo += n->n_sent;
      point->halo_bytes += n->n_sent * both_bytes(d, k);
      point->messages += pulls(d, k) * n->n_send_ranks + pushes(d, k) * n->n_recv_ranks;
    }
  }
  point->step_imbalance = point->compute / mean;
  if (point->nodes > 1)
    point->sum_bytes = (int64_t)summed_bytes(d) * point->nodes + dg_model_norm_bytes(d->model) * point->parts;
  point->sum = point->parts > 1 ? time_sum(d, known) + time_norms(d) : 0;
  point->step = point->compute + point->halo + point->sum;
}

/* ---- memory ---- */

static int64_t graph_bytes(const division *d, int p) {
  const int64_t n = scaled(d->input, d->each[p].nodes), halo = scaled(d->input, d->each[p].halo);
  const int64_t edges = scaled(d->input, d->each[p].edges), boundary = scaled(d->input, d->each[p].boundary);
  const int64_t row = d->input->config->model.symmetric_norm ? 16 : 12;
  return row * (n + halo) + 17 * n + 4 * (1 + d->model->edge_dim) * edges + 4 * boundary;
}

/* Features of so many rows. */
static int64_t rows_bytes(const dg_graph_info *info, int64_t rows) {
  if (!info->sparse) return 4 * rows * info->n_features;
  return 8 * rows + (int64_t)(8.0 * (double)rows * (double)info->n_nonzeros / (double)info->n_nodes);
}

/* Those of a rank's nodes, and those of others with their labels where it projects them. */
static int64_t features_bytes(const division *d, int p) {
  const dg_graph_info *info = d->input->info;
  const bool fetched = dg_conv_of(d->input->config->model.kind)->edges && !d->point->exchange_first;
  const int64_t halo = fetched ? scaled(d->input, d->each[p].halo) : 0;
  const int64_t label = d->model->layer[0].n_labels > 0 ? 1 + (info->multilabel ? info->n_classes : 4) : 0;
  return rows_bytes(info, scaled(d->input, d->each[p].nodes) + halo) + label * halo;
}

static int64_t block_bytes(const division *d, const dg_layer_counts *n, bool backward) {
  const int64_t edge_dim = d->model->edge_dim, row = d->input->config->model.symmetric_norm ? 20 : 16;
  const int64_t forward = n->n_dst + (1 + edge_dim) * n->n_edges, back = n->n_src + (edge_dim > 0 ? 2 : 1) * n->n_edges;
  const int64_t numbers = dg_model_notes_edges(d->model) ? n->n_dst + n->n_outer : 0;
  return row * n->n_src + 4 * forward + (backward ? 4 * (back + numbers) : 0) + 4 * n->n_sent;
}

static int64_t field_bytes(const division *d, const dg_counts *counts, int splits, bool backward) {
  const dg_field_config config = field_of(d, splits, backward);
  const int64_t entries = counts->layer[0].entries;
  int64_t bytes = 9 * counts->n_out + 4 * counts->layer[0].n_src;
  for (int k = config.splits ? 0 : counts->n_layers - 1; k < counts->n_layers; k++)
    bytes += block_bytes(d, &counts->layer[k], backward);
  if (backward && d->input->info->sparse) bytes += 8 * (d->input->info->n_features + entries);
  return bytes;
}

static int64_t buffer_bytes(const division *d, const dg_counts *counts, bool backward) {
  int64_t bytes = dg_pass_bytes(d->model, counts, d->input->info->sparse, backward);
  for (int k = 0; k < counts->n_layers; k++) {
    const int64_t there = row_bytes(d, k), back = backward ? gradient_bytes(d, k) : 0;
    bytes += counts->layer[k].n_sent * (there > back ? there : back);
  }
  return bytes;
}

/* Rank 0 with METIS: the graph, and what METIS makes of it. */
static int64_t dividing_bytes(const division *d) {
  const double nodes = (double)scaled(d->input, d->input->graph->in.n_rows);
  const double edges = (double)scaled(d->input, d->input->graph->in.indptr[d->input->graph->in.n_rows]);
  const double graph = (4 + 8) * nodes + 4 * edges;
  if (d->dividing < 0) return (int64_t)(graph + METIS_NODE * nodes + METIS_EDGE * edges);
  return (int64_t)graph + scaled(d->input, d->dividing);
}

/* Each rank where METIS cannot: a block of nodes as they are numbered, and neighbours of these by chance. */
static int64_t block_division_bytes(const division *d) {
  const dg_graph_info *info = d->input->info;
  const double nodes = (double)info->n_nodes, parts = d->point->parts, edges = (double)info->n_edges / parts;
  const double halo = nodes * (1 - 1 / parts) * -expm1(-edges / nodes);
  return (int64_t)(BLOCK_EDGE * edges + BLOCK_ROW * (nodes / parts + halo) + BLOCK_PIECES);
}

/* A rank that turns the sources of its edges into rows, and one that has done so and reads features: beside its own are
   pieces of the file as they were read, and, of other owners, packed and come, columns and values one after the other.
 */
static int64_t loading_bytes(const division *d, int p) {
  const dg_graph_info *info = d->input->info;
  const bool travel = d->point->parts > 1;
  const int64_t n = scaled(d->input, d->each[p].nodes), rows = n + scaled(d->input, d->each[p].halo);
  const int64_t kept = 4 * (1 + d->model->edge_dim) * scaled(d->input, d->each[p].edges) + 8 * rows + 8 * n;
  const int64_t block = info->n_nodes / d->point->parts, most = dg_slab_rows(info), piece = block < most ? block : most;
  const int64_t ends = (int64_t)((double)info->n_edges / (double)info->n_nodes * (double)piece);
  const int64_t edges = (travel ? 24 : 8) * ends + (travel ? MAP_ROW * rows : 0);
  const int64_t features = rows_bytes(info, n) + (!travel ? 1 : info->sparse ? 2 : 3) * rows_bytes(info, piece);
  return kept + (edges > features ? edges : features);
}

static int64_t setup_bytes(const division *d, int p) {
  const dg_graph_info *info = d->input->info;
  const bool together = dg_partition_exceeds_metis(info->n_nodes, info->n_edges, d->point->parts);
  const int64_t alone = p == 0 ? dividing_bytes(d) : 0, loading = loading_bytes(d, p);
  const int64_t whole = d->point->parts == 1 ? 0 : together ? block_division_bytes(d) : alone;
  return whole > loading ? whole : loading;
}

/* Gradients, weights of the start and the best are each rank's own; weights and moments are shares, and so is what
   other nodes send of the gradients that this rank adds. */
static int64_t weights_bytes(const division *d) {
  const int nodes = d->point->nodes;
  const int64_t count = d->model->params.count, share = count / count_shares(d->point);
  const int64_t others = nodes <= DG_REDUCE_DIRECT ? share - share / nodes : 0;
  return (3 * count + (nodes > 1 && d->point->parts > nodes ? 4 : 3) * share + others) * (int64_t)sizeof(dg_real);
}

static void predict_memory_of(int64_t memory[DG_PLAN_MEMORIES], const division *d, int p) {
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

static void predict_memory(const division *d) {
  dg_plan_point *point = d->point;
  for (int p = 0; p < point->parts; p++) {
    int64_t memory[DG_PLAN_MEMORIES] = {d->input->program_bytes + (point->parts > 1 ? d->input->peer_bytes : 0)};
    predict_memory_of(memory, d, p);
    if (sum_memory(memory) <= point->memory_total) continue;
    point->memory_total = sum_memory(memory);
    for (int kind = 0; kind < DG_PLAN_MEMORIES; kind++) point->memory[kind] = memory[kind];
  }
}

/* ---- the plan ---- */

/* Nodes and threads that so many ranks take. */
static void place(dg_plan_point *point, const dg_plan_input *input, int parts) {
  const dg_plan_cluster *c = &input->cluster;
  *point = (dg_plan_point){.parts = parts, .nodes = (parts + c->ranks_per_node - 1) / c->ranks_per_node};
  const int local = ranks_of_node(point, c);
  point->threads = input->config->threads > 0 ? input->config->threads : c->cores / local > 1 ? c->cores / local : 1;
}

/* One number of parts. */
static dg_status plan_point(dg_plan_point *point, known_rates *known, const dg_plan_input *input, dg_model *model,
                            const dividing *how, const dg_comm *alone) {
  dg_status status = DG_OK;
  division d = {.input = input, .model = model, .point = point};
  DG_TRY(divide_graph(&d, how));
  dg_model_order_input(model, input->info->sparse, point->exchange_first);
  DG_TRY(find_rates(known, &d, how, alone));
  scale_division(&d);
  predict_time(&d, known);
  predict_memory(&d);

cleanup:
  destroy_division(&d);
  return status;
}

dg_status dg_plan_make(dg_plan_point *point, const dg_plan_input *input, const int *parts, int n, const dg_comm *alone,
                       dg_status (*divide)(int32_t *part, int parts, void *context), void *context) {
  dg_status status = DG_OK;
  const dividing how = {divide, context};
  dg_model model = {0};
  known_rates known = {0};
  const int edge_dim = dg_graph_edge_dim(input->info, input->config->model.edge_attributes);
  DG_TRY(dg_model_create(&model, &input->config->model, input->info->n_features, input->info->n_classes, edge_dim));
  for (int i = n - 1; i >= 0; i--) { /* small pieces first: their rates serve for those that are too large */
    place(&point[i], input, parts[i]);
    DG_TRY(plan_point(&point[i], &known, input, &model, &how, alone));
  }

cleanup:
  dg_model_destroy(&model);
  return status;
}

const dg_plan_point *dg_plan_best(const dg_plan_point *point, int n) {
  const dg_plan_point *best = point;
  for (int i = 1; i < n; i++)
    if (point[i].step < best->step) best = &point[i];
  const double enough = CLOSE * best->step;
  for (int i = 0; i < n; i++)
    if (point[i].step <= enough) return &point[i];
  return best;
}
