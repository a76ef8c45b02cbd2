#include <distgat/halo.h>

#include <stdbool.h>
#include <string.h>

#include <distgat/memory.h>

enum { TAG_PULL = 2, TAG_PUSH = 3, TAG_MARK = 4 };

/* ---- plan ---- */

/* Turns elements per rank [size] into the list of ranks with any, and offsets. */
static dg_status list_neighbours(int *n, int **rank, int32_t **offset, const size_t *count, int size) {
  dg_status status = DG_OK;
  *n = 0;
  for (int r = 0; r < size; r++) *n += count[r] > 0;
  DG_TRY(dg_alloc(rank, (size_t)*n, sizeof **rank));
  DG_TRY(dg_alloc(offset, (size_t)*n + 1, sizeof **offset));
  for (int r = 0, k = 0; r < size; r++) {
    if (count[r] == 0) continue;
    size_t end = (size_t)(*offset)[k] + count[r];
    DG_CHECK(end <= INT32_MAX);
    (*rank)[k] = r;
    (*offset)[++k] = (int32_t)end;
  }
cleanup:
  return status;
}

/* Position of `key` among ascending keys. */
static dg_row find_key(const dg_id *keys, dg_row n, dg_id key) {
  dg_row low = 0, high = n;
  while (low < high) {
    dg_row middle = low + (high - low) / 2;
    if (keys[middle] < key)
      low = middle + 1;
    else
      high = middle;
  }
  DG_CHECK(low < n && keys[low] == key);
  return low;
}

/* Tells the owners which rows are wanted; *asked gets the keys of those wanted here. */
static dg_status ask_owners(dg_halo_plan *plan, dg_id **asked, const dg_id *halo_key, size_t *recv_count,
                            size_t *send_count) {
  const dg_comm *comm = &plan->comm;
  dg_status status = DG_OK;
  dg_comm_exchange_counts(comm, recv_count, send_count);
  status = list_neighbours(&plan->n_recv_ranks, &plan->recv_rank, &plan->recv_offset, recv_count, comm->size);
  if (status == DG_OK)
    status = list_neighbours(&plan->n_send_ranks, &plan->send_rank, &plan->send_offset, send_count, comm->size);
  if (status == DG_OK)
    status = dg_alloc(&plan->send_row, (size_t)plan->send_offset[plan->n_send_ranks], sizeof *plan->send_row);
  if (status == DG_OK) status = dg_alloc(asked, (size_t)plan->send_offset[plan->n_send_ranks], sizeof **asked);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_exchange(comm, halo_key, recv_count, *asked, send_count, sizeof *halo_key);
cleanup:
  return status;
}

dg_status dg_halo_plan_create(dg_halo_plan *plan, const dg_comm *comm, dg_row n_owned, const dg_id *owned_key,
                              const dg_row *owned_row, dg_row n_halo, const int *halo_owner, const dg_id *halo_key) {
  dg_status status = DG_OK;
  *plan = (dg_halo_plan){.comm = *comm, .n_owned = n_owned, .n_halo = n_halo};
  dg_id *asked = NULL;
  size_t *count = NULL; /* rows from, then to, each rank */
  DG_TRY(dg_comm_agree(comm, dg_alloc(&count, 2 * (size_t)comm->size, sizeof *count)));
  for (int32_t i = 0; i < n_halo; i++) {
    DG_CHECK(halo_owner[i] >= 0 && halo_owner[i] < comm->size && halo_owner[i] != comm->rank);
    DG_CHECK(i == 0 || halo_owner[i - 1] <= halo_owner[i]);
    count[halo_owner[i]]++;
  }
  DG_TRY(ask_owners(plan, &asked, halo_key, count, count + comm->size));
  for (int32_t i = 0; i < plan->send_offset[plan->n_send_ranks]; i++) {
    const dg_row row = find_key(owned_key, n_owned, asked[i]);
    plan->send_row[i] = owned_row != NULL ? owned_row[row] : row;
  }
cleanup:
  dg_free(&count);
  dg_free(&asked);
  if (status != DG_OK) dg_halo_plan_destroy(plan);
  return status;
}

