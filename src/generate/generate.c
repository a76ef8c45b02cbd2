#include <distgat/generate.h>

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/graph.h>
#include <distgat/log.h>
#include <distgat/memory.h>
#include <distgat/rng.h>

#include "generate/synthetic.h"
#include "par/same.h"

#define BLOCK_BYTES ((int64_t)16 << 20) /* features written at a time */

enum { KEY_SPLIT = 32 };

/* Sizes of the data sets after which they are named, splits included. */
static const dg_generate_config presets[] = {
    {"cora", 2708, 10556.0 / 2708, 1433, 7, 0.81, 0.0127, 20, 500, 1000, 0},
    {"citeseer", 3327, 9104.0 / 3327, 3703, 6, 0.74, 0.0086, 20, 500, 1000, 0},
    {"pubmed", 19717, 88648.0 / 19717, 500, 3, 0.80, 0.10, 20, 500, 1000, 0},
    {"arxiv", 169343, 2315598.0 / 169343, 128, 40, 0.65, 1, 0, 29799, 48603, 0},
    {"products", 2449029, 123718280.0 / 2449029, 100, 47, 0.81, 1, 0, 39323, 2213091, 0},
};
enum { N_PRESETS = sizeof presets / sizeof presets[0] };

dg_status dg_generate_preset(dg_generate_config *config, const char *name) {
  for (int i = 0; i < N_PRESETS; i++)
    if (strcmp(name, presets[i].name) == 0) {
      *config = presets[i];
      return DG_OK;
    }
  return dg_fail(DG_USAGE, "unknown preset %s; choose one of: cora, citeseer, pubmed, arxiv, products", name);
}

static dg_status check_config(const dg_generate_config *c) {
  if (c->n_nodes < 1 || c->n_nodes >= INT32_MAX)
    return dg_fail(DG_USAGE, "%lld nodes are not possible: 1 to %d are", (long long)c->n_nodes, INT32_MAX - 1);
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
  if (c->train_per_class < 0 || c->n_val < 0 || c->n_test < 0)
    return dg_fail(DG_USAGE, "sizes of splits must not be negative");
  return DG_OK;
}

/* ---- Labels and splits: rank 0 ---- */

typedef struct ticket {
  uint64_t key;
  int32_t node;
} ticket;

static int compare_tickets(const void *a, const void *b) {
  const ticket *x = a, *y = b;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return (x->node > y->node) - (x->node < y->node);
}

/* Sizes asked for, scaled down where there are not enough nodes; something is left to train on. */
static void split_sizes(int64_t *per_class, int64_t *n_val, int64_t *n_test, const dg_generate_config *c) {
  double asked = (double)c->train_per_class * c->n_classes + (double)c->n_val + (double)c->n_test;
  double scale = asked > (double)c->n_nodes ? (double)c->n_nodes / asked : 1;
  *per_class = (int64_t)fmax(c->train_per_class * scale, c->train_per_class > 0);
  *n_val = (int64_t)((double)c->n_val * scale);
  *n_test = (int64_t)((double)c->n_test * scale);
}

/* Deals nodes in random order: `per_class` of each class to train on (0: those that are left), then val and test. */
static void deal_splits(uint8_t *mask, const ticket *order, const int32_t *labels, int64_t *class_count,
                        const dg_generate_config *c) {
  int64_t per_class, left[2];
  split_sizes(&per_class, &left[0], &left[1], c);
  for (int64_t k = 0; k < c->n_nodes; k++) {
    int32_t i = order[k].node;
    if (class_count[labels[i]]++ < per_class) mask[i] = DG_TRAIN;
  }
  for (int64_t k = 0; k < c->n_nodes; k++) {
    int32_t i = order[k].node;
    if (mask[i] != 0) continue;
    if (left[0] > 0) {
      mask[i] = DG_VAL;
      left[0]--;
    } else if (left[1] > 0) {
      mask[i] = DG_TEST;
      left[1]--;
    } else if (per_class == 0) {
      mask[i] = DG_TRAIN;
    }
  }
}

static dg_status write_split(dg_h5 *file, const uint8_t *mask, int64_t n_nodes, int64_t *list) {
  static const char *const names[] = {"splits/public/train", "splits/public/val", "splits/public/test"};
  dg_status status = DG_OK;
  for (int k = 0; k < 3; k++) {
    int64_t n = 0;
    for (int64_t i = 0; i < n_nodes; i++)
      if (mask[i] == DG_TRAIN << k) list[n++] = i;
    DG_TRY(dg_h5_write(file, names[k], DG_H5_I64, 1, &n, list));
  }
cleanup:
  return status;
}

