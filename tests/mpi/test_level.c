#include "support/support.h"

#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "partition/level.h"

enum { N = 41 };

static bool has_edge(int i, int j) {
  return i != j && i % 7 != 3 && dg_rng_uniform(dg_rng_key(5, (uint64_t)i), (uint64_t)j) < 0.15;
}

/* The rows of this rank of a directed graph that all know. */
static void create(dg_level *level, int n_nodes) {
  static int64_t indptr[N + 1];
  static dg_id ids[N * N];
  const dg_directory blocks = dg_directory_blocks(&test_comm, n_nodes);
  for (int64_t i = 0; i < blocks.n; i++) {
    indptr[i + 1] = indptr[i];
    for (int j = 0; j < n_nodes; j++)
      if (has_edge((int)(blocks.first + i), j)) ids[indptr[i + 1]++] = j;
  }
  const dg_in_edges in = {blocks.n, indptr, ids};
  assert_int_equal(dg_level_create(level, &test_comm, n_nodes, &in), DG_OK);
}

static void halo_holds_what_neighbours_own(void **state) {
  (void)state;
  dg_level level;
  int64_t value[N];
  create(&level, N);
  for (dg_row i = 0; i < level.n; i++) value[i] = 3 * dg_level_id(&level, i);
  assert_int_equal(dg_level_pull(&level, value, sizeof *value), DG_OK);
  for (dg_row i = 0; i < level.n + level.n_halo; i++) assert_int_equal(value[i], 3 * dg_level_id(&level, i));
  dg_level_destroy(&level);
}

static void symmetrised_graph_has_each_edge_and_its_reverse(void **state) {
  (void)state;
  dg_level level;
  create(&level, N);
  for (dg_row i = 0; i < level.n; i++) level.weight[i].of[0] = 1 + dg_level_id(&level, i);
  assert_false(dg_level_is_symmetric(&level));
  assert_int_equal(dg_level_symmetrise(&level), DG_OK);
  assert_true(dg_level_is_symmetric(&level));
  for (dg_row i = 0; i < level.n; i++) {
    const int a = (int)dg_level_id(&level, i);
    int64_t t = level.indptr[i];
    for (int b = 0; b < N; b++) {
      if (has_edge(a, b) + has_edge(b, a) == 0) continue;
      assert_int_equal(dg_level_id(&level, level.to[t]), b);
      assert_int_equal(dg_level_way(&level, t++), has_edge(a, b) * DG_EDGE_IN + has_edge(b, a) * DG_EDGE_OUT);
    }
    assert_int_equal(t, level.indptr[i + 1]);
  }
  dg_level_weigh(&level);
  assert_int_equal(level.total.of[0], N * (N + 1) / 2);
  dg_level_destroy(&level);
}

/* ---- clusters ---- */

/* Values of all nodes, known to all: all [N] of the own rows' value [n]. */
static void tell_all(int64_t *all, const dg_level *level, const int64_t *value) {
  memset(all, 0, N * sizeof *all);
  for (dg_row i = 0; i < level->n; i++) all[dg_level_id(level, i)] = value[i];
  dg_comm_sum_int64(&test_comm, all, N);
}

/* A symmetric graph whose node i weighs 1 + i % 4, and of a second kind 1 where i is even. */
static void create_weighted(dg_level *level) {
  create(level, N);
  assert_int_equal(dg_level_symmetrise(level), DG_OK);
  for (dg_row i = 0; i < level->n; i++) {
    const dg_id node = dg_level_id(level, i);
    level->weight[i] = (dg_weight){{1 + node % 4, node % 2 == 0}};
  }
  dg_level_weigh(level);
}

static bool linked(int64_t a, int64_t b) {
  return has_edge((int)a, (int)b) || has_edge((int)b, (int)a);
}

static const dg_weight limit = {{9, 4}};

