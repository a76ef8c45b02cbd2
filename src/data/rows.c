#include <distgat/graph.h>

#include <string.h>

#include <distgat/memory.h>

#include "data/sink.h"

#define SLAB_BYTES ((int64_t)32 << 20) /* what a writer assembles at a time, on average */

/* A data set on its way to the file, slab of nodes by slab of nodes. */
typedef struct stream {
  const dg_comm *comm;
  dg_sink sink;
  int writers; /* ranks that write: all, or rank 0 */
  size_t row_bytes;
  int64_t rows_written;
  size_t *send, *recv, *send_rows, *recv_rows; /* [size] nodes and rows to and from each rank */
} stream;

static void stream_destroy(stream *s) {
  dg_free(&s->send);
  dg_free(&s->recv);
  dg_free(&s->send_rows);
  dg_free(&s->recv_rows);
}

static dg_status stream_alloc(stream *s) {
  dg_status status = DG_OK;
  size_t size = (size_t)s->comm->size;
  DG_TRY(dg_alloc(&s->send, size, sizeof *s->send));
  DG_TRY(dg_alloc(&s->recv, size, sizeof *s->recv));
  DG_TRY(dg_alloc(&s->send_rows, size, sizeof *s->send_rows));
  DG_TRY(dg_alloc(&s->recv_rows, size, sizeof *s->recv_rows));
cleanup:
  return status;
}

static size_t sum_sizes(const size_t *values, int n) {
  size_t sum = 0;
  for (int i = 0; i < n; i++) sum += values[i];
  return sum;
}

/* A slab as its writer receives it: grouped by sender, and in the order of nodes. */
typedef struct slab {
  dg_id *ids;        /* [nodes] */
  int64_t *lengths;  /* [nodes] rows of each */
  char *rows;        /* as received */
  int64_t *position; /* [nodes + 1] of the first row of each node in the order of ids */
  char *ordered;
} slab;

static void slab_destroy(slab *b) {
  dg_free(&b->ids);
  dg_free(&b->lengths);
  dg_free(&b->rows);
  dg_free(&b->position);
  dg_free(&b->ordered);
}

static dg_status slab_alloc(slab *b, size_t nodes, size_t rows, size_t row_bytes) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&b->ids, nodes, sizeof *b->ids));
  DG_TRY(dg_alloc(&b->lengths, nodes, sizeof *b->lengths));
  DG_TRY(dg_alloc(&b->rows, rows, row_bytes));
  DG_TRY(dg_alloc(&b->position, nodes + 1, sizeof *b->position));
  DG_TRY(dg_alloc(&b->ordered, rows, row_bytes));
cleanup:
  return status;
}

static void slab_order(slab *b, int64_t first, size_t nodes, size_t row_bytes) {
  const char *from = b->rows;
  for (size_t k = 0; k < nodes; k++) b->position[b->ids[k] - first + 1] = b->lengths[k];
  for (size_t k = 0; k < nodes; k++) b->position[k + 1] += b->position[k];
  for (size_t k = 0; k < nodes; k++) {
    size_t bytes = (size_t)b->lengths[k] * row_bytes;
    if (bytes > 0) memcpy(b->ordered + (size_t)b->position[b->ids[k] - first] * row_bytes, from, bytes);
    from += bytes;
  }
}

/* Counts what of n nodes goes to each writer: to the first the `step` nodes from `first`, and so on. */
static void count_sent(stream *s, int64_t first, int64_t step, int32_t n, const dg_id *ids, const int64_t *lengths) {
  memset(s->send, 0, (size_t)s->comm->size * sizeof *s->send);
  memset(s->send_rows, 0, (size_t)s->comm->size * sizeof *s->send_rows);
  for (int32_t i = 0; i < n; i++) {
    const int64_t writer = (ids[i] - first) / step;
    s->send[writer]++;
    s->send_rows[writer] += (size_t)lengths[i];
  }
  dg_comm_exchange_counts(s->comm, s->send, s->recv);
  dg_comm_exchange_counts(s->comm, s->send_rows, s->recv_rows);
}

/* The first row of this writer's slab, where every rank has n; later slabs come after all of them. Collective. */
static int64_t find_row(stream *s, int64_t n) {
  int64_t before = n, all = n;
  dg_comm_sum_below(s->comm, &before, 1);
  dg_comm_sum_int64(s->comm, &all, 1);
  s->rows_written += all;
  return s->rows_written - all + before;
}

/* Gathers n nodes of this rank into slabs of `step` nodes from `first` on, one for each writer, which writes it.
 *written is the local result of writing, not yet agreed on. Collective. */