void dg_halo_plan_destroy(dg_halo_plan *plan) {
  dg_free(&plan->recv_rank);
  dg_free(&plan->recv_offset);
  dg_free(&plan->send_rank);
  dg_free(&plan->send_offset);
  dg_free(&plan->send_row);
  memset(plan, 0, sizeof *plan);
}

dg_status dg_halo_plan_mark(const dg_halo_plan *plan, const uint8_t *halo_mark, uint8_t *owned_mark) {
  dg_status status = DG_OK;
  const int32_t n_sent = plan->send_offset[plan->n_send_ranks], *to = plan->send_offset, *from = plan->recv_offset;
  MPI_Request *request = NULL;
  uint8_t *asked = NULL;
  int n = 0;
  status = dg_alloc(&request, (size_t)plan->n_send_ranks + (size_t)plan->n_recv_ranks, sizeof *request);
  if (status == DG_OK) status = dg_alloc(&asked, (size_t)n_sent, sizeof *asked);
  DG_TRY(dg_comm_agree(&plan->comm, status));
  for (int k = 0; k < plan->n_send_ranks; k++)
    MPI_Irecv(asked + to[k], to[k + 1] - to[k], MPI_BYTE, plan->send_rank[k], TAG_MARK, plan->comm.mpi, &request[n++]);
  for (int k = 0; k < plan->n_recv_ranks; k++)
    MPI_Isend(halo_mark + from[k], from[k + 1] - from[k], MPI_BYTE, plan->recv_rank[k], TAG_MARK, plan->comm.mpi,
              &request[n++]);
  MPI_Waitall(n, request, MPI_STATUSES_IGNORE);
  for (int32_t i = 0; i < n_sent; i++)
    if (asked[i]) owned_mark[plan->send_row[i]] = 1;

cleanup:
  dg_free(&request);
  dg_free(&asked);
  return status;
}

/* ---- channel ---- */

/* One direction. Halo rows travel from and to their place in the matrix where they are contiguous there and go as they
   are (`in_place`); else, and owned rows always, through buffers that pull and push share. */
typedef struct way {
  char *matrix;  /* NULL: there is none */
  int width;     /* elements of a row that travel */
  size_t stride; /* bytes from one of its rows to the next */
  bool rounded;  /* reals of the matrix are bf16 on the wire */
  bool doubles;  /* elements are these */
  bool in_place;
  size_t row_bytes;                  /* of a row on the wire */
  MPI_Datatype row;                  /* one row: counts of elements may exceed int */
  int n_halo_pieces, n_owned_pieces; /* messages that halo rows, and owned rows, travel in */
  MPI_Request *request;              /* [n_halo_pieces + n_owned_pieces] those of halo rows first */
} way;

struct dg_halo_channel {
  const dg_halo_plan *plan;
  way pull, push;
  bool has_requests; /* whether rows and requests are made */
  char *owned_rows;  /* rows to send, as on the wire */
  char *halo_rows;   /* halo rows as on the wire; NULL if both ways are in place */
};

static uint16_t to_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  uint32_t quiet_nan = (bits >> 16) | 0x40u;
  return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet_nan : rounded);
}

