#include <distgat/graph.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "data/slab.h"
#include "data/copies.h"
#include "data/fingerprint.h"
#include "data/normalize.h"
#include "par/same.h"

const char dg_no_split[] = "";

/* How the rows of the slabs that ranks read travel to their owners. Slabs lie in the order of ranks and rows keep
   their order, so that the rows a rank receives ascend by id without being sorted. */
typedef struct route {
  const dg_comm *comm;
  int64_t first, n_slab; /* nodes [first, first + n_slab) are read here */
  int64_t n_own;
  bool stays;                          /* every row is read by its owner: nothing travels */
  int64_t *order;                      /* [n_slab] rows of the slab, grouped by owner */
  size_t *send, *recv;                 /* [size] rows to and from each rank */
  size_t *send_entries, *recv_entries; /* [size] the same for the entries of ragged rows */
  dg_content content;                  /* of the slab, as it is in the file */
} route;

static void route_destroy(route *r) {
  dg_free(&r->order);
  dg_free(&r->send);
  dg_free(&r->recv);
  dg_free(&r->send_entries);
  dg_free(&r->recv_entries);
}

static dg_status route_alloc(route *r) {
  dg_status status = DG_OK;
  size_t size = (size_t)r->comm->size;
  DG_TRY(dg_alloc(&r->order, (size_t)r->n_slab, sizeof *r->order));
  DG_TRY(dg_alloc(&r->send, size, sizeof *r->send));
  DG_TRY(dg_alloc(&r->recv, size, sizeof *r->recv));
  DG_TRY(dg_alloc(&r->send_entries, size, sizeof *r->send_entries));
  DG_TRY(dg_alloc(&r->recv_entries, size, sizeof *r->recv_entries));
cleanup:
  return status;
}

static int64_t slab_rows(int64_t n_nodes, int size) {
  return (n_nodes + size - 1) / size;
}

/* Counts, and sorts the slab by owner; send_entries serves as the insertion points. Local. */
static dg_status route_create(route *r, const dg_comm *comm, const int32_t *owner, int64_t n_nodes, bool slabs) {
  int64_t rows = slab_rows(n_nodes, comm->size), end = rows * (comm->rank + 1);
  *r = (route){.comm = comm, .first = rows * comm->rank, .stays = slabs || comm->size == 1};
  if (r->first > n_nodes) r->first = n_nodes;
  r->n_slab = (end < n_nodes ? end : n_nodes) - r->first;
  dg_status status = route_alloc(r);
  if (status != DG_OK) return status;

  for (int64_t i = 0; i < n_nodes; i++)
    if (owner[i] == comm->rank) r->recv[i / rows]++, r->n_own++;
  for (int64_t i = 0; i < r->n_slab; i++) r->send[owner[r->first + i]]++;
  for (int p = 1; p < comm->size; p++) r->send_entries[p] = r->send_entries[p - 1] + r->send[p - 1];
  for (int64_t i = 0; i < r->n_slab; i++) r->order[r->send_entries[owner[r->first + i]]++] = i;
  return DG_OK;
}

/* Replaces the rows of the slab in *rows (bytes each) by those owned here. Collective. */
static dg_status route_rows(const route *r, void *rows, size_t bytes) {
  if (r->stays) return DG_OK;
  char *slab, *packed = NULL, *own = NULL;
  memcpy(&slab, rows, sizeof slab);
  dg_status status = dg_alloc(&packed, (size_t)r->n_slab, bytes);
  if (status == DG_OK) {
    for (int64_t k = 0; k < r->n_slab; k++)
      memcpy(packed + (size_t)k * bytes, slab + (size_t)r->order[k] * bytes, bytes);
    dg_free(rows);
    status = dg_alloc(&own, (size_t)r->n_own, bytes);
  }
  DG_TRY(dg_comm_agree(r->comm, status));
  dg_comm_exchange(r->comm, packed, r->send, own, r->recv, bytes);
  memcpy(rows, &own, sizeof own);
  own = NULL;
cleanup:
  dg_free(&packed);
  dg_free(&own);
  return status;
}

/* Replaces the entries of ragged rows, whose lengths are given by indptr [n_slab + 1] in the slab and by
   own_indptr [n_own + 1] here. Collective. */
static dg_status route_entries(const route *r, void *entries, size_t bytes, const int64_t *indptr,
                               const int64_t *own_indptr) {
  char *slab, *packed = NULL, *own = NULL;
  memcpy(&slab, entries, sizeof slab);
  dg_status status = dg_alloc(&packed, (size_t)indptr[r->n_slab], bytes);
  if (status == DG_OK) {
    char *at = packed;
    for (int64_t k = 0; k < r->n_slab; k++) {
      int64_t i = r->order[k];
      size_t length = (size_t)(indptr[i + 1] - indptr[i]) * bytes;
      if (length > 0) memcpy(at, slab + (size_t)indptr[i] * bytes, length);
      at += length;
    }
    dg_free(entries);
    status = dg_alloc(&own, (size_t)own_indptr[r->n_own], bytes);
  }
  DG_TRY(dg_comm_agree(r->comm, status));
  dg_comm_exchange(r->comm, packed, r->send_entries, own, r->recv_entries, bytes);
  memcpy(entries, &own, sizeof own);
  own = NULL;
cleanup:
  dg_free(&packed);
  dg_free(&own);
  return status;
}

