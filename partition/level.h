#ifndef DISTGAT_PARTITION_LEVEL_H
#define DISTGAT_PARTITION_LEVEL_H

#include <distgat/partition.h>

#include "links.h"
#include "methods.h"

/* What a node weighs at once; weights beyond those of the balance are 0. */
enum { DG_MAX_WEIGHTS = 3 };
typedef struct dg_weight {
  int64_t of[DG_MAX_WEIGHTS];
} dg_weight;

static inline void dg_weight_add(dg_weight *sum, const dg_weight *more) {
  for (int k = 0; k < DG_MAX_WEIGHTS; k++) sum->of[k] += more->of[k];
}

/* Whether so much more stays within a limit; what weighs nothing of a kind is always within. */
static inline bool dg_weight_fits(const dg_weight *load, const dg_weight *more, const dg_weight *limit) {
  for (int k = 0; k < DG_MAX_WEIGHTS; k++)
    if (more->of[k] > 0 && load->of[k] + more->of[k] > limit->of[k]) return false;
  return true;
}

/* Which ways an edge of a row goes: from the neighbour to the row, from the row to the neighbour, or both. */
enum { DG_EDGE_IN = 1, DG_EDGE_OUT = 2 };

/* A graph that no rank holds, in blocks of nodes: rows [0, n) are this rank's, rows [n, n + n_halo) the neighbours of
   theirs that others hold, by ascending id. */
typedef struct dg_level {
  const dg_comm *comm;
  dg_directory nodes; /* without owners */
  int64_t n_ends;     /* of all ranks */
  dg_row n, n_halo;
  int64_t *indptr;      /* [n + 1] */
  dg_row *to;           /* [indptr[n]] neighbours, by ascending id in a row */
  uint8_t *way;         /* [indptr[n]] of the edges of the graph itself; NULL: both */
  int32_t *edge_weight; /* [indptr[n]] of a contracted graph, else NULL */
  uint8_t *hot;         /* [n + n_halo] rows whose edges weigh DG_STEP_EDGE_WEIGHT, NULL: none */
  dg_weight *weight;    /* [n] */
  dg_weight total;      /* of all nodes */
  dg_links halo;
} dg_level;

/* The graph of the rows of this rank's block, with in-edges by ids: weights are 0. Errors: DG_MEMORY. Collective. */
dg_status dg_level_create(dg_level *level, const dg_comm *comm, int64_t n_nodes, const dg_in_edges *in);
void dg_level_destroy(dg_level *level);

/* An edge on its way to the rank that holds node a. */
typedef struct dg_edge {
  dg_id a, b;
  int32_t weight;
} dg_edge;

/* How many edges are a portion, at least; tests use fewer. */
extern int64_t dg_edge_portion;

/* Edges that a rank gives in portions. next() writes the edges of so many rows that they are a portion, and gives their
   number, 0 after the last row: another call begins again. No row has more than `longest`. */
typedef struct dg_edge_source {
  int64_t (*next)(dg_edge *edges, void *context);
  void *context;
  int64_t longest;
} dg_edge_source;

/* The graph of the edges that all ranks give, each held by the rank of its node a; of equal edges the weights are added
   up, or, where `ways`, joined as bits. Errors: DG_MEMORY. Collective. */
dg_status dg_level_gather(dg_level *level, const dg_comm *comm, int64_t n_nodes, const dg_edge_source *source,
                          bool ways);

/* Adds up the weights of all nodes. Collective. */
void dg_level_weigh(dg_level *level);

/* Whether every edge has its reverse, as far as checksums tell. Collective. */
bool dg_level_is_symmetric(const dg_level *level);

/* Adds to each in-edge its reverse, and says of each which ways it goes. Errors: DG_MEMORY. Collective. */
dg_status dg_level_symmetrise(dg_level *level);

/* The node of a row. Local. */
static inline dg_id dg_level_id(const dg_level *level, dg_row row) {
  return row < level->n ? level->nodes.first + row : level->halo.ids[row - level->n];
}

/* Weight of edge t, which is of row i. Local. */
static inline int32_t dg_level_edge(const dg_level *level, dg_row i, int64_t t) {
  if (level->edge_weight) return level->edge_weight[t];
  return level->hot && (level->hot[i] || level->hot[level->to[t]]) ? DG_STEP_EDGE_WEIGHT : 1;
}

static inline int dg_level_way(const dg_level *level, int64_t t) {
  return level->way ? level->way[t] : DG_EDGE_IN | DG_EDGE_OUT;
}

/* Fetches the halo's elements of value [n + n_halo]. Errors: DG_MEMORY. Collective. */
static inline dg_status dg_level_pull(const dg_level *level, void *value, size_t bytes) {
  return dg_links_fetch(&level->halo, (char *)value + (size_t)level->n * bytes, value, bytes);
}

/* ---- cluster.c ---- */

/* Nodes that are to become one: those of one label, which is the id of a node, and held by who holds this node. */
typedef struct dg_clusters {
  dg_row *index;    /* [n + n_halo] of a row's label among links.ids */
  dg_links links;   /* labels in use here */
  uint8_t *full;    /* [links.n] how full these clusters are, in 255ths */
  dg_weight *held;  /* [n] what the clusters weigh whose label this rank holds */
  int32_t *members; /* [n] of them */
} dg_clusters;

/* The label of a row. Local. */
static inline dg_id dg_clusters_label(const dg_clusters *clusters, dg_row row) {
  return clusters->links.ids[clusters->index[row]];
}

/* Joins nodes to clusters that weigh no more than `limit`, but for single nodes, in so many rounds of size-constrained
   label propagation (Meyerhenke, Sanders, Schulz 2017, section 4). The same on any number of ranks. Errors: DG_MEMORY.
   Collective. */
dg_status dg_clusters_find(dg_clusters *clusters, const dg_level *level, const dg_weight *limit, int rounds,
                           uint64_t seed);
void dg_clusters_destroy(dg_clusters *clusters);

/* ---- contract.c ---- */

/* The graph of the clusters, which are destroyed, and the node of it that each row becomes: coarse_of [n]. Errors:
   DG_MEMORY. Collective. */
dg_status dg_level_contract(dg_level *coarse, dg_id *coarse_of, const dg_level *level, dg_clusters *clusters);

/* Gives rows the part of the node that they have become: part [n] of coarse_part [coarse->n]. Errors: DG_MEMORY.
   Collective. */
dg_status dg_level_project(int32_t *part, const dg_level *level, const dg_id *coarse_of, const dg_level *coarse,
                           const int32_t *coarse_part);

/* ---- band.c ---- */

/* Moves rows near the borders of parts, part [n + n_halo], as dg_partition_polish() does, on rank 0. Where they are
   more than `most` none move, or, if parts are too heavy, so many of them. The same on any number of ranks. Errors:
   DG_MEMORY. Collective. */
dg_status dg_level_polish(int32_t *part, const dg_level *level, int parts, const double *share, int64_t most,
                          uint64_t key);

/* ---- spread.c ---- */

/* How parts are to be improved. */
typedef struct dg_spread_config {
  int parts, rounds;
  const double *share; /* [parts] of all weight, NULL: equal */
  uint64_t seed;
} dg_spread_config;

/* Moves rows between parts, part [n + n_halo]: out of those that are too heavy, and to where fewer edges are cut; no
   part gets too heavy thereby. The same on any number of ranks. Errors: DG_MEMORY. Collective. */
dg_status dg_level_spread(int32_t *part, const dg_level *level, const dg_spread_config *config);

#endif
