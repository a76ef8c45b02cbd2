#include <distgat/field.h>

#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>

#include "field/order.h"

/* A halo row as it was met. */
typedef struct halo_row {
  int32_t owner;
  dg_row met;
  dg_id id;
} halo_row;

static int by_owner_and_id(const void *a, const void *b) {
  const halo_row *x = a, *y = b;
  if (x->owner != y->owner) return x->owner < y->owner ? -1 : 1;
  return (x->id > y->id) - (x->id < y->id);
}

/* Sorts halo rows by owner and then id: owner [n_halo] comes as they were met. */
static dg_status sort_halo(dg_local *local, int32_t *owner) {
  dg_status status = DG_OK;
  halo_row *halo = NULL;
  dg_row *place = NULL;
  dg_id *ids = local->ids + local->n;
  DG_TRY(dg_alloc(&halo, (size_t)local->n_halo, sizeof *halo));
  DG_TRY(dg_alloc(&place, (size_t)local->n_halo, sizeof *place));
  for (dg_row h = 0; h < local->n_halo; h++) halo[h] = (halo_row){owner[h], h, ids[h]};
  qsort(halo, (size_t)local->n_halo, sizeof *halo, by_owner_and_id);
  for (dg_row h = 0; h < local->n_halo; h++) {
    owner[h] = halo[h].owner, ids[h] = halo[h].id;
    place[halo[h].met] = local->n + h;
  }
  for (int64_t t = 0; t < local->in.indptr[local->n]; t++)
    if (local->in.indices[t] >= local->n) local->in.indices[t] = place[local->in.indices[t] - local->n];

cleanup:
  dg_free(&halo);
  dg_free(&place);
  return status;
}

/* Finds the owners of halo rows, *owner [n_halo], and sorts the rows by them. */
static dg_status find_owners(dg_local *local, int32_t **owner) {
  dg_status status = DG_OK;
  const dg_comm *comm = &local->comm;
  DG_TRY(dg_comm_agree(comm, dg_alloc(owner, (size_t)local->n_halo, sizeof **owner)));
  DG_TRY(dg_directory_find(*owner, &local->shard.owners, comm, local->ids + local->n, local->n_halo));
  dg_directory_destroy(&local->shard.owners); /* from here on the plan knows who owns the halo */
  DG_TRY(dg_comm_agree(comm, sort_halo(local, *owner)));

cleanup:
  return status;
}

/* Elements each rank gets and gives, where row r of the plan's lists has size[r] of them. */
static void count_elements(size_t *count, int n_ranks, const int *rank, const int32_t *offset, const dg_row *row,
                           dg_row base, const int64_t *indptr) {
  for (int p = 0; p < n_ranks; p++)
    for (int32_t t = offset[p]; t < offset[p + 1]; t++) {
      dg_row r = row ? row[t] : base + t;
      count[rank[p]] += (size_t)(indptr ? indptr[r + 1] - indptr[r] : 1);
    }
}

/* Fills halo rows of `data` (elements of `size` bytes, row r at indptr[r], or r where NULL) from their owners. */
static dg_status fetch(const dg_comm *comm, const dg_halo_plan *plan, void *data, const int64_t *indptr, size_t size) {
  dg_status status = DG_OK;
  size_t *send = NULL, *recv = NULL, total = 0, at = 0;
  char *packed = NULL, *bytes = data;
  const int32_t n_send = plan->send_offset[plan->n_send_ranks];
  status = dg_alloc(&send, (size_t)comm->size, sizeof *send);
  if (status == DG_OK) status = dg_alloc(&recv, (size_t)comm->size, sizeof *recv);
  if (status == DG_OK) {
    count_elements(send, plan->n_send_ranks, plan->send_rank, plan->send_offset, plan->send_row, 0, indptr);
    count_elements(recv, plan->n_recv_ranks, plan->recv_rank, plan->recv_offset, NULL, plan->n_owned, indptr);
    for (int r = 0; r < comm->size; r++) total += send[r];
    status = dg_alloc(&packed, total, size);
  }
  DG_TRY(dg_comm_agree(comm, status));
  for (int32_t t = 0; t < n_send; t++) {
    dg_row r = plan->send_row[t];
    size_t first = indptr ? (size_t)indptr[r] : (size_t)r, n = indptr ? (size_t)(indptr[r + 1] - indptr[r]) : 1;
    memcpy(packed + at * size, bytes + first * size, n * size);
    at += n;
  }
  size_t home = indptr ? (size_t)indptr[plan->n_owned] : (size_t)plan->n_owned;
  dg_comm_exchange(comm, packed, send, bytes + home * size, recv, size);

cleanup:
  dg_free(&send);
  dg_free(&recv);
  dg_free(&packed);
  return status;
}

/* Grows a block from `old` to `count` elements. */
static dg_status grow(void *block, size_t old, size_t count, size_t size) {
  void *bigger, *before;
  dg_status status = dg_alloc(&bigger, count, size);
  if (status != DG_OK) return status;
  memcpy(&before, block, sizeof before);
  if (old > 0) memcpy(bigger, before, old * size);
  dg_free(&before);
  memcpy(block, &bigger, sizeof bigger);
  return DG_OK;
}

/* Grows a block of `size` bytes an owned row by those of the halo rows, and fetches these. */
static dg_status fetch_rows(dg_local *local, void *block, size_t size) {
  dg_status status = DG_OK;
  void *rows;
  DG_TRY(dg_comm_agree(&local->comm, grow(block, (size_t)local->n, (size_t)local->n + (size_t)local->n_halo, size)));
  memcpy(&rows, block, sizeof rows);
  DG_TRY(fetch(&local->comm, &local->plan, rows, NULL, size));

cleanup:
  return status;
}

