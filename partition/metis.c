#include <metis.h>
#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "methods.h"

/* Graphs of fewer nodes take milliseconds. */
#define SMALL_GRAPH 100000

/* A graph as METIS wants it: every edge in both directions, no self-loops. */
typedef struct metis_graph {
  idx_t n_nodes, n_weights;
  idx_t *xadj;         /* [n_nodes + 1] */
  const idx_t *adjncy; /* [xadj[n_nodes]] the caller's edges, or own_adjncy */
  idx_t *own_adjncy;
  idx_t *weights; /* [n_nodes, n_weights], NULL: all 1 */
} metis_graph;

static void destroy_graph(metis_graph *graph) {
  dg_free(&graph->xadj);
  dg_free(&graph->own_adjncy);
  dg_free(&graph->weights);
}

/* The sum of vertex weights (in-degree + 1) must fit as well as the number of edge ends. */
static dg_status check_limits(int64_t n_ends, int64_t n_nodes) {
  if (n_ends <= (int64_t)IDX_MAX - n_nodes) return DG_OK;
  return dg_fail(DG_INPUT,
                 "%lld nodes with %lld edges (both directions) are beyond the %d-bit integers of this METIS, which add "
                 "up to %lld; use --method block or random, or a METIS of 64 bits",
                 (long long)n_nodes, (long long)n_ends, IDXTYPEWIDTH, (long long)IDX_MAX);
}

/* Whether every edge has its reverse and none is a self-loop. Rows ascend, so the reverse of each edge, taken row by
   row, must be the next entry of its row. */
static dg_status find_symmetric(bool *symmetric, const dg_csr *edges) {
  dg_status status = DG_OK;
  int64_t *next = NULL;
  DG_TRY(dg_alloc(&next, (size_t)edges->n_rows, sizeof *next));
  memcpy(next, edges->indptr, (size_t)edges->n_rows * sizeof *next);
  *symmetric = true;
  for (int64_t i = 0; i < edges->n_rows && *symmetric; i++)
    for (int64_t k = edges->indptr[i]; k < edges->indptr[i + 1] && *symmetric; k++) {
      int32_t j = edges->indices[k];
      *symmetric = j != i && next[j] < edges->indptr[j + 1] && edges->indices[next[j]] == i;
      next[j]++;
    }
cleanup:
  dg_free(&next);
  return status;
}

static dg_status transpose(dg_csr *out, const dg_csr *in) {
  dg_status status = DG_OK;
  int64_t n = in->n_rows;
  out->n_rows = n;
  DG_TRY(dg_alloc(&out->indptr, (size_t)n + 2, sizeof *out->indptr));
  DG_TRY(dg_alloc(&out->indices, (size_t)in->indptr[n], sizeof *out->indices));
  /* Counts two places ahead: filling moves them to where they belong. */
  for (int64_t k = 0; k < in->indptr[n]; k++) out->indptr[in->indices[k] + 2]++;
  for (int64_t i = 1; i < n; i++) out->indptr[i + 1] += out->indptr[i];
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = in->indptr[i]; k < in->indptr[i + 1]; k++)
      out->indices[out->indptr[in->indices[k] + 1]++] = (int32_t)i;
cleanup:
  return status;
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
  DG_TRY(transpose(&out, in));
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

/* Borrows the edges where METIS can read them as they are: they are the largest array. */
static dg_status make_graph(metis_graph *graph, const dg_csr *edges, dg_partition_balance balance) {
  dg_status status = DG_OK;
  bool symmetric;
  DG_TRY(check_limits(0, edges->n_rows));
  graph->n_nodes = (idx_t)edges->n_rows;
  DG_TRY(dg_alloc(&graph->xadj, (size_t)edges->n_rows + 1, sizeof *graph->xadj));
  DG_TRY(find_symmetric(&symmetric, edges));
  if (symmetric && sizeof(idx_t) == sizeof *edges->indices) {
    DG_TRY(check_limits(edges->indptr[edges->n_rows], edges->n_rows));
    for (int64_t i = 0; i <= edges->n_rows; i++) graph->xadj[i] = (idx_t)edges->indptr[i];
    graph->adjncy = (const idx_t *)edges->indices;
  } else {
    DG_TRY(copy_symmetrised(graph, edges));
  }
  DG_TRY(set_weights(graph, edges, balance));
cleanup:
  return status;
}

