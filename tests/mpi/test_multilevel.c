#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/generate.h>
#include <distgat/memory.h>
#include <distgat/rng.h>

#include "partition/blocks.h"
#include "partition/multilevel.h"
#include "support/owners.h"
#include "support/random_graph.h"

/* Partitions of graphs that no rank holds, beside what a process finds that does. */

enum { MAX_PARTS = 16, NODES = 2400 };

static char folder[64], path[96];

/* A synthetic graph large enough to be contracted. */
static int make_graph(void **state) {
  (void)state;
  dg_generate_config config = {.homophily = 0.8, .feature_density = 0.2, .seed = 3};
  snprintf(folder, sizeof folder, "/tmp/distgat-test-XXXXXX");
  if (test_comm.rank == 0 && !mkdtemp(folder)) folder[0] = '\0';
  dg_comm_bcast(&test_comm, folder, sizeof folder, 0);
  snprintf(path, sizeof path, "%s/g.h5", folder);
  config.n_nodes = NODES, config.avg_degree = 8, config.n_features = 20, config.n_classes = 6;
  config.train_per_class = 10, config.n_val = 50, config.n_test = 50;
  dg_multilevel_nodes = 300;
  dg_edge_portion = 100;
  return folder[0] == '\0' || dg_generate(&test_comm, &config, path) != DG_OK;
}

static int remove_graph(void **state) {
  (void)state;
  if (test_comm.rank == 0) {
    unlink(path);
    rmdir(folder);
  }
  return 0;
}

/* ---- measures ---- */

/* Both ways of measuring one partition of a graph, for one kind of step. */
static void compare_measures(const random_graph *g, const dg_step_config *config, int parts) {
  dg_blocks *blocks;
  dg_outline outline;
  dg_step_work work;
  dg_partition_quality quality, wanted;
  dg_partition_part each[MAX_PARTS], wanted_each[MAX_PARTS];
  dg_step_part step[MAX_PARTS], wanted_step[MAX_PARTS];
  int32_t *part;
  assert_int_equal(random_graph_outline(&outline, g), DG_OK);
  assert_int_equal(dg_step_work_create(&work, &outline, g->n_classes, config), DG_OK);
  assert_int_equal(dg_alloc(&part, (size_t)g->n_nodes, sizeof *part), DG_OK);
  for (int i = 0; i < g->n_nodes; i++)
    part[i] = (int32_t)(dg_rng_uniform(9, (uint64_t)i) * (parts - 1)); /* one empty */
  assert_all_true(&test_comm, dg_blocks_load(&blocks, &test_comm, g->path, NULL, config) == DG_OK);
  const int32_t *own = part + dg_blocks_nodes(blocks)->first;
  assert_all_true(&test_comm, dg_blocks_measure(&quality, each, step, blocks, own, parts) == DG_OK);
  assert_int_equal(dg_partition_measure(&wanted, &outline.in, part, parts), DG_OK);
  assert_int_equal(dg_partition_measure_parts(wanted_each, &outline.in, part, parts), DG_OK);
  assert_int_equal(dg_partition_measure_step(wanted_step, &outline.in, &work, part, parts), DG_OK);
  wanted.step = dg_step_quality_of(wanted_step, parts);
  assert_all_true(&test_comm, memcmp(each, wanted_each, (size_t)parts * sizeof *each) == 0);
  assert_all_true(&test_comm, memcmp(step, wanted_step, (size_t)parts * sizeof *step) == 0);
  assert_all_true(&test_comm, quality.edge_pairs == wanted.edge_pairs && quality.edge_cut == wanted.edge_cut);
  assert_all_true(&test_comm, quality.halo_nodes == wanted.halo_nodes && quality.halo_max == wanted.halo_max);
  assert_all_true(&test_comm,
                  quality.node_imbalance == wanted.node_imbalance && quality.edge_imbalance == wanted.edge_imbalance);
  assert_all_true(&test_comm, quality.nodes_min == wanted.nodes_min && quality.nodes_max == wanted.nodes_max &&
                                  quality.empty_parts == wanted.empty_parts);
  assert_all_true(&test_comm, quality.step.halo_nodes == wanted.step.halo_nodes);
  dg_blocks_destroy(&blocks);
  dg_step_work_destroy(&work);
  dg_outline_destroy(&outline);
  dg_free(&part);
}