static float from_bf16(uint16_t x) {
  uint32_t bits = (uint32_t)x << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void pack_row(const way *w, char *restrict wire, const char *restrict row) {
  if (!w->rounded) {
    memcpy(wire, row, w->row_bytes);
    return;
  }
  uint16_t *restrict out = (uint16_t *)wire;
  const dg_real *restrict in = (const dg_real *)row;
  for (int c = 0; c < w->width; c++) out[c] = to_bf16((float)in[c]);
}

static void unpack_row(const way *w, char *restrict row, const char *restrict wire) {
  if (!w->rounded) {
    memcpy(row, wire, w->row_bytes);
    return;
  }
  const uint16_t *restrict in = (const uint16_t *)wire;
  dg_real *restrict out = (dg_real *)row;
  for (int c = 0; c < w->width; c++) out[c] = (dg_real)from_bf16(in[c]);
}

static void add_doubles(double *restrict out, const double *restrict in, int n) {
  for (int c = 0; c < n; c++) out[c] += in[c];
}

/* Of gradients, which are reals, or sums of them. */
static void add_row(const dg_halo_channel *channel, char *restrict row, const char *restrict wire) {
  dg_real *restrict out = (dg_real *)row;
  if (channel->push.doubles) {
    add_doubles((double *)row, (const double *)wire, channel->push.width);
    return;
  }
  if (!channel->push.rounded) {
    const dg_real *restrict in = (const dg_real *)wire;
    for (int c = 0; c < channel->push.width; c++) out[c] += in[c];
    return;
  }
  const uint16_t *restrict in = (const uint16_t *)wire;
  for (int c = 0; c < channel->push.width; c++) out[c] += (dg_real)from_bf16(in[c]);
}

static char *owned_row(const dg_halo_channel *channel, const way *w, int32_t i) {
  return w->matrix + (size_t)channel->plan->send_row[i] * w->stride;
}

static char *halo_row(const dg_halo_channel *channel, const way *w, int32_t i) {
  return w->matrix + ((size_t)channel->plan->n_owned + (size_t)i) * w->stride;
}

static char *wire_row(const way *w, char *rows, int32_t i) {
  return rows + (size_t)i * w->row_bytes;
}

/* Rows of a piece: all but the last to a neighbour have as many. */
static int32_t piece_rows(const dg_halo_channel *channel, const way *w) {
  const size_t most = channel->plan->comm.message_bytes;
  return w->row_bytes < most ? (int32_t)(most / w->row_bytes) : 1;
}

/* Pieces that rows [0, n) to or from one neighbour travel in. */
static int count_pieces(const dg_halo_channel *channel, const way *w, int32_t n) {
  const int32_t rows = piece_rows(channel, w);
  return n / rows + (n % rows > 0);
}

static int count_all_pieces(const dg_halo_channel *channel, const way *w, const int32_t *offset, int n_ranks) {
  int n = 0;
  for (int k = 0; k < n_ranks; k++) n += count_pieces(channel, w, offset[k + 1] - offset[k]);
  return n;
}

static int all_pieces(const way *w) {
  return w->n_halo_pieces + w->n_owned_pieces;
}

/* Makes the requests for rows from or to one neighbour; returns the next request. */
static MPI_Request *create_pieces(const dg_halo_channel *channel, const way *w, MPI_Request *request, char *rows,
                                  const int32_t range[2], int rank, bool sends) {
  const int32_t step = piece_rows(channel, w), begin = range[0], end = range[1];
  const int tag = w == &channel->pull ? TAG_PULL : TAG_PUSH;
  for (int64_t first = begin; first < end; first += step) {
    const int n = end - first < step ? (int)(end - first) : step;
    char *place = wire_row(w, rows, (int32_t)first);
    if (sends)
      MPI_Send_init(place, n, w->row, rank, tag, channel->plan->comm.mpi, request++);
    else
      MPI_Recv_init(place, n, w->row, rank, tag, channel->plan->comm.mpi, request++);
  }
  return request;
}

static void create_requests(dg_halo_channel *channel, way *w, MPI_Datatype element) {
  const dg_halo_plan *plan = channel->plan;
  const bool pull = w == &channel->pull;
  MPI_Request *request = w->request;
  if (!w->matrix) return;
  MPI_Type_contiguous(w->width, element, &w->row);
  MPI_Type_commit(&w->row);
  char *halo = w->in_place ? halo_row(channel, w, 0) : channel->halo_rows;
  for (int k = 0; k < plan->n_recv_ranks; k++)
    request = create_pieces(channel, w, request, halo, plan->recv_offset + k, plan->recv_rank[k], !pull);
  for (int k = 0; k < plan->n_send_ranks; k++)
    request = create_pieces(channel, w, request, channel->owned_rows, plan->send_offset + k, plan->send_rank[k], pull);
}

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static dg_status allocate_channel(dg_halo_channel *channel) {
  const dg_halo_plan *plan = channel->plan;
  way *pull = &channel->pull, *push = &channel->push;
  const size_t row = larger(pull->row_bytes, push->row_bytes);
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&channel->owned_rows, (size_t)plan->send_offset[plan->n_send_ranks], row));
  if (!pull->in_place || !push->in_place) DG_TRY(dg_alloc(&channel->halo_rows, (size_t)plan->n_halo, row));
  DG_TRY(dg_alloc(&pull->request, (size_t)all_pieces(pull), sizeof *pull->request));
  DG_TRY(dg_alloc(&push->request, (size_t)all_pieces(push), sizeof *push->request));
