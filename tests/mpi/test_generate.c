#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <distgat/generate.h>
#include <distgat/graph.h>
#include <distgat/memory.h>
#include <distgat/rng.h>
#include <distgat/summary.h>

#include "support/support.h"

static char shared_path[64], own_path[64];

static dg_generate_config sizes(int64_t nodes, double degree, int32_t features, int32_t classes) {
  return (dg_generate_config){.name = "test",
                              .n_nodes = nodes,
                              .avg_degree = degree,
                              .n_features = features,
                              .n_classes = classes,
                              .homophily = 0.8,
                              .feature_density = features > 10 ? 0.1 : 1,
                              .train_per_class = 5,
                              .n_val = 50,
                              .n_test = 100,
                              .seed = 3};
}

static bool same_content(const char *a, const char *b) {
  FILE *left = fopen(a, "rb"), *right = fopen(b, "rb");
  bool same = left != NULL && right != NULL;
  for (int x = 0, y = 0; same && x != EOF;) {
    x = getc(left);
    y = getc(right);
    same = x == y;
  }
  if (left != NULL) fclose(left);
  if (right != NULL) fclose(right);
  return same;
}

/* All ranks together make the file that one makes alone. */
static void check_same_bytes(const dg_generate_config *config) {
  dg_comm alone = {0};
  dg_comm_create(&alone, MPI_COMM_SELF);
  dg_status status = dg_generate(&test_comm, config, shared_path);
  assert_all_true(&test_comm, status == DG_OK);
  status = test_comm.rank == test_comm.size - 1 ? dg_generate(&alone, config, own_path) : DG_OK;
  assert_all_true(&test_comm, status == DG_OK);
  assert_all_true(&test_comm, test_comm.rank != test_comm.size - 1 || same_content(shared_path, own_path));
  dg_comm_destroy(&alone);
  if (test_comm.rank == test_comm.size - 1) unlink(own_path);
  MPI_Barrier(test_comm.mpi);
}

static void every_number_of_ranks_makes_the_same_file(void **state) {
  (void)state;
  dg_generate_config config = sizes(700, 5, 40, 4);
  check_same_bytes(&config);
  config = sizes(300, 12, 8, 3);
  check_same_bytes(&config);
  config.class_skew = 0.7, config.label_noise = 0.2, config.topic_noise = 0.5, config.feature_gain = 1;
  check_same_bytes(&config);
}

/* Classes of their own, all whose first questions a rank can answer itself, and too small for as many neighbours. */
static void ranks_that_have_whole_classes_make_the_same_file(void **state) {
  (void)state;
  for (int32_t classes = 1; classes <= 7; classes += 2) {
    dg_generate_config config = sizes(140, 60, 3, classes);
    config.homophily = 1;
    check_same_bytes(&config);
  }
}

static void one_writer_and_all_make_the_same_file(void **state) {
  (void)state;
  const dg_generate_config config = sizes(900, 6, 40, 4);
  setenv("DISTGAT_WRITERS", "one", 1);
  check_same_bytes(&config);
  setenv("DISTGAT_WRITERS", "all", 1);
  check_same_bytes(&config);
  unsetenv("DISTGAT_WRITERS");
}

/* What is written of these graphs was measured on them. */
static uint64_t fingerprint_of(const char *preset, int64_t nodes) {
  dg_generate_config config;
  dg_h5 *file = NULL;
  dg_graph_info info;
  uint64_t fingerprint = 0;
  dg_status status = dg_generate_preset(&config, preset);
  if (nodes > 0) config.n_nodes = nodes;
  if (status == DG_OK) status = dg_generate(&test_comm, &config, shared_path);
  if (status == DG_OK) status = dg_graph_open(&file, &info, shared_path);
  if (status == DG_OK) status = dg_graph_fingerprint(&fingerprint, file, &info);
  dg_h5_close(&file);
  assert_all_true(&test_comm, status == DG_OK);
  return fingerprint;
}

