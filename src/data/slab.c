#include "data/slab.h"

#include <math.h>
#include <stdio.h>

#include <distgat/memory.h>

#define CHUNK 262144 /* entries read at a time where they are converted or only looked at */

int64_t dg_slab_bytes = (int64_t)32 << 20;

static int64_t min_int64(int64_t a, int64_t b) {
  return a < b ? a : b;
}

int64_t dg_slab_rows(const dg_graph_info *info) {
  const int attributes = info->edge_weights + info->edge_features;
  double bytes = 8.0 * (double)info->n_nonzeros + 4.0 * (1 + attributes) * (double)info->n_edges;
  double labels = info->multilabel ? info->n_classes : 0;
  double rows = (double)dg_slab_bytes / (bytes / (double)info->n_nodes + labels + 16);
  return rows < 1 ? 1 : rows < (double)info->n_nodes ? (int64_t)rows : info->n_nodes;
}

/* Says that the rows of a CSR matrix do not fit its entries. */
static dg_status bad_indptr(dg_h5 *file, const char *indptr, const char *why, int64_t row, int64_t value,
                            int64_t good) {
  return dg_fail(DG_INPUT, "%s: %s[%lld] is %lld, but %s %lld", dg_h5_path(file), indptr, (long long)row,
                 (long long)value, why, (long long)good);
}

/* Reads where the rows [first, first + n) of a CSR matrix of n_rows rows and n_entries entries begin and end. */
static dg_status read_indptr(int64_t *indptr, dg_h5 *file, const char *name, int64_t n_rows, int64_t n_entries,
                             int64_t first, int64_t n) {
  dg_status status = dg_h5_read(file, name, DG_H5_I64, first, n + 1, indptr);
  if (status != DG_OK) return status;
  if (first == 0 && indptr[0] != 0) return bad_indptr(file, name, "the first row starts at", 0, indptr[0], 0);
  if (indptr[0] < 0) return bad_indptr(file, name, "rows start at or after", first, indptr[0], 0);
  for (int64_t i = 0; i < n; i++)
    if (indptr[i + 1] < indptr[i])
      return bad_indptr(file, name, "the row before it starts at", first + i + 1, indptr[i + 1], indptr[i]);
  if (indptr[n] > n_entries || (first + n == n_rows && indptr[n] != n_entries))
    return bad_indptr(file, name, "the number of entries is", first + n, indptr[n], n_entries);
  return DG_OK;
}

static dg_status check_range(const int64_t *ids, int64_t n, const char *what, int64_t limit, dg_h5 *file,
                             const char *name, int64_t first) {
  for (int64_t k = 0; k < n; k++)
    if (ids[k] < 0 || ids[k] >= limit)
      return dg_fail(DG_INPUT, "%s: %s[%lld] is %lld, but %s go from 0 to %lld", dg_h5_path(file), name,
                     (long long)(first + k), (long long)ids[k], what, (long long)(limit - 1));
  return DG_OK;
}

/* Reads ids [first, first + n) of nodes, stored in any integer type. */
static dg_status read_ids(dg_id *ids, dg_h5 *file, const char *name, int64_t n_nodes, int64_t first, int64_t n) {
  dg_status status = DG_OK;
  for (int64_t at = 0; at < n; at += CHUNK) {
    int64_t count = min_int64(n - at, CHUNK);
    DG_TRY(dg_h5_read(file, name, DG_H5_I64, first + at, count, ids + at));
    DG_TRY(check_range(ids + at, count, "nodes", n_nodes, file, name, first + at));
  }
cleanup:
  return status;
}

/* Reads columns [first, first + n) of sparse features, stored in any integer type. */
static dg_status read_columns(int32_t *columns, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  static const char name[] = "features/indices";
  dg_status status = DG_OK;
  int64_t *chunk = NULL;
  DG_TRY(dg_alloc(&chunk, (size_t)min_int64(n, CHUNK), sizeof *chunk));
  for (int64_t at = 0; at < n; at += CHUNK) {
    int64_t count = min_int64(n - at, CHUNK);
    DG_TRY(dg_h5_read(file, name, DG_H5_I64, first + at, count, chunk));
    DG_TRY(check_range(chunk, count, "columns", info->n_features, file, name, first + at));
    for (int64_t k = 0; k < count; k++) columns[at + k] = (int32_t)chunk[k];
  }
cleanup:
  dg_free(&chunk);
  return status;
}

