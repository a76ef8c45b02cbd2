#include <string.h>

#include <distgat/memory.h>
#include <distgat/partition.h>

#include "methods.h"

/* Counts pairs of joined nodes, and those whose ends lie apart: an edge to a smaller id always, an edge to a larger one
   only if the larger node's row does not name it too. Rows ascend, so one cursor a row finds that in passing. */
static dg_status count_pairs(dg_partition_quality *quality, const dg_csr *edges, const int32_t *part) {
  dg_status status = DG_OK;
  int64_t *cursor = NULL;
  DG_TRY(dg_alloc(&cursor, (size_t)edges->n_rows, sizeof *cursor));
  memcpy(cursor, edges->indptr, (size_t)edges->n_rows * sizeof *cursor);
  for (int64_t i = 0; i < edges->n_rows; i++)
    for (int64_t k = edges->indptr[i]; k < edges->indptr[i + 1]; k++) {
      int32_t j = edges->indices[k];
      if (j == i) continue;
      if (j > i) {
        while (cursor[j] < edges->indptr[j + 1] && edges->indices[cursor[j]] < i) cursor[j]++;
        if (cursor[j] < edges->indptr[j + 1] && edges->indices[cursor[j]] == i) continue;
      }
      quality->edge_pairs++;
      quality->edge_cut += part[i] != part[j];
    }
cleanup:
  dg_free(&cursor);
  return status;
}

dg_status dg_partition_group(int32_t *order, const int32_t *part, int64_t n, int parts) {
  dg_status status = DG_OK;
  int64_t *first = NULL;
  DG_TRY(dg_alloc(&first, (size_t)parts + 1, sizeof *first));
  for (int64_t i = 0; i < n; i++) first[part[i] + 1]++;
  for (int p = 0; p < parts; p++) first[p + 1] += first[p];
  for (int64_t i = 0; i < n; i++) order[first[part[i]]++] = (int32_t)i;
cleanup:
  dg_free(&first);
  return status;
}

/* Part after part, so that one mark a node (the last part that asked for it) tells first requests from repeated ones.
 */
static void count_halo(dg_partition_part *each, const dg_csr *edges, const int32_t *part, const int32_t *order,
                       int32_t *asked_by) {
  for (int64_t i = 0; i < edges->n_rows; i++) asked_by[i] = -1;
  for (int64_t o = 0; o < edges->n_rows; o++) {
    const int64_t i = order[o];
    for (int64_t k = edges->indptr[i]; k < edges->indptr[i + 1]; k++) {
      int32_t j = edges->indices[k];
      if (part[j] == part[i] || asked_by[j] == part[i]) continue;
      each[part[i]].halo++;
      each[part[j]].boundary += asked_by[j] < 0;
      asked_by[j] = part[i];
    }
  }
}

dg_status dg_partition_measure_parts(dg_partition_part *each, const dg_csr *edges, const int32_t *part, int parts) {
  dg_status status = DG_OK;
  const int64_t n = edges->n_rows;
  int32_t *order = NULL, *asked_by = NULL;
  memset(each, 0, (size_t)parts * sizeof *each);
  for (int64_t i = 0; i < n; i++) {
    each[part[i]].nodes++;
    each[part[i]].edges += edges->indptr[i + 1] - edges->indptr[i] + 1;
  }
  DG_TRY(dg_alloc(&order, (size_t)n, sizeof *order));
  DG_TRY(dg_alloc(&asked_by, (size_t)n, sizeof *asked_by));
  DG_TRY(dg_partition_group(order, part, n, parts));
  count_halo(each, edges, part, order, asked_by);
cleanup:
  dg_free(&order);
  dg_free(&asked_by);
  return status;
}

static double largest_over_mean(int64_t largest, int64_t sum, int parts) {
  return sum == 0 ? 1.0 : (double)largest * parts / (double)sum;
}

dg_partition_quality dg_partition_quality_of(const dg_partition_part *each, int parts) {
  dg_partition_quality q = {.parts = parts, .nodes_min = INT64_MAX};
  int64_t nodes = 0, edges = 0, edges_max = 0;
  for (int p = 0; p < parts; p++) {
    nodes += each[p].nodes, edges += each[p].edges;
    q.halo_nodes += each[p].halo;
    q.empty_parts += each[p].nodes == 0;
    if (each[p].nodes < q.nodes_min) q.nodes_min = each[p].nodes;
    if (each[p].nodes > q.nodes_max) q.nodes_max = each[p].nodes;
    if (each[p].halo > q.halo_max) q.halo_max = each[p].halo;
    if (each[p].edges > edges_max) edges_max = each[p].edges;
  }
  q.node_imbalance = largest_over_mean(q.nodes_max, nodes, parts);
  q.edge_imbalance = largest_over_mean(edges_max, edges, parts);
  return q;
}

dg_status dg_partition_measure(dg_partition_quality *quality, const dg_csr *edges, const int32_t *part, int parts) {
  dg_status status = DG_OK;
  dg_partition_part *each = NULL;
  DG_TRY(dg_alloc(&each, (size_t)parts, sizeof *each));
  DG_TRY(dg_partition_measure_parts(each, edges, part, parts));
  *quality = dg_partition_quality_of(each, parts);
  DG_TRY(count_pairs(quality, edges, part));
cleanup:
  dg_free(&each);
  return status;
}
