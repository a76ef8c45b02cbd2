#include <distgat/graph.h>

#include <string.h>

#include <distgat/memory.h>

#define SLAB_BYTES ((int64_t)32 << 20) /* what rank 0 assembles at a time, on average */

/* A data set on its way to the file, slab of nodes by slab of nodes. */
typedef struct stream {
  const dg_comm *comm;
  dg_h5 *file; /* rank 0 only */
  const char *name;
  dg_h5_type type;
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

/* A slab as rank 0 receives it: grouped by sender, and in the order of nodes. */
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

/* Gathers n nodes of this rank into the slab of `nodes` nodes from `first` and writes it on rank 0. *written is the
   local result of writing, not yet agreed on. Collective. */
static dg_status write_slab(stream *s, dg_status *written, int64_t first, size_t nodes, int32_t n, const dg_id *ids,
                            const int64_t *lengths, const char *rows) {
  dg_status status = DG_OK;
  slab b = {0};
  int size = s->comm->size;
  s->send[0] = (size_t)n;
  s->send_rows[0] = 0;
  for (int32_t i = 0; i < n; i++) s->send_rows[0] += (size_t)lengths[i];
  dg_comm_exchange_counts(s->comm, s->send, s->recv);
  dg_comm_exchange_counts(s->comm, s->send_rows, s->recv_rows);
  size_t n_rows = sum_sizes(s->recv_rows, size);
  DG_CHECK(s->file == NULL || sum_sizes(s->recv, size) == nodes);
  DG_TRY(dg_comm_agree(s->comm, slab_alloc(&b, s->file == NULL ? 0 : nodes, n_rows, s->row_bytes)));
  dg_comm_exchange(s->comm, ids, s->send, b.ids, s->recv, sizeof *ids);
  dg_comm_exchange(s->comm, lengths, s->send, b.lengths, s->recv, sizeof *lengths);
  dg_comm_exchange(s->comm, rows, s->send_rows, b.rows, s->recv_rows, s->row_bytes);
  if (s->file != NULL) {
    slab_order(&b, first, nodes, s->row_bytes);
    *written = dg_h5_write_rows(s->file, s->name, s->type, s->rows_written, (int64_t)n_rows, b.ordered);
  }
  s->rows_written += (int64_t)n_rows;
cleanup:
  slab_destroy(&b);
  return status;
}

static size_t element_bytes(dg_h5_type type) {
  return type == DG_H5_F64 || type == DG_H5_I64 ? 8 : 4;
}

/* Nodes a slab, so that one has SLAB_BYTES if all nodes were alike. */
static int64_t slab_nodes(int64_t n_nodes, int64_t rows, size_t row_bytes) {
  double node_bytes = (double)rows * (double)row_bytes / (double)n_nodes + 16;
  int64_t nodes = (int64_t)((double)SLAB_BYTES / node_bytes);
  return nodes < 1 ? 1 : nodes < n_nodes ? nodes : n_nodes;
}

dg_status dg_ragged_write(const dg_comm *comm, dg_h5 *file, const char *name, dg_h5_type type, dg_rows rows,
                          const int64_t *row_count, int columns, const void *data) {
  dg_status status = DG_OK, local;
  int rank = columns > 0 ? 2 : 1;
  int64_t extent[2] = {0, columns};
  stream s = {.comm = comm, .file = file, .name = name, .type = type};
  const char *at = data;
  s.row_bytes = element_bytes(type) * (size_t)(columns > 0 ? columns : 1);
  for (int32_t i = 0; i < rows.n; i++) extent[0] += row_count[i];
  dg_comm_sum_int64(comm, extent, 1);
  local = stream_alloc(&s);
  if (local == DG_OK && comm->rank == 0)
    local = dg_h5_write(file, name, type, rank, extent, comm->size == 1 ? data : NULL);
  const int64_t n_nodes = comm->size == 1 ? 0 : rows.n_nodes; /* one rank has written everything already */

  int64_t step = n_nodes > 0 ? slab_nodes(n_nodes, extent[0], s.row_bytes) : 1;
  for (int64_t first = 0; first < n_nodes; first += step) {
    DG_TRY(dg_comm_agree(comm, local));
    int64_t nodes = step < n_nodes - first ? step : n_nodes - first;
    int32_t here = 0;
    int64_t rows_here = 0;
    for (; here < rows.n && rows.ids[here] < first + nodes; here++) rows_here += row_count[here];
    DG_TRY(write_slab(&s, &local, first, (size_t)nodes, here, rows.ids, row_count, at));
    rows.n -= here;
    rows.ids += here;
    row_count += here;
    at += (size_t)rows_here * s.row_bytes;
  }
  DG_TRY(dg_comm_agree(comm, local));
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