static dg_status write_slabs(stream *s, dg_status *written, int64_t first, int64_t step, int32_t n, const dg_id *ids,
                             const int64_t *lengths, const char *rows) {
  dg_status status = DG_OK;
  slab b = {0};
  const int size = s->comm->size;
  count_sent(s, first, step, n, ids, lengths);
  const size_t nodes = sum_sizes(s->recv, size), n_rows = sum_sizes(s->recv_rows, size);
  DG_TRY(dg_comm_agree(s->comm, slab_alloc(&b, nodes, n_rows, s->row_bytes)));
  dg_comm_exchange(s->comm, ids, s->send, b.ids, s->recv, sizeof *ids);
  dg_comm_exchange(s->comm, lengths, s->send, b.lengths, s->recv, sizeof *lengths);
  dg_comm_exchange(s->comm, rows, s->send_rows, b.rows, s->recv_rows, s->row_bytes);
  const int64_t row = find_row(s, (int64_t)n_rows);
  if (nodes > 0) {
    slab_order(&b, first + step * s->comm->rank, nodes, s->row_bytes);
    *written = dg_sink_write(&s->sink, row, (int64_t)n_rows, b.ordered);
  }
cleanup:
  slab_destroy(&b);
  return status;
}

/* Nodes a slab, so that one has SLAB_BYTES if all nodes were alike, and every writer has some. */
static int64_t slab_nodes(int64_t n_nodes, int writers, int64_t rows, size_t row_bytes) {
  const double node_bytes = (double)rows * (double)row_bytes / (double)n_nodes + 16;
  const int64_t nodes = (int64_t)((double)SLAB_BYTES / node_bytes), share = (n_nodes + writers - 1) / writers;
  return nodes < 1 ? 1 : nodes < share ? nodes : share;
}

/* All slabs, one after the other. Collective. */
static dg_status write_stream(stream *s, dg_rows rows, const int64_t *row_count, int64_t all_rows, const void *data) {
  dg_status status = DG_OK, local = stream_alloc(s);
  const char *at = data;
  s->writers = dg_sink_is_shared(&s->sink) ? s->comm->size : 1;
  const int64_t step = slab_nodes(rows.n_nodes, s->writers, all_rows, s->row_bytes);
  for (int64_t first = 0; first < rows.n_nodes; first += step * s->writers) {
    DG_TRY(dg_comm_agree(s->comm, local));
    int32_t here = 0;
    int64_t rows_here = 0;
    for (; here < rows.n && rows.ids[here] < first + step * s->writers; here++) rows_here += row_count[here];
    DG_TRY(write_slabs(s, &local, first, step, here, rows.ids, row_count, at));
    rows.n -= here;
    rows.ids += here;
    row_count += here;
    at += (size_t)rows_here * s->row_bytes;
  }
  DG_TRY(dg_comm_agree(s->comm, local));
cleanup:
  return status;
}

dg_status dg_ragged_write(const dg_comm *comm, dg_h5 *file, const char *name, dg_h5_type type, dg_rows rows,
                          const int64_t *row_count, int columns, const void *data) {
  dg_status status = DG_OK, closed;
  const int width = columns > 0 ? columns : 1;
  int64_t extent[2] = {0, columns};
  stream s = {.comm = comm, .row_bytes = dg_h5_type_bytes(type) * (size_t)width};
  for (int32_t i = 0; i < rows.n; i++) extent[0] += row_count[i];
  dg_comm_sum_int64(comm, extent, 1);
  if (comm->rank == 0)
    status = dg_h5_write(file, name, type, columns > 0 ? 2 : 1, extent, comm->size == 1 ? data : NULL);
  DG_TRY(dg_comm_agree(comm, status));
  if (comm->size == 1 || rows.n_nodes == 0) goto cleanup;
  DG_TRY(dg_sink_open(&s.sink, comm, file, name, type, width));
  status = write_stream(&s, rows, row_count, extent[0], data);
  closed = dg_sink_close(&s.sink);
  if (status == DG_OK) status = closed;
cleanup:
  stream_destroy(&s);
  return status;
}

dg_status dg_rows_write(const dg_comm *comm, dg_h5 *file, const char *name, dg_h5_type type, dg_rows rows, int columns,
                        const void *data) {
  int64_t *ones = NULL;
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&ones, (size_t)rows.n, sizeof *ones)));
  for (int32_t i = 0; i < rows.n; i++) ones[i] = 1;
  DG_TRY(dg_ragged_write(comm, file, name, type, rows, ones, columns, data));
cleanup:
  dg_free(&ones);
  return status;
}
