#include <distgat/generate.h>

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <distgat/graph.h>
#include <distgat/log.h>
#include <distgat/memory.h>

#include "base/nearest.h"
#include "base/option_value.h"
#include "generate/deal.h"
#include "generate/edges.h"
#include "par/same.h"

#define MAX_NODES ((int64_t)1 << 40)
#define MAX_SKEW 3.0
#define MAX_GAIN 10.0

/* Sizes of the data sets after which they are named, splits included. */
static const dg_generate_config presets[] = {
    {"cora", 2708, 10556.0 / 2708, 1433, 7, 0.81, 0.0127, 20, 500, 1000, 0, 0, 0, 0, 0},
    {"citeseer", 3327, 9104.0 / 3327, 3703, 6, 0.74, 0.0086, 20, 500, 1000, 0, 0, 0, 0, 0},
    {"pubmed", 19717, 88648.0 / 19717, 500, 3, 0.80, 0.10, 20, 500, 1000, 0, 0, 0, 0, 0},
    {"arxiv", 169343, 2315598.0 / 169343, 128, 40, 0.65, 1, 0, 29799, 48603, 0, 0, 0, 0, 0},
    {"products", 2449029, 123718280.0 / 2449029, 100, 47, 0.81, 1, 0, 39323, 2213091, 0, 0, 0, 0, 0},
    /* As large, and as hard to tell apart as the real graphs' classes are. */
    {"arxiv-hard", 169343, 2315598.0 / 169343, 128, 40, 0.9, 1, 0, 29799, 48603, 0, 0.8, 0.3, 0.45, 1.4},
    {"products-hard", 2449029, 123718280.0 / 2449029, 100, 47, 0.9, 1, 0, 39323, 2213091, 0, 1.0, 0.25, 0.4, 1.4},
};
enum { N_PRESETS = sizeof presets / sizeof presets[0] };

const char *const *dg_generate_presets(void) {
  static const char *names[N_PRESETS + 1];
  for (int i = 0; i < N_PRESETS; i++) names[i] = presets[i].name;
  return names;
}

dg_status dg_generate_preset(dg_generate_config *config, const char *name) {
  char list[128];
  for (int i = 0; i < N_PRESETS; i++)
    if (strcmp(name, presets[i].name) == 0) {
      *config = presets[i];
      snprintf(config->name, sizeof config->name, "synthetic-%s", name);
      return DG_OK;
    }
  const char *near = dg_nearest(dg_generate_presets(), name);
  if (near) return dg_fail(DG_USAGE, "unknown preset %s; did you mean %s?", name, near);
  dg_option_join(list, sizeof list, dg_generate_presets(), ", ", ", ");
  return dg_fail(DG_USAGE, "unknown preset %s; choose one of: %s", name, list);
}

