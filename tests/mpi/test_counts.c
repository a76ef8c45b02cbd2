#include "support/support.h"

#include <stdio.h>
#include <string.h>

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

static void check(const random_graph *g, const dg_model_config *config, bool exchange_first, bool backward) {
  const dg_field_config wanted = {.n_layers = config->layers,
                                  .splits = backward && config->label_iterations == 0 ? DG_TRAIN : 0,
                                  .edges = config->kind != DG_MODEL_MLP,
                                  .exchange_first = exchange_first,
                                  .exchange_input = config->label_iterations > 0,
                                  .backward = backward,
                                  .full = backward && dg_model_is_full(config)};
  dg_local local;
  dg_model model;
  dg_field *field;
  dg_pass pass;
  dg_counts counts;
  assert_all_true(&test_comm, random_graph_load(&local, g, &test_comm, 2, config->edge_attributes) == DG_OK);
  assert_all_true(&test_comm,
                  dg_model_create(&model, config, g->n_features, g->n_classes, local.shard.edge_dim) == DG_OK);
  dg_model_order_input(&model, g->sparse, exchange_first);
  if (!exchange_first) assert_all_true(&test_comm, dg_local_fetch_features(&local) == DG_OK);
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
  static const dg_model_kind kinds[] = {DG_MODEL_GCN, DG_MODEL_GAT, DG_MODEL_GATV2, DG_MODEL_MLP, DG_MODEL_SAGE};
  for (int sparse = 0; sparse < 2; sparse++) {
    random_graph g = {.seed = 1, .n_nodes = 3000, .n_features = 20, .n_classes = 30, .degree = 4, .sparse = sparse};
    g.edge_dim = 40;
    assert_int_equal(random_graph_create(&g), DG_OK);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
      for (int backward = 0; backward < 2; backward++) {
        dg_model_config config = {.kind = kinds[k], .layers = 3, .hidden = 12, .heads = 8, .out_heads = 2};
        check(&g, &config, true, backward);
        config.residual = true, config.norm = sparse ? DG_NORM_BATCH : DG_NORM_LAYER;
        check(&g, &config, true, backward);
        config.use_labels = 0.5;
        check(&g, &config, true, backward);
        config.source_only = sparse;
        config.edge_attributes = kinds[k] == DG_MODEL_GCN ? DG_EDGES_WEIGHT : DG_EDGES_FEATURES;
        check(&g, &config, true, backward);
        config = (dg_model_config){.kind = kinds[k], .layers = 3, .hidden = 100, .heads = 1, .out_heads = 1};
        check(&g, &config, false, backward);
        config.use_labels = 0.5, config.label_iterations = 1;
        check(&g, &config, false, backward);
        config.hidden = 130; /* edges of GATv2 are noted */
        check(&g, &config, false, backward);
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
  assert_all_true(&test_comm, random_graph_load(&local, &g, &test_comm, 3, DG_EDGES_PLAIN) == DG_OK);
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

/* Stored features of every row of the graph, from the ranks that own them; entries [n_nodes]. Collective. */
static void gather_entries(int64_t *entries, const random_graph *g, const dg_local *local) {
  const dg_features *x = &local->shard.features;
  memset(entries, 0, (size_t)g->n_nodes * sizeof *entries);
  for (dg_row i = 0; i < local->n; i++)
    entries[local->ids[i]] = x->sparse ? x->indptr[i + 1] - x->indptr[i] : x->n_cols;
  dg_comm_sum_int64(&test_comm, entries, g->n_nodes);
}

static bool same_counts(const dg_layer_counts *a, const dg_layer_counts *b) {
  return a->n_dst == b->n_dst && a->n_src_owned == b->n_src_owned && a->n_src == b->n_src &&
         a->n_projected == b->n_projected && a->n_sent == b->n_sent && a->n_send_ranks == b->n_send_ranks &&
         a->n_recv_ranks == b->n_recv_ranks && a->n_edges == b->n_edges && a->entries == b->entries &&
         a->entries_dst == b->entries_dst;
}

/* Of a field with and without the graph's features, edges, splits, exchanges. */
static void check_parts(const random_graph *g, const dg_local *local, const dg_outline *outline,
                        const dg_field_config *config) {
  dg_field *field;
  dg_counts here, *parts;
  int32_t *part;
  assert_int_equal(dg_alloc(&parts, (size_t)test_comm.size, sizeof *parts), DG_OK);
  assert_int_equal(dg_alloc(&part, (size_t)g->n_nodes, sizeof *part), DG_OK);
  for (int32_t i = 0; i < g->n_nodes; i++) part[i] = random_graph_owner(&test_comm, 3, i);
  assert_int_equal(dg_counts_of_parts(parts, outline, part, test_comm.size, config), DG_OK);
  assert_all_true(&test_comm, dg_field_create(&field, local, config) == DG_OK);
  assert_all_true(&test_comm, dg_counts_create(&here, local, field) == DG_OK);
  bool same = parts[test_comm.rank].n_out == here.n_out;
  for (int k = 0; k < config->n_layers; k++)
    same = same && same_counts(&parts[test_comm.rank].layer[k], &here.layer[k]);
  assert_all_true(&test_comm, same);
  for (int p = 0; p < test_comm.size; p++) dg_counts_destroy(&parts[p]);
  dg_counts_destroy(&here);
  dg_field_destroy(&field);
  dg_free(&parts);
  dg_free(&part);
}

static void check_all_parts(random_graph g) {
  static const int splits[] = {0, DG_TRAIN, DG_VAL | DG_TEST};
  dg_local local;
  dg_outline outline;
  int64_t *entries;
  assert_int_equal(random_graph_create(&g), DG_OK);
  assert_all_true(&test_comm, random_graph_load(&local, &g, &test_comm, 3, DG_EDGES_PLAIN) == DG_OK);
  assert_int_equal(dg_alloc(&entries, (size_t)g.n_nodes, sizeof *entries), DG_OK);
  gather_entries(entries, &g, &local);
  assert_int_equal(random_graph_outline(&outline, &g), DG_OK);
  assert_memory_equal(outline.entries, entries, (size_t)g.n_nodes * sizeof *entries);
  assert_memory_equal(outline.mask, g.mask, (size_t)g.n_nodes);
  for (int layers = 1; layers <= 3; layers++)
    for (int s = 0; s < 3; s++)
      for (int way = 0; way < 4; way++) {
        dg_field_config config = {.n_layers = layers, .splits = splits[s], .edges = way < 3, .exchange_first = way % 2};
        check_parts(&g, &local, &outline, &config);
        config.exchange_input = splits[s] == 0;
        check_parts(&g, &local, &outline, &config);
      }
  dg_free(&entries);
  dg_outline_destroy(&outline);
  dg_local_destroy(&local);
  random_graph_destroy(&g);
}

static void parts_of_a_divided_graph_are_counted_as_their_ranks_count(void **state) {
  (void)state;
  check_all_parts((random_graph){.seed = 4, .n_nodes = 400, .n_features = 20, .n_classes = 3, .degree = 3});
  /* So few edges that some ranks only give to others, and some only get from them. */
  check_all_parts(
      (random_graph){.seed = 6, .n_nodes = 40, .n_features = 5, .n_classes = 3, .degree = 0.2, .sparse = true});
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_pass_asks_for_what_was_counted),
                                     cmocka_unit_test(counts_add_up_to_the_graph),
                                     cmocka_unit_test(parts_of_a_divided_graph_are_counted_as_their_ranks_count)};
  return mpi_test_main(argc, argv, "counts", tests, sizeof tests / sizeof *tests);
}