static void presets_stay_the_graphs_they_are(void **state) {
  (void)state;
  assert_all_true(&test_comm, fingerprint_of("cora", 0) == 0x261d656e496196bdu);
  assert_all_true(&test_comm, fingerprint_of("arxiv-hard", 5000) == 0x1634eecbb75fb64au);
  assert_all_true(&test_comm, fingerprint_of("products-hard", 5000) == 0xef5e59201e03413cu);
}

static int compare_words(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* Nodes of a split are the first in the order of their keys: none outside has a lower key than one inside. */
static void splits_are_dealt_in_the_order_of_keys(void **state) {
  (void)state;
  enum { NODES = 400, CLASSES = 3 };
  static int64_t list[3][NODES];
  static uint64_t key[NODES], rest[NODES];
  static int32_t labels[NODES], dealt[CLASSES];
  static bool trains[NODES];
  int64_t n[3], n_rest = 0;
  dg_generate_config config = sizes(NODES, 4, 8, CLASSES);
  static const char *const names[] = {"splits/public/train", "splits/public/val", "splits/public/test"};
  dg_h5 *file = NULL;
  dg_status status = dg_generate(&test_comm, &config, shared_path);
  if (status == DG_OK) status = dg_h5_open(&file, shared_path);
  if (status == DG_OK) status = dg_h5_read(file, "labels", DG_H5_I32, 0, NODES, labels);
  for (int k = 0; k < 3 && status == DG_OK; k++) {
    int rank;
    int64_t extent[DG_H5_MAX_RANK];
    status = dg_h5_shape(file, names[k], &rank, extent);
    n[k] = extent[0];
    if (status == DG_OK) status = dg_h5_read(file, names[k], DG_H5_I64, 0, n[k], list[k]);
  }
  dg_h5_close(&file);
  assert_all_true(&test_comm, status == DG_OK && n[0] == 5 * CLASSES && n[1] == 50 && n[2] == 100);

  bool good = true;
  memset(trains, 0, sizeof trains);
  memset(dealt, 0, sizeof dealt);
  for (int64_t i = 0; i < NODES; i++) key[i] = dg_rng_key(dg_rng_key(config.seed, 32), (uint64_t)i);
  for (int64_t k = 0; k < n[0]; k++) trains[list[0][k]] = true, dealt[labels[list[0][k]]]++;
  for (int c = 0; c < CLASSES; c++) good = good && dealt[c] == 5;
  for (int64_t k = 0; k < n[0]; k++)
    for (int64_t i = 0; i < NODES; i++)
      good = good && (trains[i] || labels[i] != labels[list[0][k]] || key[i] > key[list[0][k]]);
  for (int64_t i = 0; i < NODES; i++)
    if (!trains[i]) rest[n_rest++] = key[i];
  qsort(rest, (size_t)n_rest, sizeof *rest, compare_words);
  for (int64_t k = 0; k < n[1]; k++) good = good && !trains[list[1][k]] && key[list[1][k]] <= rest[49];
  for (int64_t k = 0; k < n[2]; k++) good = good && key[list[2][k]] >= rest[50] && key[list[2][k]] <= rest[149];
  assert_all_true(&test_comm, good);
}

/* A file that may not grow stands for a full disk; every rank learns of it, and no file stays. */
static void a_full_disk_on_one_rank_ends_all(void **state) {
  (void)state;
  const dg_generate_config config = sizes(20000, 3, 8, 4);
  struct rlimit before, small;
  getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 100000;
  signal(SIGXFSZ, SIG_IGN);
  if (test_comm.rank == test_comm.size - 1) setrlimit(RLIMIT_FSIZE, &small);
  const dg_status status = dg_generate(&test_comm, &config, shared_path);
  if (test_comm.rank == test_comm.size - 1) setrlimit(RLIMIT_FSIZE, &before);
  assert_all_true(&test_comm, status == DG_IO && strstr(dg_status_message(), "cannot be written: File too large"));
  dg_status_clear();
  assert_all_true(&test_comm, access(shared_path, F_OK) != 0);
}

/* Whichever allocation fails on one rank, all come back with the same status, and no file stays. Several ranks
   try some of them, ever fewer, for time. */
static void lack_of_memory_on_one_rank_ends_all(void **state) {
  (void)state;
  for (int dense = 0; dense < 2; dense++) {
    dg_generate_config config = sizes(40, 2, 6, 2);
    if (dense) config.feature_density = 1;
    dg_status status = DG_MEMORY;
    for (int64_t n = 1; status != DG_OK; n += test_comm.size > 1 ? 1 + n / 16 : 1) {
      dg_memory_fail_at(test_comm.rank == test_comm.size - 1 ? n : 0);
      status = dg_generate(&test_comm, &config, shared_path);
      dg_memory_fail_at(0);
      assert_all_true(&test_comm, status == DG_OK || status == DG_MEMORY);
      assert_all_true(&test_comm, (access(shared_path, F_OK) == 0) == (status == DG_OK));
      MPI_Barrier(test_comm.mpi);
      if (test_comm.rank == 0) unlink(shared_path);
      dg_status_clear();
    }
  }
}

/* Reading checks ids, order, splits and features; what is left are the sizes. */
static void check_valid(const dg_generate_config *config) {
  dg_graph_summary s;
  dg_status status = dg_generate(&test_comm, config, shared_path);
  assert_all_true(&test_comm, status == DG_OK);
  status = dg_graph_summarize(&s, shared_path);
  assert_all_true(&test_comm, status == DG_OK);
  assert_all_true(&test_comm, s.undirected && s.unlabelled == 0 && s.info.n_nodes == config->n_nodes);
  assert_all_true(&test_comm, s.info.n_features == config->n_features && s.info.n_classes == config->n_classes);
  assert_all_true(&test_comm, s.n_splits == 1 && s.splits[0].n[0] > 0);
  assert_all_true(&test_comm, s.splits[0].n[0] + s.splits[0].n[1] + s.splits[0].n[2] <= config->n_nodes);
  dg_graph_summary_destroy(&s);
  MPI_Barrier(test_comm.mpi);
}

static void tiny_graphs_are_possible(void **state) {
  (void)state;
  dg_generate_config all[] = {sizes(1, 0, 1, 1),   sizes(1, 0, 12, 7),  sizes(2, 1, 1, 2),   sizes(5, 2, 3, 1),
                              sizes(5, 4, 20, 5),  sizes(6, 0, 1, 2),   sizes(40, 39, 2, 3), sizes(40, 1, 1, 40),
                              sizes(60, 5, 11, 2), sizes(60, 5, 11, 2), sizes(60, 3, 30, 3)};
  all[8].homophily = 0;
  all[9].homophily = 1;
  all[10].feature_density = 0.97;
  all[3].class_skew = 3, all[3].label_noise = 1, all[6].class_skew = 1, all[6].topic_noise = 1, all[7].class_skew = 0.5;
  for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) check_valid(&all[k]);
}