/* Sums the lengths of each group of rows, the groups following each other in `order` (NULL: as they are). */
static void sum_groups(size_t *sums, const size_t *rows, int n_groups, const int64_t *lengths, const int64_t *order) {
  size_t k = 0;
  for (int p = 0; p < n_groups; p++) {
    sums[p] = 0;
    for (size_t end = k + rows[p]; k < end; k++) sums[p] += (size_t)lengths[order == NULL ? (int64_t)k : order[k]];
  }
}

/* Replaces the CSR rows of the slab by those owned here; values may be NULL. Collective. */
static dg_status route_csr(route *r, int64_t **indptr, int32_t **indices, float **values) {
  if (r->stays) return DG_OK;
  int64_t *lengths = NULL, *own_indptr = NULL;
  dg_status status = dg_alloc(&lengths, (size_t)r->n_slab, sizeof *lengths);
  if (status == DG_OK) status = dg_alloc(&own_indptr, (size_t)r->n_own + 1, sizeof *own_indptr);
  DG_TRY(dg_comm_agree(r->comm, status));
  for (int64_t i = 0; i < r->n_slab; i++) lengths[i] = (*indptr)[i + 1] - (*indptr)[i];
  sum_groups(r->send_entries, r->send, r->comm->size, lengths, r->order);
  DG_TRY(route_rows(r, &lengths, sizeof *lengths));
  sum_groups(r->recv_entries, r->recv, r->comm->size, lengths, NULL);
  for (int64_t i = 0; i < r->n_own; i++) own_indptr[i + 1] = own_indptr[i] + lengths[i];

  DG_TRY(route_entries(r, indices, sizeof **indices, *indptr, own_indptr));
  if (values != NULL) DG_TRY(route_entries(r, values, sizeof **values, *indptr, own_indptr));
  dg_free(indptr);
  *indptr = own_indptr;
  own_indptr = NULL;
cleanup:
  dg_free(&lengths);
  dg_free(&own_indptr);
  return status;
}

/* ---- Parts of a shard ---- */

static dg_status open_graph(dg_h5 **file, dg_graph_info *info, char split[DG_SPLIT_NAME], const char *path,
                            const char *wanted) {
  dg_status status = DG_OK;
  DG_TRY(dg_graph_open(file, info, path));
  if (wanted != dg_no_split) DG_TRY(dg_graph_choose_split(*file, wanted, split));
cleanup:
  return status;
}

/* Fixes who owns what and prepares the route. Local. */
static dg_status prepare(dg_shard *shard, route *r, const dg_comm *comm, const int32_t *owner) {
  dg_status status = DG_OK;
  int64_t n_nodes = shard->info.n_nodes, rows = slab_rows(n_nodes, comm->size);
  DG_TRY(dg_alloc_whole(&shard->owner, (size_t)n_nodes, sizeof *shard->owner));
  for (int64_t i = 0; i < n_nodes; i++) {
    shard->owner[i] = owner == NULL ? (int32_t)(i / rows) : owner[i];
    DG_CHECK(shard->owner[i] >= 0 && shard->owner[i] < comm->size);
  }
  DG_TRY(route_create(r, comm, shard->owner, n_nodes, owner == NULL));
  shard->n = (int32_t)r->n_own;
  DG_TRY(dg_alloc(&shard->ids, (size_t)shard->n, sizeof *shard->ids));
  for (int64_t i = 0, k = 0; i < n_nodes; i++)
    if (shard->owner[i] == comm->rank) shard->ids[k++] = (int32_t)i;
cleanup:
  return status;
}

static dg_status load_features(dg_features *x, route *r, dg_h5 *file, const dg_graph_info *info) {
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(r->comm, dg_slab_features(x, file, info, r->first, r->n_slab)));
  dg_content_features(&r->content, x, r->first);
  if (x->sparse)
    DG_TRY(route_csr(r, &x->indptr, &x->indices, &x->values));
  else
    DG_TRY(route_rows(r, &x->dense, (size_t)x->n_cols * sizeof *x->dense));
  x->n_rows = r->n_own;
cleanup:
  return status;
}

static dg_status load_edges(dg_csr *edges, route *r, dg_h5 *file, const dg_graph_info *info) {
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(r->comm, dg_slab_edges(edges, file, info, r->first, r->n_slab)));
  dg_content_edges(&r->content, edges, r->first);
  DG_TRY(route_csr(r, &edges->indptr, &edges->indices, NULL));
  edges->n_rows = r->n_own;
cleanup:
  return status;
}

