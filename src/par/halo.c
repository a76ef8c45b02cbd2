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

/* Halo rows travel from and to their place in the matrix where they are contiguous there (`in_place`); else, and for
   owned rows always, through a buffer that pull and push share. */
struct dg_halo_channel {
  const dg_halo_plan *plan;
  dg_real *value, *gradient;
  int width, ld;
  dg_halo_type type;
  bool in_place;
  size_t row_bytes;                  /* of a row on the wire */
  char *owned_rows;                  /* [rows to send, width] as on the wire */
  char *halo_rows;                   /* [n_halo, width] as on the wire; NULL if in_place */
  MPI_Datatype row;                  /* one row: counts of elements may exceed int */
  bool has_requests;                 /* whether `row` and the requests are made */
  int n_halo_pieces, n_owned_pieces; /* messages that halo rows, and owned rows, travel in */
  MPI_Request *pull, *push;          /* [n_halo_pieces + n_owned_pieces] those of halo rows first */
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

static void pack_row(const dg_halo_channel *channel, char *restrict wire, const dg_real *restrict row) {
  if (channel->type == DG_HALO_F32) {
    memcpy(wire, row, channel->row_bytes);
    return;
  }
  uint16_t *restrict out = (uint16_t *)wire;
  for (int c = 0; c < channel->width; c++) out[c] = to_bf16((float)row[c]);
}

static void unpack_row(const dg_halo_channel *channel, dg_real *restrict row, const char *restrict wire) {
  if (channel->type == DG_HALO_F32) {
    memcpy(row, wire, channel->row_bytes);
    return;
  }
  const uint16_t *restrict in = (const uint16_t *)wire;
  for (int c = 0; c < channel->width; c++) row[c] = (dg_real)from_bf16(in[c]);
}

static void add_row(const dg_halo_channel *channel, dg_real *restrict row, const char *restrict wire) {
  if (channel->type == DG_HALO_F32) {
    const dg_real *restrict in = (const dg_real *)wire;
    for (int c = 0; c < channel->width; c++) row[c] += in[c];
    return;
  }
  const uint16_t *restrict in = (const uint16_t *)wire;
  for (int c = 0; c < channel->width; c++) row[c] += (dg_real)from_bf16(in[c]);
}

static size_t owned_offset(const dg_halo_channel *channel, int32_t i) {
  return (size_t)channel->plan->send_row[i] * (size_t)channel->ld;
}

static size_t halo_offset(const dg_halo_channel *channel, int32_t i) {
  return ((size_t)channel->plan->n_owned + (size_t)i) * (size_t)channel->ld;
}

static char *wire_row(const dg_halo_channel *channel, char *rows, int32_t i) {
  return rows + (size_t)i * channel->row_bytes;
}

/* Rows of a piece: all but the last to a neighbour have as many. */
static int32_t piece_rows(const dg_halo_channel *channel) {
  const size_t most = channel->plan->comm.message_bytes;
  return channel->row_bytes < most ? (int32_t)(most / channel->row_bytes) : 1;
}

/* Pieces that rows [0, n) to or from one neighbour travel in. */
static int count_pieces(const dg_halo_channel *channel, int32_t n) {
  const int32_t rows = piece_rows(channel);
  return n / rows + (n % rows > 0);
}

static int count_all_pieces(const dg_halo_channel *channel, const int32_t *offset, int n_ranks) {
  int n = 0;
  for (int k = 0; k < n_ranks; k++) n += count_pieces(channel, offset[k + 1] - offset[k]);
  return n;
}

/* Makes the requests for rows from or to one neighbour; returns the next request. */
static MPI_Request *create_pieces(const dg_halo_channel *channel, MPI_Request *request, char *rows, int32_t begin,
                                  int32_t end, int rank, bool sends, int tag) {
  const int32_t step = piece_rows(channel);
  for (int64_t first = begin; first < end; first += step) {
    const int n = end - first < step ? (int)(end - first) : step;
    char *place = wire_row(channel, rows, (int32_t)first);
    if (sends)
      MPI_Send_init(place, n, channel->row, rank, tag, channel->plan->comm.mpi, request++);
    else
      MPI_Recv_init(place, n, channel->row, rank, tag, channel->plan->comm.mpi, request++);
  }
  return request;
}

/* Makes the requests of one direction; `matrix` holds the halo rows if they travel in place. */
static void create_requests(dg_halo_channel *channel, MPI_Request *request, dg_real *matrix, bool pull) {
  const dg_halo_plan *plan = channel->plan;
  char *halo = channel->in_place ? (char *)(matrix + halo_offset(channel, 0)) : channel->halo_rows;
  const int tag = pull ? TAG_PULL : TAG_PUSH;
  for (int k = 0; k < plan->n_recv_ranks; k++)
    request = create_pieces(channel, request, halo, plan->recv_offset[k], plan->recv_offset[k + 1], plan->recv_rank[k],
                            !pull, tag);
  for (int k = 0; k < plan->n_send_ranks; k++)
    request = create_pieces(channel, request, channel->owned_rows, plan->send_offset[k], plan->send_offset[k + 1],
                            plan->send_rank[k], pull, tag);
}

static dg_status allocate_channel(dg_halo_channel *channel) {
  const dg_halo_plan *plan = channel->plan;
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&channel->owned_rows, (size_t)plan->send_offset[plan->n_send_ranks], channel->row_bytes));
  if (!channel->in_place) DG_TRY(dg_alloc(&channel->halo_rows, (size_t)plan->n_halo, channel->row_bytes));
  const size_t n = (size_t)channel->n_halo_pieces + (size_t)channel->n_owned_pieces;
  DG_TRY(dg_alloc(&channel->pull, n, sizeof *channel->pull));
  DG_TRY(dg_alloc(&channel->push, n, sizeof *channel->push));