/* Edges and their share inside classes are what was asked for; hubs are there. */
static void check_shape(const dg_generate_config *config) {
  dg_h5 *file;
  dg_graph_info info;
  dg_csr edges = {0};
  int64_t inside = 0, most = 0;
  dg_status status = dg_generate(&test_comm, config, shared_path);
  assert_all_true(&test_comm, status == DG_OK);
  int32_t *labels = calloc((size_t)config->n_nodes, sizeof *labels);
  status = dg_graph_open(&file, &info, shared_path);
  if (status == DG_OK) status = dg_graph_read_edges(file, &info, &edges);
  if (status == DG_OK) status = dg_h5_read(file, "labels", DG_H5_I32, 0, info.n_nodes, labels);
  assert_all_true(&test_comm, status == DG_OK);
  for (int64_t i = 0; i < edges.n_rows; i++) {
    if (edges.indptr[i + 1] - edges.indptr[i] > most) most = edges.indptr[i + 1] - edges.indptr[i];
    for (int64_t k = edges.indptr[i]; k < edges.indptr[i + 1]; k++) inside += labels[i] == labels[edges.indices[k]];
  }
  double wanted = (double)config->n_nodes * config->avg_degree;
  assert_all_true(&test_comm, fabs((double)info.n_edges - wanted) < 0.03 * wanted);
  assert_all_true(&test_comm, fabs((double)inside / (double)info.n_edges - config->homophily) < 0.03);
  assert_all_true(&test_comm, (double)most > 5 * config->avg_degree);
  free(labels);
  dg_csr_destroy(&edges);
  dg_h5_close(&file);
  MPI_Barrier(test_comm.mpi);
}

