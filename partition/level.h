#ifndef DISTGAT_PARTITION_LEVEL_H
#define DISTGAT_PARTITION_LEVEL_H

#include <distgat/partition.h>

#include "links.h"

/* What a node may weigh at once. */
enum { DG_MAX_WEIGHTS = 3 };

/* One weight vector of a node, a cluster or a part; those beyond the graph's own are 0. */
typedef struct dg_weight {
  int64_t of[DG_MAX_WEIGHTS];
} dg_weight;

/* An edge on its way to the rank that holds node a. */
typedef struct dg_edge {
  dg_id a, b;
  int64_t weight;
} dg_edge;

/* A graph that no rank holds, in blocks of nodes: rows [0, n) are this rank's, rows [n, n + n_halo) the neighbours of
   theirs that others hold, by ascending id. */
typedef struct dg_level {
  const dg_comm *comm;
  int64_t n_nodes, n_ends; /* of all ranks */
  int64_t rows;            /* nodes of a full block */
  dg_id first;             /* node of row 0 */
  dg_row n, n_halo;
  int64_t *indptr;      /* [n + 1] */
  dg_row *to;           /* [indptr[n]] neighbours */
  int64_t *edge_weight; /* [indptr[n]], NULL: all 1 */
  dg_weight *weight;    /* [n] */
  dg_weight total;      /* of all nodes */
  dg_links halo;
} dg_level;

/* Nodes of a full block, and those of this rank's. Local. */
int64_t dg_level_rows(int64_t n_nodes, int size);
dg_row dg_level_own(int64_t n_nodes, const dg_comm *comm);

/* The graph of some rows, ids [indptr[n]]: weights are 0. Errors: DG_MEMORY. Collective. */
dg_status dg_level_create(dg_level *level, const dg_comm *comm, int64_t n_nodes, const int64_t *indptr,
                          const dg_id *ids);

/* The graph of the edges that all ranks give, each to be held by the rank of its node a, which come in the order of
   these ranks; weights of equal edges add up. Errors: DG_MEMORY. Collective. */
dg_status dg_level_gather(dg_level *level, const dg_comm *comm, int64_t n_nodes, const dg_edge *edges, size_t n_edges);
void dg_level_destroy(dg_level *level);

/* Adds up the weights of all nodes. Collective. */
void dg_level_weigh(dg_level *level);

/* Whether every edge has its reverse, as far as checksums tell. Collective. */
bool dg_level_is_symmetric(const dg_level *level);

/* Adds to each edge its reverse. Errors: DG_MEMORY. Collective. */
dg_status dg_level_symmetrise(dg_level *level);

/* The node of a row. Local. */
static inline dg_id dg_level_id(const dg_level *level, dg_row row) {
  return row < level->n ? level->first + (dg_id)row : level->halo.ids[row - level->n];
}

static inline int64_t dg_level_edge(const dg_level *level, int64_t t) {
  return level->edge_weight ? level->edge_weight[t] : 1;
}

/* Fetches the halo's elements of value [n + n_halo]. Errors: DG_MEMORY. Collective. */
static inline dg_status dg_level_pull(const dg_level *level, void *value, size_t size) {
  return dg_links_fetch(&level->halo, (char *)value + (size_t)level->n * size, value, size);
}

#endif
