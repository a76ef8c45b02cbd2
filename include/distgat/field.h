#ifndef DISTGAT_FIELD_H
#define DISTGAT_FIELD_H

#include <distgat/api.h>
#include <distgat/graph.h>
#include <distgat/halo.h>

DG_API_BEGIN

/* A shard with its halo: local rows [0, n) are owned, ascending by original id; [n, n + n_halo) are the distinct
   foreign in-neighbours, grouped by owner. */
typedef struct dg_local {
  dg_comm comm;      /* borrowed handle */
  dg_shard shard;    /* taken over, without in, ids and owners */
  dg_halo_plan plan; /* of the halo rows */
  dg_row n, n_halo;
  dg_csr in;           /* [n] in-neighbours as local rows, in the order of original ids; no self-loops */
  dg_id *ids;          /* [n + n_halo] original ids */
  dg_real *degree;     /* [n + n_halo] in-edges in the graph, without self-loop; where these have weights, their sum */
  dg_real *out_degree; /* [n + n_halo] out-edges in the graph, without self-loop; NULL unless asked for */
  dg_row *order;       /* [n] owned rows, neighbours near each other: fields number their rows so */
  bool arranged;       /* rows are so many that fields go over all of them, whatever their level, in that order */
} dg_local;

/* Takes over the contents of `shard` and finds the halo. Errors: DG_MEMORY. Collective. */
dg_status dg_local_create(dg_local *local, const dg_comm *comm, dg_shard *shard);

/* Counts out_degree, which fields made from here on take. Errors: DG_MEMORY. Collective. */
dg_status dg_local_count_out_edges(dg_local *local);

/* Fetches the features of the halo rows, once: they never change. shard.features then have n + n_halo rows, as fields
   need them whose first layer does not exchange. Errors: DG_MEMORY. Collective. */
dg_status dg_local_fetch_features(dg_local *local);

/* The same of the labels of the halo rows and of the splits that these are in: shard.labels, or shard.classes, and
   shard.mask then have n + n_halo rows. Errors: DG_MEMORY. Collective. */
dg_status dg_local_fetch_labels(dg_local *local);
void dg_local_destroy(dg_local *local);

/* Ranges of rows of about equal edge work: units of threads. They depend on the block alone, so that sums made chunk by
   chunk do not depend on the number of threads. */
typedef struct dg_chunks {
  int n, n_first; /* the first n_first come before the others in time */
  dg_row *begin, *end;
} dg_chunks;

/* The edges of one layer on one rank: targets are the rows [0, n_dst) of its sources; sources [0, n_src_owned) are
   owned, the rest halo, grouped by owner. Self-loops are included. */
typedef struct dg_block {
  dg_row n_dst, n_src_owned, n_src;
  int32_t *indptr;
  dg_row *indices; /* in-edges of targets, in the order of original ids */
  int32_t *t_indptr;
  dg_row *t_indices; /* out-edges of sources, ascending targets; see dg_field_config for those that are left out */
  int edge_dim;      /* attributes of an edge, 0: none */
  float *attributes; /* [indptr[n_dst], edge_dim] in the order of indices; those of a self-loop are the means of its
                        node's other in-edges, 0 where there are none */
  int32_t *t_edges;  /* [t_indptr[n_src]] place in indices of each of t_indices; NULL where edges have no attributes */
  int32_t *t_number; /* [t_indptr[n_src]] number of each of t_indices in the order of indices; NULL: not numbered */
  int32_t *number;   /* [n_dst] how many of them rows before have */
  dg_id *ids;        /* [n_src] original ids */
  int32_t *folded;   /* [n_src] them in 32 bits, see dg_id_fold */
  dg_real *norm;     /* [n_src] 1 / sqrt(in-degree + 1); 0 where that is no number */
  dg_real *out_norm; /* [n_src] 1 / sqrt(out-degree + 1); NULL unless those were counted */
  dg_halo_plan plan; /* of the source rows */
  dg_chunks dst;     /* targets; first those that need no halo row and that no other rank needs */
  dg_chunks src;     /* sources; first the halo rows */
} dg_block;

/* The rows that a loss touches, layer by layer: all that a model of n_layers layers needs to make the outputs of a set
   of nodes. Owned rows are numbered by the last layer that needs them, so the targets of every layer are a prefix of
   its sources, and these a prefix of those of the layer below. Exact: what is left out cannot reach the outputs. */
typedef struct dg_field {
  int n_layers;
  bool exchange_first; /* see dg_field_config */
  bool exchange_input; /* see dg_field_config */
  bool exchanges;      /* rows have neighbours on other ranks */
  dg_block **block;    /* [n_layers], first layer first; layers of equal blocks share one */
  dg_row n_out;        /* output rows on this rank */
  dg_row *out_local;   /* [n_out] their local rows */
  int32_t *labels;     /* [n_out]; NULL where nodes have several: those are found by out_local */
  uint8_t *mask;       /* [n_out] splits of the row */
  dg_row *input_local; /* [block[0]->n_src] local row of each source of the first layer */
  int64_t *t_indptr;   /* transpose of sparse input rows [n_features + 1], NULL unless asked for */
  dg_row *t_rows;      /* ascending source rows of the first layer */
  float *t_values;
} dg_field;

/* What a field is for. */
typedef struct dg_field_config {
  int n_layers;
  int splits;          /* bits of the nodes whose outputs are wanted; 0: all nodes */
  bool edges;          /* false: rows only meet themselves (MLP) */
  bool exchange_first; /* halo rows of the first layer come projected from their owners; else each rank projects their
                          features, which it has fetched */
  bool exchange_input; /* some columns of these come from their owners in every step; with all nodes as outputs */
  bool backward;       /* with transposes */
  bool outer;          /* which leave out edges between two rows of one chunk of targets */
  bool numbered;       /* transposed edges have numbers */
  bool full;           /* all layers but the last have all nodes as targets */
} dg_field_config;

/* Whether rows of layer k come from other ranks in every step. Local. */
static inline bool dg_field_exchanges(const dg_field *field, int k) {
  return field->exchanges && (k > 0 || field->exchange_first);
}

/* Whether columns of the first layer's input do. Local. */
static inline bool dg_field_exchanges_input(const dg_field *field) {
  return field->exchanges && !field->exchange_first && field->exchange_input;
}

/* Errors: DG_MEMORY. Collective. */
dg_status dg_field_create(dg_field **field, const dg_local *local, const dg_field_config *config);
void dg_field_destroy(dg_field **field);

DG_API_END

#endif