/* Turns positions in the file into positions in the slab. */
static void rebase(int64_t *indptr, int64_t n) {
  int64_t start = indptr[0];
  for (int64_t i = 0; i <= n; i++) indptr[i] -= start;
}

static dg_status check_neighbours(const dg_in_edges *edges, dg_h5 *file, int64_t first) {
  for (int64_t i = 0; i < edges->n_rows; i++)
    for (int64_t k = edges->indptr[i]; k < edges->indptr[i + 1]; k++) {
      const dg_id j = edges->source[k];
      const char *fault = NULL;
      if (j == first + i) fault = "is its own in-neighbour %lld: self-loops are added later, not stored";
      if (k > edges->indptr[i] && j == edges->source[k - 1]) fault = "has in-neighbour %lld twice";
      if (k > edges->indptr[i] && j < edges->source[k - 1])
        fault = "has in-neighbour %lld out of order: they must ascend";
      if (fault == NULL) continue;
      char text[128];
      snprintf(text, sizeof text, fault, (long long)j);
      return dg_fail(DG_INPUT, "%s: graph/indices: node %lld %s", dg_h5_path(file), (long long)(first + i), text);
    }
  return DG_OK;
}

dg_status dg_slab_starts(int64_t *indptr, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  const dg_status status = read_indptr(indptr, file, "graph/indptr", info->n_nodes, info->n_edges, first, n);
  if (status == DG_OK) rebase(indptr, n);
  return status;
}

dg_status dg_slab_edges(dg_in_edges *edges, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  dg_status status = DG_OK;
  *edges = (dg_in_edges){.n_rows = n};
  DG_TRY(dg_alloc(&edges->indptr, (size_t)n + 1, sizeof *edges->indptr));
  DG_TRY(read_indptr(edges->indptr, file, "graph/indptr", info->n_nodes, info->n_edges, first, n));
  int64_t start = edges->indptr[0], n_edges = edges->indptr[n] - start;
  rebase(edges->indptr, n);
  DG_TRY(dg_alloc(&edges->source, (size_t)n_edges, sizeof *edges->source));
  DG_TRY(read_ids(edges->source, file, "graph/indices", info->n_nodes, start, n_edges));
  DG_TRY(check_neighbours(edges, file, first));
cleanup:
  return status;
}

/* Attributes are not finite at edge k of a slab. */
static dg_status bad_attribute(dg_h5 *file, const char *name, float value, const dg_in_edges *edges, int64_t first,
                               int64_t k) {
  int64_t i = 0;
  while (edges->indptr[i + 1] <= k) i++;
  return dg_fail(DG_INPUT, "%s: %s: %s at the edge from node %lld to node %lld; attributes must be finite",
                 dg_h5_path(file), name, isnan(value) ? "NaN" : "infinity", (long long)edges->source[k],
                 (long long)(first + i));
}

dg_status dg_slab_attributes(float **values, dg_h5 *file, const dg_graph_info *info, dg_edge_attributes which,
                             const dg_in_edges *edges, int64_t first) {
  dg_status status = DG_OK;
  const char *name = which == DG_EDGES_WEIGHT ? "edges/weight" : "edges/features";
  const int64_t dim = dg_graph_edge_dim(info, which), n_edges = edges->indptr[edges->n_rows];
  int64_t start;
  DG_TRY(dg_h5_read(file, "graph/indptr", DG_H5_I64, first, 1, &start));
  DG_TRY(dg_alloc(values, (size_t)(n_edges * dim), sizeof **values));
  DG_TRY(dg_h5_read(file, name, DG_H5_F32, start, n_edges, *values));
  for (int64_t k = 0; k < n_edges * dim; k++)
    if (!isfinite((*values)[k])) DG_TRY(bad_attribute(file, name, (*values)[k], edges, first, k / dim));
cleanup:
  return status;
}