static void set_options(idx_t options[METIS_NOPTIONS], const metis_graph *graph, const dg_partition_config *config) {
  METIS_SetDefaultOptions(options);
  options[METIS_OPTION_OBJTYPE] = config->objective == DG_PART_VOL ? METIS_OBJTYPE_VOL : METIS_OBJTYPE_CUT;
  options[METIS_OPTION_NUMBERING] = 0;
  options[METIS_OPTION_UFACTOR] = 30;
  /* METIS seeds rand(), to which 0 and 1 are the same: mix first. */
  options[METIS_OPTION_SEED] = (idx_t)(dg_rng_key(config->seed, 1) >> 33);
  /* The best of several tries cuts 5 to 10 % less on the citation graphs. */
  options[METIS_OPTION_NCUTS] = graph->n_nodes < SMALL_GRAPH ? 4 : 1;
}

/* Calls METIS with its remarks (on pieces without nodes, say) kept from standard output and error, where results and
   the one line of a failure must stand alone. glibc lets the streams be set. */
static int call_quietly(const metis_graph *graph, idx_t *part, idx_t parts, idx_t *options) {
  idx_t n_nodes = graph->n_nodes, n_weights = graph->n_weights, objective = 0;
  FILE *out = stdout, *err = stderr, *sink = fopen("/dev/null", "w");
  if (sink) stdout = stderr = sink;
  int result = METIS_PartGraphKway(&n_nodes, &n_weights, graph->xadj, (idx_t *)graph->adjncy, graph->weights, NULL,
                                   NULL, &parts, NULL, NULL, options, &objective, part);
  stdout = out;
  stderr = err;
  if (sink) fclose(sink);
  return result;
}

static idx_t largest_part(const int64_t *count, idx_t parts) {
  idx_t largest = 0;
  for (idx_t p = 1; p < parts; p++)
    if (count[p] > count[largest]) largest = p;
  return largest;
}

/* METIS leaves parts empty where nodes do not hang together otherwise (a star): each gets the last node of the largest
   part, while that has more than one. */
static dg_status fill_empty_parts(idx_t *part, idx_t n, idx_t parts) {
  int64_t *count;
  dg_status status = dg_alloc(&count, (size_t)parts, sizeof *count);
  if (status != DG_OK) return status;
  for (idx_t i = 0; i < n; i++) count[part[i]]++;
  for (idx_t p = 0; p < parts; p++) {
    if (count[p] > 0) continue;
    const idx_t from = largest_part(count, parts);
    if (count[from] < 2) break;
    idx_t i = n - 1;
    while (part[i] != from) i--;
    part[i] = p;
    count[p]++, count[from]--;
  }
  dg_free(&count);
  return DG_OK;
}

dg_status dg_partition_metis(int32_t *part, const dg_csr *edges, const dg_partition_config *config) {
  dg_status status = DG_OK;
  metis_graph graph = {0};
  idx_t *result = NULL, options[METIS_NOPTIONS];
  DG_TRY(make_graph(&graph, edges, config->balance));
  DG_TRY(dg_alloc(&result, (size_t)edges->n_rows, sizeof *result));
  set_options(options, &graph, config);
  int code = call_quietly(&graph, result, config->parts, options);
  if (code == METIS_ERROR_MEMORY)
    DG_TRY(dg_fail(DG_MEMORY, "METIS ran out of memory on %lld nodes; use --method block or random",
                   (long long)edges->n_rows));
  if (code != METIS_OK)
    DG_TRY(dg_fail(DG_RUNTIME, "METIS stopped with code %d (a signal, or a fault of its own)", code));
  DG_TRY(fill_empty_parts(result, graph.n_nodes, config->parts));
  for (int64_t i = 0; i < edges->n_rows; i++) part[i] = (int32_t)result[i];
cleanup:
  dg_free(&result);
  destroy_graph(&graph);
  return status;
}
