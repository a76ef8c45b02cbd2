#include "support/support.h"

#include <math.h>
#include <string.h>

#include <distgat/memory.h>

#include "support/random_graph.h"

enum { NODES = 90, MAX_LAYERS = 3 };

/* Which nodes each layer needs, found naively on the whole graph: sources of layer k (1 ...) are source[k], its targets
   source[k + 1]. */
typedef struct oracle {
  const random_graph *graph;
  const int32_t *owner;
  int rank;
  dg_field_config config;
  bool source[MAX_LAYERS + 2][NODES];
} oracle;

/* Whether j is an in-neighbour of i, self-loop included. */
static bool linked(const oracle *o, int32_t i, int32_t j) {
  const random_graph *g = o->graph;
  if (i == j) return true;
  for (int64_t t = g->indptr[i]; o->config.edges && t < g->indptr[i + 1]; t++)
    if (g->indices[t] == j) return true;
  return false;
}

static void find_sources(oracle *o) {
  const int last = o->config.n_layers + 1;
  for (int32_t i = 0; i < o->graph->n_nodes; i++)
    o->source[last][i] = !o->config.splits || (o->graph->mask[i] & o->config.splits);
  for (int k = last - 1; k >= 1; k--)
    for (int32_t i = 0; i < o->graph->n_nodes; i++)
      for (int32_t j = 0; o->source[k + 1][i] && j < o->graph->n_nodes; j++) o->source[k][j] |= linked(o, i, j);
}

/* Whether a target of layer k of this rank has node j as a source. */
static bool needed_here(const oracle *o, int k, int32_t j) {
  for (int32_t i = 0; i < o->graph->n_nodes; i++)
    if (o->owner[i] == o->rank && o->source[k + 1][i] && linked(o, i, j)) return true;
  return false;
}

/* Whether rows [begin, end) of a block are exactly the nodes marked in `wanted`. */
static bool are_nodes(const dg_block *b, int32_t begin, int32_t end, const bool wanted[NODES]) {
  bool seen[NODES] = {false}, right = true;
  for (int32_t r = begin; r < end; r++) {
    right &= !seen[b->ids[r]];
    seen[b->ids[r]] = true;
  }
  return right && memcmp(seen, wanted, sizeof seen) == 0;
}

static bool rows_are_right(const dg_block *b, const oracle *o, int k) {
  bool target[NODES] = {false}, owned[NODES] = {false}, halo[NODES] = {false};
  for (int32_t j = 0; j < o->graph->n_nodes; j++) {
    bool mine = o->owner[j] == o->rank, needed = needed_here(o, k, j);
    target[j] = mine && o->source[k + 1][j];
    /* Inputs of the first layer that lie at hand on every rank: nobody makes them for others. */
    bool exchanged = o->config.edges && (k > 1 || o->config.exchange_first);
    owned[j] = mine && (exchanged ? o->source[k][j] : needed);
    halo[j] = !mine && needed;
  }
  return are_nodes(b, 0, b->n_dst, target) && are_nodes(b, 0, b->n_src_owned, owned) &&
         are_nodes(b, b->n_src_owned, b->n_src, halo);
}

static bool halo_is_grouped(const dg_block *b, const int32_t *owner) {
  bool right = true;
  for (int32_t r = b->n_src_owned + 1; r < b->n_src; r++) {
    const dg_id before = b->ids[r - 1], here = b->ids[r];
    right &= owner[before] < owner[here] || (owner[before] == owner[here] && before < here);
  }
  return right;
}

static bool edges_are_right(const dg_block *b, const oracle *o) {
  int32_t at = 0;
  for (int32_t i = 0; i < b->n_dst; i++) {
    if (b->indptr[i] != at) return false;
    for (int32_t j = 0; j < o->graph->n_nodes; j++) {
      if (!linked(o, b->ids[i], j)) continue;
      if (at >= b->indptr[i + 1] || b->ids[b->indices[at]] != j) return false;
      at++;
    }
  }
  return b->indptr[b->n_dst] == at;
}

/* Attribute c of the edge from j to i; of a self-loop the mean of those to i. */
static double attribute(const random_graph *g, dg_edge_attributes which, dg_id i, dg_id j, int c) {
  double sum = 0;
  for (int64_t k = g->indptr[i]; k < g->indptr[i + 1]; k++) {
    const double one = random_graph_attribute(g, which, k, c);
    if (g->indices[k] == j) return one;
    sum += one / (double)(g->indptr[i + 1] - g->indptr[i]);
  }
  return sum;
}

