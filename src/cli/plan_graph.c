#include "cli/plan_graph.h"

#include <stdio.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "generate/edges.h"

/* The synthetic graph has at most so many nodes and edges. */
static const double MOST_NODES = 200000, MOST_EDGES = 3e6;

enum { KEY_SPLIT = 96 };

dg_status dg_plan_graph_read(dg_plan_graph *graph, const char *path, const char *split) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  *graph = (dg_plan_graph){.scale = 1};
  DG_TRY(dg_graph_open(&file, &graph->info, path));
  DG_TRY(dg_graph_check_splits(file, &graph->info));
  DG_TRY(dg_outline_read(&graph->outline, file, &graph->info, split));

cleanup:
  dg_h5_close(&file);
  return status;
}

static dg_status check_sizes(const dg_plan_sizes *s) {
  const double most = (double)s->nodes * (double)(s->nodes - 1);
  if ((double)s->edges > most)
    return dg_fail(DG_USAGE, "--edges %lld are not possible with %lld nodes: at most %.0f directed edges are",
                   (long long)s->edges, (long long)s->nodes, most);
  return DG_OK;
}

/* A graph of the same degree, as large as may be. */
static dg_generate_config sample_of(const dg_plan_sizes *s) {
  const double degree = (double)s->edges / (double)s->nodes;
  double nodes = (double)s->nodes < MOST_NODES ? (double)s->nodes : MOST_NODES;
  if (nodes * degree > MOST_EDGES) nodes = MOST_EDGES / degree;
  if (nodes < 2 * degree + 2) nodes = 2 * degree + 2;
  if (nodes > (double)s->nodes) nodes = (double)s->nodes;
  return (dg_generate_config){.name = "plan",
                              .n_nodes = (int64_t)nodes,
                              .avg_degree = degree,
                              .n_features = (int32_t)s->features,
                              .n_classes = (int32_t)s->classes,
                              .homophily = 0.81,
                              .feature_density = 1};
}

/* Splits by chance; one node at least is trained on. */
static void draw_mask(uint8_t *mask, int64_t n, double share) {
  for (int64_t i = 0; i < n; i++) {
    const double u = dg_rng_uniform(KEY_SPLIT, (uint64_t)i);
    mask[i] = (uint8_t)(u < share ? DG_TRAIN : u < 2 * share ? DG_VAL : u < 3 * share ? DG_TEST : 0);
  }
  mask[0] = DG_TRAIN;
}

/* Local. */
static dg_status draw_edges(dg_csr *in, const dg_comm *alone, const dg_generate_config *config) {
  dg_status status = DG_OK;
  const dg_synthetic synthetic = dg_synthetic_make(config);
  dg_synthetic_edges edges = {0};
  in->n_rows = config->n_nodes;
  DG_TRY(dg_synthetic_edges_make(&edges, alone, &synthetic));
  DG_TRY(dg_alloc(&in->indptr, (size_t)in->n_rows + 1, sizeof *in->indptr));
  DG_TRY(dg_alloc(&in->indices, (size_t)edges.indptr[in->n_rows], sizeof *in->indices));
  for (int64_t i = 0; i <= in->n_rows; i++) in->indptr[i] = edges.indptr[i];
  for (int64_t k = 0; k < in->indptr[in->n_rows]; k++) in->indices[k] = (int32_t)edges.indices[k];

cleanup:
  dg_synthetic_edges_destroy(&edges);
  return status;
}

static dg_status imagine(dg_outline *outline, const dg_comm *alone, const dg_generate_config *config,
                         double train_share) {
  dg_status status = DG_OK;
  const size_t n = (size_t)config->n_nodes;
  DG_TRY(draw_edges(&outline->in, alone, config));
  DG_TRY(dg_alloc(&outline->entries, n, sizeof *outline->entries));
  DG_TRY(dg_alloc(&outline->mask, n, sizeof *outline->mask));
  for (size_t i = 0; i < n; i++) outline->entries[i] = config->n_features;
  draw_mask(outline->mask, config->n_nodes, train_share);

cleanup:
  return status;
}

dg_status dg_plan_graph_imagine(dg_plan_graph *graph, const dg_comm *alone, const dg_plan_sizes *sizes) {
  dg_status status = DG_OK;
  const dg_generate_config config = sample_of(sizes);
  *graph = (dg_plan_graph){.info = {.n_nodes = sizes->nodes,
                                    .n_edges = sizes->edges,
                                    .n_nonzeros = sizes->nodes * sizes->features,
                                    .n_features = (int32_t)sizes->features,
                                    .edge_weights = true, /* where a model asks for them */
                                    .n_classes = (int32_t)sizes->classes}};
  snprintf(graph->info.name, sizeof graph->info.name, "%lld nodes", (long long)sizes->nodes);
  DG_TRY(check_sizes(sizes));
  DG_TRY(imagine(&graph->outline, alone, &config, sizes->train_share));
  graph->scale = (double)sizes->nodes / (double)config.n_nodes;

cleanup:
  return status;
}

void dg_plan_graph_destroy(dg_plan_graph *graph) {
  dg_outline_destroy(&graph->outline);
}
