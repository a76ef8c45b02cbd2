#include "level.h"

#include <stdlib.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

int64_t dg_level_rows(int64_t n_nodes, int size) {
  return n_nodes > 0 ? (n_nodes + size - 1) / size : 1;
}

dg_row dg_level_own(int64_t n_nodes, const dg_comm *comm) {
  const int64_t rows = dg_level_rows(n_nodes, comm->size), left = n_nodes - comm->rank * rows;
  return (dg_row)(left < 0 ? 0 : left < rows ? left : rows);
}

/* An empty graph of this size. */
static dg_level begin(const dg_comm *comm, int64_t n_nodes) {
  const int64_t rows = dg_level_rows(n_nodes, comm->size), first = comm->rank * rows;
  return (dg_level){.comm = comm,
                    .n_nodes = n_nodes,
                    .rows = rows,
                    .first = (dg_id)(first < n_nodes ? first : n_nodes),
                    .n = dg_level_own(n_nodes, comm)};
}

/* Turns ids into rows. Collective. */
static dg_status localise(dg_level *level, const dg_id *ids) {
  dg_status status = DG_OK;
  const size_t n_ends = (size_t)level->indptr[level->n];
  DG_TRY(dg_comm_agree(level->comm, dg_alloc(&level->to, n_ends, sizeof *level->to)));
  DG_TRY(dg_links_create(&level->halo, level->to, level->comm, level->rows, ids, n_ends, level->first,
                         level->first + (dg_id)level->n));
  level->n_halo = (dg_row)level->halo.n;
  level->n_ends = (int64_t)n_ends;
  dg_comm_sum_int64(level->comm, &level->n_ends, 1);
cleanup:
  return status;
}

static dg_status allocate(dg_level *level) {
  const dg_status status = dg_alloc(&level->indptr, (size_t)level->n + 1, sizeof *level->indptr);
  return status == DG_OK ? dg_alloc(&level->weight, (size_t)level->n, sizeof *level->weight) : status;
}

dg_status dg_level_create(dg_level *level, const dg_comm *comm, int64_t n_nodes, const int64_t *indptr,
                          const dg_id *ids) {
  dg_status status = DG_OK;
  *level = begin(comm, n_nodes);
  DG_TRY(dg_comm_agree(comm, allocate(level)));
  for (dg_row i = 0; i <= level->n; i++) level->indptr[i] = indptr[i];
  DG_TRY(localise(level, ids));
cleanup:
  if (status != DG_OK) dg_level_destroy(level);
  return status;
}

static int compare_edges(const void *a, const void *b) {
  const dg_edge *x = a, *y = b;
  return (x->b > y->b) - (x->b < y->b);
}

/* Edges by rows, [n_edges], each row by its neighbours; indptr becomes that of the edges as they came. */
static void sort_edges(dg_edge *sorted, dg_level *level, const dg_edge *edges, size_t n_edges) {
  int64_t *at = level->indptr;
  for (size_t k = 0; k < n_edges; k++) at[edges[k].a - level->first + 1]++;
  for (dg_row i = 0; i < level->n; i++) at[i + 1] += at[i];
  for (size_t k = n_edges; k-- > 0;) sorted[--at[edges[k].a - level->first + 1]] = edges[k];
  /* Each entry but the first has become where its row begins, one place late. */
  for (dg_row i = 0; i < level->n; i++) at[i] = at[i + 1];
  at[level->n] = (int64_t)n_edges;
  for (dg_row i = 0; i < level->n; i++)
    qsort(sorted + at[i], (size_t)(at[i + 1] - at[i]), sizeof *sorted, compare_edges);
}

/* Makes one of equal neighbours; gives how many edges are left, rows following each other. */
static int64_t merge_edges(dg_edge *edges, dg_level *level) {
  int64_t out = 0, k = 0;
  for (dg_row i = 0; i < level->n; i++) {
    const int64_t end = level->indptr[i + 1], begin_row = out;
    level->indptr[i] = out;
    for (; k < end; k++) {
      if (out > begin_row && edges[out - 1].b == edges[k].b)
        edges[out - 1].weight += edges[k].weight;
      else
        edges[out++] = edges[k];
    }
  }
  return level->indptr[level->n] = out;
}

/* Takes the edges that have come. Local. */
static dg_status take_edges(dg_level *level, dg_id **ids, const dg_edge *edges, size_t n_edges) {
  dg_status status = DG_OK;
  dg_edge *sorted = NULL;
  DG_TRY(dg_alloc(&sorted, n_edges, sizeof *sorted));
  sort_edges(sorted, level, edges, n_edges);
  const size_t n = (size_t)merge_edges(sorted, level);
  DG_TRY(dg_alloc(ids, n, sizeof **ids));
  DG_TRY(dg_alloc(&level->edge_weight, n, sizeof *level->edge_weight));
  for (size_t k = 0; k < n; k++) (*ids)[k] = sorted[k].b, level->edge_weight[k] = sorted[k].weight;
cleanup:
  dg_free(&sorted);
  return status;
}