static bool attributes_are_right(const dg_block *b, const random_graph *g, dg_edge_attributes which) {
  bool right = b->edge_dim == (which == DG_EDGES_PLAIN ? 0 : which == DG_EDGES_WEIGHT ? 1 : g->edge_dim);
  for (int32_t i = 0; i < b->n_dst; i++)
    for (int32_t t = b->indptr[i]; t < b->indptr[i + 1]; t++)
      for (int c = 0; c < b->edge_dim; c++) {
        const double wanted = attribute(g, which, b->ids[i], b->ids[b->indices[t]], c);
        right &= fabs((double)b->attributes[t * b->edge_dim + c] - wanted) < 1e-6;
      }
  return right;
}

static bool norms_are_right(const dg_block *b, const random_graph *g, dg_edge_attributes which) {
  bool right = true;
  for (int32_t r = 0; r < b->n_src; r++) {
    double degree = 0;
    for (int64_t k = g->indptr[b->ids[r]]; k < g->indptr[b->ids[r] + 1]; k++)
      degree += which == DG_EDGES_WEIGHT ? (double)random_graph_attribute(g, which, k, 0) : 1;
    right &= fabs((double)b->norm[r] * sqrt(degree + 1) - 1) < 1e-6;
  }
  return right;
}

/* Whether some chunk has both rows as targets. */
static bool share_a_chunk(const dg_block *b, int32_t i, int32_t j) {
  bool found = false;
  for (int c = 0; c < b->dst.n; c++)
    found |= b->dst.begin[c] <= i && i < b->dst.end[c] && b->dst.begin[c] <= j && j < b->dst.end[c];
  return found;
}

/* Walks the edges by ascending targets: each must be the next of its source, but for those that are left out. */
static bool transpose_is_right(const dg_block *b, bool outer, bool numbered) {
  int32_t next[NODES], number = 0;
  bool right = b->t_indptr[0] == 0 && (b->number != NULL) == numbered && (b->t_number != NULL) == numbered;
  for (int32_t j = 0; j < b->n_src; j++) next[j] = b->t_indptr[j];
  for (int32_t i = 0; i < b->n_dst; i++) {
    right &= !b->number || b->number[i] == number;
    for (int32_t t = b->indptr[i]; t < b->indptr[i + 1]; t++) {
      int32_t j = b->indices[t];
      if (outer && share_a_chunk(b, i, j)) continue;
      right &= next[j] < b->t_indptr[j + 1] && b->t_indices[next[j]] == i;
      right &= b->edge_dim == 0 ? b->t_edges == NULL : b->t_edges[next[j]] == t;
      right &= !b->t_number || b->t_number[next[j]] == number;
      next[j]++, number++;
    }
  }
  for (int32_t j = 0; j < b->n_src; j++) right &= next[j] == b->t_indptr[j + 1];
  return right;
}

static bool chunks_cover(const dg_chunks *c, int32_t n) {
  int count[NODES] = {0};
  bool right = c->n_first <= c->n;
  for (int k = 0; k < c->n; k++) {
    right &= c->begin[k] < c->end[k] && c->begin[k] >= 0 && c->end[k] <= n;
    for (int32_t r = c->begin[k]; r < c->end[k]; r++) count[r]++;
  }
  for (int32_t r = 0; r < n; r++) right &= count[r] == 1;
  return right;
}

/* First come targets without halo sources that no other rank needs, and halo sources. */
static bool chunks_are_timely(const dg_block *b, bool backward) {
  bool right = true, sent[NODES] = {false};
  for (int32_t i = 0; b->plan.send_offset && i < b->plan.send_offset[b->plan.n_send_ranks]; i++)
    sent[b->plan.send_row[i]] = true;
  for (int c = 0; c < b->dst.n; c++)
    for (int32_t i = b->dst.begin[c]; i < b->dst.end[c]; i++) {
      bool border = sent[i];
      for (int32_t t = b->indptr[i]; t < b->indptr[i + 1]; t++) border |= b->indices[t] >= b->n_src_owned;
      right &= !border || c >= b->dst.n_first;
    }
  for (int c = 0; backward && c < b->src.n; c++)
    for (int32_t j = b->src.begin[c]; j < b->src.end[c]; j++) right &= (j >= b->n_src_owned) == (c < b->src.n_first);
  return right;
}

