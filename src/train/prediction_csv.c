#include <inttypes.h>
#include <stdio.h>

#include <distgat/memory.h>

#include "base/csv.h"
#include "base/fault.h"
#include "base/text_file.h"
#include "data/h5names.h"
#include "data/slab.h"
#include "train/predictor.h"

/* A prediction on its way to a table. */
typedef struct table {
  dg_h5 *file, *graph;
  dg_text_file text;
  dg_graph_info info; /* of the graph */
  int64_t n_nodes;
  int n_classes; /* columns of probabilities, 0: none */
  int n_several; /* columns of predictions, and of labels; 0: the class alone */
  dg_texts nodes, classes;
  int64_t portion;    /* rows at a time */
  int32_t *best;      /* [portion] where a node has one class */
  uint8_t *many;      /* [portion, n_several] where it has several */
  dg_labels label;    /* of a portion */
  float *share;       /* [portion, n_classes] */
  uint8_t *mask, bit; /* [n_nodes] lists of the split that a node is in; the one at hand */
} table;

/* The name of entry i, or where there are no names its number. */
static void print_name(FILE *out, const dg_texts *names, int64_t i, int64_t number) {
  if (names->text)
    dg_csv_field(out, names->text + (size_t)i * names->width);
  else
    fprintf(out, "%" PRId64, number);
}

static dg_status open_prediction(table *t, const char *path) {
  dg_status status = DG_OK;
  int rank, columns;
  int64_t extent[DG_H5_MAX_RANK], predicted[DG_H5_MAX_RANK];
  DG_TRY(dg_h5_open(&t->file, path));
  DG_TRY(dg_h5_shape(t->file, "logits", &rank, extent));
  t->n_nodes = extent[0];
  if (dg_h5_exists(t->file, "probabilities")) t->n_classes = (int)extent[1];
  DG_TRY(dg_h5_shape(t->file, "prediction", &columns, predicted));
  if (columns == 2) t->n_several = (int)predicted[1];
  DG_TRY(dg_h5names_read(&t->classes, t->file, "classes/name", 0, extent[1]));
  DG_TRY(dg_h5names_portion(&t->portion, t->file, "nodes/id"));
  DG_TRY(dg_alloc(&t->best, (size_t)t->portion, sizeof *t->best));
  DG_TRY(dg_alloc(&t->many, (size_t)t->portion * (size_t)t->n_several, 1));
  DG_TRY(dg_alloc(&t->share, (size_t)t->portion * (size_t)t->n_classes, sizeof *t->share));

cleanup:
  return status;
}

static dg_status mark(dg_id node, void *context) {
  table *t = context;
  t->mask[node] |= t->bit;
  return DG_OK;
}

/* What the graph says of its nodes; of a split "" nothing. */
static dg_status open_graph(table *t, const char *path, const char *split) {
  dg_status status = DG_OK;
  DG_TRY(dg_graph_open(&t->graph, &t->info, path));
  DG_TRY(dg_alloc(&t->mask, (size_t)t->info.n_nodes, sizeof *t->mask));
  for (int k = 0; k < 3 && *split; k++) {
    t->bit = (uint8_t)(DG_TRAIN << k);
    DG_TRY(dg_split_each(t->graph, &t->info, split, dg_split_lists[k], mark, t));
  }

cleanup:
  return status;
}

/* "train", or where lists overlap "train+val". */
static void print_lists(FILE *out, uint8_t mask) {
  const char *join = "";
  for (int k = 0; k < 3; k++)
    if (mask >> k & 1) fprintf(out, "%s%s", join, dg_split_lists[k]), join = "+";
}

/* A column a class, named by what it is of and the class. */
static void print_heads(const table *t, const char *what) {
  for (int c = 0; c < t->n_several; c++) {
    char name[512];
    const char *text = t->classes.text ? t->classes.text + (size_t)c * t->classes.width : NULL;
    if (text)
      snprintf(name, sizeof name, "%s %s", what, text);
    else
      snprintf(name, sizeof name, "%s %d", what, c);
    fputc(',', t->text.out);
    dg_csv_field(t->text.out, name);
  }
}

static void print_header(const table *t) {
  fputs(t->n_several > 0 ? "node" : "node,prediction,label", t->text.out);
  print_heads(t, "prediction");
  print_heads(t, "label");
  fputs(",split", t->text.out);
  for (int c = 0; c < t->n_classes; c++) {
    fputc(',', t->text.out);
    print_name(t->text.out, &t->classes, c, c);
  }
  fputs("\n", t->text.out);
}

/* Class and label of row i, or of each class whether it is predicted and, where labels are known, whether it is there.
 */
static void print_classes(const table *t, int64_t i) {
  const int n = t->n_several;
  for (int c = 0; c < n; c++) fprintf(t->text.out, ",%d", t->many[i * n + c]);
  for (int c = 0; c < n; c++) {
    fputc(',', t->text.out);
    if (t->label.many) fprintf(t->text.out, "%d", t->label.many[i * n + c]);
  }
  if (n > 0) return;
  fputc(',', t->text.out);
  print_name(t->text.out, &t->classes, t->best[i], t->best[i]);
  fputc(',', t->text.out);
  if (t->label.one[i] >= 0) print_name(t->text.out, &t->classes, t->label.one[i], t->label.one[i]);
}

static dg_status print_portion(table *t, int64_t first, int64_t count) {
  dg_status status = DG_OK;
  if (t->n_several > 0)
    DG_TRY(dg_h5_read(t->file, "prediction", DG_H5_U8, first, count, t->many));
  else
    DG_TRY(dg_h5_read(t->file, "prediction", DG_H5_I32, first, count, t->best));
  if (t->n_classes > 0) DG_TRY(dg_h5_read(t->file, "probabilities", DG_H5_F32, first, count, t->share));
  DG_TRY(dg_h5names_read(&t->nodes, t->file, "nodes/id", first, count));
  DG_TRY(dg_slab_labels(&t->label, t->graph, &t->info, first, count));
  for (int64_t i = 0; i < count; i++) {
    print_name(t->text.out, &t->nodes, i, first + i);
    print_classes(t, i);
    fputc(',', t->text.out);
    print_lists(t->text.out, t->mask[first + i]);
    for (int c = 0; c < t->n_classes; c++) fprintf(t->text.out, ",%.7g", (double)t->share[i * t->n_classes + c]);
    fputs("\n", t->text.out);
  }
  status = dg_text_file_check(&t->text);

cleanup:
  dg_labels_destroy(&t->label);
  dg_texts_destroy(&t->nodes);
  return status;
}

dg_status dg_prediction_write_csv(const char *csv_path, const char *prediction_path, const char *graph_path,
                                  const char *split) {
  dg_status status = DG_OK;
  table t = {0};
  DG_TRY(open_prediction(&t, prediction_path));
  DG_TRY(open_graph(&t, graph_path, split));
  DG_TRY(dg_fault("predict.csv", DG_IO));
  DG_TRY(dg_text_file_open(&t.text, csv_path));
  print_header(&t);
  for (int64_t first = 0; first < t.n_nodes; first += t.portion)
    DG_TRY(print_portion(&t, first, t.n_nodes - first < t.portion ? t.n_nodes - first : t.portion));
  DG_TRY(dg_text_file_commit(&t.text));

cleanup:
  dg_text_file_close(&t.text);
  dg_h5_close(&t.file);
  dg_h5_close(&t.graph);
  dg_texts_destroy(&t.classes);
  dg_free(&t.best);
  dg_free(&t.many);
  dg_free(&t.mask);
  dg_free(&t.share);
  return status;
}