static dg_status fetch_sparse(dg_local *local) {
  dg_status status = DG_OK;
  dg_features *x = &local->shard.features;
  const dg_halo_plan *plan = &local->plan;
  const size_t rows = (size_t)local->n + local->n_halo;
  int64_t *lengths = NULL;
  DG_TRY(dg_comm_agree(&local->comm, dg_alloc(&lengths, rows, sizeof *lengths)));
  for (dg_row i = 0; i < local->n; i++) lengths[i] = x->indptr[i + 1] - x->indptr[i];
  DG_TRY(fetch(&local->comm, plan, lengths, NULL, sizeof *lengths));
  const size_t old = (size_t)x->indptr[local->n];
  status = grow(&x->indptr, (size_t)local->n + 1, rows + 1, sizeof *x->indptr);
  if (status == DG_OK) {
    for (size_t i = (size_t)local->n; i < rows; i++) x->indptr[i + 1] = x->indptr[i] + lengths[i];
    status = grow(&x->indices, old, (size_t)x->indptr[rows], sizeof *x->indices);
  }
  if (status == DG_OK) status = grow(&x->values, old, (size_t)x->indptr[rows], sizeof *x->values);
  DG_TRY(dg_comm_agree(&local->comm, status));
  DG_TRY(fetch(&local->comm, plan, x->indices, x->indptr, sizeof *x->indices));
  DG_TRY(fetch(&local->comm, plan, x->values, x->indptr, sizeof *x->values));

cleanup:
  dg_free(&lengths);
  return status;
}

dg_status dg_local_fetch_features(dg_local *local) {
  dg_status status = DG_OK;
  dg_features *x = &local->shard.features;
  if (local->comm.size == 1) return DG_OK; /* no halo: the features stay where they are */
  if (x->sparse)
    DG_TRY(fetch_sparse(local));
  else
    DG_TRY(fetch_rows(local, &x->dense, (size_t)x->n_cols * sizeof *x->dense));
  x->n_rows = (int64_t)local->n + local->n_halo;

cleanup:
  return status;
}

dg_status dg_local_fetch_labels(dg_local *local) {
  dg_status status = DG_OK;
  dg_shard *s = &local->shard;
  if (local->comm.size == 1) return DG_OK;
  if (s->info.multilabel)
    DG_TRY(fetch_rows(local, &s->classes, (size_t)s->info.n_classes));
  else
    DG_TRY(fetch_rows(local, &s->labels, sizeof *s->labels));
  DG_TRY(fetch_rows(local, &s->mask, sizeof *s->mask));

cleanup:
  return status;
}

/* What the in-edges of an owned row count, each 1 or its weight. */
static dg_real degree_of(const dg_local *local, dg_row i) {
  const int64_t begin = local->in.indptr[i], end = local->in.indptr[i + 1];
  double sum = 0;
  if (local->shard.edge_dim != 1) return (dg_real)(end - begin);
  for (int64_t t = begin; t < end; t++) sum += local->shard.edge_attributes[t];
  return (dg_real)sum;
}

dg_status dg_local_create(dg_local *local, const dg_comm *comm, dg_shard *shard) {
  dg_status status = DG_OK;
  int32_t *owner = NULL;
  *local = (dg_local){
      .comm = *comm, .shard = *shard, .n = shard->n, .n_halo = shard->n_halo, .ids = shard->ids, .in = shard->in};
  local->shard.ids = NULL, local->shard.in = (dg_csr){0};
  *shard = (dg_shard){0};
  DG_TRY(find_owners(local, &owner));
  status = dg_alloc(&local->degree, (size_t)local->n + (size_t)local->n_halo, sizeof *local->degree);
  DG_TRY(dg_comm_agree(comm, status));
  for (dg_row i = 0; i < local->n; i++) local->degree[i] = degree_of(local, i);
  DG_TRY(
      dg_halo_plan_create(&local->plan, comm, local->n, local->ids, NULL, local->n_halo, owner, local->ids + local->n));
  DG_TRY(fetch(comm, &local->plan, local->degree, NULL, sizeof *local->degree));
  status = dg_alloc(&local->order, (size_t)local->n, sizeof *local->order);
  if (status == DG_OK) status = dg_order_rows(local->order, &local->in);
  local->arranged = local->n >= DG_ARRANGED_ROWS;
  DG_TRY(dg_comm_agree(comm, status));

cleanup:
  dg_free(&owner);
  if (status != DG_OK) dg_local_destroy(local);
  return status;
}

dg_status dg_local_count_out_edges(dg_local *local) {
  dg_status status = DG_OK;
  dg_halo_channel *channel = NULL;
  if (local->out_degree) return DG_OK;
  status = dg_alloc(&local->out_degree, (size_t)local->n + (size_t)local->n_halo, sizeof *local->out_degree);
  DG_TRY(dg_comm_agree(&local->comm, status));
  for (int64_t t = 0; t < local->in.indptr[local->n]; t++) local->out_degree[local->in.indices[t]]++;
  if (local->comm.size == 1) return DG_OK;
  DG_TRY(dg_halo_channel_create(&channel, &local->plan, local->out_degree, local->out_degree, 1, 1, DG_HALO_F32));
  dg_halo_push_begin(channel);
  dg_halo_push_end(channel);
  dg_halo_pull_begin(channel);
  dg_halo_pull_end(channel);

cleanup:
  dg_halo_channel_destroy(&channel);
  return status;
}

void dg_local_destroy(dg_local *local) {
  dg_shard_destroy(&local->shard);
  dg_csr_destroy(&local->in);
  dg_halo_plan_destroy(&local->plan);
  dg_free(&local->ids);
  dg_free(&local->degree);
  dg_free(&local->out_degree);
  dg_free(&local->order);
  *local = (dg_local){0};
}
