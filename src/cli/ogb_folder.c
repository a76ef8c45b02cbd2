#include "cli/ogb_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/graph.h>
#include <distgat/log.h>
#include <distgat/memory.h>

#include "base/text_file.h"

enum { ROWS = 4096, PATH_LENGTH = 4096 };

static const char *const folders[] = {"mapping", "raw", "split", "split/public"};
static const char *const lists[][2] = {{"splits/public/train", "split/public/train.csv"},
                                       {"splits/public/val", "split/public/valid.csv"},
                                       {"splits/public/test", "split/public/test.csv"}};
static const char *const files[] = {"raw/num-node-list.csv",  "raw/num-edge-list.csv", "raw/edge.csv",
                                    "raw/node-feat.csv",      "raw/node-label.csv",    "split/public/train.csv",
                                    "split/public/valid.csv", "split/public/test.csv", "mapping/labelidx2class.csv"};

/* A folder that is being written, under a name for the while. */
typedef struct folder {
  char path[PATH_LENGTH];
  dg_h5 *graph;
  dg_graph_info info;
  dg_text_file text; /* the file at hand */
  char file[2 * PATH_LENGTH];
} folder;

static const char *place(folder *f, const char *name) {
  snprintf(f->file, sizeof f->file, "%s/%s", f->path, name);
  return f->file;
}

static dg_status fail(const folder *f) {
  return dg_fail(DG_IO, "%s: cannot be written: %s", f->file, strerror(errno));
}

static dg_status open_file(folder *f, const char *name) {
  return dg_text_file_open(&f->text, place(f, name));
}

static dg_status close_file(folder *f, dg_status status) {
  if (status == DG_OK) return dg_text_file_commit(&f->text);
  dg_text_file_close(&f->text);
  return status;
}

/* ---- the files ---- */

static dg_status write_number(folder *f, const char *name, int64_t number) {
  const dg_status status = open_file(f, name);
  if (status != DG_OK) return status;
  fprintf(f->text.out, "%" PRId64 "\n", number);
  return close_file(f, DG_OK);
}

/* One number a line of a data set of int64 [n]. */
static dg_status write_list(folder *f, const char *name, const char *from, int64_t n) {
  int64_t values[ROWS];
  dg_status status = open_file(f, name);
  if (status != DG_OK) return status;
  for (int64_t first = 0; first < n && status == DG_OK; first += ROWS) {
    const int64_t count = n - first < ROWS ? n - first : ROWS;
    status = dg_h5_read(f->graph, from, DG_H5_I64, first, count, values);
    for (int64_t i = 0; i < count && status == DG_OK; i++) fprintf(f->text.out, "%" PRId64 "\n", values[i]);
    if (status == DG_OK) status = dg_text_file_check(&f->text);
  }
  return close_file(f, status);
}

static dg_status write_split(folder *f, int which) {
  int rank;
  int64_t n[DG_H5_MAX_RANK];
  const dg_status status = dg_h5_shape(f->graph, lists[which][0], &rank, n);
  return status == DG_OK ? write_list(f, lists[which][1], lists[which][0], n[0]) : status;
}

/* In-neighbours below the node, of which there are as many as there are pairs. */
static dg_status write_edges(folder *f, int64_t *n_pairs) {
  dg_status status = open_file(f, "raw/edge.csv");
  int64_t indptr[ROWS + 1], *source = NULL;
  if (status != DG_OK) return status;
  *n_pairs = 0;
  for (int64_t first = 0; first < f->info.n_nodes && status == DG_OK; first += ROWS) {
    const int64_t rows = f->info.n_nodes - first < ROWS ? f->info.n_nodes - first : ROWS;
    DG_TRY(dg_h5_read(f->graph, "graph/indptr", DG_H5_I64, first, rows + 1, indptr));
    const int64_t n = indptr[rows] - indptr[0];
    DG_TRY(dg_alloc(&source, (size_t)n, sizeof *source));
    DG_TRY(dg_h5_read(f->graph, "graph/indices", DG_H5_I64, indptr[0], n, source));
    for (int64_t i = 0; i < rows; i++)
      for (int64_t t = indptr[i] - indptr[0]; t < indptr[i + 1] - indptr[0]; t++)
        if (source[t] < first + i) fprintf(f->text.out, "%" PRId64 ",%" PRId64 "\n", source[t], first + i), ++*n_pairs;
    dg_free(&source);
    DG_TRY(dg_text_file_check(&f->text));
    dg_progress("generate: edges as text", (long)(first + rows), (long)f->info.n_nodes, "");
  }

cleanup:
  dg_free(&source);
  return close_file(f, status);
}

