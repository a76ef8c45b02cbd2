#ifndef DISTGAT_GRAPH_H
#define DISTGAT_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include <distgat/api.h>
#include <distgat/comm.h>
#include <distgat/directory.h>
#include <distgat/h5io.h>
#include <distgat/ids.h>

DG_API_BEGIN

/* More classes than any graph has; counts of them times what comes with each stay small integers. */
#define DG_MAX_CLASSES (1 << 20)

/* Features of an edge, at most. */
#define DG_MAX_EDGE_FEATURES (1 << 16)

/* What a graph file says of itself; the same on every rank. */
typedef struct dg_graph_info {
  char name[64]; /* UTF-8 without control characters; '?' for other bytes of the file */
  int64_t n_nodes;
  int64_t n_edges;    /* directed, without self-loops */
  int64_t n_nonzeros; /* of sparse features; n_nodes * n_features where dense */
  int32_t n_features;
  int32_t n_classes;
  bool sparse;           /* features as CSR */
  bool multilabel;       /* a node has any number of classes, not one */
  bool edge_weights;     /* edges have weights */
  int32_t edge_features; /* features of an edge; 0: none */
} dg_graph_info;

/* What layers are told of edges, beside who their ends are. */
typedef enum dg_edge_attributes { DG_EDGES_PLAIN, DG_EDGES_WEIGHT, DG_EDGES_FEATURES } dg_edge_attributes;

/* Numbers that this is for an edge; 0 where the graph has none. Local. */
static inline int dg_graph_edge_dim(const dg_graph_info *info, dg_edge_attributes which) {
  return which == DG_EDGES_PLAIN ? 0 : which == DG_EDGES_WEIGHT ? info->edge_weights : info->edge_features;
}

/* In-edges of rows by the original ids of their sources, which ascend in a row. */
typedef struct dg_in_edges {
  int64_t n_rows;
  int64_t *indptr; /* [n_rows + 1] */
  dg_id *source;   /* [indptr[n_rows]] */
} dg_in_edges;
void dg_in_edges_destroy(dg_in_edges *edges);

/* A compressed-sparse-row pattern [n_rows]; indices ascend in a row. */
typedef struct dg_csr {
  int64_t n_rows;
  int64_t *indptr;  /* [n_rows + 1] */
  int32_t *indices; /* [indptr[n_rows]] */
} dg_csr;

/* Rows of the feature matrix: dense [n_rows, n_cols] or CSR. */
typedef struct dg_features {
  bool sparse;
  int64_t n_rows;
  int32_t n_cols;
  float *dense;
  int64_t *indptr;
  int32_t *indices;
  float *values;
} dg_features;
void dg_features_destroy(dg_features *features);

/* Bytes of a split's name, with its final NUL. */
#define DG_SPLIT_NAME 256

/* What is done to features when they are loaded. ROW is PyTorch Geometric's NormalizeFeatures: the least entry of the
   matrix is subtracted, then each row is divided by its sum, by 1 where that is less; a sparse matrix with negative
   entries would not stay sparse and is refused. STANDARDIZE gives columns mean 0 and deviation 1 over all nodes; sparse
   ones are refused. */
typedef enum dg_normalize { DG_NORMALIZE_NONE, DG_NORMALIZE_ROW, DG_NORMALIZE_STANDARDIZE } dg_normalize;

/* Splits of the label set, as bits of a node's mask. */
enum { DG_TRAIN = 1, DG_VAL = 2, DG_TEST = 4 };

/* The part of a graph that one rank owns. */
typedef struct dg_shard {
  dg_graph_info info;
  dg_row n, n_halo;               /* nodes owned, and distinct foreign in-neighbours */
  dg_id *ids;                     /* [n + n_halo] original ids: owned ones ascending, then others as they were met */
  dg_csr in;                      /* [n] in-neighbours, as places in ids, in the order of original ids; no self-loops */
  int edge_dim;                   /* attributes of an edge; 0: none were asked for */
  float *edge_attributes;         /* [in.indptr[n], edge_dim] in the order of in.indices */
  dg_features features;           /* [n, n_features] */
  int32_t *labels;                /* [n], -1 unknown; NULL where nodes have several */
  uint8_t *classes;               /* [n, n_classes] 1 where a node has the class; NULL where nodes have one */
  uint8_t *mask;                  /* [n] bits of the split; a node may be in none */
  int64_t n_train, n_val, n_test; /* sizes of the split over all ranks */
  char split[DG_SPLIT_NAME];      /* its name, as printable as that of the graph; "": none */
  dg_directory owners;            /* of all nodes */
  uint64_t fingerprint;           /* of the graph; see dg_graph_fingerprint */
  uint64_t edge_checksum;         /* of the attributes of all edges, which the fingerprint leaves out; 0 without them */
} dg_shard;

