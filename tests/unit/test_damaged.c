#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/config.h>
#include <distgat/memory.h>
#include <distgat/partition.h>
#include <distgat/rng.h>
#include <distgat/summary.h>

#include "support/support.h"
#include "train/model_file.h"

/* Files with some bytes changed: each is read, or refused with one line; nothing crashes or runs for ever. With
   arguments, FILES and N SEED: N such copies of each file in place of the test. */
enum { NODES = 12, FEATURES = 5, CLASSES = 3 };

static char folder[] = "/tmp/distgat-damaged-XXXXXX";
static char good[64], bad[64];

static int enter(void **state) {
  (void)state;
  if (mkdtemp(folder) == NULL) return -1;
  snprintf(good, sizeof good, "%s/good.h5", folder);
  snprintf(bad, sizeof bad, "%s/bad.h5", folder);
  return 0;
}

static int leave(void **state) {
  (void)state;
  unlink(good);
  unlink(bad);
  return rmdir(folder);
}

/* ---- Good files ---- */

static void write_shared(dg_h5 *file) {
  int64_t indptr[NODES + 1];
  int32_t indices[2 * NODES], labels[NODES];
  for (int i = 0; i <= NODES; i++) indptr[i] = 2 * i;
  for (int i = 0; i < NODES; i++) {
    const int a = (i + 1) % NODES, b = (i + NODES - 1) % NODES;
    indices[2 * i] = a < b ? a : b;
    indices[2 * i + 1] = a < b ? b : a;
    labels[i] = i % CLASSES;
  }
  assert_int_equal(dg_h5_set_string(file, "format", "distgat-graph"), DG_OK);
  assert_int_equal(dg_h5_set_int64(file, "version", 1), DG_OK);
  assert_int_equal(dg_h5_set_string(file, "name", "ring"), DG_OK);
  assert_int_equal(dg_h5_set_int64(file, "num_classes", CLASSES), DG_OK);
  assert_int_equal(dg_h5_set_int64(file, "num_features", FEATURES), DG_OK);
  assert_int_equal(dg_h5_write(file, "graph/indptr", DG_H5_I64, 1, (int64_t[]){NODES + 1}, indptr), DG_OK);
  assert_int_equal(dg_h5_write(file, "graph/indices", DG_H5_I32, 1, (int64_t[]){2 * NODES}, indices), DG_OK);
  assert_int_equal(dg_h5_write(file, "labels", DG_H5_I32, 1, (int64_t[]){NODES}, labels), DG_OK);
  for (int k = 0; k < 3; k++) {
    static const char *const lists[] = {"splits/public/train", "splits/public/val", "splits/public/test"};
    const int64_t ids[] = {3 * k, 3 * k + 1, 3 * k + 2};
    assert_int_equal(dg_h5_write(file, lists[k], DG_H5_I64, 1, (int64_t[]){3}, ids), DG_OK);
  }
}

static void write_dense(const char *path) {
  dg_h5 *file;
  float x[NODES * FEATURES];
  for (int k = 0; k < NODES * FEATURES; k++) x[k] = 0.5f * (float)k;
  assert_int_equal(dg_h5_create(&file, path), DG_OK);
  write_shared(file);
  assert_int_equal(dg_h5_write(file, "features/dense", DG_H5_F32, 2, (int64_t[]){NODES, FEATURES}, x), DG_OK);
  assert_int_equal(dg_h5_commit(&file), DG_OK);
}

static void write_sparse(const char *path) {
  dg_h5 *file;
  int64_t indptr[NODES + 1];
  int32_t columns[NODES];
  float values[NODES];
  for (int i = 0; i <= NODES; i++) indptr[i] = i;
  for (int i = 0; i < NODES; i++) columns[i] = i % FEATURES, values[i] = 1;
  assert_int_equal(dg_h5_create(&file, path), DG_OK);
  write_shared(file);
  assert_int_equal(dg_h5_write(file, "features/indptr", DG_H5_I64, 1, (int64_t[]){NODES + 1}, indptr), DG_OK);
  assert_int_equal(dg_h5_write(file, "features/indices", DG_H5_I32, 1, (int64_t[]){NODES}, columns), DG_OK);
  assert_int_equal(dg_h5_write(file, "features/values", DG_H5_F32, 1, (int64_t[]){NODES}, values), DG_OK);
  assert_int_equal(dg_h5_commit(&file), DG_OK);
}

static void write_partition(const char *path) {
  const int32_t part[NODES] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
  const dg_partition_quality quality = {.parts = 3, .node_imbalance = 1, .edge_imbalance = 1};
  assert_int_equal(dg_partition_save(path, part, NODES, &quality, "block", 77), DG_OK);
}