static dg_status write_labels(dg_h5 *file, const dg_synthetic *g) {
  const dg_generate_config *c = g->config;
  size_t n = (size_t)c->n_nodes;
  dg_status status = DG_OK;
  int32_t *labels = NULL;
  uint8_t *mask = NULL;
  ticket *order = NULL;
  int64_t *class_count = NULL, *list = NULL;
  DG_TRY(dg_alloc(&labels, n, sizeof *labels));
  DG_TRY(dg_alloc(&mask, n, sizeof *mask));
  DG_TRY(dg_alloc(&order, n, sizeof *order));
  DG_TRY(dg_alloc(&class_count, (size_t)c->n_classes, sizeof *class_count));
  DG_TRY(dg_alloc(&list, n, sizeof *list));
  for (size_t i = 0; i < n; i++) {
    labels[i] = dg_synthetic_class(g, (int64_t)i);
    order[i] = (ticket){dg_rng_key(dg_rng_key(c->seed, KEY_SPLIT), i), (int32_t)i};
  }
  qsort(order, n, sizeof *order, compare_tickets);
  deal_splits(mask, order, labels, class_count, c);
  DG_TRY(dg_h5_write(file, "labels", DG_H5_I32, 1, &c->n_nodes, labels));
  DG_TRY(write_split(file, mask, c->n_nodes, list));
cleanup:
  dg_free(&labels);
  dg_free(&mask);
  dg_free(&order);
  dg_free(&class_count);
  dg_free(&list);
  return status;
}

/* ---- Features: rank 0, a block of nodes at a time ---- */

static int64_t block_nodes(double node_bytes, int64_t n_nodes) {
  double nodes = (double)BLOCK_BYTES / node_bytes;
  return nodes < 1 ? 1 : nodes > (double)n_nodes ? n_nodes : (int64_t)nodes;
}

static dg_status write_dense(dg_h5 *file, const dg_synthetic *g) {
  int64_t n = g->config->n_nodes, columns = g->config->n_features, extent[2] = {n, columns};
  int64_t step = block_nodes((double)columns * sizeof(float), n);
  dg_status status = DG_OK;
  float *rows = NULL;
  DG_TRY(dg_alloc(&rows, (size_t)(step * columns), sizeof *rows));
  DG_TRY(dg_h5_write(file, "features/dense", DG_H5_F32, 2, extent, NULL));
  for (int64_t first = 0; first < n; first += step) {
    int64_t count = step < n - first ? step : n - first;
    for (int64_t i = 0; i < count; i++) dg_synthetic_dense(rows + i * columns, g, first + i);
    DG_TRY(dg_h5_write_rows(file, "features/dense", DG_H5_F32, first, count, rows));
    dg_progress("features", (long)(first + count), (long)n, "");
  }
cleanup:
  dg_free(&rows);
  return status;
}

/* Writes the words of nodes [first, first + count) given where each begins; every word has the value 1. */
static dg_status write_words(dg_h5 *file, const dg_synthetic *g, const int64_t *indptr, int64_t first, int64_t count,
                             uint8_t *used) {
  int64_t start = indptr[first], n = indptr[first + count] - start;
  dg_status status = DG_OK;
  int32_t *columns = NULL;
  float *ones = NULL;
  DG_TRY(dg_alloc(&columns, (size_t)n, sizeof *columns));
  DG_TRY(dg_alloc(&ones, (size_t)n, sizeof *ones));
  for (int64_t i = first; i < first + count; i++) dg_synthetic_words(columns + (indptr[i] - start), g, i, used);
  for (int64_t k = 0; k < n; k++) ones[k] = 1;
  DG_TRY(dg_h5_write_rows(file, "features/indices", DG_H5_I32, start, n, columns));
  DG_TRY(dg_h5_write_rows(file, "features/values", DG_H5_F32, start, n, ones));
cleanup:
  dg_free(&columns);
  dg_free(&ones);
  return status;
}

