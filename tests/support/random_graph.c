#include "support/random_graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "support/support.h"

enum { HUB = 1 };
enum { EDGES = 1, FEATURES, PRESENT, LABELS, SPLITS, ATTRIBUTES };

static double draw(const random_graph *g, uint64_t what, int64_t row, int64_t column) {
  return dg_rng_uniform(dg_rng_key(dg_rng_key(g->seed, what), (uint64_t)row), (uint64_t)column);
}

static bool isolated(int32_t node) {
  return node % 13 == 5;
}

static bool has_edge(const random_graph *g, int32_t i, int32_t j) {
  if (i == j || isolated(i) || isolated(j)) return false;
  return (g->hub && (i == HUB || j == HUB)) || draw(g, EDGES, i, j) * g->n_nodes < g->degree;
}

static dg_status draw_edges(random_graph *g) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&g->indptr, (size_t)g->n_nodes + 1, sizeof *g->indptr));
  for (int32_t i = 0; i < g->n_nodes; i++) {
    g->indptr[i + 1] = g->indptr[i];
    for (int32_t j = 0; j < g->n_nodes; j++) g->indptr[i + 1] += has_edge(g, i, j);
  }
  DG_TRY(dg_alloc(&g->indices, (size_t)g->indptr[g->n_nodes], sizeof *g->indices));
  int64_t at = 0;
  for (int32_t i = 0; i < g->n_nodes; i++)
    for (int32_t j = 0; j < g->n_nodes; j++)
      if (has_edge(g, i, j)) g->indices[at++] = j;
cleanup:
  return status;
}

static dg_status draw_labels(random_graph *g) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&g->labels, (size_t)g->n_nodes, sizeof *g->labels));
  DG_TRY(dg_alloc(&g->mask, (size_t)g->n_nodes, sizeof *g->mask));
  for (int32_t i = 0; i < g->n_nodes; i++) {
    double u = draw(g, SPLITS, i, 0);
    g->mask[i] = (uint8_t)(u < 0.3 || i == 0 ? DG_TRAIN : u < 0.5 ? DG_VAL : u < 0.7 ? DG_TEST : 0);
    g->labels[i] = g->mask[i] ? (int32_t)(draw(g, LABELS, i, 0) * g->n_classes) : -1;
  }
cleanup:
  return status;
}

bool random_graph_has(const random_graph *g, int32_t i, int c) {
  return draw(g, LABELS, i, c + 1) < 0.4;
}

static float feature(const random_graph *g, int32_t i, int32_t f) {
  return (float)(round(32 * draw(g, FEATURES, i, f) - 16) / 16);
}

static dg_status write_dense(dg_h5 *file, const random_graph *g) {
  dg_status status = DG_OK;
  float *x = NULL;
  const int64_t shape[] = {g->n_nodes, g->n_features};
  DG_TRY(dg_alloc(&x, (size_t)g->n_nodes * g->n_features, sizeof *x));
  for (int32_t i = 0; i < g->n_nodes; i++)
    for (int32_t f = 0; f < g->n_features; f++) x[i * g->n_features + f] = feature(g, i, f);
  DG_TRY(dg_h5_write(file, "features/dense", DG_H5_F32, 2, shape, x));
cleanup:
  dg_free(&x);
  return status;
}