/* Nodes of one split over all ranks. Local. */
static inline int64_t dg_shard_count(const dg_shard *shard, int split) {
  return split == DG_TRAIN ? shard->n_train : split == DG_VAL ? shard->n_val : shard->n_test;
}

/* Opens a graph file, checks format, version, attributes, and that the shapes of all data sets agree. Errors: DG_INPUT.
   Local. */
dg_status dg_graph_open(dg_h5 **file, dg_graph_info *info, const char *path);

/* Whether edges have what a model wants of them; the message says what they have. Errors: DG_INPUT. Local. */
dg_status dg_graph_check_attributes(const dg_graph_info *info, const char *path, dg_edge_attributes wanted);

/* Reads the whole edge structure and checks it (ids in range, ascending, no self-loops): for METIS and for plans.
   Errors: DG_INPUT, also where there are more nodes than fit int32; DG_MEMORY. Local. */
dg_status dg_graph_read_edges(dg_h5 *file, const dg_graph_info *info, dg_csr *edges);
void dg_csr_destroy(dg_csr *csr);

/* One number for what a graph is: its sizes, edges, features and labels, not its name, splits or attributes of edges.
   However a file stores them (integers of either width, chunks, features dense or as CSR), on any number of ranks and
   for any owners, it is the same; never 0. Reads the file slab by slab and checks it. Errors: DG_INPUT, DG_MEMORY.
   Local. */
dg_status dg_graph_fingerprint(uint64_t *fingerprint, dg_h5 *file, const dg_graph_info *info);

/* The same by all ranks, each of which reads its block. Errors: DG_INPUT, DG_MEMORY. Collective. */
dg_status dg_graph_fingerprint_together(uint64_t *fingerprint, const dg_comm *comm, const char *path);

/* Nodes that two lists of a split share; fine for none, a mistake for most. */
typedef struct dg_overlap {
  int64_t train_val, train_test, val_test;
} dg_overlap;

/* Chooses the split: `wanted`, or where NULL "public" or the file's only one; the name goes to `chosen`. Errors:
   DG_INPUT with the names there are. Local. */
dg_status dg_graph_choose_split(dg_h5 *file, const char *wanted, char chosen[DG_SPLIT_NAME]);

/* Checks all splits of a file, wanted or not: three lists each, of ids in range, each once, with labels. Errors:
   DG_INPUT, DG_MEMORY. Local. */
dg_status dg_graph_check_splits(dg_h5 *file, const dg_graph_info *info);

/* Counts a node by the bits of its mask; warns, by one line of dg_log, where there is an overlap. Local. */
void dg_overlap_note(dg_overlap *overlap, uint8_t mask);
void dg_overlap_warn(const dg_overlap *overlap, const char *path, const char *split);

/* A whole graph in numbers: its edges and splits, and of its features how many are stored. */
typedef struct dg_outline {
  dg_csr in;        /* [n_nodes] in-neighbours, no self-loops */
  int64_t *entries; /* [n_nodes] stored features of each row */
  uint8_t *mask;    /* [n_nodes] bits of the split */
} dg_outline;

/* Reads one and checks it, `split` as dg_graph_choose_split. Errors: DG_INPUT, DG_MEMORY. Local. */
dg_status dg_outline_read(dg_outline *outline, dg_h5 *file, const dg_graph_info *info, const char *split);
void dg_outline_destroy(dg_outline *outline);