/* Those of owned rows are in the order of the local rows that they begin with. */
static bool chunks_are_arranged(const dg_chunks *c, int first, int last, const dg_block *b, const dg_local *l) {
  int place[NODES] = {0};
  bool right = true;
  for (dg_row s = 0; s < l->n; s++) place[l->ids[l->order[s]]] = s;
  for (int k = first + 1; l->arranged && k < last; k++)
    right &= place[b->ids[c->begin[k - 1]]] < place[b->ids[c->begin[k]]];
  return right;
}

/* Exchanges ids of rows and compares. Collective. */
static void check_exchange(const dg_block *b) {
  dg_real *value;
  dg_halo_channel *channel;
  bool right = true;
  assert_all_true(&test_comm, dg_alloc(&value, (size_t)b->n_src, sizeof *value) == DG_OK);
  for (int32_t r = 0; r < b->n_src_owned; r++) value[r] = (dg_real)b->ids[r];
  assert_all_true(&test_comm, dg_halo_channel_create(&channel, &b->plan, value, NULL, 1, 1, DG_HALO_F32) == DG_OK);
  dg_halo_pull_begin(channel);
  dg_halo_pull_end(channel);
  for (int32_t r = 0; r < b->n_src; r++) right &= value[r] == (dg_real)b->ids[r];
  assert_all_true(&test_comm, right);
  dg_halo_channel_destroy(&channel);
  dg_free(&value);
}

static void check_block(const dg_block *b, const dg_local *l, const oracle *o, int k, dg_edge_attributes which) {
  assert_all_true(&test_comm, rows_are_right(b, o, k));
  assert_all_true(&test_comm, halo_is_grouped(b, o->owner));
  assert_all_true(&test_comm, edges_are_right(b, o));
  assert_all_true(&test_comm, norms_are_right(b, o->graph, which));
  assert_all_true(&test_comm, attributes_are_right(b, o->graph, o->config.edges ? which : DG_EDGES_PLAIN));
  assert_all_true(&test_comm, chunks_cover(&b->dst, b->n_dst));
  assert_all_true(&test_comm, chunks_are_timely(b, o->config.backward));
  assert_all_true(&test_comm, chunks_are_arranged(&b->dst, 0, b->dst.n_first, b, l));
  assert_all_true(&test_comm, chunks_are_arranged(&b->dst, b->dst.n_first, b->dst.n, b, l));
  assert_all_true(&test_comm, (b->t_indptr != NULL) == o->config.backward);
  if (o->config.backward) {
    assert_all_true(&test_comm, transpose_is_right(b, o->config.outer, o->config.numbered));
    assert_all_true(&test_comm, chunks_cover(&b->src, b->n_src));
    assert_all_true(&test_comm, chunks_are_arranged(&b->src, b->src.n_first, b->src.n, b, l));
  }
  if (k > 1 || o->config.exchange_first) check_exchange(b);
}

static bool ends_are_right(const dg_field *f, const dg_local *l, const random_graph *g) {
  const dg_block *first = f->block[0], *last = f->block[f->n_layers - 1];
  bool right = f->n_out == last->n_dst;
  for (int32_t i = 0; i < f->n_out; i++) {
    const dg_id id = last->ids[i];
    right &= l->ids[f->out_local[i]] == id && f->labels[i] == g->labels[id] && f->mask[i] == g->mask[id];
  }
  for (int32_t r = 0; r < first->n_src; r++) right &= l->ids[f->input_local[r]] == first->ids[r];
  return right;
}

/* Sparse inputs by columns hold what their rows hold. */
static bool input_transpose_is_right(const dg_field *f, const dg_features *x) {
  const int32_t n = f->exchange_first ? f->block[0]->n_src_owned : f->block[0]->n_src; /* rows projected here */
  int64_t count = 0;
  bool right = f->t_indptr[0] == 0;
  for (int32_t c = 0; c < x->n_cols; c++) {
    int64_t t = f->t_indptr[c];
    for (int32_t r = 0; r < n; r++)
      for (int64_t s = x->indptr[f->input_local[r]]; s < x->indptr[f->input_local[r] + 1]; s++) {
        if (x->indices[s] != c) continue;
        right &= t < f->t_indptr[c + 1] && f->t_rows[t] == r && f->t_values[t] == x->values[s];
        t++, count++;
      }
    right &= t == f->t_indptr[c + 1];
  }
  return right && f->t_indptr[x->n_cols] == count;
}