static dg_status check_config(const dg_generate_config *c) {
  if (c->n_nodes < 1 || c->n_nodes > MAX_NODES)
    return dg_fail(DG_USAGE, "%lld nodes are not possible: 1 to %lld are", (long long)c->n_nodes, (long long)MAX_NODES);
  if (!(c->avg_degree >= 0 && c->avg_degree <= (double)(c->n_nodes - 1)))
    return dg_fail(DG_USAGE, "an average degree of %g is not possible with %lld nodes: 0 to %lld is", c->avg_degree,
                   (long long)c->n_nodes, (long long)(c->n_nodes - 1));
  if (c->n_features < 1) return dg_fail(DG_USAGE, "%d features are not possible: 1 or more are", c->n_features);
  if (c->n_classes < 1 || c->n_classes > DG_MAX_CLASSES)
    return dg_fail(DG_USAGE, "%d classes are not possible: 1 to %d are", c->n_classes, DG_MAX_CLASSES);
  if (!(c->homophily >= 0 && c->homophily <= 1))
    return dg_fail(DG_USAGE, "a homophily of %g is not possible: 0 to 1 is", c->homophily);
  if (!(c->feature_density > 0 && c->feature_density <= 1))
    return dg_fail(DG_USAGE, "a feature density of %g is not possible: above 0 and up to 1 is", c->feature_density);
  if (!(c->class_skew >= 0 && c->class_skew <= MAX_SKEW))
    return dg_fail(DG_USAGE, "a class skew of %g is not possible: 0 to %g is", c->class_skew, MAX_SKEW);
  if (!(c->label_noise >= 0 && c->label_noise <= 1))
    return dg_fail(DG_USAGE, "a label noise of %g is not possible: 0 to 1 is", c->label_noise);
  if (!(c->topic_noise >= 0 && c->topic_noise <= 1))
    return dg_fail(DG_USAGE, "a topic noise of %g is not possible: 0 to 1 is", c->topic_noise);
  if (!(fabs(c->feature_gain) <= MAX_GAIN))
    return dg_fail(DG_USAGE, "a feature gain of %g is not possible: -%g to %g is", c->feature_gain, MAX_GAIN, MAX_GAIN);
  if (c->train_per_class < 0 || c->n_val < 0 || c->n_test < 0)
    return dg_fail(DG_USAGE, "sizes of splits must not be negative");
  return DG_OK;
}

/* What all ranks write: its file, on rank 0, and the nodes of this rank. */
typedef struct output {
  const dg_comm *comm;
  dg_h5 *file;
  const dg_synthetic *graph;
  dg_directory nodes;
} output;

/* Creates a data set and writes it. Collective. */
static dg_status write_part(const output *o, const dg_piece *part) {
  const dg_status status = dg_piece_create(o->comm, o->file, part);
  return status != DG_OK ? status : dg_piece_write(o->comm, o->file, part);
}

/* ---- Labels and splits ---- */

static dg_status write_splits(const output *o, const uint8_t *mask) {
  static const char *const names[] = {"splits/public/train", "splits/public/val", "splits/public/test"};
  dg_status status = DG_OK;
  dg_id *list = NULL;
  DG_TRY(dg_comm_agree(o->comm, dg_alloc(&list, (size_t)o->nodes.n, sizeof *list)));
  for (int k = 0; k < 3; k++) {
    int64_t n = 0;
    for (int64_t i = 0; i < o->nodes.n; i++)
      if (mask[i] == DG_TRAIN << k) list[n++] = o->nodes.first + i;
    DG_TRY(write_part(o, &(dg_piece){.name = names[k], .type = DG_H5_I64, .n = n, .data = list}));
  }
cleanup:
  dg_free(&list);
  return status;
}

static void make_labels(void *rows, int64_t first, int64_t count, void *context) {
  const output *o = context;
  int32_t *labels = rows;
  for (int64_t i = 0; i < count; i++) labels[i] = dg_synthetic_label(o->graph, o->nodes.first + first + i);
}

static dg_status write_labels(output *o) {
  dg_status status = DG_OK;
  uint8_t *mask = NULL;
  DG_TRY(dg_comm_agree(o->comm, dg_alloc(&mask, (size_t)o->nodes.n, sizeof *mask)));
  DG_TRY(write_part(
      o, &(dg_piece){.name = "labels", .type = DG_H5_I32, .n = o->nodes.n, .make = make_labels, .context = o}));
  DG_TRY(dg_deal(mask, o->comm, o->graph, &o->nodes));
  DG_TRY(write_splits(o, mask));
cleanup:
  dg_free(&mask);
  return status;
}

/* ---- Features ---- */

static void make_dense(void *rows, int64_t first, int64_t count, void *context) {
  const output *o = context;
  const int64_t columns = o->graph->config->n_features;
  for (int64_t i = 0; i < count; i++)
    dg_synthetic_dense((float *)rows + i * columns, o->graph, o->nodes.first + first + i);
  dg_progress("generate: features", (long)(first + count), (long)o->nodes.n, "");
}

