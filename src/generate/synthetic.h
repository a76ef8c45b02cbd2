#ifndef DG_GENERATE_SYNTHETIC_H
#define DG_GENERATE_SYNTHETIC_H

#include <distgat/generate.h>
#include <distgat/graph.h>

/* A synthetic citation graph as a function of its configuration: any rank can make any row. Nodes live in topics, small
   communities; a class is `class_topics` topics that follow each other. All Local. */
typedef struct dg_synthetic {
  const dg_generate_config *config; /* borrowed */
  int32_t class_topics, n_topics;
  int32_t *start;  /* [n_topics + 1] of the members of each topic */
  int32_t *member; /* [n_nodes] nodes by topic */
  double *weight;  /* [n_nodes + 1] sum of the weights of members before each: how often a node is cited */
  double stubs;    /* citations a node makes, on average */
} dg_synthetic;

/* Errors: DG_MEMORY. */
dg_status dg_synthetic_create(dg_synthetic *graph, const dg_generate_config *config);
void dg_synthetic_destroy(dg_synthetic *graph);

int32_t dg_synthetic_topic(const dg_synthetic *graph, int64_t node);
int32_t dg_synthetic_class(const dg_synthetic *graph, int64_t node);

/* Chooses `stubs` so that the graph gets the edges it is to have: some are drawn twice. Errors: DG_MEMORY. */
dg_status dg_synthetic_calibrate(dg_synthetic *graph);

/* Neighbours of n nodes: first, first + stride and so on. Errors: DG_MEMORY. */
dg_status dg_synthetic_edges(dg_csr *edges, const dg_synthetic *graph, int64_t first, int64_t stride, int64_t n);

/* Number of non-zero features of a node, and their columns, ascending; used [n_features] is scratch, zero before and
   after. */
int32_t dg_synthetic_word_count(const dg_synthetic *graph, int64_t node);
void dg_synthetic_words(int32_t *columns, const dg_synthetic *graph, int64_t node, uint8_t *used);

/* Dense features row [n_features] of a node. */
void dg_synthetic_dense(float *row, const dg_synthetic *graph, int64_t node);

#endif