static void edges_are_as_asked(void **state) {
  (void)state;
  dg_generate_config config = sizes(4000, 4, 20, 5);
  check_shape(&config);
  config.homophily = 0.3;
  config.seed = 9;
  check_shape(&config);
  config = sizes(4000, 20, 20, 2);
  check_shape(&config);
}

static void check_failure(const dg_generate_config *config, const char *path, dg_status expected, const char *words) {
  dg_status status = dg_generate(&test_comm, config, path);
  assert_all_true(&test_comm, status == expected && strstr(dg_status_message(), words) != NULL);
  dg_status_clear();
}

static void impossible_graphs_are_refused(void **state) {
  (void)state;
  dg_generate_config config = sizes(10, 12, 3, 2);
  check_failure(&config, shared_path, DG_USAGE, "average degree of 12");
  config = sizes(0, 0, 3, 2);
  check_failure(&config, shared_path, DG_USAGE, "0 nodes");
  config = sizes(10, 2, 3, 2);
  config.homophily = NAN;
  check_failure(&config, shared_path, DG_USAGE, "homophily");
  config = sizes(10, 2, 3, 2);
  config.class_skew = -1;
  check_failure(&config, shared_path, DG_USAGE, "class skew");
  config = sizes(10, 2, 3, 2);
  config.label_noise = 1.5;
  check_failure(&config, shared_path, DG_USAGE, "label noise");
  config = sizes(10, 2, 3, 2);
  config.topic_noise = NAN;
  check_failure(&config, shared_path, DG_USAGE, "topic noise");
  config = sizes(10, 2, 3, 2);
  config.feature_gain = NAN;
  check_failure(&config, shared_path, DG_USAGE, "feature gain");
  config = sizes(10, 2, 3, 2);
  check_failure(&config, "absent/graph.h5", DG_IO, "absent/graph.h5: cannot be written");
  dg_status status = dg_generate_preset(&config, "reddit");
  assert_all_true(&test_comm, status == DG_USAGE && strstr(dg_status_message(), "cora") != NULL);
  dg_status_clear();
  assert_all_true(&test_comm, access(shared_path, F_OK) != 0);
}

static int name_files(void **state) {
  (void)state;
  long id = (long)getpid();
  dg_comm_bcast(&test_comm, &id, sizeof id, 0);
  snprintf(shared_path, sizeof shared_path, "/tmp/distgat-generate-%ld.h5", id);
  snprintf(own_path, sizeof own_path, "/tmp/distgat-generate-%ld-alone.h5", id);
  return 0;
}

static int remove_files(void **state) {
  (void)state;
  MPI_Barrier(test_comm.mpi);
  if (test_comm.rank == 0) unlink(shared_path);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_number_of_ranks_makes_the_same_file, name_files, remove_files),
      cmocka_unit_test_setup_teardown(ranks_that_have_whole_classes_make_the_same_file, name_files, remove_files),
      cmocka_unit_test_setup_teardown(one_writer_and_all_make_the_same_file, name_files, remove_files),
      cmocka_unit_test_setup_teardown(presets_stay_the_graphs_they_are, name_files, remove_files),
      cmocka_unit_test_setup_teardown(splits_are_dealt_in_the_order_of_keys, name_files, remove_files),
      cmocka_unit_test_setup_teardown(a_full_disk_on_one_rank_ends_all, name_files, remove_files),
      cmocka_unit_test_setup_teardown(lack_of_memory_on_one_rank_ends_all, name_files, remove_files),
      cmocka_unit_test_setup_teardown(tiny_graphs_are_possible, name_files, remove_files),
      cmocka_unit_test_setup_teardown(edges_are_as_asked, name_files, remove_files),
      cmocka_unit_test_setup_teardown(impossible_graphs_are_refused, name_files, remove_files),
  };
  return mpi_test_main(argc, argv, "generate", tests, sizeof tests / sizeof tests[0]);
}