static dg_status write_dense(output *o) {
  return write_part(o, &(dg_piece){.name = "features/dense",
                                   .type = DG_H5_F32,
                                   .columns = o->graph->config->n_features,
                                   .n = o->nodes.n,
                                   .make = make_dense,
                                   .context = o});
}

/* Words of this rank's nodes. */
typedef struct words {
  const output *output;
  int64_t *indptr;  /* [n + 1] */
  int64_t node;     /* among this rank's, of the word that is wanted next */
  int64_t made;     /* the node whose words lie in columns, or -1 */
  int32_t *columns; /* [most words of a node] */
  uint8_t *used;    /* [n_features] */
} words;

static void words_destroy(words *w) {
  dg_free(&w->indptr);
  dg_free(&w->columns);
  dg_free(&w->used);
}

static dg_status words_create(words *w, const output *o) {
  const size_t n_features = (size_t)o->graph->config->n_features;
  dg_status status = DG_OK;
  *w = (words){.output = o, .made = -1};
  DG_TRY(dg_alloc(&w->indptr, (size_t)o->nodes.n + 1, sizeof *w->indptr));
  DG_TRY(dg_alloc(&w->columns, n_features, sizeof *w->columns));
  DG_TRY(dg_alloc(&w->used, n_features, sizeof *w->used));
  for (int64_t i = 0; i < o->nodes.n; i++)
    w->indptr[i + 1] = w->indptr[i] + dg_synthetic_word_count(o->graph, o->nodes.first + i);
cleanup:
  return status;
}

/* A piece begins and ends anywhere among the words of a node. */
static void make_words(void *rows, int64_t first, int64_t count, void *context) {
  words *w = context;
  int32_t *columns = rows;
  for (int64_t k = first; k < first + count; k++) {
    while (w->indptr[w->node + 1] <= k) w->node++;
    if (w->made != w->node) dg_synthetic_words(w->columns, w->output->graph, w->output->nodes.first + w->node, w->used);
    w->made = w->node;
    columns[k - first] = w->columns[k - w->indptr[w->node]];
  }
  dg_progress("generate: features", (long)w->node + 1, (long)w->output->nodes.n, "");
}

/* Every word has the value 1. */
static void make_ones(void *rows, int64_t first, int64_t count, void *context) {
  float *ones = rows;
  (void)first, (void)context;
  for (int64_t k = 0; k < count; k++) ones[k] = 1;
}

/* Writes where the rows of this rank begin, and on the last rank where they end; what lower ranks have is added. */
static dg_status write_indptr(const output *o, const char *name, int64_t *indptr) {
  const bool last = o->comm->rank == o->comm->size - 1;
  int64_t before = indptr[o->nodes.n];
  dg_comm_sum_below(o->comm, &before, 1);
  for (int64_t i = 0; i <= o->nodes.n; i++) indptr[i] += before;
  const dg_status status =
      write_part(o, &(dg_piece){.name = name, .type = DG_H5_I64, .n = o->nodes.n + last, .data = indptr});
  for (int64_t i = 0; i <= o->nodes.n; i++) indptr[i] -= before;
  return status;
}

static dg_status write_sparse(const output *o) {
  dg_status status = DG_OK;
  words w;
  DG_TRY(dg_comm_agree(o->comm, words_create(&w, o)));
  const dg_piece indices = {"features/indices", DG_H5_I32, 0, w.indptr[o->nodes.n], NULL, make_words, &w};
  const dg_piece values = {"features/values", DG_H5_F32, 0, w.indptr[o->nodes.n], NULL, make_ones, NULL};
  DG_TRY(write_indptr(o, "features/indptr", w.indptr));
  DG_TRY(dg_piece_create(o->comm, o->file, &indices));
  DG_TRY(dg_piece_create(o->comm, o->file, &values));
  DG_TRY(dg_piece_write(o->comm, o->file, &indices));
  DG_TRY(dg_piece_write(o->comm, o->file, &values));
cleanup:
  words_destroy(&w);
  return status;
}