static void write_model(const char *path) {
  dg_model model;
  const dg_config config = dg_config_default(DG_MODEL_GATV2);
  dg_run run;
  assert_int_equal(dg_model_create(&model, &config.model, FEATURES, CLASSES, 0), DG_OK);
  assert_int_equal(dg_run_create(&run, &model.params), DG_OK);
  dg_run_start(&run, &config, 0);
  assert_int_equal(
      dg_model_save(path, &config, &run, &(dg_model_origin){"graph", "public", 1, FEATURES, CLASSES, false, "{}"}),
      DG_OK);
  dg_run_destroy(&run);
  dg_model_destroy(&model);
}

/* ---- Reading ---- */

static void read_graph(const char *path) {
  dg_graph_summary summary;
  if (dg_graph_summarize(&summary, path) == DG_OK) dg_graph_summary_destroy(&summary);
}

static void read_partition(const char *path) {
  int32_t part[NODES];
  int parts;
  uint64_t made_for;
  (void)dg_partition_load(part, &parts, &made_for, path, NODES);
}

static void read_model(const char *path) {
  dg_h5 *file = NULL;
  dg_config config = {0};
  dg_model model = {0};
  if (dg_h5_open(&file, path) == DG_OK && dg_config_load(file, &config) == DG_OK && config.model.layers < 10 &&
      config.model.hidden < 1000 && dg_model_create(&model, &config.model, FEATURES, CLASSES, 0) == DG_OK)
    (void)dg_model_load_weights(model.params.value, &model, path, "weights");
  dg_model_destroy(&model);
  dg_h5_close(&file);
}

static void (*const readers[])(const char *) = {read_graph, read_partition, read_model};

/* ---- Damage ---- */

static char *content(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  char *bytes = malloc(1 << 22);
  *size = fread(bytes, 1, 1 << 22, file);
  fclose(file);
  return bytes;
}

/* One to four bytes become others: random ones, neighbours of what they were, or extremes. */
static void damage(char *bytes, size_t size, uint64_t key) {
  const int n = 1 + (int)(dg_rng_uniform(key, 0) * 4);
  for (int k = 0; k < n; k++) {
    const uint64_t bits = dg_rng_key(key, 1 + (uint64_t)k);
    char *byte = &bytes[(bits >> 16) % size];
    *byte = (bits & 3) == 0 ? (char)(bits >> 8) : (bits & 3) == 1 ? (char)0xFF : (char)(*byte ^ 1 << (bits >> 8 & 7));
  }
}

static void survives(const char *path, int n, uint64_t seed, void (*const *reader)(const char *), int n_readers) {
  size_t size;
  char *bytes = content(path, &size), *copy = malloc(size);
  for (int i = 0; i < n; i++) {
    memcpy(copy, bytes, size);
    damage(copy, size, dg_rng_key(seed, (uint64_t)i));
    FILE *file = fopen(bad, "wb");
    assert_int_equal(fwrite(copy, 1, size, file), size);
    fclose(file);
    for (int k = 0; k < n_readers; k++) {
      dg_status_clear();
      reader[k](bad);
      assert_null(strchr(dg_status_message(), '\n'));
    }
    unlink(bad);
  }
  dg_status_clear();
  free(copy);
  free(bytes);
}

static void test_dense_graphs(void **state) {
  (void)state;
  write_dense(good);
  survives(good, 150, 1, &readers[0], 1);
}

static void test_sparse_graphs(void **state) {
  (void)state;
  write_sparse(good);
  survives(good, 150, 2, &readers[0], 1);
}

static void test_partitions(void **state) {
  (void)state;
  write_partition(good);
  survives(good, 150, 3, &readers[1], 1);
}

static void test_models(void **state) {
  (void)state;
  write_model(good);
  survives(good, 150, 4, &readers[2], 1);
}

static int damage_files(int n_files, char **files, int n, uint64_t seed) {
  enter(NULL);
  for (int i = 0; i < n_files; i++) {
    survives(files[i], n, seed, readers, 3);
    printf("%s: %d copies survived\n", files[i], n);
  }
  return leave(NULL);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_dense_graphs), cmocka_unit_test(test_sparse_graphs),
                                     cmocka_unit_test(test_partitions), cmocka_unit_test(test_models)};
  if (argc > 3) return damage_files(argc - 3, argv + 1, atoi(argv[argc - 2]), strtoull(argv[argc - 1], NULL, 10));
  return cmocka_run_group_tests_name("damaged", tests, enter, leave);
}