static void measures_are_those_of_one_process(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 3; seed++) {
    random_graph g = {.seed = seed, .n_nodes = 5 + 40 * (int)seed, .n_features = 4, .n_classes = 3, .degree = 3};
    g.sparse = seed != 1, g.hub = seed == 2;
    assert_int_equal(random_graph_create(&g), DG_OK);
    dg_step_config config = dg_step_defaults();
    for (config.layers = 1; config.layers < 4; config.layers++) compare_measures(&g, &config, 4);
    config.all = true;
    compare_measures(&g, &config, 3);
    config.edges = false, config.all = false;
    compare_measures(&g, &config, 5);
    random_graph_destroy(&g);
  }
}

/* The weights that METIS gets from a process that has the graph: shares of distinct sources' features. */
static void features_of_a_source_are_shared_by_its_targets(void **state) {
  (void)state;
  random_graph g = {.seed = 4, .n_nodes = 60, .n_features = 8, .n_classes = 3, .degree = 4, .sparse = true};
  const dg_step_config config = dg_step_defaults();
  dg_outline o;
  dg_step_work work;
  dg_blocks *b;
  double share[60] = {0}, targets[60] = {0};
  assert_int_equal(random_graph_create(&g), DG_OK);
  assert_int_equal(random_graph_outline(&o, &g), DG_OK);
  assert_int_equal(dg_step_work_create(&work, &o, g.n_classes, &config), DG_OK);
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < g.n_nodes; i++)
      for (int64_t t = o.in.indptr[i]; dg_step_is_target(&work, i) && t <= o.in.indptr[i + 1]; t++) {
        const int j = t < o.in.indptr[i + 1] ? o.in.indices[t] : i;
        if (pass == 0) targets[j]++;
        if (pass == 1) share[i] += (double)o.entries[j] / targets[j];
      }
  assert_all_true(&test_comm, dg_blocks_load(&b, &test_comm, g.path, NULL, &config) == DG_OK);
  bool near = true;
  for (dg_row i = 0; i < b->level.n; i++) {
    const dg_id node = dg_level_id(&b->level, i);
    const double off = (double)b->nonzeros[i] / 65536 - share[node];
    near &= off > -1e-2 && off < 1e-2;
    near &= b->step.level[i] == work.level[node];
  }
  assert_all_true(&test_comm, near);
  dg_blocks_destroy(&b);
  dg_step_work_destroy(&work);
  dg_outline_destroy(&o);
  random_graph_destroy(&g);
}

/* ---- divisions ---- */

static dg_partition_config ask(int parts, dg_partition_balance balance) {
  dg_partition_config config = dg_partition_defaults(parts);
  config.balance = balance, config.seed = 7;
  return config;
}

/* The parts of all nodes, found by the ranks of `comm`: part [NODES]. */
static dg_status divide(int32_t *part, dg_partition_quality *quality, const dg_comm *comm,
                        const dg_partition_config *config) {
  dg_status status = DG_OK;
  const dg_step_config step = dg_step_defaults();
  dg_partition_part each[MAX_PARTS];
  dg_step_part each_step[MAX_PARTS];
  dg_blocks *blocks = NULL;
  dg_directory found;
  int32_t *own = NULL;
  DG_TRY(dg_blocks_load(&blocks, comm, path, NULL, &step));
  found = *dg_blocks_nodes(blocks);
  DG_TRY(dg_comm_agree(comm, dg_alloc(&own, (size_t)found.n, sizeof *own)));
  DG_TRY(dg_blocks_divide(own, blocks, config));
  DG_TRY(dg_blocks_measure(quality, each, each_step, blocks, own, config->parts));
  found.owner = own;
  if (part) DG_TRY(directory_list(part, &found, comm));
cleanup:
  dg_free(&own);
  dg_blocks_destroy(&blocks);
  return status;
}

/* On this rank alone. */
static void divide_alone(int32_t *part, dg_partition_quality *quality, const dg_partition_config *config) {
  dg_comm alone;
  assert_int_equal(dg_comm_create(&alone, MPI_COMM_SELF), DG_OK);
  assert_all_true(&test_comm, divide(part, quality, &alone, config) == DG_OK);
  dg_comm_destroy(&alone);
}

static void parts_do_not_depend_on_the_number_of_ranks(void **state) {
  (void)state;
  static int32_t part[NODES], alone[NODES];
  for (int balance = DG_BALANCE_STEP; balance <= DG_BALANCE_BOTH; balance++) {
    dg_partition_quality quality;
    const dg_partition_config config = ask(4, (dg_partition_balance)balance);
    assert_all_true(&test_comm, divide(part, &quality, &test_comm, &config) == DG_OK);
    divide_alone(alone, &quality, &config);
    assert_all_true(&test_comm, memcmp(part, alone, sizeof part) == 0);
  }
}