static dg_status write_attributes(dg_h5 *file, const dg_generate_config *c) {
  dg_status status = DG_OK;
  DG_TRY(dg_h5_set_string(file, "format", "distgat-graph"));
  DG_TRY(dg_h5_set_int64(file, "version", 1));
  DG_TRY(dg_h5_set_string(file, "name", c->name));
  DG_TRY(dg_h5_set_int64(file, "num_classes", c->n_classes));
  DG_TRY(dg_h5_set_int64(file, "num_features", c->n_features));
cleanup:
  return status;
}

/* All but the edges. */
static dg_status write_nodes(output *o) {
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(o->comm, o->file == NULL ? DG_OK : write_attributes(o->file, o->graph->config)));
  DG_TRY(write_labels(o));
  DG_TRY(o->graph->config->feature_density < 1 ? write_sparse(o) : write_dense(o));
cleanup:
  return status;
}

/* ---- Edges ---- */

/* Ids of 32 bits where these suffice. */
static void make_indices(void *rows, int64_t first, int64_t count, void *context) {
  const dg_id *indices = context;
  int32_t *narrow = rows;
  for (int64_t k = 0; k < count; k++) narrow[k] = (int32_t)indices[first + k];
}

static dg_status write_edges(const output *o) {
  dg_status status = DG_OK;
  dg_synthetic_edges edges = {0};
  DG_TRY(dg_synthetic_edges_make(&edges, o->comm, o->graph));
  dg_piece indices = {.name = "graph/indices", .type = DG_H5_I64, .n = edges.indptr[o->nodes.n], .data = edges.indices};
  if (o->graph->config->n_nodes <= INT32_MAX)
    indices.type = DG_H5_I32, indices.make = make_indices, indices.context = edges.indices;
  DG_TRY(write_part(o, &indices));
  DG_TRY(write_indptr(o, "graph/indptr", edges.indptr));
cleanup:
  dg_synthetic_edges_destroy(&edges);
  return status;
}

/* Opens the file before the work begins: what is impossible is told at once. Local. */
static dg_status open_output(dg_h5 **file, const dg_comm *comm, const dg_generate_config *config, const char *path) {
  dg_status status = check_config(config);
  return status != DG_OK || comm->rank != 0 ? status : dg_h5_create(file, path);
}

/* Whether all ranks are asked for the same graph. Collective. */
static dg_status compare(const dg_comm *comm, const dg_generate_config *c, const char *path) {
  return dg_same_options(
      comm, "all ranks must be given the same",
      "--out %s\n--nodes %" PRId64 "\n--avg-degree %.17g\n--features %d\n--classes %d\n--homophily %.17g\n"
      "--feature-density %.17g\n--class-skew %.17g\n--label-noise %.17g\n--topic-noise %.17g\n--feature-gain %.17g\n%d "
      "training nodes a "
      "class\n%" PRId64 " validation nodes\n%" PRId64 " test nodes\n--seed %" PRIu64 "\n",
      path, c->n_nodes, c->avg_degree, c->n_features, c->n_classes, c->homophily, c->feature_density, c->class_skew,
      c->label_noise, c->topic_noise, c->feature_gain, c->train_per_class, c->n_val, c->n_test, c->seed);
}

dg_status dg_generate(const dg_comm *comm, const dg_generate_config *config, const char *path) {
  dg_status status = DG_OK;
  dg_synthetic graph;
  output o = {.comm = comm, .graph = &graph};
  DG_TRY(compare(comm, config, path));
  DG_TRY(dg_comm_agree(comm, open_output(&o.file, comm, config, path)));
  graph = dg_synthetic_make(config);
  o.nodes = dg_directory_blocks(comm, config->n_nodes);
  DG_TRY(write_edges(&o));
  DG_TRY(write_nodes(&o));
  DG_TRY(dg_comm_agree(comm, o.file == NULL ? DG_OK : dg_h5_commit(&o.file)));
cleanup:
  dg_h5_close(&o.file);
  return status;
}