/* Rows that others need of layer k are border targets of the layer below, which makes them first. */
static bool sent_rows_are_border(const dg_block *below, const dg_block *b) {
  bool early[NODES] = {false}, right = true;
  for (int c = 0; c < below->dst.n_first; c++)
    for (int32_t i = below->dst.begin[c]; i < below->dst.end[c]; i++) early[i] = true;
  for (int32_t i = 0; i < b->plan.send_offset[b->plan.n_send_ranks]; i++) right &= !early[b->plan.send_row[i]];
  return right;
}

/* As if there were many rows, whose clusters lie in another order. */
static void arrange(dg_local *l) {
  for (dg_row s = 0; s < l->n; s++) l->order[s] = l->n - 1 - s;
  l->arranged = true;
}

static void check_field(const random_graph *g, dg_field_config config, uint64_t owner_seed) {
  const dg_edge_attributes which = (dg_edge_attributes)(owner_seed % 3);
  dg_local local;
  dg_field *field;
  assert_all_true(&test_comm, random_graph_load(&local, g, &test_comm, owner_seed, which) == DG_OK);
  if (owner_seed % 4 > 1) arrange(&local);
  assert_all_true(&test_comm, dg_field_create(&field, &local, &config) == DG_OK);
  int32_t owner[NODES];
  for (int32_t i = 0; i < g->n_nodes; i++) owner[i] = random_graph_owner(&test_comm, owner_seed, i);
  oracle o = {.graph = g, .owner = owner, .rank = test_comm.rank, .config = config};
  find_sources(&o);
  for (int k = 1; k <= config.n_layers; k++) {
    const dg_block *b = field->block[k - 1];
    check_block(b, &local, &o, k, which);
    if (config.splits == 0) assert_ptr_equal(b, field->block[config.n_layers - 1]);
    /* What a layer makes is what the next one takes. */
    if (k > 1) assert_all_true(&test_comm, field->block[k - 2]->n_dst == b->n_src_owned);
    if (k > 1) assert_all_true(&test_comm, sent_rows_are_border(field->block[k - 2], b));
    if (k > 1)
      assert_all_true(&test_comm,
                      memcmp(field->block[k - 2]->ids, b->ids, (size_t)b->n_src_owned * sizeof *b->ids) == 0);
  }
  assert_all_true(&test_comm, ends_are_right(field, &local, g));
  if (config.backward && g->sparse) assert_all_true(&test_comm, input_transpose_is_right(field, &local.shard.features));
  dg_field_destroy(&field);
  dg_local_destroy(&local);
}

/* Degree 1.2 leaves rows out of every layer; a hub draws all in. */
static const random_graph thin = {
    .seed = 12, .n_nodes = NODES, .n_features = 6, .n_classes = 3, .degree = 1.2, .sparse = true, .edge_dim = 2};
static const random_graph hub = {
    .seed = 13, .n_nodes = 40, .n_features = 2, .n_classes = 3, .degree = 3, .hub = true, .edge_dim = 3};

static void check_graph(const random_graph *description, dg_field_config config) {
  random_graph g = *description;
  assert_int_equal(random_graph_create(&g), DG_OK);
  for (uint64_t owner_seed = 0; owner_seed < 6; owner_seed++) check_field(&g, config, owner_seed);
  random_graph_destroy(&g);
}

static void pruned_fields_follow_the_graph(void **state) {
  (void)state;
  for (int layers = 1; layers <= MAX_LAYERS; layers++)
    for (int outer = 0; outer < 2; outer++)
      check_graph(&thin, (dg_field_config){
                             .n_layers = layers, .splits = DG_TRAIN, .edges = true, .backward = true, .outer = outer});
  check_graph(&hub, (dg_field_config){.n_layers = 2, .splits = DG_TRAIN, .edges = true, .backward = true});
}

