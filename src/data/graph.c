#include <distgat/graph.h>

#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>

#include "data/h5kind.h"
#include "data/slab.h"
#include "data/text.h"

#define FORMAT "distgat-graph"
#define VERSION 1

void dg_features_destroy(dg_features *features) {
  dg_free(&features->dense);
  dg_free(&features->indptr);
  dg_free(&features->indices);
  dg_free(&features->values);
  *features = (dg_features){0};
}

void dg_in_edges_destroy(dg_in_edges *edges) {
  dg_free(&edges->indptr);
  dg_free(&edges->source);
  *edges = (dg_in_edges){0};
}

void dg_csr_destroy(dg_csr *csr) {
  dg_free(&csr->indptr);
  dg_free(&csr->indices);
  *csr = (dg_csr){0};
}

/* ---- Header of a graph file ---- */

/* What is another file of this program is told by what it is. */
static dg_status fail_kind(dg_h5 *file) {
  const char *kind = dg_h5kind(file);
  if (kind && strcmp(kind, "a graph") != 0)
    return dg_fail(DG_INPUT,
                   "%s: is %s, not a graph; graphs are written by data/import.py, distgat generate, or the "
                   "Python module",
                   dg_h5_path(file), kind);
  return dg_fail(DG_INPUT, "%s: is no graph file: its root attribute format must be \"%s\"", dg_h5_path(file), FORMAT);
}

static dg_status check_format(dg_h5 *file) {
  char *format = NULL;
  int64_t version;
  dg_status status = DG_OK;
  if (!dg_h5_attribute_exists(file, "format") || dg_h5_get_string(file, "format", &format) != DG_OK ||
      strcmp(format, FORMAT) != 0) {
    dg_status_clear();
    status = fail_kind(file);
    goto cleanup;
  }
  DG_TRY(dg_h5_get_int64(file, "version", &version));
  if (version != VERSION)
    status = dg_fail(DG_INPUT, "%s: graph file of version %lld, this program reads version %d", dg_h5_path(file),
                     (long long)version, VERSION);
cleanup:
  free(format);
  return status;
}

static dg_status read_count(int32_t *count, dg_h5 *file, const char *name, int32_t most) {
  int64_t value;
  dg_status status = dg_h5_get_int64(file, name, &value);
  if (status != DG_OK) return status;
  if (value < 1 || value > most)
    return dg_fail(DG_INPUT, "%s: root attribute %s is %lld, it must be 1 to %d", dg_h5_path(file), name,
                   (long long)value, most);
  *count = (int32_t)value;
  return DG_OK;
}

static dg_status read_attributes(dg_graph_info *info, dg_h5 *file) {
  char *name = NULL;
  dg_status status = DG_OK;
  DG_TRY(check_format(file));
  DG_TRY(dg_h5_get_string(file, "name", &name));
  dg_text_copy(info->name, sizeof info->name, name);
  DG_TRY(read_count(&info->n_classes, file, "num_classes", DG_MAX_CLASSES));
  DG_TRY(read_count(&info->n_features, file, "num_features", INT32_MAX));
cleanup:
  free(name);
  return status;
}

/* ---- Shapes ---- */

dg_status dg_list_length(int64_t *length, dg_h5 *file, const char *name, bool integers) {
  int rank;
  int64_t extent[DG_H5_MAX_RANK];
  dg_h5_type type;
  dg_status status = DG_OK;
  DG_TRY(dg_h5_shape(file, name, &rank, extent));
  if (rank != 1) {
    status = dg_fail(DG_INPUT, "%s: data set %s has %d dimensions, it must have 1", dg_h5_path(file), name, rank);
    goto cleanup;
  }
  *length = extent[0];
  DG_TRY(dg_h5_type_of(file, name, &type));
  if (integers && *length > 0 && type != DG_H5_I32 && type != DG_H5_I64 && type != DG_H5_U8)
    status = dg_fail(DG_INPUT, "%s: data set %s must hold integers", dg_h5_path(file), name);
cleanup:
  return status;
}

static dg_status expect_length(dg_h5 *file, const char *name, bool integers, int64_t good) {
  int64_t length;
  dg_status status = dg_list_length(&length, file, name, integers);
  if (status != DG_OK || length == good) return status;
  return dg_fail(DG_INPUT, "%s: data set %s has %lld entries, it must have %lld", dg_h5_path(file), name,
                 (long long)length, (long long)good);
}

