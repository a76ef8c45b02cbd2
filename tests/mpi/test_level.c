#include "support/support.h"

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
  const dg_row n = dg_level_own(n_nodes, &test_comm);
  const int first = (int)(test_comm.rank * dg_level_rows(n_nodes, test_comm.size));
  for (dg_row i = 0; i < n; i++) {
    indptr[i + 1] = indptr[i];
    for (int j = 0; j < n_nodes; j++)
      if (has_edge(first + i, j)) ids[indptr[i + 1]++] = j;
  }
  assert_int_equal(dg_level_create(level, &test_comm, n_nodes, indptr, ids), DG_OK);
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
      assert_int_equal(dg_level_edge(&level, t++), has_edge(a, b) + has_edge(b, a));
    }
    assert_int_equal(t, level.indptr[i + 1]);
  }
  dg_level_weigh(&level);
  assert_int_equal(level.total.of[0], N * (N + 1) / 2);
  dg_level_destroy(&level);
}

static void graphs_of_fewer_nodes_than_ranks(void **state) {
  (void)state;
  for (int n = 0; n < 4; n++) {
    dg_level level;
    create(&level, n);
    assert_int_equal(dg_level_symmetrise(&level), DG_OK);
    assert_int_equal(level.n_nodes, n);
    dg_level_destroy(&level);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(halo_holds_what_neighbours_own),
      cmocka_unit_test(symmetrised_graph_has_each_edge_and_its_reverse),
      cmocka_unit_test(graphs_of_fewer_nodes_than_ranks),
  };
  return mpi_test_main(argc, argv, "level", tests, sizeof tests / sizeof tests[0]);
}