static dg_status check_finite(dg_h5 *file, float value, int64_t row, int64_t column) {
  if (isfinite(value)) return DG_OK;
  return dg_fail(DG_INPUT, "%s: features: %s at node %lld, column %lld; features must be finite", dg_h5_path(file),
                 isnan(value) ? "NaN" : "infinity", (long long)row, (long long)column);
}

/* Sorts one sparse row by column; rows are short and nearly always sorted. */
static void sort_row(int32_t *columns, float *values, int64_t n) {
  for (int64_t k = 1; k < n; k++) {
    int32_t column = columns[k];
    float value = values[k];
    int64_t at = k;
    for (; at > 0 && columns[at - 1] > column; at--) {
      columns[at] = columns[at - 1];
      values[at] = values[at - 1];
    }
    columns[at] = column;
    values[at] = value;
  }
}

static dg_status check_sparse(const dg_features *x, dg_h5 *file, int64_t first) {
  for (int64_t i = 0; i < x->n_rows; i++) {
    int64_t start = x->indptr[i], end = x->indptr[i + 1];
    sort_row(x->indices + start, x->values + start, end - start);
    for (int64_t k = start; k < end; k++) {
      if (k > start && x->indices[k] == x->indices[k - 1])
        return dg_fail(DG_INPUT, "%s: features/indices: node %lld has column %d twice", dg_h5_path(file),
                       (long long)(first + i), x->indices[k]);
      dg_status status = check_finite(file, x->values[k], first + i, x->indices[k]);
      if (status != DG_OK) return status;
    }
  }
  return DG_OK;
}

dg_status dg_slab_entries(int64_t *indptr, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  const dg_status status = read_indptr(indptr, file, "features/indptr", info->n_nodes, info->n_nonzeros, first, n);
  if (status == DG_OK) rebase(indptr, n);
  return status;
}

static dg_status read_sparse(dg_features *x, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&x->indptr, (size_t)n + 1, sizeof *x->indptr));
  DG_TRY(read_indptr(x->indptr, file, "features/indptr", info->n_nodes, info->n_nonzeros, first, n));
  int64_t start = x->indptr[0], n_nonzeros = x->indptr[n] - start;
  rebase(x->indptr, n);
  DG_TRY(dg_alloc(&x->indices, (size_t)n_nonzeros, sizeof *x->indices));
  DG_TRY(dg_alloc(&x->values, (size_t)n_nonzeros, sizeof *x->values));
  DG_TRY(read_columns(x->indices, file, info, start, n_nonzeros));
  DG_TRY(dg_h5_read(file, "features/values", DG_H5_F32, start, n_nonzeros, x->values));
  DG_TRY(check_sparse(x, file, first));
cleanup:
  return status;
}

static dg_status read_dense(dg_features *x, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  dg_status status = DG_OK;
  int64_t columns = info->n_features;
  DG_TRY(dg_alloc(&x->dense, (size_t)(n * columns), sizeof *x->dense));
  DG_TRY(dg_h5_read(file, "features/dense", DG_H5_F32, first, n, x->dense));
  for (int64_t k = 0; k < n * columns; k++) DG_TRY(check_finite(file, x->dense[k], first + k / columns, k % columns));
cleanup:
  return status;
}

dg_status dg_slab_features(dg_features *features, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  *features = (dg_features){.sparse = info->sparse, .n_rows = n, .n_cols = info->n_features};
  return info->sparse ? read_sparse(features, file, info, first, n) : read_dense(features, file, info, first, n);
}

static dg_status read_one(int32_t *labels, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  dg_status status = dg_h5_read(file, "labels", DG_H5_I32, first, n, labels);
  for (int64_t i = 0; i < n && status == DG_OK; i++)
    if (labels[i] < -1 || labels[i] >= info->n_classes)
      status = dg_fail(DG_INPUT, "%s: labels: node %lld has label %d, but classes go from 0 to %d (-1: unknown)",
                       dg_h5_path(file), (long long)(first + i), labels[i], info->n_classes - 1);
  return status;
}