/* So many edges that rows of one level are cut, too. */
static void chunks_go_in_the_order_of_rows(void **state) {
  (void)state;
  random_graph g = {.seed = 14, .n_nodes = NODES, .n_features = 2, .n_classes = 3, .degree = 60};
  assert_int_equal(random_graph_create(&g), DG_OK);
  for (int outer = 0; outer < 2; outer++)
    for (int numbered = 0; numbered < 2; numbered++)
      check_field(
          &g,
          (dg_field_config){
              .n_layers = 2, .splits = DG_TRAIN, .edges = true, .backward = true, .outer = outer, .numbered = numbered},
          6);
  random_graph_destroy(&g);
}

static void first_layers_may_exchange(void **state) {
  (void)state;
  dg_field_config config = {.splits = DG_TRAIN, .edges = true, .exchange_first = true, .backward = true};
  for (config.n_layers = 1; config.n_layers <= MAX_LAYERS; config.n_layers++) check_graph(&thin, config);
  config.n_layers = 2;
  check_graph(&hub, config);
  config.splits = 0;
  check_graph(&thin, config);
}

static void several_splits_and_no_transposes(void **state) {
  (void)state;
  check_graph(&thin, (dg_field_config){.n_layers = 2, .splits = DG_VAL | DG_TEST, .edges = true});
}

static void full_fields_share_one_block(void **state) {
  (void)state;
  check_graph(&thin, (dg_field_config){.n_layers = 3, .edges = true, .backward = true});
  check_graph(&hub, (dg_field_config){.n_layers = 2, .edges = true});
}

static void without_edges_rows_meet_themselves(void **state) {
  (void)state;
  check_graph(&thin, (dg_field_config){.n_layers = 2, .splits = DG_TRAIN, .backward = true});
  check_graph(&thin, (dg_field_config){.n_layers = 2});
}

static void pruning_leaves_rows_out(void **state) {
  (void)state;
  random_graph g = thin;
  dg_local local;
  dg_field *field;
  int64_t rows[4] = {0};
  assert_int_equal(random_graph_create(&g), DG_OK);
  assert_all_true(&test_comm, random_graph_load(&local, &g, &test_comm, 0, DG_EDGES_FEATURES) == DG_OK);
  const dg_field_config config = {.n_layers = 3, .splits = DG_TRAIN, .edges = true};
  assert_all_true(&test_comm, dg_field_create(&field, &local, &config) == DG_OK);
  for (int k = 0; k < 3; k++) rows[k] = field->block[k]->n_dst;
  rows[3] = local.n;
  dg_comm_sum_int64(&test_comm, rows, 4);
  assert_true(rows[2] == local.shard.n_train && rows[2] < rows[1] && rows[1] < rows[0] && rows[0] < rows[3]);
  dg_field_destroy(&field);
  dg_local_destroy(&local);
  random_graph_destroy(&g);
}

static void memory_of_one_rank_stops_all(void **state) {
  (void)state;
  random_graph g = thin;
  dg_local local;
  dg_field *field;
  const dg_field_config config = {.n_layers = 2, .splits = DG_TRAIN, .edges = true, .backward = true};
  assert_int_equal(random_graph_create(&g), DG_OK);
  assert_all_true(&test_comm, random_graph_load(&local, &g, &test_comm, 0, DG_EDGES_FEATURES) == DG_OK);
  for (int64_t n = 1; n <= 64; n += 3) {
    if (test_comm.rank == test_comm.size - 1) dg_memory_fail_at(n);
    dg_status status = dg_field_create(&field, &local, &config);
    dg_memory_fail_at(0);
    dg_status_clear();
    assert_all_true(&test_comm, status == DG_OK || (status == DG_MEMORY && field == NULL));
    assert_all_true(&test_comm, n > 1 || status == DG_MEMORY);
    dg_field_destroy(&field);
  }
  dg_local_destroy(&local);
  random_graph_destroy(&g);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pruned_fields_follow_the_graph),     cmocka_unit_test(first_layers_may_exchange),
      cmocka_unit_test(several_splits_and_no_transposes),   cmocka_unit_test(full_fields_share_one_block),
      cmocka_unit_test(without_edges_rows_meet_themselves), cmocka_unit_test(pruning_leaves_rows_out),
      cmocka_unit_test(memory_of_one_rank_stops_all),       cmocka_unit_test(chunks_go_in_the_order_of_rows),
  };
  return mpi_test_main(argc, argv, "field", tests, sizeof tests / sizeof *tests);
}