/* The task that the file names, where it names one; from malloc. */
static dg_status read_task(char **task, dg_h5 *file) {
  *task = NULL;
  return dg_h5_attribute_exists(file, "task") ? dg_h5_get_string(file, "task", task) : DG_OK;
}

/* Several labels a node are a matrix, and the task says so; one is a list. */
static dg_status check_labels(dg_graph_info *info, dg_h5 *file) {
  int rank;
  int64_t extent[DG_H5_MAX_RANK];
  dg_h5_type type;
  char *task = NULL;
  dg_status status = DG_OK;
  const char *path = dg_h5_path(file);
  DG_TRY(read_task(&task, file));
  DG_TRY(dg_h5_shape(file, "labels", &rank, extent));
  DG_TRY(dg_h5_type_of(file, "labels", &type));
  info->multilabel = task && strcmp(task, "multilabel") == 0;
  if (rank == 2 && !info->multilabel)
    DG_TRY(dg_fail(DG_INPUT,
                   "%s: data set labels has 2 dimensions, as for several labels a node, where root attribute task must "
                   "be multilabel",
                   path));
  if (!info->multilabel) DG_TRY(expect_length(file, "labels", true, info->n_nodes));
  if (!info->multilabel) goto cleanup;
  if (rank != 2 || extent[0] != info->n_nodes || extent[1] != info->n_classes)
    DG_TRY(dg_fail(DG_INPUT,
                   "%s: data set labels must have the shape [%lld, %d]: nodes, num_classes, for root attribute task is "
                   "multilabel",
                   path, (long long)info->n_nodes, info->n_classes));
  if (type != DG_H5_U8)
    DG_TRY(
        dg_fail(DG_INPUT, "%s: data set labels must hold uint8, 0 or 1, for root attribute task is multilabel", path));

cleanup:
  free(task);
  return status;
}

static dg_status check_graph(dg_graph_info *info, dg_h5 *file) {
  int64_t length;
  dg_status status = DG_OK;
  DG_TRY(dg_list_length(&length, file, "graph/indptr", true));
  info->n_nodes = length - 1;
  if (info->n_nodes < 1)
    DG_TRY(dg_fail(DG_INPUT, "%s: graph/indptr has %lld entries, it must have 2 or more: nodes and one more",
                   dg_h5_path(file), (long long)length));
  DG_TRY(dg_list_length(&info->n_edges, file, "graph/indices", true));
  if (!dg_h5_exists(file, "labels"))
    DG_TRY(dg_fail(DG_INPUT,
                   "%s: has no labels: data set labels, the class of each node from 0, or -1 where it is unknown; "
                   "data/import.py takes them by --labels, write_graph of the Python module as y",
                   dg_h5_path(file)));
  DG_TRY(check_labels(info, file));
cleanup:
  return status;
}

static dg_status check_dense(dg_graph_info *info, dg_h5 *file) {
  int rank;
  int64_t extent[DG_H5_MAX_RANK];
  dg_status status = dg_h5_shape(file, "features/dense", &rank, extent);
  if (status != DG_OK) return status;
  if (rank != 2 || extent[0] != info->n_nodes || extent[1] != info->n_features)
    return dg_fail(DG_INPUT, "%s: data set features/dense must have the shape [%lld, %d]: nodes, num_features",
                   dg_h5_path(file), (long long)info->n_nodes, info->n_features);
  info->n_nonzeros = info->n_nodes * info->n_features;
  return DG_OK;
}

static dg_status check_sparse(dg_graph_info *info, dg_h5 *file) {
  dg_status status = DG_OK;
  DG_TRY(expect_length(file, "features/indptr", true, info->n_nodes + 1));
  DG_TRY(dg_list_length(&info->n_nonzeros, file, "features/indices", true));
  DG_TRY(expect_length(file, "features/values", false, info->n_nonzeros));
cleanup:
  return status;
}

