#include <math.h>
#include <metis.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "kept_signals.h"
#include "methods.h"

/* A load over its share that moves mend dearly. */
#define FAR_OUT 1.1

/* DG_BALANCE_AIM, as METIS is told of it. */
enum { SLACK = 30 };

/* Where a smaller share of all edges is cut, chance has a part in which: so many tries are made each way. */
static const double few_cut = 0.05;
enum { TRIES = 6 };

/* What METIS's adding up of weights allows any quantity of a step. */
static const double whole = 1e8;

/* A graph as METIS wants it: every edge in both directions, no self-loops. */
typedef struct metis_graph {
  idx_t n_nodes, n_weights;
  idx_t *xadj;         /* [n_nodes + 1] */
  const idx_t *adjncy; /* [xadj[n_nodes]] the caller's edges, or own_adjncy */
  idx_t *own_adjncy;
  idx_t *weights;      /* [n_nodes, n_weights], NULL: all 1 */
  idx_t *edge_weights; /* [xadj[n_nodes]], NULL: all 1 */
  idx_t *sizes;        /* [n_nodes] of what a node sends, NULL: all 1 */
  real_t *shares;      /* [parts, n_weights] of the whole, NULL: equal */
} metis_graph;

static void destroy_graph(metis_graph *graph) {
  dg_free(&graph->xadj);
  dg_free(&graph->own_adjncy);
  dg_free(&graph->weights);
  dg_free(&graph->edge_weights);
  dg_free(&graph->sizes);
  dg_free(&graph->shares);
}

/* The sum of vertex weights (in-degree + 1) must fit as well as the number of edge ends. */
bool dg_partition_metis_counts(int64_t n_nodes, int64_t n_ends) {
  return n_ends <= (int64_t)IDX_MAX - n_nodes;
}

size_t dg_partition_metis_bytes(int64_t n_nodes, int64_t n_edges) {
  return (size_t)(160 * n_nodes + 44 * n_edges);
}

static dg_status check_limits(int64_t n_ends, int64_t n_nodes) {
  if (dg_partition_metis_counts(n_nodes, n_ends)) return DG_OK;
  return dg_fail(DG_INPUT,
                 "%lld nodes with %lld edges (both directions) are beyond the %d-bit integers of this METIS, which add "
                 "up to %lld; use --method multilevel, or a METIS of 64 bits",
                 (long long)n_nodes, (long long)n_ends, IDXTYPEWIDTH, (long long)IDX_MAX);
}

/* Number of nodes other than `self` in either of two ascending rows; writes them to `out` unless that is NULL. */
static int64_t merge_rows(idx_t *out, const dg_csr *a, const dg_csr *b, int64_t self) {
  int64_t count = 0, p = a->indptr[self], q = b->indptr[self];
  const int64_t p_end = a->indptr[self + 1], q_end = b->indptr[self + 1];
  while (p < p_end || q < q_end) {
    int32_t j = q == q_end || (p < p_end && a->indices[p] < b->indices[q]) ? a->indices[p] : b->indices[q];
    while (p < p_end && a->indices[p] == j) p++;
    while (q < q_end && b->indices[q] == j) q++;
    if (j == self) continue;
    if (out) out[count] = j;
    count++;
  }
  return count;
}

/* Takes each edge in both directions. */
static dg_status copy_symmetrised(metis_graph *graph, const dg_csr *in) {
  dg_status status = DG_OK;
  dg_csr out = {0};
  int64_t n_ends = 0;
  DG_TRY(dg_csr_transpose(&out, in));
  for (int64_t i = 0; i < in->n_rows; i++) n_ends += merge_rows(NULL, in, &out, i);
  DG_TRY(check_limits(n_ends, in->n_rows));
  DG_TRY(dg_alloc(&graph->own_adjncy, (size_t)n_ends, sizeof *graph->own_adjncy));
  for (int64_t i = 0; i < in->n_rows; i++)
    graph->xadj[i + 1] = graph->xadj[i] + (idx_t)merge_rows(graph->own_adjncy + graph->xadj[i], in, &out, i);
  graph->adjncy = graph->own_adjncy;
cleanup:
  dg_csr_destroy(&out);
  return status;
}

/* Vertex weights of the balances that know no step. */
static dg_status set_weights(metis_graph *graph, const dg_csr *edges, dg_partition_balance balance) {
  dg_status status = DG_OK;
  graph->n_weights = balance == DG_BALANCE_BOTH ? 2 : 1;
  if (balance == DG_BALANCE_NODES) return DG_OK;
  DG_TRY(dg_alloc(&graph->weights, (size_t)graph->n_nodes * (size_t)graph->n_weights, sizeof *graph->weights));
  idx_t *weight = graph->weights;
  for (idx_t i = 0; i < graph->n_nodes; i++) {
    *weight++ = (idx_t)(edges->indptr[i + 1] - edges->indptr[i] + 1);
    if (balance == DG_BALANCE_BOTH) *weight++ = 1;
  }
cleanup:
  return status;
}