static void find_clusters(dg_clusters *clusters, int64_t label[N], dg_level *level) {
  int64_t own[N];
  assert_int_equal(dg_clusters_find(clusters, level, &limit, 6, 11), DG_OK);
  for (dg_row i = 0; i < level->n; i++) own[i] = dg_clusters_label(clusters, i);
  tell_all(label, level, own);
}

static void clusters_are_joined_and_within_the_limit(void **state) {
  (void)state;
  dg_level level;
  dg_clusters clusters;
  int64_t label[N], kinds = 0;
  create_weighted(&level);
  find_clusters(&clusters, label, &level);
  for (int c = 0; c < N; c++) {
    int64_t members = 0, weight[2] = {0};
    for (int i = 0; i < N; i++)
      if (label[i] == c) members++, weight[0] += 1 + i % 4, weight[1] += i % 2 == 0;
    kinds += members > 0;
    assert_true(members < 2 || (weight[0] <= limit.of[0] && weight[1] <= limit.of[1]));
  }
  assert_in_range(kinds, 9, N / 2); /* so heavy are all together, and so many edges there are */
  dg_clusters_destroy(&clusters);
  dg_level_destroy(&level);
}

/* A hub takes all the room of its cluster: its leaves, which have no other neighbour, join each other. */
static void leaves_of_a_star_join_each_other(void **state) {
  (void)state;
  enum { LEAVES = N - 1 };
  dg_level level;
  dg_clusters clusters;
  int64_t label[N], kinds = 0, indptr[N + 1] = {0};
  dg_id ids[2 * N];
  const dg_directory blocks = dg_directory_blocks(&test_comm, N);
  for (int64_t i = 0; i < blocks.n; i++) {
    const dg_id node = blocks.first + i;
    indptr[i + 1] = indptr[i];
    for (dg_id j = 0; j < N; j++)
      if (node != j && (node == 3 || j == 3)) ids[indptr[i + 1]++] = j;
  }
  assert_int_equal(dg_level_create(&level, &test_comm, N, &(dg_in_edges){blocks.n, indptr, ids}), DG_OK);
  for (dg_row i = 0; i < level.n; i++) level.weight[i] = (dg_weight){{dg_level_id(&level, i) == 3 ? LEAVES : 1}};
  find_clusters(&clusters, label, &level);
  for (int c = 0; c < N; c++) {
    int64_t members = 0;
    for (int i = 0; i < N; i++) members += label[i] == c;
    kinds += members > 0;
    assert_true(members <= limit.of[0]);
  }
  assert_int_equal(kinds, 1 + (LEAVES + limit.of[0] - 1) / limit.of[0]);
  dg_clusters_destroy(&clusters);
  dg_level_destroy(&level);
}

/* What a row of the contracted graph is to be, by the labels of all. */
static void check_coarse(const dg_level *coarse, const int64_t label[N], const int64_t coarse_of[N]) {
  for (dg_row i = 0; i < coarse->n; i++) {
    const dg_id node = dg_level_id(coarse, i);
    int64_t sum[N] = {0}, weight[2] = {0}, first = -1, t = coarse->indptr[i];
    for (int a = 0; a < N; a++) {
      if (coarse_of[a] != node) continue;
      first = first < 0 ? label[a] : first;
      assert_int_equal(label[a], first);
      weight[0] += 1 + a % 4, weight[1] += a % 2 == 0;
      for (int b = 0; b < N; b++)
        if (coarse_of[b] != node) sum[coarse_of[b]] += linked(a, b);
    }
    assert_true(first >= 0);
    assert_true(coarse->weight[i].of[0] == weight[0] && coarse->weight[i].of[1] == weight[1]);
    for (int b = 0; b < N; b++) {
      if (sum[b] == 0) continue;
      assert_int_equal(dg_level_id(coarse, coarse->to[t]), b);
      assert_int_equal(dg_level_edge(coarse, i, t++), sum[b]);
    }
    assert_int_equal(t, coarse->indptr[i + 1]);
  }
}

