#ifndef DISTGAT_COUNTS_H
#define DISTGAT_COUNTS_H

#include <distgat/api.h>
#include <distgat/field.h>

DG_API_BEGIN

/* What a layer of a field costs one rank, in numbers alone: memory, bounds and choices are computed from them. */
typedef struct dg_layer_counts {
  int64_t n_dst, n_src_owned, n_src;  /* rows, as in dg_block */
  int64_t n_projected;                /* sources projected here: all but those that come from other ranks */
  int64_t n_sent;                     /* rows, or rows of input, that other ranks get in one exchange */
  int64_t n_send_ranks, n_recv_ranks; /* ranks that get rows of this one, and that rows come from */
  int64_t n_edges;                    /* in-edges of targets, self-loops included */
  int64_t n_outer;                    /* out-edges that its transpose lists; 0 without */
  int64_t n_chunks;                   /* of targets or sources, whichever has more */
  int64_t entries, entries_dst;       /* stored features of the rows projected, and of the targets; first layer only */
} dg_layer_counts;

typedef struct dg_counts {
  int n_layers;
  int64_t n_out;          /* output rows */
  dg_layer_counts *layer; /* [n_layers] */
} dg_counts;

/* Counts a field of this rank. Errors: DG_MEMORY. Local. */
dg_status dg_counts_create(dg_counts *counts, const dg_local *local, const dg_field *field);
void dg_counts_destroy(dg_counts *counts);

/* Counts what each part [parts] of a divided graph would cost its rank, part [n_nodes]: the numbers dg_counts_create
   gives there, n_outer and n_chunks aside, without MPI and without making a field. Errors: DG_MEMORY. Local. */
dg_status dg_counts_of_parts(dg_counts *counts, const dg_outline *graph, const int32_t *part, int parts,
                             const dg_field_config *config);

DG_API_END

#endif