/* Each node's share of the non-zeros that the step projects, where the targets of a source share it: share [n_nodes].
 */
static dg_status share_nonzeros(float *share, const dg_csr *edges, const dg_step_work *work) {
  int32_t *targets;
  const dg_status status = dg_alloc(&targets, (size_t)edges->n_rows, sizeof *targets);
  if (status != DG_OK) return status;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = 0; i < edges->n_rows; i++) {
      const int64_t first = edges->indptr[i], n = work->edges ? edges->indptr[i + 1] - first : 0;
      for (int64_t t = 0; dg_step_is_target(work, i) && t <= n; t++) {
        const int64_t j = t < n ? edges->indices[first + t] : i;
        if (pass == 0) targets[j]++;
        if (pass == 1) share[i] += (float)work->entries[j] / (float)targets[j];
      }
    }
  dg_free(&targets);
  return DG_OK;
}

/* The vertex weights of a step: its non-zeros, its edges, and the edges of the graph, each to be balanced. */
static dg_status set_step_weights(metis_graph *graph, const dg_csr *edges, const dg_step_work *work) {
  dg_status status = DG_OK;
  float *nonzeros = NULL;
  double sum = 0, edge_sum = 0;
  graph->n_weights = 3;
  DG_TRY(dg_alloc(&nonzeros, (size_t)edges->n_rows, sizeof *nonzeros));
  DG_TRY(dg_alloc(&graph->weights, (size_t)graph->n_nodes * 3, sizeof *graph->weights));
  DG_TRY(share_nonzeros(nonzeros, edges, work));
  for (int64_t i = 0; i < edges->n_rows; i++)
    sum += nonzeros[i], edge_sum += dg_step_edge_work(work, i, edges->indptr[i + 1] - edges->indptr[i]);
  for (int64_t i = 0; i < edges->n_rows; i++) {
    const int64_t n_in = edges->indptr[i + 1] - edges->indptr[i];
    idx_t *weight = &graph->weights[3 * i];
    if (sum > 0) weight[0] = (idx_t)(whole * nonzeros[i] / sum);
    if (edge_sum > 0) weight[1] = (idx_t)(whole * dg_step_edge_work(work, i, n_in) / edge_sum);
    weight[2] = (idx_t)(n_in + 1);
  }
cleanup:
  dg_free(&nonzeros);
  return status;
}

/* Edges that a step goes over weigh more, and rows that it needs. */
static dg_status set_step_priorities(metis_graph *graph, const dg_step_work *work) {
  dg_status status = DG_OK;
  const idx_t n = graph->n_nodes, most = (idx_t)(IDX_MAX / 2) / (graph->xadj[n] + 1);
  const idx_t much = most < DG_STEP_EDGE_WEIGHT ? most : DG_STEP_EDGE_WEIGHT;
  if (much < 2 || !work->edges) return DG_OK;
  DG_TRY(dg_alloc(&graph->edge_weights, (size_t)graph->xadj[n], sizeof *graph->edge_weights));
  DG_TRY(dg_alloc(&graph->sizes, (size_t)n, sizeof *graph->sizes));
  for (idx_t i = 0; i < n; i++) {
    graph->sizes[i] = work->level[i] > 0 ? much : 1;
    for (idx_t t = graph->xadj[i]; t < graph->xadj[i + 1]; t++)
      graph->edge_weights[t] = dg_step_is_target(work, i) || dg_step_is_target(work, graph->adjncy[t]) ? much : 1;
  }
cleanup:
  return status;
}

static bool covers(const dg_step_work *work, int64_t n) {
  int64_t targets = 0;
  for (int64_t i = 0; i < n; i++) targets += dg_step_is_target(work, i);
  return dg_step_covers(work, targets, n);
}

static dg_status set_shares(metis_graph *graph, const double *share, int parts) {
  const dg_status status = dg_alloc(&graph->shares, (size_t)parts * (size_t)graph->n_weights, sizeof *graph->shares);
  for (idx_t k = 0; status == DG_OK && k < parts * graph->n_weights; k++)
    graph->shares[k] = (real_t)share[k / graph->n_weights];
  return status;
}

/* Borrows the edges where METIS can read them as they are: they are the largest array. With `by_edges` the step counts
   as what its edges are. */