cleanup:
  return status;
}

/* A direction of `width` elements of rows that have so many bytes in the matrix and on the wire; there is one where
   there is a matrix. */
static void describe_way(way *w, const dg_halo_channel *channel, void *matrix, int width, int ld, size_t kept,
                         size_t wire) {
  const dg_halo_plan *plan = channel->plan;
  DG_CHECK(width > 0 && width <= ld);
  *w = (way){.matrix = matrix,
             .width = width,
             .stride = (size_t)ld * kept,
             .rounded = wire != kept,
             .in_place = !matrix || (wire == kept && width == ld),
             .row_bytes = (size_t)width * wire};
  if (!matrix) return;
  w->n_halo_pieces = count_all_pieces(channel, w, plan->recv_offset, plan->n_recv_ranks);
  w->n_owned_pieces = count_all_pieces(channel, w, plan->send_offset, plan->n_send_ranks);
}

/* What halo rows of both matrices are; those of `value` of bf16 where `table` says so. */
typedef struct matrices {
  void *value;
  dg_real *gradient;
  bool table;
  int value_width, width, ld;
  dg_halo_type type;
  double *sums; /* in the place of `gradient`; NULL: that */
  int n_sums;
} matrices;

static dg_status create_channel(dg_halo_channel **out, const dg_halo_plan *plan, const matrices *m) {
  const bool wide = m->type == DG_HALO_F32;
  const size_t kept = m->table ? sizeof(dg_bf16) : sizeof(dg_real), wire = wide ? sizeof(dg_real) : sizeof(dg_bf16);
  dg_halo_channel *channel = NULL;
  dg_status status = dg_alloc(&channel, 1, sizeof *channel);
  if (status == DG_OK) {
    *channel = (dg_halo_channel){.plan = plan};
    describe_way(&channel->pull, channel, m->value, m->value_width, m->ld, kept, m->table ? kept : wire);
    if (m->sums)
      describe_way(&channel->push, channel, m->sums, m->n_sums, m->n_sums, sizeof(double), sizeof(double));
    else
      describe_way(&channel->push, channel, m->gradient, m->width, m->ld, sizeof(dg_real), wire);
    channel->push.doubles = m->sums != NULL;
    status = allocate_channel(channel);
  }
  DG_TRY(dg_comm_agree(&plan->comm, status));
  channel->has_requests = true;
  create_requests(channel, &channel->pull, !wide || m->table ? MPI_UINT16_T : DG_MPI_REAL);
  create_requests(channel, &channel->push, m->sums ? MPI_DOUBLE : wide ? DG_MPI_REAL : MPI_UINT16_T);
cleanup:
  if (status != DG_OK) dg_halo_channel_destroy(&channel);
  *out = channel;
  return status;
}

dg_status dg_halo_channel_create(dg_halo_channel **out, const dg_halo_plan *plan, dg_real *value, dg_real *gradient,
                                 int width, int ld, dg_halo_type type) {
  const matrices m = {value, gradient, false, width, width, ld, type, NULL, 0};
  return create_channel(out, plan, &m);
}

dg_status dg_halo_channel_create_bf16(dg_halo_channel **out, const dg_halo_plan *plan, dg_bf16 *value, int value_width,
                                      dg_real *gradient, int width, int ld, dg_halo_type type) {
  const matrices m = {value, gradient, true, value_width, width, ld, type, NULL, 0};
  return create_channel(out, plan, &m);
}