/* The same of the nodes of one block of a directory: what one rank reads of a graph that none holds. */
typedef struct dg_outline_block {
  dg_directory blocks; /* without owners */
  int32_t n_classes;
  dg_in_edges in;   /* [blocks.n] */
  int64_t *entries; /* [blocks.n] stored features of each row */
  uint8_t *mask;    /* [blocks.n] bits of the split */
} dg_outline_block;

/* Reads this rank's block and checks it, and all splits; `split` as dg_graph_choose_split, or dg_no_split. Errors:
   DG_INPUT, DG_MEMORY. Collective. */
dg_status dg_outline_block_load(dg_outline_block *block, const dg_comm *comm, const char *path, const char *split);
void dg_outline_block_destroy(dg_outline_block *block);

/* Finds what layers from `last` down to `first` need: level [n_nodes], last + 1 for the nodes whose outputs are wanted
   and 0 for the others, becomes one more than the last layer that needs a node as a source, where that is one of these.
   Errors: DG_MEMORY. Local. */
dg_status dg_levels_find(uint16_t *level, const dg_csr *in, int last, int first);

/* In the place of a split's name: none. No node is marked, and the file needs no splits. Known by its address. */
extern const char dg_no_split[];

/* What of a file a shard takes. */
typedef struct dg_shard_config {
  const char *split; /* as dg_graph_choose_split, or dg_no_split */
  dg_normalize normalize;
  dg_edge_attributes edge_attributes;
} dg_shard_config;

/* Loads the rows that `owners` (NULL: the blocks of a directory) gives to each rank, and takes it over, also on
   failure. Every rank reads a block of nodes, piece by piece, and sends rows to their owners, in-edges with the
   attributes that are asked for among them: none ever holds more than its own rows, what comes with each node of its
   block, and a piece. Checks all of it: ids, labels, finite features and attributes, all splits; then
   normalizes features. Errors: DG_INPUT, also where the graph lacks the attributes, DG_MEMORY. Collective. */
dg_status dg_shard_load(dg_shard *shard, const dg_comm *comm, const char *path, dg_directory *owners,
                        const dg_shard_config *config);
void dg_shard_destroy(dg_shard *shard);

/* The nodes whose rows a rank holds. */
typedef struct dg_rows {
  int64_t n_nodes;  /* of the graph */
  dg_row n;         /* here */
  const dg_id *ids; /* [n] ascending */
} dg_rows;

/* Writes a data set of one row a node in original order: every rank gives its rows, data [n, columns] of `type`,
   contiguous; they are written to `file` (NULL above rank 0) in slabs of bounded size, by all ranks or by rank 0, with
   the same bytes. columns 0 makes a one-dimensional set of one value a node. Errors: DG_IO, DG_MEMORY. Collective. */
dg_status dg_rows_write(const dg_comm *comm, dg_h5 *file, const char *name, dg_h5_type type, dg_rows rows, int columns,
                        const void *data);

/* The same for rows of varying length (attention by target node): row_count [n] rows of `columns` each, following each
   other in data in the order of ids; columns 0 as above. Errors: DG_IO, DG_MEMORY. Collective. */
dg_status dg_ragged_write(const dg_comm *comm, dg_h5 *file, const char *name, dg_h5_type type, dg_rows rows,
                          const int64_t *row_count, int columns, const void *data);

/* A data set of which each rank gives the rows that follow those of the ranks below it. */
typedef struct dg_piece {
  const char *name;
  dg_h5_type type;
  int columns;      /* of a row; 0 as above */
  int64_t n;        /* rows of this rank */
  const void *data; /* [n, columns] of `type`; or, where make is not NULL, made a piece at a time: */
  void (*make)(void *rows, int64_t first, int64_t count, void *context); /* its rows [first, first + count) */
  void *context;
} dg_piece;

/* Creates the data set in `file` (NULL above rank 0), then writes it; `make` is called for rows that ascend. The bytes
   are the same however rows lie on ranks, and whether each writes its own or rank 0 writes all in pieces of bounded
   size. Errors: DG_IO, DG_MEMORY. Collective. */
dg_status dg_piece_create(const dg_comm *comm, dg_h5 *file, const dg_piece *part);
dg_status dg_piece_write(const dg_comm *comm, dg_h5 *file, const dg_piece *part);

DG_API_END

#endif