static dg_status make_graph(metis_graph *graph, const dg_csr *edges, const dg_partition_config *config, bool by_edges) {
  dg_status status = DG_OK;
  bool symmetric;
  DG_TRY(check_limits(0, edges->n_rows));
  graph->n_nodes = (idx_t)edges->n_rows;
  DG_TRY(dg_alloc(&graph->xadj, (size_t)edges->n_rows + 1, sizeof *graph->xadj));
  DG_TRY(dg_csr_find_symmetric(&symmetric, edges));
  if (symmetric && sizeof(idx_t) == sizeof *edges->indices) {
    DG_TRY(check_limits(edges->indptr[edges->n_rows], edges->n_rows));
    for (int64_t i = 0; i <= edges->n_rows; i++) graph->xadj[i] = (idx_t)edges->indptr[i];
    graph->adjncy = (const idx_t *)edges->indices;
  } else {
    DG_TRY(copy_symmetrised(graph, edges));
  }
  if (by_edges) {
    DG_TRY(set_weights(graph, edges, DG_BALANCE_EDGES));
  } else if (config->balance == DG_BALANCE_STEP) {
    DG_TRY(set_step_weights(graph, edges, config->step));
    DG_TRY(set_step_priorities(graph, config->step));
  } else {
    DG_TRY(set_weights(graph, edges, config->balance));
  }
  if (config->share) DG_TRY(set_shares(graph, config->share, config->parts));
cleanup:
  return status;
}

/* How METIS is to divide a graph. */
typedef struct metis_way {
  bool volume;    /* its objective: rows that are sent, not edges that are cut */
  bool recursive; /* by halves of halves, not into all parts at once */
  int slack;      /* of a load beyond its share, in thousandths: what METIS allows itself in each division */
  int tries;
  uint64_t seed;
} metis_way;

static void set_options(idx_t options[METIS_NOPTIONS], const metis_way *way) {
  METIS_SetDefaultOptions(options);
  options[METIS_OPTION_OBJTYPE] = way->volume ? METIS_OBJTYPE_VOL : METIS_OBJTYPE_CUT;
  options[METIS_OPTION_NUMBERING] = 0;
  options[METIS_OPTION_UFACTOR] = way->slack;
  /* METIS seeds rand(), to which 0 and 1 are the same: mix first. */
  options[METIS_OPTION_SEED] = (idx_t)(dg_rng_key(way->seed, 1) >> 33);
  options[METIS_OPTION_NCUTS] = way->tries;
}

/* Calls METIS with its remarks (on pieces without nodes, say) kept from standard output and error, where results and
   the one line of a failure must stand alone. glibc lets the streams be set. */
static int call_quietly(const metis_graph *graph, idx_t *part, idx_t parts, const metis_way *way, idx_t *objective) {
  idx_t n_nodes = graph->n_nodes, n_weights = graph->n_weights, options[METIS_NOPTIONS];
  set_options(options, way);
  FILE *out = stdout, *err = stderr, *sink = fopen("/dev/null", "w");
  if (sink) stdout = stderr = sink;
  int result = (way->recursive ? METIS_PartGraphRecursive : METIS_PartGraphKway)(
      &n_nodes, &n_weights, graph->xadj, (idx_t *)graph->adjncy, graph->weights, graph->sizes, graph->edge_weights,
      &parts, graph->shares, NULL, options, objective, part);
  stdout = out;
  stderr = err;
  if (sink) fclose(sink);
  return result;
}

static int call_and_restore(const metis_graph *graph, idx_t *part, idx_t parts, const metis_way *way,
                            idx_t *objective) {
  dg_kept_signals kept;
  dg_kept_signals_begin(&kept);
  const int result = call_quietly(graph, part, parts, way, objective);
  dg_kept_signals_end(&kept);
  return result;
}

/* METIS takes a SIGTERM that comes as it begins, by whomever, for a fault of its own, and gives up: it is heard after
   all. Who goes on then divides once more. */
static int call_through_signals(const metis_graph *graph, idx_t *part, idx_t parts, const metis_way *way,
                                idx_t *objective) {
  const int result = call_and_restore(graph, part, parts, way, objective);
  if (result != METIS_ERROR) return result;
  raise(SIGTERM);
  return call_and_restore(graph, part, parts, way, objective);
}

/* The best of several tries cuts 5 to 10 % less on the citation graphs; with the weights of a step each takes three
   times as long. */
static int count_tries(const dg_partition_config *config, int64_t n_nodes) {
  return n_nodes >= DG_LARGE_GRAPH || config->balance == DG_BALANCE_STEP ? 1 : 4;
}

