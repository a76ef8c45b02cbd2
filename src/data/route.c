#include "data/route.h"

#include <string.h>

#include <distgat/memory.h>

/* Every row is read by its owner: nothing travels. */
static bool stays(const dg_route *r) {
  return r->comm->size == 1 || r->owners->owner == NULL;
}

static dg_status alloc_ranks(dg_route *r) {
  dg_status status = DG_OK;
  const size_t size = (size_t)r->comm->size;
  DG_TRY(dg_alloc(&r->start, size, sizeof *r->start));
  DG_TRY(dg_alloc(&r->next, size, sizeof *r->next));
  DG_TRY(dg_alloc(&r->send, size, sizeof *r->send));
  DG_TRY(dg_alloc(&r->recv, size, sizeof *r->recv));
  DG_TRY(dg_alloc(&r->send_entries, size, sizeof *r->send_entries));
  DG_TRY(dg_alloc(&r->recv_entries, size, sizeof *r->recv_entries));
cleanup:
  return status;
}

void dg_route_destroy(dg_route *route) {
  dg_free(&route->order);
  dg_free(&route->start);
  dg_free(&route->next);
  dg_free(&route->send);
  dg_free(&route->recv);
  dg_free(&route->send_entries);
  dg_free(&route->recv_entries);
}

static size_t sum(const size_t *count, int n) {
  size_t sum = 0;
  for (int i = 0; i < n; i++) sum += count[i];
  return sum;
}

/* Groups the piece by owner; send_entries serves as the insertion points. Local. */
static dg_status sort_piece(dg_route *r) {
  const int size = r->comm->size;
  dg_free(&r->order);
  const dg_status status = dg_alloc(&r->order, (size_t)r->n, sizeof *r->order);
  memset(r->send, 0, (size_t)size * sizeof *r->send);
  if (status != DG_OK) return status;
  for (int64_t i = 0; i < r->n; i++) r->send[dg_directory_owner(r->owners, r->first + i)]++;
  r->send_entries[0] = 0;
  for (int p = 1; p < size; p++) r->send_entries[p] = r->send_entries[p - 1] + r->send[p - 1];
  for (int64_t i = 0; i < r->n; i++) r->order[r->send_entries[dg_directory_owner(r->owners, r->first + i)]++] = i;
  return DG_OK;
}

dg_status dg_route_create(dg_route *route, const dg_comm *comm, const dg_directory *owners) {
  dg_status status = DG_OK;
  *route = (dg_route){.comm = comm, .owners = owners, .first = owners->first, .n = owners->n};
  status = alloc_ranks(route);
  if (status == DG_OK) status = sort_piece(route);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_exchange_counts(comm, route->send, route->recv);
  for (int p = 0; p < comm->size; p++) {
    route->start[p] = route->next[p] = route->n_own;
    route->n_own += (int64_t)route->recv[p];
  }
  if (route->n_own > INT32_MAX)
    status = dg_fail(DG_INPUT, "%lld nodes for one rank, which numbers %d; start more ranks", (long long)route->n_own,
                     INT32_MAX);
  DG_TRY(dg_comm_agree(comm, status));
cleanup:
  return status;
}

dg_status dg_route_turn(dg_route *route, int64_t piece, int64_t rows) {
  const dg_directory *d = route->owners;
  const int64_t at = piece * rows < d->n ? piece * rows : d->n;
  for (int p = 0; p < route->comm->size; p++)
    route->next[p] = piece == 0 ? route->start[p] : route->next[p] + (int64_t)route->recv[p];
  route->first = d->first + at, route->n = rows < d->n - at ? rows : d->n - at;
  const dg_status status = dg_comm_agree(route->comm, sort_piece(route));
  if (status == DG_OK) dg_comm_exchange_counts(route->comm, route->send, route->recv);
  return status;
}

dg_status dg_route_rows(const dg_route *route, void *own, const void *data, size_t bytes) {
  dg_status status = DG_OK;
  char *packed = NULL, *come = NULL, *at;
  if (stays(route)) {
    memcpy((char *)own + (size_t)(route->first - route->owners->first) * bytes, data, (size_t)route->n * bytes);
    return DG_OK;
  }
  status = dg_alloc(&packed, (size_t)route->n, bytes);
  if (status == DG_OK) status = dg_alloc(&come, sum(route->recv, route->comm->size), bytes);
  DG_TRY(dg_comm_agree(route->comm, status));
  for (int64_t k = 0; k < route->n; k++)
    memcpy(packed + (size_t)k * bytes, (const char *)data + (size_t)route->order[k] * bytes, bytes);
  dg_comm_exchange(route->comm, packed, route->send, come, route->recv, bytes);
  at = come;
  for (int p = 0; p < route->comm->size; at += route->recv[p] * bytes, p++)
    memcpy((char *)own + (size_t)route->next[p] * bytes, at, route->recv[p] * bytes);
cleanup:
  dg_free(&packed);
  dg_free(&come);
  return status;
}

/* Entries to each rank, and from each. */
static void count_entries(dg_route *r, const int64_t *own_indptr, const int64_t *indptr) {
  int64_t k = 0;
  for (int p = 0; p < r->comm->size; p++) {
    r->send_entries[p] = 0;
    for (const int64_t end = k + (int64_t)r->send[p]; k < end; k++)
      r->send_entries[p] += (size_t)(indptr[r->order[k] + 1] - indptr[r->order[k]]);
    r->recv_entries[p] = (size_t)(own_indptr[r->next[p] + (int64_t)r->recv[p]] - own_indptr[r->next[p]]);
  }
}

/* Rows of the piece, grouped by owner. */
static void pack(char *packed, const dg_route *r, const dg_ragged *rows) {
  for (int64_t k = 0; k < r->n; k++) {
    const int64_t i = r->order[k];
    const size_t length = (size_t)(rows->indptr[i + 1] - rows->indptr[i]) * rows->bytes;
    if (length > 0) memcpy(packed, (const char *)rows->data + (size_t)rows->indptr[i] * rows->bytes, length);
    packed += length;
  }
}

dg_status dg_route_entries(dg_route *route, const int64_t *own_indptr, dg_ragged rows,
                           dg_status (*take)(int64_t first, const void *entries, int64_t n, void *context),
                           void *context) {
  dg_status status = DG_OK;
  const dg_comm *comm = route->comm;
  char *packed = NULL, *come = NULL, *at;
  if (stays(route)) {
    const int64_t first = own_indptr[route->first - route->owners->first];
    return dg_comm_agree(comm, take(first, rows.data, rows.indptr[route->n], context));
  }
  count_entries(route, own_indptr, rows.indptr);
  status = dg_alloc(&packed, (size_t)rows.indptr[route->n], rows.bytes);
  if (status == DG_OK) status = dg_alloc(&come, sum(route->recv_entries, comm->size), rows.bytes);
  DG_TRY(dg_comm_agree(comm, status));
  pack(packed, route, &rows);
  dg_comm_exchange(comm, packed, route->send_entries, come, route->recv_entries, rows.bytes);
  at = come;
  for (int p = 0; p < comm->size && status == DG_OK; at += route->recv_entries[p] * rows.bytes, p++)
    status = take(own_indptr[route->next[p]], at, (int64_t)route->recv_entries[p], context);
  DG_TRY(dg_comm_agree(comm, status));
cleanup:
  dg_free(&packed);
  dg_free(&come);
  return status;
}