static dg_status read_many(uint8_t *labels, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  dg_status status = dg_h5_read(file, "labels", DG_H5_U8, first, n, labels);
  for (int64_t k = 0; k < n * info->n_classes && status == DG_OK; k++)
    if (labels[k] > 1)
      status = dg_fail(
          DG_INPUT, "%s: labels: node %lld has %d for class %lld, but it is 1 where a node has a class, else 0",
          dg_h5_path(file), (long long)(first + k / info->n_classes), labels[k], (long long)(k % info->n_classes));
  return status;
}

dg_status dg_slab_labels(dg_labels *labels, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  dg_status status = DG_OK;
  *labels = (dg_labels){0};
  if (info->multilabel) {
    DG_TRY(dg_alloc(&labels->many, (size_t)n * (size_t)info->n_classes, sizeof *labels->many));
    DG_TRY(read_many(labels->many, file, info, first, n));
  } else {
    DG_TRY(dg_alloc(&labels->one, (size_t)n, sizeof *labels->one));
    DG_TRY(read_one(labels->one, file, info, first, n));
  }
cleanup:
  return status;
}

void dg_labels_destroy(dg_labels *labels) {
  dg_free(&labels->one);
  dg_free(&labels->many);
}

dg_status dg_split_twice(dg_h5 *file, const char *split, const char *list, dg_id node, bool as_long) {
  return dg_fail(DG_INPUT, "%s: splits/%s/%s: node %lld is in the list twice%s", dg_h5_path(file), split, list,
                 (long long)node, as_long && node <= 1 ? "; is it a mask? Wanted are the ids where it is 1" : "");
}

dg_status dg_split_unlabelled(dg_h5 *file, const char *split, const char *list, dg_id node) {
  return dg_fail(DG_INPUT, "%s: splits/%s/%s: node %lld has no label; nodes of a split need one", dg_h5_path(file),
                 split, list, (long long)node);
}

dg_status dg_split_length(int64_t *length, dg_h5 *file, const char *split, const char *list) {
  char name[DG_SPLIT_NAME + 16];
  snprintf(name, sizeof name, "splits/%s/%s", split, list);
  return dg_list_length(length, file, name, true);
}

dg_status dg_split_read(dg_id *ids, dg_h5 *file, const dg_graph_info *info, dg_list_part part) {
  char name[DG_SPLIT_NAME + 16];
  snprintf(name, sizeof name, "splits/%s/%s", part.split, part.list);
  return read_ids(ids, file, name, info->n_nodes, part.first, part.n);
}

dg_status dg_split_each(dg_h5 *file, const dg_graph_info *info, const char *split, const char *list,
                        dg_status (*take)(dg_id node, void *context), void *context) {
  dg_status status = DG_OK;
  int64_t length;
  dg_id *ids = NULL;
  uint8_t *seen = NULL; /* a bit a node */
  DG_TRY(dg_split_length(&length, file, split, list));
  DG_TRY(dg_alloc(&seen, (size_t)info->n_nodes / 8 + 1, 1));
  DG_TRY(dg_alloc(&ids, (size_t)min_int64(length, CHUNK), sizeof *ids));
  for (int64_t at = 0; at < length; at += CHUNK) {
    const int64_t count = min_int64(length - at, CHUNK);
    DG_TRY(dg_split_read(ids, file, info, (dg_list_part){split, list, at, count}));
    for (int64_t k = 0; k < count; k++) {
      const uint8_t bit = (uint8_t)(1 << ids[k] % 8);
      if (seen[ids[k] / 8] & bit) DG_TRY(dg_split_twice(file, split, list, ids[k], length == info->n_nodes));
      seen[ids[k] / 8] |= bit;
      DG_TRY(take(ids[k], context));
    }
  }
cleanup:
  dg_free(&seen);
  dg_free(&ids);
  return status;
}