/* One partition by METIS: part [n_nodes]; gives its objective. */
static dg_status call(idx_t *objective, int32_t *part, const metis_graph *graph, int parts, const metis_way *way) {
  dg_status status = DG_OK;
  idx_t *result = NULL;
  DG_TRY(dg_alloc(&result, (size_t)graph->n_nodes, sizeof *result));
  const int code = call_through_signals(graph, result, parts, way, objective);
  if (code == METIS_ERROR_MEMORY)
    DG_TRY(dg_fail(DG_MEMORY, "METIS ran out of memory on %lld nodes; use --method multilevel",
                   (long long)graph->n_nodes));
  if (code != METIS_OK)
    DG_TRY(dg_fail(DG_RUNTIME, "METIS stopped with code %d (a signal, or a fault of its own)", code));
  for (idx_t i = 0; i < graph->n_nodes; i++) part[i] = (int32_t)result[i];
cleanup:
  dg_free(&result);
  return status;
}

/* The same, mended. */
static dg_status divide(int32_t *part, const metis_graph *graph, const dg_csr *edges, bool volume,
                        const dg_partition_config *config) {
  const metis_way way = {
      .volume = volume, .slack = SLACK, .tries = count_tries(config, graph->n_nodes), .seed = config->seed};
  idx_t objective;
  const dg_status status = call(&objective, part, graph, config->parts, &way);
  return status == DG_OK ? dg_partition_refine(part, edges, config) : status;
}

/* METIS's objective `vol` takes large graphs 4 to 15 times as long as `cut`, and saves no more rows than the moves of
   dg_partition_refine, which follow both. */
static dg_status divide_best(int32_t *part, const dg_csr *edges, const dg_partition_config *config, bool by_edges) {
  dg_status status = DG_OK;
  metis_graph graph = {0};
  int32_t *other = NULL;
  double cost, other_cost;
  DG_TRY(make_graph(&graph, edges, config, by_edges));
  DG_TRY(divide(part, &graph, edges, config->objective == DG_PART_VOL, config));
  if (config->objective != DG_PART_AUTO || edges->n_rows >= DG_LARGE_GRAPH) goto cleanup;
  DG_TRY(dg_alloc(&other, (size_t)edges->n_rows, sizeof *other));
  DG_TRY(divide(other, &graph, edges, true, config));
  DG_TRY(dg_partition_cost(&cost, NULL, part, edges, config));
  DG_TRY(dg_partition_cost(&other_cost, NULL, other, edges, config));
  if (other_cost < cost) memcpy(part, other, (size_t)edges->n_rows * sizeof *part);
cleanup:
  dg_free(&other);
  destroy_graph(&graph);
  return status;
}

/* Where the step covers the graph METIS is told of its edges alone; of all, where that leaves parts unlike: isolated
   nodes have features and hardly an edge. */
dg_status dg_partition_metis(int32_t *part, const dg_csr *edges, const dg_partition_config *config) {
  dg_status status = DG_OK;
  int32_t *second = NULL;
  double cost, other_cost, worst;
  const bool covered = config->balance == DG_BALANCE_STEP && covers(config->step, edges->n_rows);
  DG_TRY(divide_best(part, edges, config, covered));
  if (!covered) goto cleanup;
  DG_TRY(dg_partition_cost(&cost, &worst, part, edges, config));
  if (worst <= FAR_OUT) goto cleanup;
  DG_TRY(dg_alloc(&second, (size_t)edges->n_rows, sizeof *second));
  DG_TRY(divide_best(second, edges, config, false));
  DG_TRY(dg_partition_cost(&other_cost, &worst, second, edges, config));
  if (worst <= DG_BALANCED || other_cost < cost) memcpy(part, second, (size_t)edges->n_rows * sizeof *part);
cleanup:
  dg_free(&second);
  return status;
}

/* Weights as METIS's integers, at most `most` in all: out [n] of every `stride`-th weight, put at as great a distance
   as there are kinds. */
static void scale_weights(idx_t *out, int kinds, const int64_t *weight, int stride, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)weight[i * stride];
  const double factor = sum > whole ? whole / sum : 1;
  for (int64_t i = 0; i < n; i++) out[i * kinds] = (idx_t)(factor * (double)weight[i * stride]);
}

/* The same of edges, each at least 1. */
static void scale_edges(idx_t *out, const int32_t *weight, int64_t n) {
  const double most = (double)(IDX_MAX / 2) - (double)n;
  double sum = 0;
  for (int64_t t = 0; t < n; t++) sum += weight[t];
  const double factor = sum > most ? most / sum : 1;
  for (int64_t t = 0; t < n; t++) {
    out[t] = (idx_t)(factor * weight[t]);
    if (out[t] < 1) out[t] = 1;
  }
}

