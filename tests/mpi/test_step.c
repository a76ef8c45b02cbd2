#include "support/support.h"

#include <string.h>

#include <distgat/counts.h>
#include <distgat/memory.h>
#include <distgat/partition.h>

#include "support/owners.h"
#include "support/random_graph.h"

/* Ranks get the rows that a training step divided among them says, and work as much as it says. */

/* What this rank's training field has to do, with its rows where `owners` says. */
static dg_step_part count_here(const random_graph *g, dg_directory *owners, const dg_step_config *step) {
  const dg_field_config config = {.n_layers = step->layers, .splits = DG_TRAIN, .edges = step->edges, .backward = true};
  dg_step_part here = {0};
  dg_shard shard;
  dg_local local;
  dg_field *field;
  dg_counts counts;
  assert_all_true(&test_comm, dg_shard_load(&shard, &test_comm, g->path, owners, &(dg_shard_config){0}) == DG_OK);
  assert_all_true(&test_comm, dg_local_create(&local, &test_comm, &shard) == DG_OK);
  assert_all_true(&test_comm, dg_local_fetch_features(&local) == DG_OK);
  assert_all_true(&test_comm, dg_field_create(&field, &local, &config) == DG_OK);
  assert_all_true(&test_comm, dg_counts_create(&counts, &local, field) == DG_OK);
  here = (dg_step_part){.outputs = counts.n_out,
                        .targets = counts.layer[0].n_dst,
                        .nonzeros = counts.layer[0].entries,
                        .first_edges = counts.layer[0].n_edges};
  for (int k = 0; k < step->layers; k++) {
    here.edges += counts.layer[k].n_edges;
    here.halo_nodes += counts.layer[k].n_src - counts.layer[k].n_src_owned;
  }
  dg_counts_destroy(&counts);
  dg_field_destroy(&field);
  dg_local_destroy(&local);
  return here;
}

/* Owners are those of as many parts, whatever the number of ranks that wait for them. */
static void check_owners(const int32_t *owner, const dg_outline *outline, const dg_step_work *work,
                         const dg_owners_config *config) {
  int32_t *part;
  dg_partition_config wanted = dg_partition_defaults(test_comm.size);
  wanted.step = work;
  wanted.seed = config->seed;
  assert_int_equal(dg_alloc(&part, (size_t)outline->in.n_rows, sizeof *part), DG_OK);
  assert_int_equal(dg_partition_compute(part, &outline->in, &wanted), DG_OK);
  assert_all_true(&test_comm, memcmp(part, owner, (size_t)outline->in.n_rows * sizeof *part) == 0);
  dg_free(&part);
}

static void check(random_graph g, dg_step_config step) {
  const dg_owners_config config = {.step = step, .threads = 1, .seed = 5};
  const int size = test_comm.size;
  dg_directory owners;
  int32_t *owner;
  uint64_t made_for;
  dg_outline outline;
  dg_step_work work;
  dg_step_part *each;
  assert_int_equal(random_graph_create(&g), DG_OK);
  assert_all_true(&test_comm, dg_partition_owners(&owners, &made_for, &test_comm, g.path, &config) == DG_OK);
  assert_int_equal(dg_alloc(&owner, (size_t)g.n_nodes, sizeof *owner), DG_OK);
  assert_int_equal(directory_list(owner, &owners, &test_comm), DG_OK);
  assert_int_equal(random_graph_outline(&outline, &g), DG_OK);
  assert_int_equal(dg_step_work_create(&work, &outline, g.n_classes, &step), DG_OK);
  assert_int_equal(dg_alloc(&each, (size_t)size, sizeof *each), DG_OK);
  assert_int_equal(dg_partition_measure_step(each, &outline.in, &work, owner, size), DG_OK);
  check_owners(owner, &outline, &work, &config);
  const dg_step_part here = count_here(&g, &owners, &step);
  assert_all_true(&test_comm, memcmp(&here, &each[test_comm.rank], sizeof here) == 0);

  const dg_step_quality q = dg_step_quality_of(each, size);
  int64_t targets = 0;
  for (int64_t i = 0; i < g.n_nodes; i++) targets += work.level[i] >= 2;
  assert_int_equal(q.idle_parts, targets < size ? size - targets : 0);
  if (g.n_nodes >= 500 && step.edges) assert_true(q.nonzero_imbalance < 1.06 && q.first_edge_imbalance < 1.06);
  dg_free(&each);
  dg_step_work_destroy(&work);
  dg_outline_destroy(&outline);
  dg_free(&owner);
  random_graph_destroy(&g);
}

static void ranks_work_as_the_partition_says(void **state) {
  (void)state;
  for (int layers = 1; layers <= 3; layers++) {
    dg_step_config step = dg_step_defaults();
    step.layers = layers;
    for (int edges = 0; edges < 2; edges++) {
      step.edges = edges;
      check(
          (random_graph){
              .seed = 3, .n_nodes = 600, .n_features = 12, .n_classes = 3, .degree = 3, .sparse = layers % 2},
          step);
    }
  }
}

/* Nodes 5, 18, ... have no edges; of 3 nodes one or two are trained on. */
static void few_nodes_are_divided_too(void **state) {
  (void)state;
  for (int n = 1; n <= 30; n = 2 * n + 1)
    check((random_graph){.seed = 2, .n_nodes = n, .n_features = 4, .n_classes = 2, .degree = 2, .sparse = true},
          dg_step_defaults());
}

/* The last rank has three threads, the others one. */
static void work_goes_where_threads_are(void **state) {
  (void)state;
  random_graph g = {.seed = 7, .n_nodes = 700, .n_features = 12, .n_classes = 3, .degree = 3, .sparse = true};
  const bool last = test_comm.rank == test_comm.size - 1;
  const dg_owners_config config = {.step = dg_step_defaults(), .threads = last ? 3 : 1};
  dg_directory owners;
  uint64_t made_for;
  assert_int_equal(random_graph_create(&g), DG_OK);
  assert_all_true(&test_comm, dg_partition_owners(&owners, &made_for, &test_comm, g.path, &config) == DG_OK);
  const dg_step_part here = count_here(&g, &owners, &config.step);
  int64_t edges = here.first_edges;
  dg_comm_sum_int64(&test_comm, &edges, 1);
  const double share = (last ? 3.0 : 1.0) / (test_comm.size + 2);
  assert_all_true(&test_comm, (double)here.first_edges < 1.08 * share * (double)edges + 2);
  random_graph_destroy(&g);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranks_work_as_the_partition_says),
      cmocka_unit_test(few_nodes_are_divided_too),
      cmocka_unit_test(work_goes_where_threads_are),
  };
  return mpi_test_main(argc, argv, "step", tests, sizeof tests / sizeof *tests);
}