dg_status dg_halo_channel_create_sums(dg_halo_channel **out, const dg_halo_plan *plan, dg_real *value, dg_bf16 *table,
                                      int width, int ld, double *sums, int n_sums) {
  const matrices m = {table ? (void *)table : value, NULL, table != NULL, width, width, ld, DG_HALO_F32, sums, n_sums};
  return create_channel(out, plan, &m);
}

static void free_requests(way *w) {
  if (!w->matrix) return;
  for (int i = 0; i < all_pieces(w); i++) MPI_Request_free(&w->request[i]);
  MPI_Type_free(&w->row);
}

void dg_halo_channel_destroy(dg_halo_channel **out) {
  dg_halo_channel *channel = *out;
  if (channel == NULL) return;
  if (channel->has_requests) {
    free_requests(&channel->pull);
    free_requests(&channel->push);
  }
  dg_free(&channel->owned_rows);
  dg_free(&channel->halo_rows);
  dg_free(&channel->pull.request);
  dg_free(&channel->push.request);
  dg_free(out);
}

void dg_halo_pull_begin(dg_halo_channel *channel) {
  if (channel == NULL) return;
  const dg_halo_plan *plan = channel->plan;
  const way *w = &channel->pull;
  MPI_Startall(w->n_halo_pieces, w->request);
  const int32_t step = piece_rows(channel, w);
  MPI_Request *request = w->request + w->n_halo_pieces;
  for (int k = 0; k < plan->n_send_ranks; k++) {
    const int32_t stop = plan->send_offset[k + 1];
    for (int64_t first = plan->send_offset[k]; first < stop; first += step) {
      for (int32_t i = (int32_t)first; i < stop && i < first + step; i++)
        pack_row(w, wire_row(w, channel->owned_rows, i), owned_row(channel, w, i));
      MPI_Start(request++);
    }
  }
}

void dg_halo_pull_end(dg_halo_channel *channel) {
  if (channel == NULL) return;
  const way *w = &channel->pull;
  MPI_Waitall(all_pieces(w), w->request, MPI_STATUSES_IGNORE);
  for (int32_t i = 0; i < channel->plan->n_halo && !w->in_place; i++)
    unpack_row(w, halo_row(channel, w, i), wire_row(w, channel->halo_rows, i));
}

void dg_halo_push_begin(dg_halo_channel *channel) {
  if (channel == NULL) return;
  const dg_halo_plan *plan = channel->plan;
  const way *w = &channel->push;
  DG_CHECK(w->matrix != NULL);
  MPI_Startall(w->n_owned_pieces, w->request + w->n_halo_pieces);
  for (int32_t i = 0; i < plan->n_halo && !w->in_place; i++)
    pack_row(w, wire_row(w, channel->halo_rows, i), halo_row(channel, w, i));
  MPI_Startall(w->n_halo_pieces, w->request);
}

void dg_halo_push_end(dg_halo_channel *channel) {
  if (channel == NULL) return;
  const dg_halo_plan *plan = channel->plan;
  const way *w = &channel->push;
  MPI_Waitall(all_pieces(w), w->request, MPI_STATUSES_IGNORE);
  for (int32_t i = 0; i < plan->send_offset[plan->n_send_ranks]; i++)
    add_row(channel, owned_row(channel, w, i), wire_row(w, channel->owned_rows, i));
}

static int64_t owned_bytes(const dg_halo_channel *channel, const way *w) {
  const int32_t rows = w->matrix ? channel->plan->send_offset[channel->plan->n_send_ranks] : 0;
  return rows * (int64_t)w->row_bytes;
}

int64_t dg_halo_channel_bytes(const dg_halo_channel *channel) {
  return channel == NULL ? 0 : owned_bytes(channel, &channel->pull);
}

int64_t dg_halo_channel_bytes_back(const dg_halo_channel *channel) {
  return channel == NULL ? 0 : owned_bytes(channel, &channel->push);
}

/* Those that send rows of a pull, and those that send halo rows of a push. */
int64_t dg_halo_channel_messages(const dg_halo_channel *channel, int pulls) {
  return channel == NULL ? 0 : (int64_t)pulls * channel->pull.n_owned_pieces + channel->push.n_halo_pieces;
}
