#ifndef DISTGAT_PARTITION_H
#define DISTGAT_PARTITION_H

#include <distgat/api.h>
#include <distgat/graph.h>

DG_API_BEGIN

typedef enum dg_partition_method {
  DG_PART_METIS,
  DG_PART_MULTILEVEL, /* by dg_blocks; METIS's where one process holds the graph */
  DG_PART_RANDOM,
  DG_PART_BLOCK,
  DG_PART_FILE
} dg_partition_method;

/* What METIS makes small: cut edges, or rows that parts get from others; or both are tried, and the fewer rows kept. */
typedef enum dg_partition_objective { DG_PART_AUTO, DG_PART_CUT, DG_PART_VOL } dg_partition_objective;

/* What every part gets as much of. DG_BALANCE_STEP: of the non-zeros that a training step projects, of the edges it
   goes over, and of all edges (for evaluation), each. */
typedef enum dg_partition_balance {
  DG_BALANCE_STEP,
  DG_BALANCE_EDGES,
  DG_BALANCE_NODES,
  DG_BALANCE_BOTH
} dg_partition_balance;

/* The training step that a partition is to divide. */
typedef struct dg_step_config {
  int layers;
  bool edges; /* false: rows only meet themselves (MLP) */
  bool all;   /* every node is wanted, not the training nodes alone */
  bool full;  /* all layers but the last aggregate every node */
  int width;  /* channels of a hidden layer, all heads together */
  int out_heads;
} dg_step_config;

/* The step of the default model. Local. */
dg_step_config dg_step_defaults(void);

/* What a training step does with each node. */
typedef struct dg_step_work {
  int layers;
  bool edges;
  double last;            /* work of an edge of the last layer, where one of the others has 1: by width */
  uint16_t *level;        /* [n_nodes] one more than the last layer that needs the node as a source, 0: none does; so it
                             is a target of layers 1 ... level - 1 */
  const int64_t *entries; /* [n_nodes] stored features; borrowed */
} dg_step_work;

/* Finds what the step of a model with so many classes reaches; the outline must outlive it. Errors: DG_MEMORY. Local.
 */
dg_status dg_step_work_create(dg_step_work *work, const dg_outline *outline, int n_classes,
                              const dg_step_config *config);
void dg_step_work_destroy(dg_step_work *work);

typedef struct dg_partition_config {
  int parts;
  dg_partition_method method;       /* default DG_PART_METIS */
  dg_partition_objective objective; /* default DG_PART_AUTO */
  dg_partition_balance balance;     /* default DG_BALANCE_STEP, which without `step` is DG_BALANCE_EDGES */
  const dg_step_work *step;         /* NULL: not known */
  const double *share;              /* [parts] of all work, adding up to 1; NULL: equal. Not for block and random */
  const char *from;                 /* DG_PART_FILE: text (one part a line) or P.h5 */
  uint64_t seed;
  uint64_t fingerprint; /* of the graph, which a file that says its own must match; 0: not known */
} dg_partition_config;

/* How well a partition divides a training step; imbalances are the largest part over the mean. */
typedef struct dg_step_quality {
  const char *split; /* whose training nodes; NULL: no step was measured */
  int layers;
  double nonzero_imbalance, first_edge_imbalance, edge_imbalance;
  int64_t halo_nodes; /* distinct foreign sources of each layer and part, summed */
  int idle_parts;     /* that aggregate nothing */
} dg_step_quality;

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
  dg_step_quality step; /* the caller's to set */
} dg_partition_quality;

/* One part of a partition. */
typedef struct dg_partition_part {
  int64_t nodes, edges; /* owned nodes and their edge work */
  int64_t halo;         /* distinct foreign in-neighbours: rows received */
  int64_t boundary;     /* owned nodes that other parts need */
} dg_partition_part;

/* What a training step does in one part, if halo rows of the first layer are projected where they are needed. */
typedef struct dg_step_part {
  int64_t outputs, targets;   /* training nodes; rows that any layer aggregates */
  int64_t nonzeros;           /* stored features of the first layer's distinct sources */
  int64_t first_edges, edges; /* in-edges and self-loops of the first layer's targets, of those of all layers */
  int64_t halo_nodes;         /* distinct foreign sources of each layer, summed over layers */
} dg_step_part;

/* A graph of which each rank holds the nodes of its block, for a partition that asks no rank to hold all of it. */
typedef struct dg_blocks dg_blocks;

/* Defaults of the configuration. Local. */
dg_partition_config dg_partition_defaults(int parts);

/* Divides a graph; part [n_nodes] is the caller's. Any parts >= 1, more parts than nodes included. Directed graphs are
   symmetrised for METIS. Errors: DG_USAGE, DG_INPUT (file), DG_MEMORY. Local. */
dg_status dg_partition_compute(int32_t *part, const dg_csr *edges, const dg_partition_config *config);

/* Measures a partition. Errors: DG_MEMORY. Local. */
dg_status dg_partition_measure(dg_partition_quality *quality, const dg_csr *edges, const int32_t *part, int parts);