/* About a third of the entries, some rows empty. */
static dg_status write_sparse(dg_h5 *file, const random_graph *g) {
  dg_status status = DG_OK;
  int64_t *indptr = NULL, n = 0;
  int32_t *indices = NULL;
  float *values = NULL;
  const size_t all = (size_t)g->n_nodes * g->n_features;
  const int64_t n_rows = g->n_nodes + 1;
  DG_TRY(dg_alloc(&indptr, (size_t)n_rows, sizeof *indptr));
  DG_TRY(dg_alloc(&indices, all, sizeof *indices));
  DG_TRY(dg_alloc(&values, all, sizeof *values));
  for (int32_t i = 0; i < g->n_nodes; i++) {
    for (int32_t f = 0; f < g->n_features; f++)
      if (i % 11 != 3 && draw(g, PRESENT, i, f) < 0.35) indices[n] = f, values[n++] = feature(g, i, f);
    indptr[i + 1] = n;
  }
  DG_TRY(dg_h5_write(file, "features/indptr", DG_H5_I64, 1, &n_rows, indptr));
  DG_TRY(dg_h5_write(file, "features/indices", DG_H5_I32, 1, &n, indices));
  DG_TRY(dg_h5_write(file, "features/values", DG_H5_F32, 1, &n, values));
cleanup:
  dg_free(&indptr);
  dg_free(&indices);
  dg_free(&values);
  return status;
}

float random_graph_attribute(const random_graph *g, dg_edge_attributes which, int64_t k, int c) {
  return which == DG_EDGES_WEIGHT ? (float)draw(g, ATTRIBUTES, k, 0) : (float)(2 * draw(g, ATTRIBUTES, k, 1 + c) - 1);
}

static dg_status write_attributes(dg_h5 *file, const random_graph *g) {
  dg_status status = DG_OK;
  float *weight = NULL, *features = NULL;
  const int64_t n = g->indptr[g->n_nodes], shape[] = {n, g->edge_dim};
  DG_TRY(dg_alloc(&weight, (size_t)n, sizeof *weight));
  DG_TRY(dg_alloc(&features, (size_t)(n * g->edge_dim), sizeof *features));
  for (int64_t k = 0; k < n; k++) {
    weight[k] = random_graph_attribute(g, DG_EDGES_WEIGHT, k, 0);
    for (int c = 0; c < g->edge_dim; c++)
      features[k * g->edge_dim + c] = random_graph_attribute(g, DG_EDGES_FEATURES, k, c);
  }
  DG_TRY(dg_h5_write(file, "edges/weight", DG_H5_F32, 1, shape, weight));
  DG_TRY(dg_h5_write(file, "edges/features", DG_H5_F32, 2, shape, features));
cleanup:
  dg_free(&weight);
  dg_free(&features);
  return status;
}

static dg_status write_splits(dg_h5 *file, const random_graph *g) {
  static const char *const names[] = {"splits/public/train", "splits/public/val", "splits/public/test"};
  dg_status status = DG_OK;
  int64_t *nodes = NULL;
  DG_TRY(dg_alloc(&nodes, (size_t)g->n_nodes, sizeof *nodes));
  for (int k = 0; k < 3; k++) {
    int64_t n = 0;
    for (int32_t i = 0; i < g->n_nodes; i++)
      if (g->mask[i] >> k & 1) nodes[n++] = i;
    DG_TRY(dg_h5_write(file, names[k], DG_H5_I64, 1, &n, nodes));
  }
cleanup:
  dg_free(&nodes);
  return status;
}

static dg_status write_several(dg_h5 *file, const random_graph *g) {
  dg_status status = DG_OK;
  uint8_t *labels = NULL;
  const int64_t shape[] = {g->n_nodes, g->n_classes};
  DG_TRY(dg_alloc(&labels, (size_t)(shape[0] * shape[1]), 1));
  for (int64_t k = 0; k < shape[0] * shape[1]; k++)
    labels[k] = random_graph_has(g, (int32_t)(k / shape[1]), (int)(k % shape[1]));
  DG_TRY(dg_h5_set_string(file, "task", "multilabel"));
  DG_TRY(dg_h5_write(file, "labels", DG_H5_U8, 2, shape, labels));
cleanup:
  dg_free(&labels);
  return status;
}

