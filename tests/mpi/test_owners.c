#include "support/owners.h"
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/h5io.h>
#include <distgat/memory.h>
#include <distgat/partition.h>

/* A ring of nodes: in-neighbours are the two beside. */
enum { RING = 60 };

static char graph_path[128], part_path[128];

/* Every rank names the same files, in a folder that rank 0 has made. */
static int name_files(void **state) {
  (void)state;
  char folder[64] = "/tmp/distgat-test-XXXXXX";
  if (test_comm.rank == 0 && !mkdtemp(folder)) folder[0] = '\0';
  dg_comm_bcast(&test_comm, folder, sizeof folder, 0);
  snprintf(graph_path, sizeof graph_path, "%s/g.h5", folder);
  snprintf(part_path, sizeof part_path, "%s/p.h5", folder);
  return folder[0] == '\0';
}

static int remove_files(void **state) {
  (void)state;
  if (test_comm.rank != 0) return 0;
  unlink(graph_path);
  unlink(part_path);
  *strrchr(graph_path, '/') = '\0';
  return rmdir(graph_path);
}

static dg_status write_structure(dg_h5 *file, int32_t n) {
  dg_status status = DG_OK;
  int64_t indptr[RING + 1] = {0};
  int32_t indices[2 * RING];
  for (int32_t i = 0; i < n; i++) {
    int32_t before = (i + n - 1) % n, after = (i + 1) % n;
    indices[indptr[i]] = before < after ? before : after;
    indices[indptr[i] + 1] = before < after ? after : before;
    indptr[i + 1] = indptr[i] + 2;
  }
  const int64_t n_rows = n + 1, n_edges = 2 * n;
  DG_TRY(dg_h5_write(file, "graph/indptr", DG_H5_I64, 1, &n_rows, indptr));
  DG_TRY(dg_h5_write(file, "graph/indices", DG_H5_I32, 1, &n_edges, indices));
cleanup:
  return status;
}

static dg_status write_graph(int32_t n) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  const float features[RING] = {0};
  const int32_t labels[RING] = {0};
  const int64_t ids[] = {0, 1, 2}, n_nodes = n, one = 1, shape[] = {n, 1};
  DG_TRY(dg_h5_create(&file, graph_path));
  DG_TRY(dg_h5_set_string(file, "format", "distgat-graph"));
  DG_TRY(dg_h5_set_string(file, "name", "ring"));
  DG_TRY(dg_h5_set_int64(file, "version", 1));
  DG_TRY(dg_h5_set_int64(file, "num_classes", 1));
  DG_TRY(dg_h5_set_int64(file, "num_features", 1));
  DG_TRY(write_structure(file, n));
  DG_TRY(dg_h5_write(file, "features/dense", DG_H5_F32, 2, shape, features));
  DG_TRY(dg_h5_write(file, "labels", DG_H5_I32, 1, &n_nodes, labels));
  DG_TRY(dg_h5_write(file, "splits/public/train", DG_H5_I64, 1, &one, ids));
  DG_TRY(dg_h5_write(file, "splits/public/val", DG_H5_I64, 1, &one, ids + 1));
  DG_TRY(dg_h5_write(file, "splits/public/test", DG_H5_I64, 1, &one, ids + 2));
  DG_TRY(dg_h5_commit(&file));
cleanup:
  dg_h5_close(&file);
  return status;
}

/* Where owners come from: a file, or where NULL METIS by the defaults of training. */
static dg_owners_config taken_from(const char *path, uint64_t seed) {
  return (dg_owners_config){.path = path, .step = dg_step_defaults(), .threads = 1, .seed = seed};
}

/* Rank 0 writes the graph, and a partition of it where parts is above 0: node i in part i mod parts. */
static void prepare(int32_t n, int parts) {
  dg_status status = DG_OK;
  if (test_comm.rank == 0) {
    int32_t part[RING];
    const dg_partition_quality quality = {.parts = parts, .node_imbalance = 1, .edge_imbalance = 1};
    for (int32_t i = 0; i < n; i++) part[i] = i % (parts > 0 ? parts : 1);
    status = write_graph(n);
    if (status == DG_OK && parts > 0) status = dg_partition_save(part_path, part, n, &quality, "file", 42);
  }
  assert_int_equal(dg_comm_agree(&test_comm, status), DG_OK);
}

