#include <distgat/graph.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>

#include "data/block.h"

#define FORMAT "distgat-graph"
#define VERSION 1

void dg_features_destroy(dg_features *features) {
  dg_free(&features->dense);
  dg_free(&features->indptr);
  dg_free(&features->indices);
  dg_free(&features->values);
  *features = (dg_features){0};
}

void dg_csr_destroy(dg_csr *csr) {
  dg_free(&csr->indptr);
  dg_free(&csr->indices);
  *csr = (dg_csr){0};
}

/* ---- Header of a graph file ---- */

static dg_status check_format(dg_h5 *file) {
  char *format = NULL;
  int64_t version;
  dg_status status = DG_OK;
  if (!dg_h5_attribute_exists(file, "format") || dg_h5_get_string(file, "format", &format) != DG_OK ||
      strcmp(format, FORMAT) != 0) {
    dg_status_clear();
    status =
        dg_fail(DG_INPUT, "%s: is no graph file: its root attribute format must be \"%s\"", dg_h5_path(file), FORMAT);
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

/* Keeps what fits of a name, without cutting a UTF-8 sequence. */
static void copy_name(char name[64], const char *text) {
  size_t length = strlen(text);
  if (length > 63) {
    length = 63;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) length--;
  }
  memcpy(name, text, length);
  name[length] = '\0';
}

/* Length of the UTF-8 sequence that text begins with; 0 where it is none (Unicode 15, table 3-7). */
static size_t sequence_length(const unsigned char *text) {
  const unsigned char first = text[0], second = text[1];
  const size_t length = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  for (size_t k = 1; k < length; k++)
    if ((text[k] & 0xC0) != 0x80) return 0;
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool outside = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return length > 2 && (overlong || outside) ? 0 : length;
}

/* What is no UTF-8 could not be printed as JSON. */
static void make_printable(char *name) {
  while (*name != '\0') {
    const size_t length = sequence_length((const unsigned char *)name);
    if (length == 0) *name = '?';
    name += length == 0 ? 1 : length;
  }
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
  copy_name(info->name, name);
  make_printable(info->name);
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
  if (integers && *length > 0 && type != DG_H5_I32 && type != DG_H5_I64)
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

static dg_status check_graph(dg_graph_info *info, dg_h5 *file) {
  int64_t length;
  dg_status status = DG_OK;
  DG_TRY(dg_list_length(&length, file, "graph/indptr", true));
  info->n_nodes = length - 1;
  if (info->n_nodes < 1 || info->n_nodes > INT32_MAX) {
    status = dg_fail(DG_INPUT, "%s: graph/indptr has %lld entries, it must have 2 to %lld: nodes and one more",
                     dg_h5_path(file), (long long)length, (long long)INT32_MAX + 1);
    goto cleanup;
  }
  DG_TRY(dg_list_length(&info->n_edges, file, "graph/indices", true));
  DG_TRY(expect_length(file, "labels", true, info->n_nodes));
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
cleanup:
  if (status != DG_OK) dg_h5_close(file);
  return status;
}

dg_status dg_graph_read_edges(dg_h5 *file, const dg_graph_info *info, dg_csr *edges) {
  dg_status status = dg_block_edges(edges, file, info, 0, info->n_nodes);
  if (status != DG_OK) dg_csr_destroy(edges);
  return status;
}

/* ---- Splits ---- */

typedef struct split_list {
  int count;
  char last[64];
  char names[512]; /* all of them, for the message */
} split_list;

static dg_status note_split(const char *name, void *context) {
  split_list *list = context;
  size_t used = strlen(list->names);
  snprintf(list->names + used, sizeof list->names - used, "%s%s", list->count > 0 ? ", " : "", name);
  copy_name(list->last, name);
  list->count++;
  return DG_OK;
}

dg_status dg_graph_choose_split(dg_h5 *file, const char *wanted, char chosen[64]) {
  char path[80];
  split_list list = {0};
  dg_status status = dg_h5_exists(file, "splits") ? dg_h5_each_group(file, "splits", note_split, &list) : DG_OK;
  if (status != DG_OK) return status;
  if (list.count == 0)
    return dg_fail(DG_INPUT, "%s: has no splits: groups splits/NAME/{train,val,test}", dg_h5_path(file));

  const char *name = wanted != NULL ? wanted : "public";
  if (wanted == NULL && list.count == 1) name = list.last;
  copy_name(chosen, name);
  snprintf(path, sizeof path, "splits/%s", chosen);
  if (strcmp(chosen, name) == 0 && name[0] != '\0' && strchr(name, '/') == NULL && dg_h5_exists(file, path))
    return DG_OK;
  return dg_fail(DG_INPUT, "%s: has no split %s; choose one of: %s", dg_h5_path(file), name, list.names);
}
