#include "support/support.h"

#include <stdio.h>

#include <distgat/memory.h>
#include <distgat/model.h>

#include "support/random_graph.h"

/* Sizes computed from counts are those that a pass really asks for. */

enum { SMALL = 16384 }; /* bytes of structs and lists, which are not counted */

/* Most that the buffers of messages take: rows sent and received, and what MPI is told of them. */
static int64_t message_bytes(const dg_counts *counts, int64_t width) {
  int64_t rows = 0;
  for (int k = 0; k < counts->n_layers; k++)
    rows += counts->layer[k].n_sent + counts->layer[k].n_src - counts->layer[k].n_projected;
  return rows * width * (int64_t)sizeof(dg_real);
}

static void check(const random_graph *g, const dg_model_config *config, bool backward) {
  const dg_field_config wanted = {.n_layers = config->layers,
                                  .splits = backward ? DG_TRAIN : 0,
                                  .edges = config->kind != DG_MODEL_MLP,
                                  .exchange_first = true,
                                  .backward = backward};
  dg_local local;
  dg_model model;
  dg_field *field;
  dg_pass pass;
  dg_counts counts;
  assert_all_true(&test_comm, random_graph_load(&local, g, &test_comm, 2) == DG_OK);
  assert_all_true(&test_comm, dg_model_create(&model, config, g->n_features, g->n_classes) == DG_OK);
  assert_all_true(&test_comm, dg_field_create(&field, &local, &wanted) == DG_OK);
  assert_all_true(&test_comm, dg_counts_create(&counts, &local, field) == DG_OK);
  const int64_t before = dg_memory_requested();
  assert_all_true(&test_comm, dg_pass_create(&pass, &model, &local, field, backward, DG_HALO_F32) == DG_OK);
  const int64_t asked = dg_memory_requested() - before;
  const int64_t predicted = dg_pass_bytes(&model, &counts, g->sparse, backward);
  const int64_t widest = 32 * 8, most = predicted + message_bytes(&counts, widest) + SMALL;
  if (asked < predicted || asked > most)
    fprintf(stderr, "asked for %lld bytes, predicted %lld, at most %lld\n", (long long)asked, (long long)predicted,
            (long long)most);
  assert_all_true(&test_comm, asked >= predicted && asked <= most);
  assert_all_true(&test_comm, dg_comm_max_int64(&test_comm, predicted) > 10 * SMALL);
  dg_pass_destroy(&pass);
  dg_counts_destroy(&counts);
  dg_field_destroy(&field);
  dg_model_destroy(&model);
  dg_local_destroy(&local);
}

static void a_pass_asks_for_what_was_counted(void **state) {
  (void)state;
  static const dg_model_kind kinds[] = {DG_MODEL_GCN, DG_MODEL_GAT, DG_MODEL_GATV2, DG_MODEL_MLP};
  for (int sparse = 0; sparse < 2; sparse++) {
    random_graph g = {.seed = 1, .n_nodes = 3000, .n_features = 20, .n_classes = 30, .degree = 4, .sparse = sparse};
    assert_int_equal(random_graph_create(&g), DG_OK);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
      for (int backward = 0; backward < 2; backward++) {
        const dg_model_config config = {.kind = kinds[k], .layers = 3, .hidden = 12, .heads = 8, .out_heads = 2};
        check(&g, &config, backward);
      }
    random_graph_destroy(&g);
  }
}

/* Rows, edges and entries over all ranks are those of the graph, whoever owns what. */
static void counts_add_up_to_the_graph(void **state) {
  (void)state;
  random_graph g = {.seed = 4, .n_nodes = 500, .n_features = 20, .n_classes = 3, .degree = 4, .sparse = true};
  const dg_field_config wanted = {.n_layers = 2, .edges = true, .exchange_first = true};
  dg_local local;
  dg_field *field;
  dg_counts counts;
  assert_int_equal(random_graph_create(&g), DG_OK);
  assert_all_true(&test_comm, random_graph_load(&local, &g, &test_comm, 3) == DG_OK);
  assert_all_true(&test_comm, dg_field_create(&field, &local, &wanted) == DG_OK);
  assert_all_true(&test_comm, dg_counts_create(&counts, &local, field) == DG_OK);
  const dg_layer_counts *n = &counts.layer[0];
  int64_t sums[] = {n->n_dst, n->n_edges, n->entries, n->entries_dst, n->n_sent, n->n_src - n->n_src_owned};
  dg_comm_sum_int64(&test_comm, sums, sizeof sums / sizeof *sums);
  assert_int_equal(sums[0], g.n_nodes);
  assert_int_equal(sums[1], local.shard.info.n_edges + g.n_nodes);
  assert_int_equal(sums[2], local.shard.info.n_nonzeros);
  assert_int_equal(sums[3], local.shard.info.n_nonzeros);
  assert_int_equal(sums[4], test_comm.size > 1 ? sums[5] : 0);
  dg_counts_destroy(&counts);
  dg_field_destroy(&field);
  dg_local_destroy(&local);
  random_graph_destroy(&g);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_pass_asks_for_what_was_counted),
                                     cmocka_unit_test(counts_add_up_to_the_graph)};
  return mpi_test_main(argc, argv, "counts", tests, sizeof tests / sizeof *tests);
}
