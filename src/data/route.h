#ifndef DISTGAT_DATA_ROUTE_H
#define DISTGAT_DATA_ROUTE_H

#include <distgat/comm.h>
#include <distgat/directory.h>

/* How rows of a file travel to their owners. Every rank reads the nodes of its block, whole or piece by piece in
   ascending order, the same number of pieces on all. Blocks lie in the order of ranks and rows keep their order, so
   that the rows a rank receives ascend by id without being sorted. */
typedef struct dg_route {
  const dg_comm *comm;
  const dg_directory *owners; /* borrowed */
  int64_t n_own;              /* rows of this rank */
  int64_t first, n;           /* the piece at hand: nodes [first, first + n) */
  int64_t *order;             /* [n] its rows, grouped by owner */
  int64_t *start, *next;      /* [size] where own rows from each rank begin, and where those of the piece do */
  size_t *send, *recv, *send_entries,
      *recv_entries; /* [size] rows, and entries of ragged rows, to and from each rank */
} dg_route;

/* Counts; the piece at hand is the whole block. Errors: DG_INPUT where a rank would own more rows than it can number,
   DG_MEMORY. Collective. */
dg_status dg_route_create(dg_route *route, const dg_comm *comm, const dg_directory *owners);
void dg_route_destroy(dg_route *route);

/* Goes on to piece `piece` of so many rows, or fewer at the end of the block: the first, 0, or the one after that at
   hand. Errors: DG_MEMORY. Collective. */
dg_status dg_route_turn(dg_route *route, int64_t piece, int64_t rows);

/* Gives rows of the piece, data [n] of `bytes` bytes each, to own [n_own] of their owners. Errors: DG_MEMORY.
   Collective. */
dg_status dg_route_rows(const dg_route *route, void *own, const void *data, size_t bytes);

/* Rows whose lengths differ: entries of `bytes` bytes, which begin at indptr [n + 1] in data. */
typedef struct dg_ragged {
  const void *data;
  const int64_t *indptr; /* starts with the first row of the piece at 0 */
  size_t bytes;
} dg_ragged;

/* Gives rows of the piece to their owners, which have room for them at own_indptr [n_own + 1]: there take(first,
   entries, n, context) gets entries [first, first + n), each once. Errors: DG_MEMORY, those of take. Collective. */
dg_status dg_route_entries(dg_route *route, const int64_t *own_indptr, dg_ragged rows,
                           dg_status (*take)(int64_t first, const void *entries, int64_t n, void *context),
                           void *context);

#endif
