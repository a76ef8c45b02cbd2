#include "par/reduce.h"

#include <string.h>

#include <distgat/memory.h>
#include <distgat/sums.h>

enum { TAG_VALUES = 11, TAG_SUMS };

typedef struct dg_reduce_range {
  dg_real *values; /* [n] */
  int64_t n;
  dg_real *room; /* [ranks - 1, own slice] in the order of ranks */
  MPI_Request *request;
  int n_requests;
} dg_reduce_range;

/* Rank r adds elements from here to the begin of the next. */
static int64_t slice_begin(const dg_reduce *reduce, const dg_reduce_range *range, int r) {
  return range->n * r / reduce->comm.size;
}

static int64_t slice_size(const dg_reduce *reduce, const dg_reduce_range *range, int r) {
  return slice_begin(reduce, range, r + 1) - slice_begin(reduce, range, r);
}

static int64_t piece_size(const dg_comm *comm) {
  const size_t reals = comm->message_bytes / sizeof(dg_real);
  return reals > 1 ? (int64_t)reals : 1;
}

dg_status dg_reduce_create(dg_reduce *reduce, const dg_comm *comm, int64_t count, int ranges) {
  dg_status status = DG_OK;
  const int64_t others = comm->size - 1, slices = count / comm->size + ranges; /* a range's may be one longer */
  const int64_t pieces = slices / piece_size(comm) + 2 * ranges;
  *reduce = (dg_reduce){.comm = *comm, .direct = comm->size <= DG_REDUCE_DIRECT};
  DG_TRY(dg_alloc(&reduce->range, (size_t)ranges, sizeof *reduce->range));
  if (reduce->direct) DG_TRY(dg_alloc(&reduce->room, (size_t)(others * slices), sizeof *reduce->room));
  DG_TRY(dg_alloc(&reduce->request, (size_t)(ranges + 2 * others * pieces), sizeof *reduce->request));
  reduce->room_left = reduce->room;

cleanup:
  return status;
}

void dg_reduce_destroy(dg_reduce *reduce) {
  dg_free(&reduce->range);
  dg_free(&reduce->room);
  dg_free(&reduce->request);
  *reduce = (dg_reduce){0};
}

static void send(dg_reduce *reduce, dg_reduce_range *range, const dg_real *from, int64_t n, int rank, int tag) {
  const int64_t step = piece_size(&reduce->comm);
  for (int64_t at = 0; at < n; at += step)
    MPI_Isend(from + at, (int)(n - at < step ? n - at : step), DG_MPI_REAL, rank, tag, reduce->comm.mpi,
              &range->request[range->n_requests++]);
}

static void receive(dg_reduce *reduce, dg_reduce_range *range, dg_real *to, int64_t n, int rank, int tag) {
  const int64_t step = piece_size(&reduce->comm);
  for (int64_t at = 0; at < n; at += step)
    MPI_Irecv(to + at, (int)(n - at < step ? n - at : step), DG_MPI_REAL, rank, tag, reduce->comm.mpi,
              &range->request[range->n_requests++]);
}

/* Others' values of this rank's slice. */
static dg_real *room_of(const dg_reduce *reduce, const dg_reduce_range *range, int r) {
  const int me = reduce->comm.rank;
  return range->room + (r < me ? r : r - 1) * slice_size(reduce, range, me);
}

/* Each rank begins with the one above it, so that not all send to the same. */
static void send_values(dg_reduce *reduce, dg_reduce_range *range) {
  const int size = reduce->comm.size, me = reduce->comm.rank;
  for (int r = 0; r < size; r++)
    if (r != me) receive(reduce, range, room_of(reduce, range, r), slice_size(reduce, range, me), r, TAG_VALUES);
  for (int k = 1; k < size; k++) {
    const int to = (me + k) % size;
    send(reduce, range, range->values + slice_begin(reduce, range, to), slice_size(reduce, range, to), to, TAG_VALUES);
  }
}

static void send_sums(dg_reduce *reduce, dg_reduce_range *range) {
  const int size = reduce->comm.size, me = reduce->comm.rank;
  const dg_real *own = range->values + slice_begin(reduce, range, me);
  for (int r = 0; r < size; r++)
    if (r != me)
      receive(reduce, range, range->values + slice_begin(reduce, range, r), slice_size(reduce, range, r), r, TAG_SUMS);
  for (int k = 1; k < size; k++) send(reduce, range, own, slice_size(reduce, range, me), (me + k) % size, TAG_SUMS);
}

/* In the order of ranks: who adds decides no bit. */
static void add_values(const dg_reduce *reduce, const dg_reduce_range *range) {
  const int me = reduce->comm.rank;
  const int64_t n = slice_size(reduce, range, me);
  dg_real *out = range->values + slice_begin(reduce, range, me), own[DG_STRIP];
  for (int64_t at = 0; at < n; at += DG_STRIP) {
    const int64_t m = n - at < DG_STRIP ? n - at : DG_STRIP;
    memcpy(own, out + at, (size_t)m * sizeof *own);
    for (int r = 0; r < reduce->comm.size; r++) {
      const dg_real *in = r == me ? own : room_of(reduce, range, r) + at;
      if (r == 0) memcpy(out + at, in, (size_t)m * sizeof *out);
      for (int64_t i = 0; r > 0 && i < m; i++) out[at + i] += in[i];
    }
  }
}

static void land(dg_reduce_range *range) {
  MPI_Waitall(range->n_requests, range->request, MPI_STATUSES_IGNORE);
  range->n_requests = 0;
}

void dg_reduce_begin(dg_reduce *reduce, dg_real *values, int64_t n) {
  dg_reduce_range *range = &reduce->range[reduce->n_begun++];
  const dg_comm *comm = &reduce->comm;
  *range = (dg_reduce_range){values, n, reduce->room_left, reduce->request + reduce->n_requests, 0};
  if (reduce->direct) {
    send_values(reduce, range);
    reduce->room_left += (comm->size - 1) * slice_size(reduce, range, comm->rank);
  } else if (n <= INT32_MAX) {
    MPI_Iallreduce(MPI_IN_PLACE, values, (int)n, DG_MPI_REAL, MPI_SUM, comm->mpi, &range->request[range->n_requests++]);
  } else {
    dg_comm_sum_real(comm, values, (size_t)n);
  }
  reduce->n_requests += range->n_requests;
}

void dg_reduce_end(dg_reduce *reduce) {
  for (int i = 0; i < reduce->n_begun; i++) {
    dg_reduce_range *range = &reduce->range[i];
    land(range); /* what was sent from a place is on its way before sums come there */
    if (!reduce->direct) continue;
    add_values(reduce, range);
    send_sums(reduce, range);
  }
  for (int i = 0; i < reduce->n_begun; i++) land(&reduce->range[i]);
  reduce->n_begun = reduce->n_requests = 0;
  reduce->room_left = reduce->room;
}