static dg_status write_sparse(dg_h5 *file, const dg_synthetic *g) {
  int64_t n = g->config->n_nodes, length = n + 1;
  dg_status status = DG_OK;
  int64_t *indptr = NULL;
  uint8_t *used = NULL;
  DG_TRY(dg_alloc(&indptr, (size_t)length, sizeof *indptr));
  DG_TRY(dg_alloc(&used, (size_t)g->config->n_features, 1));
  for (int64_t i = 0; i < n; i++) indptr[i + 1] = indptr[i] + dg_synthetic_word_count(g, i);
  DG_TRY(dg_h5_write(file, "features/indptr", DG_H5_I64, 1, &length, indptr));
  DG_TRY(dg_h5_write(file, "features/indices", DG_H5_I32, 1, &indptr[n], NULL));
  DG_TRY(dg_h5_write(file, "features/values", DG_H5_F32, 1, &indptr[n], NULL));
  int64_t step = block_nodes((double)indptr[n] / (double)n * 8 + 1, n);
  for (int64_t first = 0; first < n; first += step)
    DG_TRY(write_words(file, g, indptr, first, step < n - first ? step : n - first, used));
cleanup:
  dg_free(&indptr);
  dg_free(&used);
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
static dg_status write_nodes(dg_h5 *file, const dg_synthetic *g) {
  dg_status status = DG_OK;
  DG_TRY(write_attributes(file, g->config));
  DG_TRY(write_labels(file, g));
  DG_TRY(g->config->feature_density < 1 ? write_sparse(file, g) : write_dense(file, g));
cleanup:
  return status;
}

/* ---- Edges: every rank makes a block of rows ---- */

/* The rows made here, and their ids up to one beyond the last node: indptr has an entry more than there are nodes. */
typedef struct rows {
  dg_csr edges;
  int64_t first, n;
  dg_id *ids;      /* [n + 1] */
  int64_t *length; /* [n] */
} rows;

static void rows_destroy(rows *r) {
  dg_csr_destroy(&r->edges);
  dg_free(&r->ids);
  dg_free(&r->length);
}

static dg_status rows_create(rows *r, const dg_comm *comm, const dg_synthetic *g) {
  int64_t n_nodes = g->config->n_nodes;
  dg_status status = DG_OK;
  *r = (rows){.first = n_nodes * comm->rank / comm->size};
  r->n = n_nodes * (comm->rank + 1) / comm->size - r->first;
  DG_TRY(dg_synthetic_edges(&r->edges, g, r->first, 1, r->n));
  DG_TRY(dg_alloc(&r->ids, (size_t)r->n + 1, sizeof *r->ids));
  DG_TRY(dg_alloc(&r->length, (size_t)r->n, sizeof *r->length));
  for (int64_t i = 0; i <= r->n; i++) r->ids[i] = r->first + i;
  for (int64_t i = 0; i < r->n; i++) r->length[i] = r->edges.indptr[i + 1] - r->edges.indptr[i];
cleanup:
  return status;
}

/* Number of edges on the ranks below. Errors: DG_MEMORY. Collective. */
static dg_status edges_before(int64_t *before, const dg_comm *comm, int64_t here) {
  int64_t *counts = NULL;
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&counts, (size_t)comm->size, sizeof *counts)));
  counts[comm->rank] = here;
  dg_comm_sum_int64(comm, counts, (size_t)comm->size);
  *before = 0;
  for (int r = 0; r < comm->rank; r++) *before += counts[r];
cleanup:
  dg_free(&counts);
  return status;
}

static dg_status write_edges(dg_h5 *file, const dg_comm *comm, const dg_synthetic *g) {
  int64_t before;
  dg_status status = DG_OK;
  rows r = {0};
  DG_TRY(dg_comm_agree(comm, rows_create(&r, comm, g)));
  DG_TRY(edges_before(&before, comm, r.edges.indptr[r.n]));
  dg_rows mine = {g->config->n_nodes, (int32_t)r.n, r.ids};
  DG_TRY(dg_ragged_write(comm, file, "graph/indices", DG_H5_I32, mine, r.length, 0, r.edges.indices));
  for (int64_t i = 0; i <= r.n; i++) r.edges.indptr[i] += before;
  mine.n_nodes++, mine.n += comm->rank == comm->size - 1; /* the end of the last row */
  DG_TRY(dg_rows_write(comm, file, "graph/indptr", DG_H5_I64, mine, 0, r.edges.indptr));
cleanup:
  rows_destroy(&r);
  return status;
}

/* Opens the file before the work begins: what is impossible is told at once. Local. */
static dg_status open_output(dg_h5 **file, const dg_comm *comm, const dg_generate_config *config, const char *path) {
  dg_status status = check_config(config);
  return status != DG_OK || comm->rank != 0 ? status : dg_h5_create(file, path);
}

/* Local. */
static dg_status make_model(dg_synthetic *g, const dg_generate_config *config) {
  dg_status status = dg_synthetic_create(g, config);
  return status != DG_OK ? status : dg_synthetic_calibrate(g);
}

/* Whether all ranks are asked for the same graph. Collective. */
static dg_status compare(const dg_comm *comm, const dg_generate_config *c, const char *path) {
  char facts[1024];
  snprintf(facts, sizeof facts,
           "--out %.600s\n--nodes %" PRId64 "\n--avg-degree %.17g\n--features %d\n--classes %d\n--homophily %.17g\n"
           "--feature-density %.17g\n%d training nodes a class\n%" PRId64 " validation nodes\n%" PRId64
           " test nodes\n--seed %" PRIu64 "\n",
           path, c->n_nodes, c->avg_degree, c->n_features, c->n_classes, c->homophily, c->feature_density,
           c->train_per_class, c->n_val, c->n_test, c->seed);
  return dg_same_facts(comm, DG_USAGE, "options", facts, "all ranks must be given the same");
}

dg_status dg_generate(const dg_comm *comm, const dg_generate_config *config, const char *path) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  dg_synthetic graph = {0};
  DG_TRY(compare(comm, config, path));
  DG_TRY(dg_comm_agree(comm, open_output(&file, comm, config, path)));
  DG_TRY(dg_comm_agree(comm, make_model(&graph, config)));
  DG_TRY(write_edges(file, comm, &graph));
  DG_TRY(dg_comm_agree(comm, file == NULL ? DG_OK : write_nodes(file, &graph)));
  DG_TRY(dg_comm_agree(comm, file == NULL ? DG_OK : dg_h5_commit(&file)));
cleanup:
  dg_synthetic_destroy(&graph);
  dg_h5_close(&file);
  return status;
}