/* Nine digits give the same number back. */
static dg_status write_features(folder *f) {
  dg_status status = open_file(f, "raw/node-feat.csv");
  float *row = NULL;
  if (status != DG_OK) return status;
  DG_TRY(dg_alloc(&row, (size_t)f->info.n_features, sizeof *row));
  for (int64_t i = 0; i < f->info.n_nodes; i++) {
    DG_TRY(dg_h5_read(f->graph, "features/dense", DG_H5_F32, i, 1, row));
    for (int32_t c = 0; c < f->info.n_features; c++)
      fprintf(f->text.out, c + 1 < f->info.n_features ? "%.9g," : "%.9g\n", (double)row[c]);
    DG_TRY(dg_text_file_check(&f->text));
    dg_progress("generate: features as text", (long)i + 1, (long)f->info.n_nodes, "");
  }

cleanup:
  dg_free(&row);
  return close_file(f, status);
}

/* Each class by its number, for a class may have no node. */
static dg_status write_classes(folder *f) {
  const dg_status status = open_file(f, "mapping/labelidx2class.csv");
  if (status != DG_OK) return status;
  fprintf(f->text.out, "label idx,class\n");
  for (int c = 0; c < f->info.n_classes; c++) fprintf(f->text.out, "%d,%d\n", c, c);
  return close_file(f, DG_OK);
}

static dg_status write_files(folder *f) {
  dg_status status = DG_OK;
  int64_t n_pairs;
  DG_TRY(write_edges(f, &n_pairs));
  DG_TRY(write_features(f));
  DG_TRY(write_list(f, "raw/node-label.csv", "labels", f->info.n_nodes));
  for (int k = 0; k < 3; k++) DG_TRY(write_split(f, k));
  DG_TRY(write_classes(f));
  DG_TRY(write_number(f, "raw/num-node-list.csv", f->info.n_nodes));
  DG_TRY(write_number(f, "raw/num-edge-list.csv", n_pairs));

cleanup:
  return status;
}

/* ---- the folder ---- */

static dg_status make_folders(folder *f) {
  snprintf(f->file, sizeof f->file, "%s", f->path);
  if (mkdir(f->path, 0777) != 0) return fail(f);
  for (size_t k = 0; k < sizeof folders / sizeof *folders; k++)
    if (mkdir(place(f, folders[k]), 0777) != 0) return fail(f);
  return DG_OK;
}

/* What there is of it. */
static void remove_folders(folder *f) {
  for (size_t k = 0; k < sizeof files / sizeof *files; k++) unlink(place(f, files[k]));
  for (size_t k = sizeof folders / sizeof *folders; k-- > 0;) rmdir(place(f, folders[k]));
  rmdir(f->path);
}

dg_status dg_ogb_folder_write(const char *path, const char *graph_path) {
  dg_status status = DG_OK;
  folder f = {0};
  if (access(path, F_OK) == 0) return dg_fail(DG_USAGE, "%s is there already; a folder is made anew", path);
  if (snprintf(f.path, sizeof f.path, "%s.partial", path) >= (int)sizeof f.path)
    return dg_fail(DG_USAGE, "--out is too long");
  DG_TRY(dg_graph_open(&f.graph, &f.info, graph_path));
  DG_TRY(make_folders(&f));
  status = write_files(&f);
  if (status == DG_OK && rename(f.path, path) != 0) status = dg_fail(DG_IO, "%s: %s", path, strerror(errno));
  if (status != DG_OK) remove_folders(&f);

cleanup:
  dg_h5_close(&f.graph);
  return status;
}
