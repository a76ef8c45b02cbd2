#include <distgat/comm.h>

#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "par/eager.h"
#include "par/sparse.h"

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "counts travel as 64-bit words");

/* MPI counts are int: longer data goes in pieces of this many elements or bytes. */
#define PIECE ((size_t)1 << 30)

enum { TAG_EXCHANGE = 1, TAG_NEVER_SENT = 0 };

static size_t min_size(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Whether this host has a network that carries messages of any length without its processors. */
static bool has_fast_network(void) {
  static const char *const devices[] = {"/sys/class/infiniband/*", "/sys/class/cxi/*"};
  bool found = false;
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    glob_t match;
    if (glob(devices[i], GLOB_NOSORT, NULL, &match) == 0) found = true, globfree(&match);
  }
  return found;
}

/* The longest message: DISTGAT_MESSAGE_BYTES of rank 0, or what suits the ranks' connections. Where a message waited
   for the receiver to be asked, over TCP its answer would wait behind what it is sending itself, and the two directions
   would not overlap. */
static size_t find_message_bytes(const dg_comm *comm) {
  const char *wanted = getenv("DISTGAT_MESSAGE_BYTES");
  int64_t bytes = comm->rank == 0 && wanted ? strtoll(wanted, NULL, 10) : 0;
  dg_comm_bcast(comm, &bytes, sizeof bytes, 0);
  if (bytes > 0) return min_size(PIECE, (size_t)bytes);
  const bool slow = comm->host[0] != '\0' && !has_fast_network();
  return (size_t)-dg_comm_max_int64(comm, slow ? -(int64_t)dg_eager_bytes() : -(int64_t)PIECE);
}

dg_status dg_comm_create(dg_comm *comm, MPI_Comm parent) {
  char host[MPI_MAX_PROCESSOR_NAME] = "";
  int length;
  MPI_Comm_dup(parent, &comm->mpi);
  MPI_Comm_rank(comm->mpi, &comm->rank);
  MPI_Comm_size(comm->mpi, &comm->size);
  dg_fault_begin(comm->rank);
  MPI_Get_processor_name(host, &length);
  dg_comm_name_host(comm, host);
  return DG_OK;
}

void dg_comm_split(dg_comm *comm, const dg_comm *parent, int group) {
  *comm = (dg_comm){0};
  MPI_Comm_split(parent->mpi, group < 0 ? MPI_UNDEFINED : group, parent->rank, &comm->mpi);
  if (group < 0) return;
  MPI_Comm_rank(comm->mpi, &comm->rank);
  MPI_Comm_size(comm->mpi, &comm->size);
  comm->message_bytes = parent->message_bytes;
}

void dg_comm_name_host(dg_comm *comm, const char *name) {
  char first[sizeof comm->host];
  snprintf(comm->host, sizeof comm->host, "%s", name);
  memcpy(first, comm->host, sizeof first);
  dg_comm_bcast(comm, first, sizeof first, 0);
  if (dg_comm_max_int64(comm, strcmp(first, comm->host) != 0) == 0) comm->host[0] = '\0';
  comm->message_bytes = find_message_bytes(comm);
}

void dg_comm_destroy(dg_comm *comm) {
  if (comm->size > 0) MPI_Comm_free(&comm->mpi);
  memset(comm, 0, sizeof *comm);
}

/* A failure elsewhere than on rank 0 says where. */
static void tell_failure(const dg_comm *comm, char *text, size_t size) {
  if (comm->rank > 0 && comm->host[0] != '\0')
    snprintf(text, size, "rank %d on %s: %s", comm->rank, comm->host, dg_status_message());
  else
    snprintf(text, size, "%s", dg_status_message());
}

dg_status dg_comm_agree(const dg_comm *comm, dg_status local) {
  if (comm->size == 1) return local;
  int first = local == DG_OK ? INT_MAX : comm->rank;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, comm->mpi);
  if (first == INT_MAX) return DG_OK;

  struct {
    int status;
    char message[1024];
  } failure = {.status = (int)local};
  tell_failure(comm, failure.message, sizeof failure.message);
  dg_comm_bcast(comm, &failure, sizeof failure, first);
  dg_status_clear();
  return dg_fail((dg_status)failure.status, "%s", failure.message);
}

void dg_comm_bcast(const dg_comm *comm, void *data, size_t bytes, int root) {
  for (size_t at = 0; at < bytes; at += PIECE)
    MPI_Bcast((char *)data + at, (int)min_size(PIECE, bytes - at), MPI_BYTE, root, comm->mpi);
}

static void sum(const dg_comm *comm, void *values, size_t count, size_t size, MPI_Datatype type) {
  for (size_t at = 0; at < count; at += PIECE)
    MPI_Allreduce(MPI_IN_PLACE, (char *)values + at * size, (int)min_size(PIECE, count - at), type, MPI_SUM, comm->mpi);
}

void dg_comm_sum_real(const dg_comm *comm, dg_real *values, size_t count) {
  sum(comm, values, count, sizeof *values, DG_MPI_REAL);
}

