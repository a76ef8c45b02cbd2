#ifndef DG_GENERATE_EDGES_H
#define DG_GENERATE_EDGES_H

#include "generate/citations.h"

/* Neighbours of the nodes 0, stride, 2 stride and so on, each rank having a block of them. */
typedef struct dg_synthetic_edges {
  int64_t stride;
  dg_directory rows; /* its blocks */
  int64_t *indptr;   /* [rows.n + 1] */
  dg_id *indices;    /* [indptr[rows.n]] ascending in a row, each once */
} dg_synthetic_edges;

/* A citation makes an edge either way. Errors: DG_MEMORY. Collective. */
dg_status dg_synthetic_edges_create(dg_synthetic_edges *edges, const dg_citations *citations, int64_t stride);
void dg_synthetic_edges_destroy(dg_synthetic_edges *edges);

/* Those of all nodes, of a graph that has the edges it is to have. Errors: DG_MEMORY. Collective. */
dg_status dg_synthetic_edges_make(dg_synthetic_edges *edges, const dg_comm *comm, const dg_synthetic *graph);

/* Draws citations so that the graph gets the edges that it is to have: some are drawn from both sides. Errors:
   DG_MEMORY. Collective. */
dg_status dg_synthetic_edges_calibrate(dg_citations *citations, const dg_topics *topics);

#endif