static dg_status write_file(const random_graph *g) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  const int64_t n_nodes = g->n_nodes, n_rows = n_nodes + 1;
  DG_TRY(dg_h5_create(&file, g->path));
  DG_TRY(dg_h5_set_string(file, "format", "distgat-graph"));
  DG_TRY(dg_h5_set_string(file, "name", "random"));
  DG_TRY(dg_h5_set_int64(file, "version", 1));
  DG_TRY(dg_h5_set_int64(file, "num_classes", g->n_classes));
  DG_TRY(dg_h5_set_int64(file, "num_features", g->n_features));
  DG_TRY(dg_h5_write(file, "graph/indptr", DG_H5_I64, 1, &n_rows, g->indptr));
  DG_TRY(dg_h5_write(file, "graph/indices", DG_H5_I32, 1, &g->indptr[n_nodes], g->indices));
  DG_TRY(g->sparse ? write_sparse(file, g) : write_dense(file, g));
  if (g->edge_dim > 0) DG_TRY(write_attributes(file, g));
  DG_TRY(g->several ? write_several(file, g) : dg_h5_write(file, "labels", DG_H5_I32, 1, &n_nodes, g->labels));
  DG_TRY(write_splits(file, g));
  DG_TRY(dg_h5_commit(&file));
cleanup:
  dg_h5_close(&file);
  return status;
}

dg_status random_graph_create(random_graph *g) {
  snprintf(g->folder, sizeof g->folder, "/tmp/distgat-test-XXXXXX");
  if (test_comm.rank == 0 && !mkdtemp(g->folder)) g->folder[0] = '\0';
  dg_comm_bcast(&test_comm, g->folder, sizeof g->folder, 0);
  snprintf(g->path, sizeof g->path, "%s/g.h5", g->folder);
  dg_status status = g->folder[0] ? draw_edges(g) : dg_fail(DG_IO, "no folder for temporary files");
  if (status == DG_OK) status = draw_labels(g);
  if (status == DG_OK && test_comm.rank == 0) status = write_file(g);
  return dg_comm_agree(&test_comm, status);
}

void random_graph_destroy(random_graph *g) {
  if (test_comm.rank == 0) {
    unlink(g->path);
    rmdir(g->folder);
  }
  dg_free(&g->indptr);
  dg_free(&g->indices);
  dg_free(&g->labels);
  dg_free(&g->mask);
}

int32_t random_graph_owner(const dg_comm *comm, uint64_t owner_seed, int32_t node) {
  const int used = owner_seed % 2 && comm->size > 1 ? comm->size - 1 : comm->size;
  const int rank = (int)(dg_rng_uniform(owner_seed, (uint64_t)node) * used);
  return (rank + (int)(owner_seed % 5)) % comm->size;
}

dg_status random_graph_load(dg_local *local, const random_graph *g, const dg_comm *comm, uint64_t owner_seed,
                            dg_edge_attributes attributes) {
  dg_status status = DG_OK;
  dg_shard shard = {0};
  dg_directory owners = {0};
  *local = (dg_local){0};
  owners = dg_directory_blocks(comm, g->n_nodes);
  DG_TRY(dg_alloc(&owners.owner, (size_t)owners.n, sizeof *owners.owner));
  for (int64_t i = 0; i < owners.n; i++)
    owners.owner[i] = random_graph_owner(comm, owner_seed, (int32_t)(owners.first + i));
  DG_TRY(dg_shard_load(&shard, comm, g->path, &owners, &(dg_shard_config){.edge_attributes = attributes}));
  DG_TRY(dg_local_create(local, comm, &shard));
  DG_TRY(dg_local_fetch_features(local));
cleanup:
  dg_directory_destroy(&owners);
  dg_shard_destroy(&shard);
  return status;
}

dg_status random_graph_outline(dg_outline *outline, const random_graph *g) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  dg_graph_info info;
  DG_TRY(dg_graph_open(&file, &info, g->path));
  DG_TRY(dg_outline_read(outline, file, &info, NULL));
cleanup:
  dg_h5_close(&file);
  return status;
}
