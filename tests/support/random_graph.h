#ifndef DISTGAT_TESTS_RANDOM_GRAPH_H
#define DISTGAT_TESTS_RANDOM_GRAPH_H

#include <distgat/field.h>

/* A small random directed graph, known whole to every rank, and its file. Some nodes are isolated, some in no split. */
typedef struct random_graph {
  uint64_t seed;
  int32_t n_nodes, n_features, n_classes;
  double degree; /* mean in-degree */
  bool hub;      /* node 1 has edges to and from all that are not isolated */
  bool sparse;   /* features, multiples of 1/16 */
  bool several;  /* labels a node, by random_graph_has */
  int edge_dim;  /* features of an edge, beside its weight; 0: neither */
  int64_t *indptr;
  int32_t *indices; /* in-neighbours, ascending */
  int32_t *labels;  /* [n_nodes], -1 in no split */
  uint8_t *mask;    /* [n_nodes] bits of splits */
  char folder[64], path[96];
} random_graph;

/* Draws the graph that `graph` describes (all up to `sparse`) and writes its file. Collective over test_comm. */
dg_status random_graph_create(random_graph *graph);
void random_graph_destroy(random_graph *graph);

/* Loads it for random owners; with an odd seed one rank of several stays empty. Collective over comm. */
dg_status random_graph_load(dg_local *local, const random_graph *graph, const dg_comm *comm, uint64_t owner_seed,
                            dg_edge_attributes attributes);

/* Whether node i has class c, where nodes have several. Local. */
bool random_graph_has(const random_graph *graph, int32_t i, int c);

/* Attribute c of its edge k, counted along indices. Local. */
float random_graph_attribute(const random_graph *graph, dg_edge_attributes which, int64_t k, int c);

/* Reads its outline from the file. Local. */
dg_status random_graph_outline(dg_outline *outline, const random_graph *graph);

/* Rank to which random_graph_load gives a node. Local. */
int32_t random_graph_owner(const dg_comm *comm, uint64_t owner_seed, int32_t node);

#endif
