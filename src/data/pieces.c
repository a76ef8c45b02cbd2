#include <distgat/graph.h>

#include <distgat/memory.h>

#include "data/sink.h"

#define PIECE_BYTES ((int64_t)16 << 20) /* made and written at a time */

static int width(const dg_piece *piece) {
  return piece->columns > 0 ? piece->columns : 1;
}

dg_status dg_piece_create(const dg_comm *comm, dg_h5 *file, const dg_piece *piece) {
  int64_t extent[2] = {piece->n, piece->columns};
  dg_comm_sum_int64(comm, extent, 1);
  return dg_comm_agree(
      comm,
      file == NULL ? DG_OK : dg_h5_write(file, piece->name, piece->type, piece->columns > 0 ? 2 : 1, extent, NULL));
}

/* Rows of this rank on their way, some at a time. */
typedef struct writing {
  const dg_piece *piece;
  dg_sink sink;
  int64_t before;      /* rows of lower ranks */
  int64_t step;        /* rows at a time */
  char *made;          /* [step] */
  char *gathered;      /* [size * step] rank 0, where it writes for all */
  size_t *send, *recv; /* [size] rows at a time */
  int64_t *rank_first; /* [size + 1] rows of the ranks below each */
} writing;

static void writing_destroy(writing *w) {
  dg_free(&w->made);
  dg_free(&w->gathered);
  dg_free(&w->send);
  dg_free(&w->recv);
  dg_free(&w->rank_first);
}

static dg_status writing_alloc(writing *w, const dg_comm *comm) {
  const size_t size = (size_t)comm->size, bytes = w->sink.row_bytes;
  const bool gathers = !dg_sink_is_shared(&w->sink) && comm->rank == 0;
  const int64_t room = PIECE_BYTES / (dg_sink_is_shared(&w->sink) ? 1 : comm->size) / (int64_t)bytes;
  dg_status status = DG_OK;
  w->step = room < 1 ? 1 : room;
  DG_TRY(dg_alloc(&w->made, (size_t)w->step, bytes));
  DG_TRY(dg_alloc(&w->gathered, gathers ? size * (size_t)w->step : 0, bytes));
  DG_TRY(dg_alloc(&w->send, size, sizeof *w->send));
  DG_TRY(dg_alloc(&w->recv, size, sizeof *w->recv));
  DG_TRY(dg_alloc(&w->rank_first, size + 1, sizeof *w->rank_first));
cleanup:
  return status;
}

/* Rows [first, first + count) of this rank: as they lie, or made. */
static const void *rows_of(writing *w, int64_t first, int64_t count) {
  if (w->piece->make == NULL) return (const char *)w->piece->data + (size_t)first * w->sink.row_bytes;
  w->piece->make(w->made, first, count, w->piece->context);
  return w->made;
}

static int64_t count_at(const writing *w, int64_t n, int64_t first) {
  return first >= n ? 0 : w->step < n - first ? w->step : n - first;
}

/* Every rank writes its own. */
static dg_status write_own(writing *w) {
  dg_status status = DG_OK;
  for (int64_t first = 0; first < w->piece->n && status == DG_OK; first += w->step) {
    const int64_t count = count_at(w, w->piece->n, first);
    status = dg_sink_write(&w->sink, w->before + first, count, rows_of(w, first, count));
  }
  return status;
}

/* Rank 0 writes some rows of every rank, then the next ones. Collective. */
static dg_status write_for_all(writing *w, const dg_comm *comm) {
  dg_status status = DG_OK;
  const int64_t most = dg_comm_max_int64(comm, w->piece->n);
  for (int64_t first = 0; first < most; first += w->step) {
    const int64_t count = count_at(w, w->piece->n, first);
    dg_status written = DG_OK;
    const char *at = w->gathered;
    w->send[0] = (size_t)count;
    dg_comm_exchange_counts(comm, w->send, w->recv);
    dg_comm_exchange(comm, rows_of(w, first, count), w->send, w->gathered, w->recv, w->sink.row_bytes);
    for (int r = 0; comm->rank == 0 && r < comm->size && written == DG_OK; at += w->recv[r++] * w->sink.row_bytes)
      if (w->recv[r] > 0) written = dg_sink_write(&w->sink, w->rank_first[r] + first, (int64_t)w->recv[r], at);
    DG_TRY(dg_comm_agree(comm, written));
  }
cleanup:
  return status;
}

dg_status dg_piece_write(const dg_comm *comm, dg_h5 *file, const dg_piece *piece) {
  dg_status status = DG_OK, closed;
  writing w = {.piece = piece};
  DG_TRY(dg_sink_open(&w.sink, comm, file, piece->name, piece->type, width(piece)));
  status = dg_comm_agree(comm, writing_alloc(&w, comm));
  if (status == DG_OK) {
    w.rank_first[comm->rank + 1] = piece->n;
    dg_comm_sum_int64(comm, w.rank_first, (size_t)comm->size + 1);
    for (int r = 0; r < comm->size; r++) w.rank_first[r + 1] += w.rank_first[r];
    w.before = w.rank_first[comm->rank];
    status = dg_sink_is_shared(&w.sink) ? write_own(&w) : write_for_all(&w, comm);
    if (dg_sink_is_shared(&w.sink)) status = dg_comm_agree(comm, status);
  }
  closed = dg_sink_close(&w.sink);
  if (status == DG_OK) status = closed;
cleanup:
  writing_destroy(&w);
  return status;
}