static dg_partition_quality divide_by_metis(const dg_partition_config *config) {
  dg_partition_config wanted = *config;
  dg_partition_quality quality;
  static int32_t part[NODES];
  dg_h5 *file;
  dg_graph_info info;
  dg_outline outline;
  dg_step_work work;
  const dg_step_config step = dg_step_defaults();
  assert_int_equal(dg_graph_open(&file, &info, path), DG_OK);
  assert_int_equal(dg_outline_read(&outline, file, &info, NULL), DG_OK);
  assert_int_equal(dg_step_work_create(&work, &outline, info.n_classes, &step), DG_OK);
  wanted.step = &work;
  assert_int_equal(dg_partition_compute(part, &outline.in, &wanted), DG_OK);
  assert_int_equal(dg_partition_measure(&quality, &outline.in, part, wanted.parts), DG_OK);
  dg_step_work_destroy(&work);
  dg_outline_destroy(&outline);
  dg_h5_close(&file);
  return quality;
}

static void parts_are_balanced_and_nearly_as_good_as_those_of_metis(void **state) {
  (void)state;
  for (int parts = 2; parts <= 6; parts += 2) {
    dg_partition_quality quality;
    const dg_partition_config config = ask(parts, DG_BALANCE_STEP);
    assert_all_true(&test_comm, divide(NULL, &quality, &test_comm, &config) == DG_OK);
    const dg_partition_quality metis = divide_by_metis(&config);
    assert_all_true(&test_comm, quality.edge_imbalance <= 1.05 && quality.step.first_edge_imbalance <= 1.05);
    assert_all_true(&test_comm, quality.empty_parts == 0 && quality.step.idle_parts == 0);
    assert_all_true(&test_comm, (double)quality.halo_nodes <= 1.2 * (double)metis.halo_nodes);
  }
}

/* With as many parts single nodes weigh more than one, and parts would be passed over. */
static void plain_methods_divide_as_one_process_does(void **state) {
  (void)state;
  static int32_t part[NODES], alone[NODES];
  const int counts[] = {1, 3, 100, NODES / 2, NODES, NODES + 5};
  char from[112];
  dg_h5 *file;
  dg_graph_info info;
  dg_csr edges;
  dg_blocks *blocks;
  snprintf(from, sizeof from, "%s/parts.txt", folder);
  FILE *text = test_comm.rank == 0 ? fopen(from, "w") : NULL;
  for (int i = 0; text && i < NODES; i++) fprintf(text, "%d\n", i % 3);
  if (text) assert_int_equal(fclose(text), 0);
  MPI_Barrier(test_comm.mpi);
  assert_int_equal(dg_graph_open(&file, &info, path), DG_OK);
  assert_int_equal(dg_graph_read_edges(file, &info, &edges), DG_OK);
  assert_all_true(&test_comm, dg_blocks_load(&blocks, &test_comm, path, dg_no_split, NULL) == DG_OK);
  dg_directory found = *dg_blocks_nodes(blocks);
  assert_int_equal(dg_alloc(&found.owner, (size_t)found.n, sizeof *found.owner), DG_OK);
  for (int variant = 0; variant < 3 * 6 * 4; variant++) {
    dg_partition_config config = ask(counts[variant / 3 % 6], (dg_partition_balance)(variant / 18));
    config.method = (dg_partition_method)(DG_PART_RANDOM + variant % 3), config.from = from;
    const dg_status wanted = dg_partition_compute(alone, &edges, &config);
    assert_all_true(&test_comm, dg_blocks_divide(found.owner, blocks, &config) == wanted);
    dg_status_clear();
    if (wanted != DG_OK) continue;
    assert_int_equal(directory_list(part, &found, &test_comm), DG_OK);
    assert_all_true(&test_comm, memcmp(part, alone, sizeof part) == 0);
  }
  dg_free(&found.owner);
  dg_blocks_destroy(&blocks);
  dg_csr_destroy(&edges);
  dg_h5_close(&file);
  MPI_Barrier(test_comm.mpi);
  if (test_comm.rank == 0) unlink(from);
}