static dg_status check_attributes(dg_graph_info *info, dg_h5 *file) {
  int rank;
  int64_t extent[DG_H5_MAX_RANK];
  dg_status status = DG_OK;
  info->edge_weights = dg_h5_exists(file, "edges/weight");
  if (info->edge_weights) DG_TRY(expect_length(file, "edges/weight", false, info->n_edges));
  if (!dg_h5_exists(file, "edges/features")) return DG_OK;
  DG_TRY(dg_h5_shape(file, "edges/features", &rank, extent));
  if (rank != 2 || extent[0] != info->n_edges || extent[1] < 1 || extent[1] > DG_MAX_EDGE_FEATURES)
    DG_TRY(dg_fail(DG_INPUT, "%s: data set edges/features must have the shape [%lld, D]: edges, 1 to %d features",
                   dg_h5_path(file), (long long)info->n_edges, DG_MAX_EDGE_FEATURES));
  info->edge_features = (int32_t)extent[1];
cleanup:
  return status;
}

dg_status dg_graph_open(dg_h5 **file, dg_graph_info *info, const char *path) {
  dg_status status = DG_OK;
  *info = (dg_graph_info){0};
  DG_TRY(dg_h5_open(file, path));
  DG_TRY(read_attributes(info, *file));
  DG_TRY(check_graph(info, *file));
  info->sparse = dg_h5_exists(*file, "features/indptr");
  if (!info->sparse && !dg_h5_exists(*file, "features/dense")) {
    status =
        dg_fail(DG_INPUT, "%s: has no features: data set features/dense or features/{indptr,indices,values}", path);
    goto cleanup;
  }
  DG_TRY(info->sparse ? check_sparse(info, *file) : check_dense(info, *file));
  DG_TRY(check_attributes(info, *file));
cleanup:
  if (status != DG_OK) dg_h5_close(file);
  return status;
}

dg_status dg_graph_check_attributes(const dg_graph_info *info, const char *path, dg_edge_attributes wanted) {
  const bool weights = wanted == DG_EDGES_WEIGHT;
  if (wanted == DG_EDGES_PLAIN || dg_graph_edge_dim(info, wanted) > 0) return DG_OK;
  const char *what = weights ? "weights" : "features", *option = weights ? "weight" : "features";
  if (dg_graph_edge_dim(info, weights ? DG_EDGES_FEATURES : DG_EDGES_WEIGHT) > 0)
    return dg_fail(DG_INPUT, "%s: edges have %s but no %s, which a model of --edge-attributes %s takes", path,
                   weights ? "features" : "weights", what, option);
  return dg_fail(
      DG_INPUT,
      "%s: edges have no %s (data set edges/%s), which a model of --edge-attributes %s takes; they come with "
      "%swrite_graph of the Python module, as %s",
      path, what, option, option, weights ? "data/import.py --weights, or " : "",
      weights ? "edge_weight" : "edge_attr");
}

/* Rows [first, first + n) of the whole. */
static dg_status read_rows(dg_csr *edges, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  dg_status status = DG_OK;
  dg_in_edges slab = {0};
  DG_TRY(dg_slab_edges(&slab, file, info, first, n));
  const int64_t start = edges->indptr[first];
  for (int64_t i = 0; i < n; i++) edges->indptr[first + i + 1] = start + slab.indptr[i + 1];
  for (int64_t k = 0; k < slab.indptr[n]; k++) edges->indices[start + k] = (int32_t)slab.source[k];
cleanup:
  dg_in_edges_destroy(&slab);
  return status;
}

dg_status dg_graph_read_edges(dg_h5 *file, const dg_graph_info *info, dg_csr *edges) {
  const int64_t n = info->n_nodes, step = dg_slab_rows(info);
  dg_status status = DG_OK;
  *edges = (dg_csr){.n_rows = n};
  if (n > INT32_MAX)
    DG_TRY(dg_fail(DG_INPUT, "%s: %lld nodes are more than one process takes whole: %d", dg_h5_path(file), (long long)n,
                   INT32_MAX));
  DG_TRY(dg_alloc(&edges->indptr, (size_t)n + 1, sizeof *edges->indptr));
  DG_TRY(dg_alloc(&edges->indices, (size_t)info->n_edges, sizeof *edges->indices));
  for (int64_t first = 0; first < n; first += step)
    DG_TRY(read_rows(edges, file, info, first, step < n - first ? step : n - first));
cleanup:
  if (status != DG_OK) dg_csr_destroy(edges);
  return status;
}