static void contracted_graph_has_the_edges_between_clusters(void **state) {
  (void)state;
  dg_level level, coarse;
  dg_clusters clusters;
  int64_t label[N], coarse_of[N], own[N];
  int32_t part[N], coarse_part[N];
  create_weighted(&level);
  find_clusters(&clusters, label, &level);
  assert_int_equal(dg_level_contract(&coarse, own, &level, &clusters), DG_OK);
  tell_all(coarse_of, &level, own);
  check_coarse(&coarse, label, coarse_of);
  assert_true(coarse.total.of[0] == level.total.of[0] && coarse.total.of[1] == level.total.of[1]);
  for (dg_row i = 0; i < coarse.n; i++) coarse_part[i] = (int32_t)(7 * dg_level_id(&coarse, i) % 5);
  assert_int_equal(dg_level_project(part, &level, own, &coarse, coarse_part), DG_OK);
  for (dg_row i = 0; i < level.n; i++) assert_int_equal(part[i], 7 * own[i] % 5);
  dg_level_destroy(&coarse);
  dg_level_destroy(&level);
}

/* Rows that are all in a small part leave it, and no other gets beyond its limit, however early it ends: not the other
   small one, where as many would like to go as to the large one. */
static void spread_rows_are_within_the_limit(void **state) {
  (void)state;
  const double share[] = {0.8, 0.1, 0.1};
  const int64_t most[] = {34, 5, 5}; /* of 41 rows: 1.03 times the share, rounded up */
  dg_level level;
  create_weighted(&level);
  for (dg_row i = 0; i < level.n; i++) level.weight[i] = (dg_weight){{1}};
  dg_level_weigh(&level);
  for (int rounds = 1; rounds <= 12; rounds++) {
    int32_t part[N];
    const dg_spread_config config = {.parts = 3, .rounds = rounds, .share = share, .seed = 5};
    int64_t load[3] = {0};
    for (int i = 0; i < N; i++) part[i] = 1;
    assert_int_equal(dg_level_spread(part, &level, &config), DG_OK);
    for (dg_row i = 0; i < level.n; i++) load[part[i]]++;
    dg_comm_sum_int64(&test_comm, load, 3);
    assert_true(load[0] <= most[0] && load[2] <= most[2]);
    assert_true(rounds < 12 || load[1] <= most[1]);
  }
  dg_level_destroy(&level);
}

/* Nodes without neighbours fill clusters up to the limit. */
static void isolated_nodes_join_each_other(void **state) {
  (void)state;
  dg_level level;
  dg_clusters clusters;
  int64_t label[N], indptr[N + 1] = {0}, kinds = 0;
  const dg_directory blocks = dg_directory_blocks(&test_comm, N);
  assert_int_equal(dg_level_create(&level, &test_comm, N, &(dg_in_edges){blocks.n, indptr, NULL}), DG_OK);
  for (dg_row i = 0; i < level.n; i++) level.weight[i] = (dg_weight){{1}};
  find_clusters(&clusters, label, &level);
  for (int c = 0; c < N; c++) {
    int64_t members = 0;
    for (int i = 0; i < N; i++) members += label[i] == c;
    kinds += members > 0;
    assert_true(members <= limit.of[0]);
  }
  assert_int_equal(kinds, (N + limit.of[0] - 1) / limit.of[0]);
  dg_clusters_destroy(&clusters);
  dg_level_destroy(&level);
}

/* A path, as the ranks of `comm` hold it, of which each seventh node weighs more. */
static void create_path(dg_level *level, const dg_comm *comm) {
  int64_t indptr[N + 1] = {0};
  dg_id ids[2 * N];
  const dg_directory blocks = dg_directory_blocks(comm, N);
  for (int64_t i = 0; i < blocks.n; i++) {
    const dg_id node = blocks.first + i;
    indptr[i + 1] = indptr[i];
    if (node > 0) ids[indptr[i + 1]++] = node - 1;
    if (node < N - 1) ids[indptr[i + 1]++] = node + 1;
  }
  assert_int_equal(dg_level_create(level, comm, N, &(dg_in_edges){blocks.n, indptr, ids}), DG_OK);
  for (dg_row i = 0; i < level->n; i++) level->weight[i] = (dg_weight){{dg_level_id(level, i) % 7 == 0 ? 5 : 3}};
  dg_level_weigh(level);
}