static dg_status load_labels(int32_t **labels, route *r, dg_h5 *file, const dg_graph_info *info) {
  dg_status status = dg_alloc(labels, (size_t)r->n_slab, sizeof **labels);
  if (status == DG_OK) status = dg_slab_labels(*labels, file, info, r->first, r->n_slab);
  DG_TRY(dg_comm_agree(r->comm, status));
  dg_content_labels(&r->content, *labels, r->first, r->n_slab);
  DG_TRY(route_rows(r, labels, sizeof **labels));
cleanup:
  return status;
}

typedef struct marking {
  dg_shard *shard;
  dg_h5 *file;
  const char *split, *list;
  int rank;
  uint8_t bit;
  int64_t count;
  uint64_t checksum; /* of the list, whatever its order */
} marking;

static int32_t find_owned(const dg_shard *shard, int32_t node) {
  int32_t low = 0, high = shard->n;
  while (low < high) {
    int32_t middle = low + (high - low) / 2;
    if (shard->ids[middle] < node)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static dg_status mark(int32_t node, void *context) {
  marking *m = context;
  m->count++;
  m->checksum += dg_rng_key(0, (uint64_t)node);
  if (m->shard->owner[node] != m->rank) return DG_OK;
  int32_t i = find_owned(m->shard, node);
  m->shard->mask[i] |= m->bit;
  if (m->shard->labels[i] >= 0) return DG_OK;
  return dg_split_unlabelled(m->file, m->split, m->list, node);
}

/* Every rank reads the lists, which are short, and marks its own nodes; they must be the same everywhere. Collective.
 */
static dg_status mark_split(dg_shard *shard, const dg_comm *comm, dg_h5 *file, const char *split) {
  char facts[256] = "";
  dg_status status = DG_OK;
  for (int k = 0; k < 3 && status == DG_OK; k++) {
    marking m = {shard, file, split, dg_split_lists[k], comm->rank, (uint8_t)(DG_TRAIN << k), 0, 0};
    status = dg_split_each(file, &shard->info, split, dg_split_lists[k], mark, &m);
    const size_t used = strlen(facts);
    snprintf(facts + used, sizeof facts - used, "%" PRId64 " %s nodes of checksum %016" PRIx64 "\n", m.count,
             dg_split_lists[k], m.checksum);
  }
  DG_TRY(dg_comm_agree(comm, status));
  DG_TRY(dg_same_facts(comm, DG_INPUT, dg_h5_path(file), facts, "all ranks must read the same split"));
cleanup:
  return status;
}

/* Counts the split at hand, and warns where its lists overlap. Collective. */
static void count_split(dg_shard *shard, const dg_comm *comm, const char *path, const char *split) {
  dg_overlap here = {0};
  int64_t count[6] = {0};
  for (int32_t i = 0; i < shard->n; i++) {
    for (int k = 0; k < 3; k++) count[k] += shard->mask[i] >> k & 1;
    dg_overlap_note(&here, shard->mask[i]);
  }
  count[3] = here.train_val, count[4] = here.train_test, count[5] = here.val_test;
  dg_comm_sum_int64(comm, count, 6);
  shard->n_train = count[0], shard->n_val = count[1], shard->n_test = count[2];
  if (comm->rank == 0) dg_overlap_warn(&(dg_overlap){count[3], count[4], count[5]}, path, split);
}

dg_status dg_shard_load(dg_shard *shard, const dg_comm *comm, const char *path, const int32_t *owner, const char *split,
                        bool row_normalize) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  route r = {0};
  char chosen[DG_SPLIT_NAME] = "";
  *shard = (dg_shard){0};
  DG_TRY(dg_copies_examine(comm, path));
  DG_TRY(dg_comm_agree(comm, open_graph(&file, &shard->info, chosen, path, split)));
  DG_TRY(dg_copies_compare(comm, file, &shard->info, split == dg_no_split ? NULL : chosen));
  DG_TRY(dg_comm_agree(comm, prepare(shard, &r, comm, owner)));
  DG_TRY(load_edges(&shard->in, &r, file, &shard->info));
  DG_TRY(load_features(&shard->features, &r, file, &shard->info));
  DG_TRY(load_labels(&shard->labels, &r, file, &shard->info));
  dg_content_sum(&r.content, comm->mpi);
  shard->fingerprint = dg_content_fingerprint(&r.content, &shard->info);
  DG_TRY(dg_comm_agree(comm, dg_alloc(&shard->mask, (size_t)shard->n, sizeof *shard->mask)));
  if (split != dg_no_split) DG_TRY(mark_split(shard, comm, file, chosen));
  count_split(shard, comm, path, chosen);
  if (row_normalize) DG_TRY(dg_normalize_rows(&shard->features, comm, path));
cleanup:
  if (status != DG_OK) dg_shard_destroy(shard);
  route_destroy(&r);
  dg_h5_close(&file);
  return status;
}

void dg_shard_destroy(dg_shard *shard) {
  dg_csr_destroy(&shard->in);
  dg_features_destroy(&shard->features);
  dg_free(&shard->ids);
  dg_free(&shard->labels);
  dg_free(&shard->mask);
  dg_free(&shard->owner);
  *shard = (dg_shard){0};
}
