#include "multilevel.h"

#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

enum { CLUSTER_ROUNDS = 6, SPREAD_ROUNDS = 40 };

/* A contraction that leaves more of the nodes than this is the last. */
static const double enough = 0.9;

int64_t dg_multilevel_nodes = 40000;

int64_t dg_multilevel_wanted(int parts) {
  const int64_t by_parts = (int64_t)DG_MULTILEVEL_NODES_A_PART * parts;
  return by_parts > dg_multilevel_nodes ? by_parts : dg_multilevel_nodes;
}

bool dg_blocks_are_few(int64_t n_nodes, int parts) {
  return n_nodes <= dg_multilevel_wanted(parts);
}

/* Clusters so light that half of the wanted nodes remain at least. */
static dg_weight cluster_limit(const dg_level *level, int parts) {
  dg_weight limit;
  for (int k = 0; k < DG_MAX_WEIGHTS; k++) limit.of[k] = 2 * level->total.of[k] / dg_multilevel_wanted(parts) + 1;
  return limit;
}

/* Rows of all ranks on rank 0. */
typedef struct gathered {
  int64_t *indptr;
  dg_id *ids;
  int32_t *edge_weight;
  dg_weight *weight;
} gathered;

static void destroy_gathered(gathered *g) {
  dg_free(&g->indptr);
  dg_free(&g->ids);
  dg_free(&g->edge_weight);
  dg_free(&g->weight);
}

/* What rank 0 gets from each rank: count [size] of `mine`. */
static void count_all(size_t *count, const dg_comm *comm, size_t mine) {
  size_t *send = count + comm->size;
  for (int r = 0; r < comm->size; r++) send[r] = r == 0 ? mine : 0;
  dg_comm_exchange_counts(comm, send, count);
}

/* Collective. */
static dg_status gather_rows(gathered *g, const dg_level *level) {
  dg_status status = DG_OK;
  const dg_comm *comm = level->comm;
  const size_t n = (size_t)level->n, n_ends = (size_t)level->indptr[n], root = comm->rank == 0;
  size_t *rows = NULL, *ends = NULL;
  gathered own = {0};
  status = dg_alloc(&rows, 4 * (size_t)comm->size, sizeof *rows);
  if (status == DG_OK) status = dg_alloc(&own.indptr, n, sizeof *own.indptr);
  if (status == DG_OK) status = dg_alloc(&own.ids, n_ends, sizeof *own.ids);
  if (status == DG_OK) status = dg_alloc(&own.edge_weight, n_ends, sizeof *own.edge_weight);
  if (status == DG_OK) status = dg_alloc(&g->indptr, root * (size_t)level->nodes.n_nodes + 1, sizeof *g->indptr);
  if (status == DG_OK) status = dg_alloc(&g->weight, root * (size_t)level->nodes.n_nodes, sizeof *g->weight);
  if (status == DG_OK) status = dg_alloc(&g->ids, root * (size_t)level->n_ends, sizeof *g->ids);
  if (status == DG_OK) status = dg_alloc(&g->edge_weight, root * (size_t)level->n_ends, sizeof *g->edge_weight);
  DG_TRY(dg_comm_agree(comm, status));
  for (dg_row i = 0; i < level->n; i++) {
    own.indptr[i] = level->indptr[i + 1] - level->indptr[i];
    for (int64_t t = level->indptr[i]; t < level->indptr[i + 1]; t++)
      own.ids[t] = dg_level_id(level, level->to[t]), own.edge_weight[t] = dg_level_edge(level, i, t);
  }
  ends = rows + 2 * comm->size;
  count_all(rows, comm, n);
  count_all(ends, comm, n_ends);
  const size_t *send_rows = rows + comm->size, *send_ends = ends + comm->size;
  dg_comm_exchange(comm, own.indptr, send_rows, g->indptr + 1, rows, sizeof *g->indptr);
  dg_comm_exchange(comm, level->weight, send_rows, g->weight, rows, sizeof *g->weight);
  dg_comm_exchange(comm, own.ids, send_ends, g->ids, ends, sizeof *g->ids);
  dg_comm_exchange(comm, own.edge_weight, send_ends, g->edge_weight, ends, sizeof *g->edge_weight);
  for (int64_t i = 0; root && i < level->nodes.n_nodes; i++) g->indptr[i + 1] += g->indptr[i];
cleanup:
  dg_free(&rows);
  destroy_gathered(&own);
  return status;
}