/* Who owns which node, as all ranks are told. */
static bool find_owners(int32_t owner[RING], uint64_t *made_for, const dg_owners_config *config) {
  dg_directory owners;
  dg_status status = dg_partition_owners(&owners, made_for, &test_comm, graph_path, config);
  if (status == DG_OK) status = directory_list(owner, &owners, &test_comm);
  dg_directory_destroy(&owners);
  return status == DG_OK;
}

static void metis_gives_every_rank_its_share(void **state) {
  (void)state;
  int32_t owner[RING], count[64] = {0};
  uint64_t made_for;
  const dg_owners_config config = {.balance = DG_BALANCE_EDGES, .seed = 3};
  prepare(RING, 0);
  assert_all_true(&test_comm, find_owners(owner, &made_for, &config) && made_for == 0);
  bool in_range = true;
  for (int i = 0; i < RING; i++) {
    in_range &= owner[i] >= 0 && owner[i] < test_comm.size;
    if (in_range) count[owner[i]]++;
  }
  assert_all_true(&test_comm, in_range);
  assert_all_true(&test_comm, count[test_comm.rank] * test_comm.size <= 1.2 * RING);
}

static void few_nodes_are_spread(void **state) {
  (void)state;
  int32_t owner[RING];
  uint64_t made_for;
  const dg_owners_config config = taken_from(NULL, 0);
  prepare(3, 0);
  assert_all_true(&test_comm, find_owners(owner, &made_for, &config));
  bool spread = true;
  for (int32_t i = 0; i < 3; i++) spread &= test_comm.size < 3 ? owner[i] < test_comm.size : owner[i] == i;
  assert_all_true(&test_comm, spread);
}

static void partition_file_is_followed(void **state) {
  (void)state;
  int32_t owner[RING];
  uint64_t made_for;
  const int parts = test_comm.size > 1 ? test_comm.size - 1 : 1; /* one rank stays empty */
  const dg_owners_config config = taken_from(part_path, 0);
  prepare(RING, parts);
  assert_all_true(&test_comm, find_owners(owner, &made_for, &config) && made_for == 42);
  bool followed = true;
  for (int32_t i = 0; i < RING; i++) followed &= owner[i] == i % parts;
  assert_all_true(&test_comm, followed);
}

static void failures_reach_every_rank(void **state) {
  (void)state;
  dg_directory owners;
  uint64_t made_for;
  prepare(RING, test_comm.size + 1);
  const struct {
    const char *graph, *part, *message;
  } wrong[] = {{graph_path, part_path, "start as many ranks or partition again"},
               {graph_path, graph_path, "is no partition file"},
               {graph_path, "/absent/p.h5", "/absent/p.h5"},
               {"/absent/g.h5", NULL, "/absent/g.h5"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const dg_owners_config config = taken_from(wrong[i].part, 0);
    dg_status status = dg_partition_owners(&owners, &made_for, &test_comm, wrong[i].graph, &config);
    assert_all_true(&test_comm, status == DG_INPUT && owners.owner == NULL);
    assert_all_true(&test_comm, strstr(dg_status_message(), wrong[i].message) != NULL);
    dg_status_clear();
  }
}

static void memory_of_one_rank_stops_all(void **state) {
  (void)state;
  dg_directory owners;
  uint64_t made_for;
  prepare(RING, 0);
  if (test_comm.rank == test_comm.size - 1) dg_memory_fail_at(1);
  const dg_owners_config config = taken_from(NULL, 0);
  dg_status status = dg_partition_owners(&owners, &made_for, &test_comm, graph_path, &config);
  dg_memory_fail_at(0);
  assert_all_true(&test_comm, status == DG_MEMORY && owners.owner == NULL);
  dg_status_clear();
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(metis_gives_every_rank_its_share, name_files, remove_files),
      cmocka_unit_test_setup_teardown(few_nodes_are_spread, name_files, remove_files),
      cmocka_unit_test_setup_teardown(partition_file_is_followed, name_files, remove_files),
      cmocka_unit_test_setup_teardown(failures_reach_every_rank, name_files, remove_files),
      cmocka_unit_test_setup_teardown(memory_of_one_rank_stops_all, name_files, remove_files),
  };
  return mpi_test_main(argc, argv, "owners", tests, sizeof tests / sizeof *tests);
}
