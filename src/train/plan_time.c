#include "train/plan_parts.h"

#include <math.h>

#include <distgat/memory.h>

#include "nn/conv.h"
#include "par/reduce.h"
#include "train/cost.h"

/* A piece of more edges is not timed; the rates of a smaller one are taken. */
static const int64_t MOST_EDGES = 5000000;

static const double MESSAGE = 1e-6; /* seconds that a rank spends on one more message of an exchange */

/* Whether part a does more in a step than part b, by a measure that needs no rates. */
static bool is_heavier(const dg_model *model, const dg_counts *a, const dg_counts *b) {
  double x[DG_PHASES], y[DG_PHASES];
  dg_cost_units(x, model, a), dg_cost_units(y, model, b);
  return x[DG_PHASE_PROJECTION] + x[DG_PHASE_EDGE_FORWARD] > y[DG_PHASE_PROJECTION] + y[DG_PHASE_EDGE_FORWARD];
}

/* The heaviest part among those with training nodes, -1 where none has. */
static dg_status find_heaviest(int *heaviest, const dg_division *d) {
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

static int fewest(int a, int b) {
  return a < b ? a : b;
}

/* Threads of a node's ranks for each of its cores, where they are more. */
static double crowd_of(const dg_plan_point *point, const dg_plan_cluster *cluster) {
  return fmax(1, (double)dg_plan_local_ranks(point, cluster) * point->threads / cluster->cores);
}

/* Whether what other ranks send for layer k is labels, which are input. */
static bool gets_labels(const dg_division *d, int k) {
  return k == 0 && !d->point->exchange_first;
}

/* Elements of a row of layer k on its way. */
static int64_t wire_width(const dg_division *d, int k) {
  const dg_layer *l = &d->model->layer[k];
  return gets_labels(d, k) ? l->n_labels : (int64_t)l->dim * l->hp;
}

/* Bytes of a gradient on its way home, and of a row on its way there: tables in bf16 travel as they are. */
static int64_t real_bytes(const dg_division *d, int k) {
  return wire_width(d, k) * (d->input->config->halo_type == DG_HALO_F32 ? 4 : 2);
}

int64_t dg_plan_gradient_bytes(const dg_division *d, int k) {
  return gets_labels(d, k) ? 0 : real_bytes(d, k);
}

int64_t dg_plan_row_bytes(const dg_division *d, int k) {
  const dg_layer *l = &d->model->layer[k];
  if (!l->bf16 || gets_labels(d, k)) return real_bytes(d, k);
  return dg_bf16_width((int)wire_width(d, k), l->ld) * (int64_t)sizeof(dg_bf16);
}

/* Times that rows of layer k travel in a step, and their gradients. */
static int pulls(const dg_division *d, int k) {
  const dg_model_config *c = &d->input->config->model;
  return gets_labels(d, k) ? c->label_iterations : dg_model_passes(c);
}

static int pushes(const dg_division *d, int k) {
  return gets_labels(d, k) ? 0 : 1;
}

/* Bytes of a row in all passes of a step, and of its gradient. */
static int64_t both_bytes(const dg_division *d, int k) {
  return pulls(d, k) * dg_plan_row_bytes(d, k) + dg_plan_gradient_bytes(d, k);
}

/* Exchanges of a step, there and back. */
static int count_exchanges(const dg_division *d) {
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
static dg_known_rates describe_timing(const dg_division *d) {
  const dg_plan_cluster *c = &d->input->cluster;
  const int threads = fewest(d->point->threads, c->cores_here), local = dg_plan_local_ranks(d->point, c);
  const int abreast = fewest(local, c->cores_here / threads);
  const int ranks = fewest(local, (int)(crowd_of(d->point, c) * c->cores_here / threads));
  return (dg_known_rates){.parts = d->point->parts,
                          .threads = threads,
                          .node = {ranks > abreast ? ranks : abreast, abreast, count_exchanges(d)}};
}

/* Times steps on the heaviest part; where it is too large the rates of a smaller one stay. */
static dg_status time_heaviest(dg_known_rates *known, const dg_known_rates *timing, const dg_division *d,
                               const dg_comm *alone) {
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

dg_status dg_plan_find_rates(dg_known_rates *known, const dg_division *d, const dg_dividing *how,
                             const dg_comm *alone) {
  dg_status status = DG_OK;
  dg_plan_point point = *d->point;
  dg_division fewer = {.input = d->input, .model = d->model, .point = &point};
  dg_known_rates timing = describe_timing(d);
  if (d->input->scale <= 1) return time_heaviest(known, &timing, d, alone);
  timing.parts = point.parts = (int)fmax(1, d->point->parts / d->input->scale);
  if (known->parts == timing.parts && known->threads == timing.threads && known->node.ranks == timing.node.ranks)
    return DG_OK;
  DG_TRY(dg_division_make(&fewer, how));
  DG_TRY(time_heaviest(known, &timing, &fewer, alone));

cleanup:
  dg_division_destroy(&fewer);
  return status;
}

/* Seconds of one rank's exchanges in a step, nothing of them hidden: rows there in each pass, gradients back. */
static double time_exchanges(const dg_division *d, const dg_counts *counts) {
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

/* Bytes that all ranks of a node give to sums over nodes. */
static double summed_bytes(const dg_division *d) {
  return (double)(d->model->params.count + (int64_t)dg_plan_shares(d->point) * DG_TAIL) * sizeof(dg_real);
}

/* Seconds of the sum of gradients: inside each node what was measured on one of fewer ranks, the rounds of the others,
   and their gradients where no two ranks could be tried; between nodes each byte goes there and back, by two messages
   of each to each where nodes are few. */
static double time_sum(const dg_division *d, const dg_known_rates *known) {
  const dg_plan_cluster *c = &d->input->cluster;
  const int nodes = d->point->nodes, local = dg_plan_local_ranks(d->point, c), tried = known->node.ranks;
  const double bytes = summed_bytes(d);
  double seconds = known->rates.together;
  if (local > tried) seconds += 2 * ceil(log2((double)local / tried)) * c->node_latency;
  if (local > 1 && tried == 1) seconds += bytes / c->node_bandwidth;
  const double rounds = nodes <= DG_REDUCE_DIRECT ? 1 : ceil(log2(nodes));
  if (nodes > 1) seconds += 2 * rounds * c->latency + 2 * bytes * (nodes - 1) / nodes / c->bandwidth;
  return seconds;
}

/* Seconds of batch norm's sums, which are small and which everything waits for: all ranks of all nodes. */
static double time_norms(const dg_division *d) {
  const dg_plan_cluster *c = &d->input->cluster;
  const double latency = d->point->nodes > 1 ? c->latency : c->node_latency;
  return dg_model_norm_sums(d->model) * ceil(log2(d->point->parts)) * latency;
}

/* Threads beyond those that were timed are taken to work as fast. */
void dg_plan_predict_time(const dg_division *d, const dg_known_rates *known) {
  dg_plan_point *point = d->point;
  const dg_plan_cluster *c = &d->input->cluster;
  const double crowd = crowd_of(point, c);
  const double pace = (double)point->threads / known->threads;
  const int shares = dg_plan_shares(point);
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