void dg_comm_progress(const dg_comm *comm) {
  int flag;
  MPI_Iprobe(MPI_ANY_SOURCE, TAG_NEVER_SENT, comm->mpi, &flag, MPI_STATUS_IGNORE);
}

void dg_comm_sum_double(const dg_comm *comm, double *values, size_t count) {
  sum(comm, values, count, sizeof *values, MPI_DOUBLE);
}

void dg_comm_sum_int64(const dg_comm *comm, int64_t *values, size_t count) {
  sum(comm, values, count, sizeof *values, MPI_INT64_T);
}

void dg_comm_sum_below(const dg_comm *comm, int64_t *values, int count) {
  MPI_Exscan(MPI_IN_PLACE, values, count, MPI_INT64_T, MPI_SUM, comm->mpi);
  for (int i = 0; comm->rank == 0 && i < count; i++) values[i] = 0;
}

int64_t dg_comm_max_int64(const dg_comm *comm, int64_t value) {
  MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT64_T, MPI_MAX, comm->mpi);
  return value;
}

double dg_comm_max_double(const dg_comm *comm, double value) {
  MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, comm->mpi);
  return value;
}

void dg_comm_max_doubles(const dg_comm *comm, double *values, size_t count) {
  for (size_t at = 0; at < count; at += PIECE)
    MPI_Allreduce(MPI_IN_PLACE, values + at, (int)min_size(PIECE, count - at), MPI_DOUBLE, MPI_MAX, comm->mpi);
}

/* Messages of an exchange under way; a bounded number of them needs no memory that could lack. */
typedef struct flight {
  const dg_comm *comm;
  int n;
  MPI_Request request[32];
} flight;

static void land(flight *f) {
  MPI_Waitall(f->n, f->request, MPI_STATUSES_IGNORE);
  f->n = 0;
}

/* Starts to send one block and to receive one, piece by piece; nothing where a block is empty. A pair of pieces starts
   at once: ranks that waited between the two would wait for each other. */
static void start_pair(flight *f, const char *send, size_t send_bytes, int to, char *recv, size_t recv_bytes,
                       int from) {
  for (size_t at = 0; at < send_bytes || at < recv_bytes; at += PIECE) {
    if (f->n + 2 > (int)(sizeof f->request / sizeof *f->request)) land(f);
    if (at < recv_bytes)
      MPI_Irecv(recv + at, (int)min_size(PIECE, recv_bytes - at), MPI_BYTE, from, TAG_EXCHANGE, f->comm->mpi,
                &f->request[f->n++]);
    if (at < send_bytes)
      MPI_Isend(send + at, (int)min_size(PIECE, send_bytes - at), MPI_BYTE, to, TAG_EXCHANGE, f->comm->mpi,
                &f->request[f->n++]);
  }
}

/* Round k pairs every rank with the k-th above and below it. All start rounds in this order, so that what a rank waits
   for is on its way or waits for an earlier round. */
void dg_comm_exchange(const dg_comm *comm, const void *send, const size_t *send_count, void *recv,
                      const size_t *recv_count, size_t size) {
  flight under_way = {.comm = comm};
  const char *send_at = send;
  char *recv_at = recv, *recv_end = recv;
  for (int r = 0; r < comm->rank; r++) send_at += send_count[r] * size;
  for (int r = 0; r < comm->size; r++) recv_end += recv_count[r] * size;
  for (int r = 0; r < comm->rank; r++) recv_at += recv_count[r] * size;
  DG_CHECK(send_count[comm->rank] == recv_count[comm->rank]);
  if (recv_count[comm->rank] > 0) memcpy(recv_at, send_at, recv_count[comm->rank] * size);

  int to = comm->rank, from = comm->rank;
  for (int k = 1; k < comm->size; k++) {
    send_at += send_count[to] * size;
    if (++to == comm->size) to = 0, send_at = send;
    if (--from < 0) from = comm->size - 1, recv_at = recv_end;
    recv_at -= recv_count[from] * size;
    start_pair(&under_way, send_at, send_count[to] * size, to, recv_at, recv_count[from] * size, from);
  }
  land(&under_way);
}

/* Whether every rank gives to so few that messages to these alone take less time than MPI_Alltoall, whose steps are few
   too: measured at 64 to 256 ranks. */
static bool gives_to_few(const dg_comm *comm, const size_t *send_count) {
  enum { RANKS_FOR_EACH = 32 };
  int64_t n = 0;
  if (comm->size < RANKS_FOR_EACH) return false;
  for (int r = 0; r < comm->size; r++) n += send_count[r] > 0;
  return dg_comm_max_int64(comm, n) * RANKS_FOR_EACH <= comm->size;
}

void dg_comm_exchange_counts(const dg_comm *comm, const size_t *send_count, size_t *recv_count) {
  if (gives_to_few(comm, send_count))
    dg_sparse_counts(comm, send_count, recv_count);
  else
    MPI_Alltoall(send_count, 1, MPI_UINT64_T, recv_count, 1, MPI_UINT64_T, comm->mpi);
}
