#ifndef DISTGAT_PARTITION_METHODS_H
#define DISTGAT_PARTITION_METHODS_H

#include <stdio.h>

#include <distgat/partition.h>

/* ---- file.c ---- */

/* A partition read piece by piece: a file of dg_partition_save, or gpmetis text. */
typedef struct dg_part_reader {
  const char *path;
  int64_t n_nodes, n; /* of the graph, and read so far */
  int parts;          /* for text known when all is read */
  uint64_t made_for;  /* fingerprint, 0: the file does not say */
  dg_h5 *h5;
  FILE *text;
  int64_t line, blank; /* lines read, and the first blank one */
} dg_part_reader;

/* Opens one for so many nodes. Errors: DG_INPUT. Local. */
dg_status dg_part_reader_open(dg_part_reader *reader, const char *path, int64_t n_nodes);

/* Reads the parts of the next n nodes, part [n], and with the last that nothing follows. Errors: DG_INPUT. Local. */
dg_status dg_part_reader_next(dg_part_reader *reader, int32_t *part, int64_t n);
void dg_part_reader_close(dg_part_reader *reader);

/* Whether a file of so many parts, made for this graph, is what config->from is to be. Errors: DG_INPUT. Local. */
dg_status dg_partition_check_file(const dg_partition_config *config, int parts, uint64_t made_for);

/* The numbers of one for a directory that has room for them, read by rank 0 and passed on piece by piece; the number of
   parts is known on rank 0. Errors: DG_INPUT, DG_MEMORY. Collective. */
dg_status dg_part_reader_spread(dg_part_reader *reader, const dg_comm *comm, dg_directory *owners);

/* ---- plain.c: what regards no neighbours ---- */

/* Nodes [first, first + n) of a graph, and the in-edges of each. */
typedef struct dg_node_range {
  int64_t first, n;
  int64_t n_nodes, n_edges; /* of the whole graph */
  int64_t edges_before;     /* of the nodes before `first` */
  const int64_t *indptr;    /* [n + 1] from 0 */
} dg_node_range;

/* Contiguous ids: the middle of a node's work says its part. No part is passed over, and enough nodes are kept for
   those that follow, so that parts are empty only where nodes are fewer than parts: then node i is part i. part [n],
   NULL: not asked for; `last` is the part of the node before the range, -1 where there is none. Gives that of its last
   node. Local. */
int64_t dg_partition_in_order(int32_t *part, const dg_node_range *range, int parts, dg_partition_balance balance,
                              int64_t last);

/* Equal numbers of nodes, shuffled by the seed: part [n] of nodes [first, first + n). Local. */
void dg_partition_shuffled(int32_t *part, int64_t first, int64_t n, int64_t n_nodes, int parts, uint64_t seed);

/* ---- csr.c ---- */

/* Whether every edge has its reverse and none is a self-loop. Errors: DG_MEMORY. Local. */
dg_status dg_csr_find_symmetric(bool *symmetric, const dg_csr *edges);

/* The same edges by their sources; `out` is the caller's to destroy, also on failure. Errors: DG_MEMORY. Local. */
dg_status dg_csr_transpose(dg_csr *out, const dg_csr *in);

/* ---- quality.c ---- */

/* Lists nodes part after part, in a part ascending: order [n]. Errors: DG_MEMORY. Local. */
dg_status dg_partition_group(int32_t *order, const int32_t *part, int64_t n, int parts);

/* Sums parts up; pairs of nodes are the caller's to set. Local. */
dg_partition_quality dg_partition_quality_of(const dg_partition_part *each, int parts);

/* ---- step.c ---- */

/* The step of a model with so many classes, before it is known what it does with each node. Local. */
dg_step_work dg_step_work_begin(int n_classes, const dg_step_config *config);

/* The level of a node of this mask, its neighbours aside. Local. */
uint16_t dg_step_own_level(const dg_step_config *config, uint8_t mask);

/* Edges of node i, which has so many in-edges, in all layers of a step, self-loops included, those of the last layer by
   their weight. Local. */
double dg_step_edge_work(const dg_step_work *work, int64_t i, int64_t n_in);

/* Whether any layer of a step aggregates node i. Local. */
static inline bool dg_step_is_target(const dg_step_work *work, int64_t i) {
  return work->level[i] >= 2;
}

