#ifndef DISTGAT_PARTITION_H
#define DISTGAT_PARTITION_H

#include <distgat/api.h>
#include <distgat/graph.h>

DG_API_BEGIN

typedef enum dg_partition_method { DG_PART_METIS, DG_PART_RANDOM, DG_PART_BLOCK, DG_PART_FILE } dg_partition_method;
typedef enum dg_partition_objective { DG_PART_CUT, DG_PART_VOL } dg_partition_objective;
typedef enum dg_partition_balance { DG_BALANCE_NODES, DG_BALANCE_EDGES, DG_BALANCE_BOTH } dg_partition_balance;

typedef struct dg_partition_config {
  int parts;
  dg_partition_method method;       /* default DG_PART_METIS */
  dg_partition_objective objective; /* default DG_PART_CUT */
  dg_partition_balance balance;     /* default DG_BALANCE_EDGES: vertex weight in-degree + 1 */
  const char *from;                 /* DG_PART_FILE: text (one part a line) or P.h5 */
  uint64_t seed;
  uint64_t fingerprint; /* of the graph, which a file that says its own must match; 0: not known */
} dg_partition_config;

/* How good a partition is. An edge is cut where its ends lie in different parts; each undirected pair counts once, a
   one-way edge counts once. Edge work of a part: in-edges and self-loops of its nodes. */
typedef struct dg_partition_quality {
  int parts;
  int64_t edge_pairs;    /* undirected pairs and one-way edges of the graph */
  int64_t edge_cut;      /* those of them that are cut */
  int64_t halo_nodes;    /* sum over parts of distinct foreign in-neighbours */
  double node_imbalance; /* largest part over mean */
  double edge_imbalance;
  int64_t nodes_min, nodes_max, halo_max;
  int empty_parts;
} dg_partition_quality;

/* One part of a partition. */
typedef struct dg_partition_part {
  int64_t nodes, edges; /* owned nodes and their edge work */
  int64_t halo;         /* distinct foreign in-neighbours: rows received */
  int64_t boundary;     /* owned nodes that other parts need */
} dg_partition_part;

/* Defaults of the configuration. Local. */
dg_partition_config dg_partition_defaults(int parts);

/* Divides a graph; part [n_nodes] is the caller's. Any parts >= 1, more parts than nodes included. Directed graphs are
   symmetrised for METIS. Errors: DG_USAGE, DG_INPUT (file), DG_MEMORY. Local. */
dg_status dg_partition_compute(int32_t *part, const dg_csr *edges, const dg_partition_config *config);

/* Measures a partition. Errors: DG_MEMORY. Local. */
dg_status dg_partition_measure(dg_partition_quality *quality, const dg_csr *edges, const int32_t *part, int parts);

/* Measures each part: each [parts]. Errors: DG_MEMORY. Local. */
dg_status dg_partition_measure_parts(dg_partition_part *each, const dg_csr *edges, const int32_t *part, int parts);

/* Writes a partition file, part [n_nodes], of the graph with this fingerprint (0: not known). Errors: DG_IO. Local. */
dg_status dg_partition_save(const char *path, const int32_t *part, int64_t n_nodes, const dg_partition_quality *quality,
                            const char *method, uint64_t fingerprint);

/* Reads one, or gpmetis text (one part number a line), and checks that it fits n_nodes: part [n_nodes], the number of
   parts, and the fingerprint of the graph that it was made for, 0 where it does not say. Errors: DG_INPUT. Local. */
dg_status dg_partition_load(int32_t *part, int *parts, uint64_t *made_for, const char *path, int64_t n_nodes);

/* Whether a partition made for one graph is used for it; 0 as either is not known and passes. Errors: DG_INPUT. Local.
 */
dg_status dg_partition_check_graph(const char *path, uint64_t made_for, uint64_t fingerprint);

/* Gives every rank the owner of every node: from the partition file `path`, whose number of parts must not exceed the
   number of ranks, or where NULL by METIS on rank 0, which alone reads. *owner [n_nodes] is the caller's to dg_free;
   *made_for is that of dg_partition_load, for the check when the graph is loaded. Errors: DG_INPUT, DG_MEMORY.
   Collective. */
dg_status dg_partition_owners(int32_t **owner, uint64_t *made_for, const dg_comm *comm, const char *graph_path,
                              const char *path, uint64_t seed);

DG_API_END

#endif