static dg_status take_weighted(metis_graph *graph, const dg_weighted_graph *g, int n_weights) {
  dg_status status = DG_OK;
  const int64_t n = g->n_nodes, n_ends = g->indptr[n];
  DG_TRY(check_limits(n_ends, n));
  graph->n_nodes = (idx_t)n, graph->n_weights = n_weights;
  DG_TRY(dg_alloc(&graph->xadj, (size_t)n + 1, sizeof *graph->xadj));
  DG_TRY(dg_alloc(&graph->own_adjncy, (size_t)n_ends, sizeof *graph->own_adjncy));
  DG_TRY(dg_alloc(&graph->edge_weights, (size_t)n_ends, sizeof *graph->edge_weights));
  DG_TRY(dg_alloc(&graph->weights, (size_t)(n * n_weights), sizeof *graph->weights));
  for (int64_t i = 0; i <= n; i++) graph->xadj[i] = (idx_t)g->indptr[i];
  for (int64_t t = 0; t < n_ends; t++) graph->own_adjncy[t] = (idx_t)g->ids[t];
  graph->adjncy = graph->own_adjncy;
  scale_edges(graph->edge_weights, g->edge_weight, n_ends);
  for (int k = 0; k < n_weights; k++) scale_weights(graph->weights + k, n_weights, g->weight + k, g->stride, n);
cleanup:
  return status;
}

/* Kinds of weight that nodes have, the first ones. */
static int count_kinds(const dg_weighted_graph *g) {
  int kinds = g->n_weights;
  for (int64_t i = 0; i < g->n_nodes; i++)
    while (kinds < g->stride && g->weight[i * g->stride + kinds] > 0) kinds++;
  return kinds;
}

/* Below which another try may cut much less. */
static double find_few(const dg_weighted_graph *g) {
  double all = 0;
  for (int64_t t = 0; t < g->indptr[g->n_nodes]; t++) all += g->edge_weight[t];
  return few_cut * all / 2;
}

/* The k-th try: at once and by halves in turn. Halves of halves are as uneven as all divisions together. */
static metis_way way_of(int k, uint64_t seed) {
  const bool recursive = k % 2 == 1;
  const int of_halves = k % 4 == 1 ? SLACK / 3 : 2 * SLACK / 3;
  return (metis_way){
      .recursive = recursive, .slack = recursive ? of_halves : SLACK, .tries = 1, .seed = seed + (uint64_t)k / 2};
}

/* Tries both ways, METIS told of so many weights: *least and part [n_nodes] are what was cheapest so far. */
static dg_status try_ways(dg_polished *least, int32_t *part, int32_t *tried, const dg_weighted_graph *g, int n_weights,
                          int parts, const double *share, uint64_t seed) {
  dg_status status = DG_OK;
  metis_graph graph = {0};
  const double few = find_few(g);
  DG_TRY(take_weighted(&graph, g, n_weights));
  if (share) DG_TRY(set_shares(&graph, share, parts));
  for (int k = 0; k < 2 || (k < 2 * TRIES && least->cost > 0 && least->cost < few); k++) {
    const metis_way way = way_of(k, seed);
    dg_polished found;
    idx_t cut;
    DG_TRY(call(&cut, tried, &graph, parts, &way));
    DG_TRY(dg_partition_polish(&found, tried, g, parts, share, false));
    if (found.cost >= least->cost) continue;
    *least = found;
    memcpy(part, tried, (size_t)graph.n_nodes * sizeof *part);
  }
cleanup:
  destroy_graph(&graph);
  return status;
}

/* A graph of few and heavy nodes METIS divides now better by halves, now into all parts at once, by much: the smaller
   cut is taken, where both are as balanced. Where weights that METIS was not told of were far out of balance, it is
   told of all. */
dg_status dg_partition_metis_weighted(int32_t *part, const dg_weighted_graph *g, int parts, const double *share,
                                      uint64_t seed) {
  dg_status status = DG_OK;
  int32_t *tried = NULL;
  dg_polished least = {.cost = INFINITY};
  const int kinds = count_kinds(g);
  DG_TRY(dg_alloc(&tried, (size_t)g->n_nodes, sizeof *tried));
  DG_TRY(try_ways(&least, part, tried, g, g->n_weights, parts, share, seed));
  if (kinds > g->n_weights && least.before > FAR_OUT)
    DG_TRY(try_ways(&least, part, tried, g, kinds, parts, share, seed));
cleanup:
  dg_free(&tried);
  return status;
}
