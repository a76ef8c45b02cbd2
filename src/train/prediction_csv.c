#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/memory.h>

#include "base/fault.h"
#include "data/h5names.h"
#include "train/predictor.h"

/* Rows at a time: so many, or as many as their names have room for. */
enum { PORTION = 8192 };
#define NAMES_BYTES ((size_t)1 << 22)

/* A prediction on its way to a table. */
typedef struct table {
  dg_h5 *file;
  FILE *out;
  int64_t n_nodes;
  int n_classes; /* columns of probabilities, 0: none */
  dg_texts nodes, classes;
  int32_t *best; /* [PORTION] */
  float *share;  /* [PORTION, n_classes] */
} table;

/* A field of RFC 4180: quoted where it would be read as another otherwise. */
static void print_field(FILE *out, const char *text) {
  if (strpbrk(text, ",\"\r\n") == NULL && *text != ' ') {
    fputs(text, out);
    return;
  }
  fputc('"', out);
  for (; *text; text++) {
    if (*text == '"') fputc('"', out);
    fputc(*text, out);
  }
  fputc('"', out);
}

/* The name of entry i, or where there are no names its number. */
static void print_name(FILE *out, const dg_texts *names, int64_t i, int64_t number) {
  if (names->text)
    print_field(out, names->text + (size_t)i * names->width);
  else
    fprintf(out, "%" PRId64, number);
}

static dg_status open_prediction(table *t, const char *path) {
  dg_status status = DG_OK;
  int rank;
  int64_t extent[DG_H5_MAX_RANK];
  DG_TRY(dg_h5_open(&t->file, path));
  DG_TRY(dg_h5_shape(t->file, "logits", &rank, extent));
  t->n_nodes = extent[0];
  if (dg_h5_exists(t->file, "probabilities")) t->n_classes = (int)extent[1];
  DG_TRY(dg_h5names_read(&t->classes, t->file, "classes/name", 0, extent[1]));
  DG_TRY(dg_alloc(&t->best, PORTION, sizeof *t->best));
  DG_TRY(dg_alloc(&t->share, PORTION * (size_t)t->n_classes, sizeof *t->share));

cleanup:
  return status;
}

static void print_header(const table *t) {
  fputs("node,prediction", t->out);
  for (int c = 0; c < t->n_classes; c++) {
    fputc(',', t->out);
    print_name(t->out, &t->classes, c, c);
  }
  fputs("\n", t->out);
}

/* Names of any width take no more than their room. */
static dg_status find_portion(int64_t *rows, const table *t) {
  dg_texts one = {0};
  const dg_status status = dg_h5names_read(&one, t->file, "nodes/id", 0, t->n_nodes > 0);
  *rows = one.text && NAMES_BYTES / one.width < PORTION ? (int64_t)(NAMES_BYTES / one.width) + 1 : PORTION;
  dg_texts_destroy(&one);
  return status;
}

static dg_status print_portion(table *t, int64_t first, int64_t count) {
  dg_status status = DG_OK;
  DG_TRY(dg_h5_read(t->file, "prediction", DG_H5_I32, first, count, t->best));
  if (t->n_classes > 0) DG_TRY(dg_h5_read(t->file, "probabilities", DG_H5_F32, first, count, t->share));
  DG_TRY(dg_h5names_read(&t->nodes, t->file, "nodes/id", first, count));
  for (int64_t i = 0; i < count; i++) {
    print_name(t->out, &t->nodes, i, first + i);
    fputc(',', t->out);
    print_name(t->out, &t->classes, t->best[i], t->best[i]);
    for (int c = 0; c < t->n_classes; c++) fprintf(t->out, ",%.7g", (double)t->share[i * t->n_classes + c]);
    fputs("\n", t->out);
  }

cleanup:
  dg_texts_destroy(&t->nodes);
  return status;
}

/* Half a table would be taken for one. A device stays. */
static void remove_unfinished(const char *path) {
  struct stat info;
  if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) unlink(path);
}

dg_status dg_prediction_write_csv(const char *csv_path, const char *prediction_path) {
  dg_status status = DG_OK;
  int64_t portion;
  table t = {0};
  DG_TRY(open_prediction(&t, prediction_path));
  DG_TRY(find_portion(&portion, &t));
  DG_TRY(dg_fault("predict.csv", DG_IO));
  t.out = fopen(csv_path, "w");
  if (!t.out) DG_TRY(dg_fail(DG_IO, "cannot write %s: %s", csv_path, strerror(errno)));
  print_header(&t);
  for (int64_t first = 0; first < t.n_nodes; first += portion)
    DG_TRY(print_portion(&t, first, t.n_nodes - first < portion ? t.n_nodes - first : portion));
  const bool failed = ferror(t.out) != 0, closed = fclose(t.out) == 0;
  t.out = NULL;
  if (failed || !closed) remove_unfinished(csv_path);
  if (failed || !closed) status = dg_fail(DG_IO, "cannot write %s: %s", csv_path, strerror(errno));

cleanup:
  if (t.out) fclose(t.out), remove_unfinished(csv_path);
  dg_h5_close(&t.file);
  dg_texts_destroy(&t.classes);
  dg_free(&t.best);
  dg_free(&t.share);
  return status;
}