/* Measures each part: each [parts]. Errors: DG_MEMORY. Local. */
dg_status dg_partition_measure_parts(dg_partition_part *each, const dg_csr *edges, const int32_t *part, int parts);

/* Measures the step in each part: each [parts]. Errors: DG_MEMORY. Local. */
dg_status dg_partition_measure_step(dg_step_part *each, const dg_csr *edges, const dg_step_work *work,
                                    const int32_t *part, int parts);

/* Sums that up; split and layers are the caller's to set. Local. */
dg_step_quality dg_step_quality_of(const dg_step_part *each, int parts);

/* Writes a partition file, part [n_nodes], of the graph with this fingerprint (0: not known). Errors: DG_IO. Local. */
dg_status dg_partition_save(const char *path, const int32_t *part, int64_t n_nodes, const dg_partition_quality *quality,
                            const char *method, uint64_t fingerprint);

/* The same by all ranks, each of which gives the nodes of its block. Errors: DG_IO. Collective. */
dg_status dg_blocks_save(const char *path, const dg_blocks *blocks, const int32_t *part,
                         const dg_partition_quality *quality, const char *method, uint64_t fingerprint);

/* Reads one, or gpmetis text (one part number a line), and checks that it fits n_nodes: part [n_nodes], the number of
   parts, and the fingerprint of the graph that it was made for, 0 where it does not say. Errors: DG_INPUT. Local. */
dg_status dg_partition_load(int32_t *part, int *parts, uint64_t *made_for, const char *path, int64_t n_nodes);

/* Whether a partition made for one graph is used for it; 0 as either is not known and passes. Errors: DG_INPUT. Local.
 */
dg_status dg_partition_check_graph(const char *path, uint64_t made_for, uint64_t fingerprint);

/* Loads one, `split` as dg_graph_choose_split or dg_no_split, and finds what a step does with each node (NULL: there is
   none). Errors: DG_INPUT, DG_MEMORY. Collective. */
dg_status dg_blocks_load(dg_blocks **blocks, const dg_comm *comm, const char *path, const char *split,
                         const dg_step_config *step);
void dg_blocks_destroy(dg_blocks **blocks);

/* The nodes of this rank's block, [first, first + n). Local. */
const dg_directory *dg_blocks_nodes(const dg_blocks *blocks);

/* Whether a graph is so small that DG_PART_MULTILEVEL leaves it to METIS as it is, which then needs no blocks. Local.
 */
bool dg_blocks_are_few(int64_t n_nodes, int parts);

/* Whether a graph is too large for METIS's integers: all ranks are then to divide it into so many parts. Local. */
bool dg_partition_exceeds_metis(int64_t n_nodes, int64_t n_edges, int parts);

/* Whether METIS's integers or the free memory of this process are too few to divide a graph into so many parts, which
   all ranks are then to do (DG_PART_MULTILEVEL); says so by one line of dg_log. Local. */
bool dg_partition_needs_all(int64_t n_nodes, int64_t n_edges, int parts);

/* Divides the graph: part [n] of this rank's nodes, the same on any number of ranks. DG_PART_METIS is taken for
   DG_PART_MULTILEVEL, the others are those of dg_partition_compute. DG_PART_MULTILEVEL alone regards share. Directed
   graphs are symmetrised. Errors: DG_INPUT (file), DG_MEMORY, DG_RUNTIME. Collective. */
dg_status dg_blocks_divide(int32_t *part, const dg_blocks *blocks, const dg_partition_config *config);

/* As dg_partition_measure, dg_partition_measure_parts and dg_partition_measure_step: part [n] of this rank's nodes;
   each [parts], step [parts] or NULL. The same on all ranks. Errors: DG_MEMORY. Collective. */
dg_status dg_blocks_measure(dg_partition_quality *quality, dg_partition_part *each, dg_step_part *step,
                            const dg_blocks *blocks, const int32_t *part, int parts);

/* Where owners come from. */
typedef struct dg_owners_config {
  const char *path; /* a partition file; NULL: a division by what follows */
  bool multilevel;  /* asks for DG_PART_MULTILEVEL also where METIS could hold the graph */
  dg_partition_balance balance;
  dg_partition_objective objective;
  const char *split;   /* for DG_BALANCE_STEP: as dg_graph_choose_split */
  dg_step_config step; /* likewise */
  int threads;         /* of this rank, which sets its share of the work; 0: all have as many */
  uint64_t seed;
} dg_owners_config;

/* Finds who owns which node: from a partition file, whose number of parts must not exceed the number of ranks; or by
   METIS on rank 0, which alone reads; or where its integers or the memory of rank 0 are too few for it, or it is asked
   for, by DG_PART_MULTILEVEL, and says so. The directory is the caller's to destroy; *made_for is that of
   dg_partition_load, for the check when the graph is loaded. Errors: DG_INPUT, DG_MEMORY. Collective. */
dg_status dg_partition_owners(dg_directory *owners, uint64_t *made_for, const dg_comm *comm, const char *graph_path,
                              const dg_owners_config *config);

DG_API_END

#endif