dg_status dg_level_gather(dg_level *level, const dg_comm *comm, int64_t n_nodes, const dg_edge *edges, size_t n_edges) {
  dg_status status = DG_OK;
  dg_edge *here = NULL;
  dg_id *ids = NULL;
  size_t *send = NULL, *recv, n = 0;
  *level = begin(comm, n_nodes);
  status = allocate(level);
  if (status == DG_OK) status = dg_alloc(&send, 2 * (size_t)comm->size, sizeof *send);
  DG_TRY(dg_comm_agree(comm, status));
  recv = send + comm->size;
  for (size_t k = 0; k < n_edges; k++) send[edges[k].a / level->rows]++;
  dg_comm_exchange_counts(comm, send, recv);
  for (int r = 0; r < comm->size; r++) n += recv[r];
  DG_TRY(dg_comm_agree(comm, dg_alloc(&here, n, sizeof *here)));
  dg_comm_exchange(comm, edges, send, here, recv, sizeof *here);
  DG_TRY(dg_comm_agree(comm, take_edges(level, &ids, here, n)));
  dg_free(&here);
  DG_TRY(localise(level, ids));
cleanup:
  dg_free(&here);
  dg_free(&ids);
  dg_free(&send);
  if (status != DG_OK) dg_level_destroy(level);
  return status;
}

void dg_level_destroy(dg_level *level) {
  dg_free(&level->indptr);
  dg_free(&level->to);
  dg_free(&level->edge_weight);
  dg_free(&level->weight);
  dg_links_destroy(&level->halo);
}

void dg_level_weigh(dg_level *level) {
  level->total = (dg_weight){0};
  for (dg_row i = 0; i < level->n; i++)
    for (int k = 0; k < DG_MAX_WEIGHTS; k++) level->total.of[k] += level->weight[i].of[k];
  dg_comm_sum_int64(level->comm, level->total.of, DG_MAX_WEIGHTS);
}

bool dg_level_is_symmetric(const dg_level *level) {
  int64_t sum[2] = {0};
  uint64_t difference[2] = {0};
  for (dg_row i = 0; i < level->n; i++)
    for (int64_t t = level->indptr[i]; t < level->indptr[i + 1]; t++) {
      const uint64_t a = (uint64_t)dg_level_id(level, i), b = (uint64_t)dg_level_id(level, level->to[t]);
      for (uint64_t s = 0; s < 2; s++)
        difference[s] += dg_rng_key(dg_rng_key(s, a), b) - dg_rng_key(dg_rng_key(s, b), a);
    }
  for (int s = 0; s < 2; s++) sum[s] = (int64_t)difference[s];
  dg_comm_sum_int64(level->comm, sum, 2);
  return sum[0] == 0 && sum[1] == 0;
}

/* Each edge here and the other way round, in the order of the ranks that are to hold them: edges [2 * ends]. */
static dg_status reverse_edges(dg_edge *edges, const dg_level *level) {
  size_t *at;
  const int size = level->comm->size;
  const dg_status status = dg_alloc(&at, (size_t)size + 2, sizeof *at);
  if (status != DG_OK) return status;
  for (int pass = 0; pass < 2; pass++) {
    for (dg_row i = 0; i < level->n; i++)
      for (int64_t t = level->indptr[i]; t < level->indptr[i + 1]; t++) {
        const dg_id a = dg_level_id(level, i), b = dg_level_id(level, level->to[t]);
        const size_t to_a = (size_t)(a / level->rows), to_b = (size_t)(b / level->rows);
        if (pass == 0) at[to_a + 2]++, at[to_b + 2]++;
        if (pass == 1) edges[at[to_a + 1]++] = (dg_edge){a, b, dg_level_edge(level, t)};
        if (pass == 1) edges[at[to_b + 1]++] = (dg_edge){b, a, dg_level_edge(level, t)};
      }
    for (int r = 2; pass == 0 && r < size + 2; r++) at[r] += at[r - 1];
  }
  dg_free(&at);
  return DG_OK;
}

dg_status dg_level_symmetrise(dg_level *level) {
  dg_status status = DG_OK;
  dg_level both = {0};
  dg_edge *edges = NULL;
  const size_t n = 2 * (size_t)level->indptr[level->n];
  status = dg_alloc(&edges, n, sizeof *edges);
  if (status == DG_OK) status = reverse_edges(edges, level);
  DG_TRY(dg_comm_agree(level->comm, status));
  DG_TRY(dg_level_gather(&both, level->comm, level->n_nodes, edges, n));
  for (dg_row i = 0; i < level->n; i++) both.weight[i] = level->weight[i];
  both.total = level->total;
  dg_level_destroy(level);
  *level = both;
cleanup:
  dg_free(&edges);
  return status;
}