cleanup:
  return status;
}

dg_status dg_halo_channel_create(dg_halo_channel **out, const dg_halo_plan *plan, dg_real *value, dg_real *gradient,
                                 int width, int ld, dg_halo_type type) {
  DG_CHECK(width > 0 && width <= ld);
  dg_halo_channel *channel = NULL;
  dg_status status = dg_alloc(&channel, 1, sizeof *channel);
  if (status == DG_OK) {
    bool wide = type == DG_HALO_F32;
    *channel = (dg_halo_channel){.plan = plan,
                                 .value = value,
                                 .gradient = gradient,
                                 .width = width,
                                 .ld = ld,
                                 .type = type,
                                 .in_place = wide && width == ld,
                                 .row_bytes = (size_t)width * (wide ? sizeof(dg_real) : sizeof(uint16_t))};
    channel->n_halo_pieces = count_all_pieces(channel, plan->recv_offset, plan->n_recv_ranks);
    channel->n_owned_pieces = count_all_pieces(channel, plan->send_offset, plan->n_send_ranks);
    status = allocate_channel(channel);
  }
  DG_TRY(dg_comm_agree(&plan->comm, status));
  MPI_Type_contiguous(width, type == DG_HALO_F32 ? DG_MPI_REAL : MPI_UINT16_T, &channel->row);
  MPI_Type_commit(&channel->row);
  channel->has_requests = true;
  create_requests(channel, channel->pull, value, true);
  if (gradient != NULL) create_requests(channel, channel->push, gradient, false);
cleanup:
  if (status != DG_OK) dg_halo_channel_destroy(&channel);
  *out = channel;
  return status;
}

void dg_halo_channel_destroy(dg_halo_channel **out) {
  dg_halo_channel *channel = *out;
  if (channel == NULL) return;
  if (channel->has_requests) {
    for (int i = 0; i < channel->n_halo_pieces + channel->n_owned_pieces; i++) {
      MPI_Request_free(&channel->pull[i]);
      if (channel->gradient != NULL) MPI_Request_free(&channel->push[i]);
    }
    MPI_Type_free(&channel->row);
  }
  dg_free(&channel->owned_rows);
  dg_free(&channel->halo_rows);
  dg_free(&channel->pull);
  dg_free(&channel->push);
  dg_free(out);
}

void dg_halo_pull_begin(dg_halo_channel *channel) {
  if (channel == NULL) return;
  const dg_halo_plan *plan = channel->plan;
  MPI_Startall(channel->n_halo_pieces, channel->pull);
  const int32_t step = piece_rows(channel);
  MPI_Request *request = channel->pull + channel->n_halo_pieces;
  for (int k = 0; k < plan->n_send_ranks; k++) {
    const int32_t stop = plan->send_offset[k + 1];
    for (int64_t first = plan->send_offset[k]; first < stop; first += step) {
      for (int32_t i = (int32_t)first; i < stop && i < first + step; i++)
        pack_row(channel, wire_row(channel, channel->owned_rows, i), channel->value + owned_offset(channel, i));
      MPI_Start(request++);
    }
  }
}

void dg_halo_pull_end(dg_halo_channel *channel) {
  if (channel == NULL) return;
  MPI_Waitall(channel->n_halo_pieces + channel->n_owned_pieces, channel->pull, MPI_STATUSES_IGNORE);
  for (int32_t i = 0; i < channel->plan->n_halo && !channel->in_place; i++)
    unpack_row(channel, channel->value + halo_offset(channel, i), wire_row(channel, channel->halo_rows, i));
}

void dg_halo_push_begin(dg_halo_channel *channel) {
  if (channel == NULL) return;
  const dg_halo_plan *plan = channel->plan;
  DG_CHECK(channel->gradient != NULL);
  MPI_Startall(channel->n_owned_pieces, channel->push + channel->n_halo_pieces);
  for (int32_t i = 0; i < plan->n_halo && !channel->in_place; i++)
    pack_row(channel, wire_row(channel, channel->halo_rows, i), channel->gradient + halo_offset(channel, i));
  MPI_Startall(channel->n_halo_pieces, channel->push);
}

void dg_halo_push_end(dg_halo_channel *channel) {
  if (channel == NULL) return;
  const dg_halo_plan *plan = channel->plan;
  MPI_Waitall(channel->n_halo_pieces + channel->n_owned_pieces, channel->push, MPI_STATUSES_IGNORE);
  for (int32_t i = 0; i < plan->send_offset[plan->n_send_ranks]; i++)
    add_row(channel, channel->gradient + owned_offset(channel, i), wire_row(channel, channel->owned_rows, i));
}

int64_t dg_halo_channel_bytes(const dg_halo_channel *channel) {
  if (channel == NULL) return 0;
  const dg_halo_plan *plan = channel->plan;
  return (int64_t)plan->send_offset[plan->n_send_ranks] * (int64_t)channel->row_bytes;
}

int64_t dg_halo_channel_messages(const dg_halo_channel *channel) {
  return channel == NULL ? 0 : (int64_t)channel->n_owned_pieces + channel->n_halo_pieces;
}