/* How much more than for evaluation alone it counts that the neighbours of a row which the step aggregates are in its
   part. With 100 METIS cuts such edges last, and can still tell one part from another by the rest. */
#define DG_STEP_EDGE_WEIGHT 100

/* Graphs of fewer nodes take a second: several tries are made of them. */
#define DG_LARGE_GRAPH 100000

/* Largest load of a part over its share that METIS allows itself, and moves fill. */
#define DG_BALANCE_AIM 1.03

/* Loads over their shares that nobody needs to mend. */
#define DG_BALANCED 1.05

/* Quantities that a balance asks of each part. Local. */
static inline int dg_balance_count(dg_partition_balance balance) {
  return balance == DG_BALANCE_STEP ? 3 : balance == DG_BALANCE_BOTH ? 2 : 1;
}

/* Whether a step that aggregates so many of n nodes aggregates nearly all. Its edges are then those of the graph, and
   one constraint leaves METIS a smaller cut than three; what else is to be balanced needs few moves. Local. */
static inline bool dg_step_covers(const dg_step_work *work, int64_t n_targets, int64_t n) {
  return work->edges && (double)n_targets >= 0.9 * (double)n;
}

/* ---- metis.c ---- */

/* METIS k-way, what it leaves unbalanced mended, no part empty; parts >= 2 and several nodes a part, which METIS takes
   for granted. Errors: DG_INPUT where the graph is beyond METIS's integers, DG_MEMORY, DG_RUNTIME. Local. */
dg_status dg_partition_metis(int32_t *part, const dg_csr *edges, const dg_partition_config *config);

/* Whether METIS's integers suffice for a graph, with every edge in both directions; and the bytes that a process takes
   to read it and divide it by METIS, as measured. Local. */
bool dg_partition_metis_counts(int64_t n_nodes, int64_t n_ends);
size_t dg_partition_metis_bytes(int64_t n_nodes, int64_t n_edges);

/* A graph with weights, every edge in both directions. */
typedef struct dg_weighted_graph {
  int64_t n_nodes, n_fixed;   /* of which the last so many stay in their parts when others move */
  int n_weights, stride;      /* of a node, of which the first n_weights are balanced */
  const int64_t *indptr;      /* [n_nodes + 1] */
  const dg_id *ids;           /* [indptr[n_nodes]] */
  const int32_t *edge_weight; /* [indptr[n_nodes]] */
  const int64_t *weight;      /* [n_nodes, stride] */
} dg_weighted_graph;

/* METIS, at once or by halves, polished, whichever cuts less: part [n_nodes]; share [parts] of all weight, NULL: equal.
   Errors: DG_INPUT where the graph is beyond METIS's integers, DG_MEMORY, DG_RUNTIME. Local. */
dg_status dg_partition_metis_weighted(int32_t *part, const dg_weighted_graph *graph, int parts, const double *share,
                                      uint64_t seed);

/* ---- polish.c ---- */

/* What a partition cuts, times how far the worst load is beyond 1.05, and the worst load over its share before. */
typedef struct dg_polished {
  double cost, before;
} dg_polished;

/* Moves single nodes between parts: out of those with more than 1.03 of their share of any weight, the first n_weights
   and the others, and to where fewer edges are cut, in parts below their share; or, with `halo`, to where fewer rows
   are halo, each by the heaviest edge for which a part needs it, and result->cost is not known. Errors: DG_MEMORY.
   Local. */
dg_status dg_partition_polish(dg_polished *result, int32_t *part, const dg_weighted_graph *graph, int parts,
                              const double *share, bool halo);

/* ---- refine.c ---- */

/* What is compared of two partitions: halo rows, a step's by their weight, times how far the worst load over its share
   is beyond 1.05; *worst unless NULL is that. Errors: DG_MEMORY. Local. */
dg_status dg_partition_cost(double *cost, double *worst, int32_t *part, const dg_csr *edges,
                            const dg_partition_config *config);

/* Moves single rows between parts: no part stays without nodes, nor without targets of the step, while there are
   enough; where parts exceed what config->balance asks for they give rows that cost least halo; with config->objective
   DG_PART_AUTO rows move on to where fewer are halo. Errors: DG_MEMORY. Local. */
dg_status dg_partition_refine(int32_t *part, const dg_csr *edges, const dg_partition_config *config);

#endif