static void parts_follow_their_shares(void **state) {
  (void)state;
  dg_partition_quality quality;
  static int32_t part[NODES];
  const double share[] = {0.5, 0.3, 0.2};
  int64_t nodes[3] = {0};
  dg_partition_config config = ask(3, DG_BALANCE_NODES);
  config.share = share;
  assert_all_true(&test_comm, divide(part, &quality, &test_comm, &config) == DG_OK);
  for (int i = 0; i < NODES; i++) nodes[part[i]]++;
  for (int p = 0; p < 3; p++) assert_true((double)nodes[p] <= 1.05 * share[p] * NODES);
}

/* Owners are those of as many parts. */
static void owners_come_from_all_ranks_together(void **state) {
  (void)state;
  static int32_t owner[NODES], part[NODES];
  dg_directory owners;
  dg_partition_quality quality;
  uint64_t made_for;
  const dg_owners_config config = {.multilevel = true, .step = dg_step_defaults(), .threads = 1, .seed = 7};
  const dg_partition_config wanted = ask(test_comm.size, DG_BALANCE_STEP);
  assert_all_true(&test_comm, dg_partition_owners(&owners, &made_for, &test_comm, path, &config) == DG_OK);
  assert_int_equal(directory_list(owner, &owners, &test_comm), DG_OK);
  divide_alone(part, &quality, &wanted);
  assert_all_true(&test_comm, test_comm.size == 1 || memcmp(owner, part, sizeof owner) == 0);
  dg_directory_destroy(&owners);
}

static void a_file_holds_the_parts_of_all_blocks(void **state) {
  (void)state;
  static int32_t part[NODES], stored[NODES];
  char out[112];
  int parts;
  uint64_t made_for;
  dg_blocks *blocks;
  const dg_partition_quality quality = {.parts = 9, .node_imbalance = 1, .edge_imbalance = 1};
  snprintf(out, sizeof out, "%s/p.h5", folder);
  for (int i = 0; i < NODES; i++) part[i] = i % 9;
  assert_all_true(&test_comm, dg_blocks_load(&blocks, &test_comm, path, dg_no_split, NULL) == DG_OK);
  const int32_t *own = part + dg_blocks_nodes(blocks)->first;
  assert_all_true(&test_comm, dg_blocks_save(out, blocks, own, &quality, "random", 42) == DG_OK);
  assert_all_true(&test_comm, dg_partition_load(stored, &parts, &made_for, out, NODES) == DG_OK);
  assert_all_true(&test_comm, parts == 9 && made_for == 42 && memcmp(stored, part, sizeof part) == 0);
  MPI_Barrier(test_comm.mpi);
  if (test_comm.rank == 0) unlink(out);
  dg_blocks_destroy(&blocks);
}

/* Whichever allocation fails on one rank, all come back with the same status. */
static void lack_of_memory_on_one_rank_ends_all(void **state) {
  (void)state;
  const dg_partition_config config = ask(3, DG_BALANCE_STEP);
  dg_status status = DG_MEMORY;
  for (int64_t n = 1; status != DG_OK; n += 1 + n / 6) {
    dg_partition_quality quality;
    dg_memory_fail_at(test_comm.rank == test_comm.size - 1 ? n : 0);
    status = divide(NULL, &quality, &test_comm, &config);
    dg_memory_fail_at(0);
    assert_all_true(&test_comm, status == DG_OK || status == DG_MEMORY);
    assert_all_true(&test_comm, dg_comm_max_int64(&test_comm, status) == (int64_t)status);
    dg_status_clear();
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(measures_are_those_of_one_process),
      cmocka_unit_test(features_of_a_source_are_shared_by_its_targets),
      cmocka_unit_test_setup_teardown(parts_do_not_depend_on_the_number_of_ranks, make_graph, remove_graph),
      cmocka_unit_test_setup_teardown(parts_are_balanced_and_nearly_as_good_as_those_of_metis, make_graph,
                                      remove_graph),
      cmocka_unit_test_setup_teardown(plain_methods_divide_as_one_process_does, make_graph, remove_graph),
      cmocka_unit_test_setup_teardown(parts_follow_their_shares, make_graph, remove_graph),
      cmocka_unit_test_setup_teardown(owners_come_from_all_ranks_together, make_graph, remove_graph),
      cmocka_unit_test_setup_teardown(a_file_holds_the_parts_of_all_blocks, make_graph, remove_graph),
      cmocka_unit_test_setup_teardown(lack_of_memory_on_one_rank_ends_all, make_graph, remove_graph),
  };
  return mpi_test_main(argc, argv, "multilevel", tests, sizeof tests / sizeof tests[0]);
}