/* METIS on rank 0. Collective. */
static dg_status divide_whole(int32_t *part, const dg_level *level, const dg_multilevel_config *config) {
  dg_status status = DG_OK;
  const dg_comm *comm = level->comm;
  gathered g = {0};
  int32_t *all = NULL;
  dg_directory found = level->nodes;
  DG_TRY(gather_rows(&g, level));
  if (comm->rank == 0) {
    const dg_weighted_graph graph = {.n_nodes = level->nodes.n_nodes,
                                     .n_weights = config->constraints,
                                     .stride = DG_MAX_WEIGHTS,
                                     .indptr = g.indptr,
                                     .ids = g.ids,
                                     .edge_weight = g.edge_weight,
                                     .weight = g.weight->of};
    status = dg_alloc(&all, (size_t)graph.n_nodes, sizeof *all);
    if (status == DG_OK) status = dg_partition_metis_weighted(all, &graph, config->parts, config->share, config->seed);
  }
  DG_TRY(dg_comm_agree(comm, status));
  found.owner = part;
  DG_TRY(dg_directory_spread(&found, comm, all, 0, found.n_nodes));
cleanup:
  destroy_gathered(&g);
  dg_free(&all);
  return status;
}

static dg_status divide(int32_t *part, const dg_level *level, const dg_multilevel_config *config, uint64_t depth);

/* By the parts of a smaller graph, if clusters make it so much smaller; *contracted says whether. Collective. */
static dg_status divide_contracted(bool *contracted, int32_t *part, const dg_level *level,
                                   const dg_multilevel_config *config, uint64_t depth) {
  dg_status status = DG_OK;
  const dg_weight limit = cluster_limit(level, config->parts);
  dg_clusters clusters = {0};
  dg_level coarse = {0};
  dg_id *coarse_of = NULL;
  int32_t *coarse_part = NULL;
  DG_TRY(dg_clusters_find(&clusters, level, &limit, CLUSTER_ROUNDS, dg_rng_key(config->seed, 2 * depth)));
  DG_TRY(dg_comm_agree(level->comm, dg_alloc(&coarse_of, (size_t)level->n, sizeof *coarse_of)));
  DG_TRY(dg_level_contract(&coarse, coarse_of, level, &clusters));
  *contracted = (double)coarse.nodes.n_nodes <= enough * (double)level->nodes.n_nodes;
  if (!*contracted) goto cleanup;
  status = dg_alloc(&coarse_part, (size_t)coarse.n + (size_t)coarse.n_halo, sizeof *coarse_part);
  DG_TRY(dg_comm_agree(level->comm, status));
  DG_TRY(divide(coarse_part, &coarse, config, depth + 1));
  DG_TRY(dg_level_project(part, level, coarse_of, &coarse, coarse_part));
cleanup:
  dg_clusters_destroy(&clusters);
  dg_level_destroy(&coarse);
  dg_free(&coarse_of);
  dg_free(&coarse_part);
  return status;
}

static dg_status divide(int32_t *part, const dg_level *level, const dg_multilevel_config *config, uint64_t depth) {
  dg_status status = DG_OK;
  bool contracted = false;
  if (!dg_blocks_are_few(level->nodes.n_nodes, config->parts))
    DG_TRY(divide_contracted(&contracted, part, level, config, depth));
  if (!contracted) DG_TRY(divide_whole(part, level, config));
  const dg_spread_config spread = {.parts = config->parts,
                                   .rounds = SPREAD_ROUNDS,
                                   .share = config->share,
                                   .seed = dg_rng_key(config->seed, 2 * depth + 1)};
  DG_TRY(dg_level_spread(part, level, &spread));
  DG_TRY(dg_level_polish(part, level, config->parts, config->share, dg_multilevel_wanted(config->parts), spread.seed));
cleanup:
  return status;
}

dg_status dg_multilevel_divide(int32_t *part, const dg_level *level, const dg_multilevel_config *config) {
  if (config->parts > 1) return divide(part, level, config, 1);
  memset(part, 0, ((size_t)level->n + (size_t)level->n_halo) * sizeof *part); /* which METIS does not take */
  return DG_OK;
}