/* Parts of a path that alternate near its middle: all [N]. */
static void polish_path(int64_t all[N], const dg_comm *comm, int64_t most, const double *share) {
  dg_level level;
  int32_t part[N];
  create_path(&level, comm);
  for (dg_row i = 0; i < level.n; i++) {
    const dg_id node = dg_level_id(&level, i);
    part[i] = node < 12 ? 0 : node < 28 ? (int32_t)(node % 3) : 2;
  }
  assert_int_equal(dg_level_polish(part, &level, 3, share, most, 1), DG_OK);
  memset(all, 0, N * sizeof *all);
  for (dg_row i = 0; i < level.n; i++) all[dg_level_id(&level, i)] = part[i];
  dg_comm_sum_int64(comm, all, N);
  for (dg_row i = 0; i < level.n + level.n_halo; i++) assert_int_equal(part[i], all[dg_level_id(&level, i)]);
  dg_level_destroy(&level);
}

/* Weight of the heaviest of three parts. */
static int64_t heaviest(const int64_t all[N]) {
  int64_t load[3] = {0};
  for (int i = 0; i < N; i++) load[all[i]] += i % 7 == 0 ? 5 : 3;
  return load[0] > load[1] && load[0] > load[2] ? load[0] : load[1] > load[2] ? load[1] : load[2];
}

static int borders(const int64_t all[N]) {
  int count = 0;
  for (int i = 1; i < N; i++) count += all[i] != all[i - 1];
  return count;
}

static void polished_rows_do_not_depend_on_the_number_of_ranks(void **state) {
  (void)state;
  const double light[3] = {1, 1, 1}; /* no part is too heavy */
  int64_t all[N], alone[N], before;
  dg_comm self;
  assert_int_equal(dg_comm_create(&self, MPI_COMM_SELF), DG_OK);
  polish_path(all, &test_comm, 5, light);
  assert_int_equal(borders(all), 16); /* more rows are at borders: all stay */
  before = heaviest(all);
  for (int64_t most = 5; most <= 45; most += 20) {
    polish_path(alone, &self, most, NULL);
    polish_path(all, &test_comm, most, NULL);
    assert_memory_equal(all, alone, sizeof all);
    assert_true(heaviest(all) < before);
    if (most > 5) assert_in_range(borders(all), 2, 4);
  }
  dg_comm_destroy(&self);
}

static void graphs_of_fewer_nodes_than_ranks(void **state) {
  (void)state;
  for (int n = 0; n < 4; n++) {
    dg_level level;
    create(&level, n);
    assert_int_equal(dg_level_symmetrise(&level), DG_OK);
    assert_int_equal(level.nodes.n_nodes, n);
    dg_level_destroy(&level);
  }
}

int main(int argc, char **argv) {
  dg_edge_portion = 3; /* so that ranks have several portions, and not as many */
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(halo_holds_what_neighbours_own),
      cmocka_unit_test(symmetrised_graph_has_each_edge_and_its_reverse),
      cmocka_unit_test(clusters_are_joined_and_within_the_limit),
      cmocka_unit_test(leaves_of_a_star_join_each_other),
      cmocka_unit_test(contracted_graph_has_the_edges_between_clusters),
      cmocka_unit_test(spread_rows_are_within_the_limit),
      cmocka_unit_test(isolated_nodes_join_each_other),
      cmocka_unit_test(polished_rows_do_not_depend_on_the_number_of_ranks),
      cmocka_unit_test(graphs_of_fewer_nodes_than_ranks),
  };
  return mpi_test_main(argc, argv, "level", tests, sizeof tests / sizeof tests[0]);
}
