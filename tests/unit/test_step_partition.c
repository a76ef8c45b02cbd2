#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <distgat/counts.h>
#include <distgat/memory.h>
#include <distgat/partition.h>
#include <distgat/rng.h>

#include "partition/refiner.h"

/* Partitions by what a training step does, against counts of a matrix. */

enum { MAX_NODES = 160, MAX_PARTS = 24, MAX_LAYERS = 4, CLASSES = 4 };

/* The oracle's view: linked[i][j] where messages flow j -> i, self-loops included; sees[l][i][j]: the targets i of
   layer l (1 ...) and their sources j. */
static struct {
  int n, layers;
  bool linked[MAX_NODES][MAX_NODES], output[MAX_NODES], sees[MAX_LAYERS + 1][MAX_NODES][MAX_NODES];
} m;

static dg_outline graph;
static dg_step_work work;
static int32_t part[MAX_NODES];

static double draw(int what, int i, int j) {
  return dg_rng_uniform(dg_rng_key((uint64_t)what, (uint64_t)i), (uint64_t)j);
}

static bool near_to(double a, double b) {
  return fabs(a - b) <= 1e-9 * fmax(1, fabs(b));
}

static void destroy_graph(void) {
  dg_step_work_destroy(&work);
  dg_outline_destroy(&graph);
}

/* Which rows each layer aggregates, from the last down: what the layer above reads. */
static void find_targets(bool edges) {
  memset(m.sees, 0, sizeof m.sees);
  for (int l = m.layers; l >= 1; l--)
    for (int i = 0; i < m.n; i++) {
      bool wanted = l == m.layers && m.output[i];
      for (int t = 0; l < m.layers && t < m.n; t++) wanted |= m.sees[l + 1][t][i];
      for (int j = 0; wanted && j < m.n; j++) m.sees[l][i][j] = i == j || (edges && m.linked[i][j]);
    }
}

/* The matrix and its outputs as a graph whose rows have 0 to 9 features, and the work of a step. */
static void convert(const dg_step_config *config) {
  const size_t n = (size_t)m.n;
  destroy_graph();
  graph.in.n_rows = m.n;
  m.layers = config->layers;
  assert_int_equal(dg_alloc(&graph.in.indptr, n + 1, sizeof *graph.in.indptr), DG_OK);
  assert_int_equal(dg_alloc(&graph.in.indices, n * n, sizeof *graph.in.indices), DG_OK);
  assert_int_equal(dg_alloc(&graph.entries, n, sizeof *graph.entries), DG_OK);
  assert_int_equal(dg_alloc(&graph.mask, n, sizeof *graph.mask), DG_OK);
  for (int i = 0; i < m.n; i++) {
    graph.in.indptr[i + 1] = graph.in.indptr[i];
    for (int j = 0; j < m.n; j++)
      if (i != j && m.linked[i][j]) graph.in.indices[graph.in.indptr[i + 1]++] = j;
    graph.entries[i] = (int64_t)(10 * draw(3, i, 0));
    graph.mask[i] = m.output[i] ? DG_TRAIN : DG_VAL;
  }
  find_targets(config->edges);
  assert_int_equal(dg_step_work_create(&work, &graph, CLASSES, config), DG_OK);
}

static dg_step_config step_of(int layers) {
  dg_step_config config = dg_step_defaults();
  config.layers = layers;
  return config;
}

/* Random edges, one way or both, the last tenth of the nodes without any; `outputs` of them are training nodes. */
static void make_graph(int n, double degree, bool symmetric, double outputs, int seed) {
  memset(&m, 0, sizeof m);
  m.n = n;
  for (int i = 0; i < n; i++) {
    m.output[i] = draw(seed + 20, i, 0) < outputs || i == 0;
    for (int j = 0; j < n; j++) {
      const bool alone = i >= n - n / 10 || j >= n - n / 10;
      m.linked[i][j] = i != j && !alone && draw(seed, i, j) * n < degree;
    }
  }
  for (int i = 0; symmetric && i < n; i++)
    for (int j = 0; j < i; j++) m.linked[j][i] = m.linked[i][j];
}

/* Communities in a ring, each a clique but for a few, linked to the next by one edge: there is a good partition. */
static void make_communities(int n, int size, double outputs) {
  memset(&m, 0, sizeof m);
  m.n = n;
  for (int i = 0; i < n; i++) {
    m.output[i] = draw(8, i, 0) < outputs;
    for (int j = 0; j < i; j++)
      m.linked[i][j] = m.linked[j][i] = (i / size == j / size && draw(9, i, j) < 0.6) || (i - j == 1 && i % size == 0);
  }
}

static void draw_parts(int parts, int seed) {
  for (int i = 0; i < m.n; i++) part[i] = (int32_t)(draw(seed + 40, i, 1) * parts);
}

/* ---- the work of a step ---- */

static dg_step_part count_part(int p) {
  dg_step_part one = {0};
  bool source[MAX_NODES] = {0};
  for (int l = 1; l <= m.layers; l++) {
    bool foreign[MAX_NODES] = {0};
    for (int i = 0; i < m.n; i++)
      for (int j = 0; part[i] == p && j < m.n; j++) {
        if (!m.sees[l][i][j]) continue;
        one.edges++;
        one.targets += l == 1 && i == j;
        one.first_edges += l == 1;
        source[j] |= l == 1;
        foreign[j] |= part[j] != p;
      }
    for (int j = 0; j < m.n; j++) one.halo_nodes += foreign[j];
  }
  for (int j = 0; j < m.n; j++) {
    one.nonzeros += source[j] ? graph.entries[j] : 0;
    one.outputs += part[j] == p && m.output[j];
  }
  return one;
}

/* What ranks would count. */
static void check_counts(const dg_step_part *each, int parts, const dg_step_config *step) {
  static dg_counts counts[MAX_PARTS];
  const dg_field_config field = {
      .n_layers = step->layers, .splits = step->all ? 0 : DG_TRAIN, .edges = step->edges, .backward = true};
  assert_int_equal(dg_counts_of_parts(counts, &graph, part, parts, &field), DG_OK);
  for (int p = 0; p < parts; p++) {
    int64_t edges = 0, halo = 0;
    for (int k = 0; k < step->layers; k++) {
      edges += counts[p].layer[k].n_edges;
      halo += counts[p].layer[k].n_src - counts[p].layer[k].n_src_owned;
    }
    assert_int_equal(each[p].nonzeros, counts[p].layer[0].entries);
    assert_int_equal(each[p].first_edges, counts[p].layer[0].n_edges);
    assert_int_equal(each[p].targets, counts[p].layer[0].n_dst);
    assert_int_equal(each[p].edges, edges);
    assert_int_equal(each[p].halo_nodes, halo);
    dg_counts_destroy(&counts[p]);
  }
}

static void check_step(const dg_step_config *config) {
  static const int counts[] = {1, 2, 7, MAX_PARTS};
  dg_step_part each[MAX_PARTS];
  if (config->all)
    for (int i = 0; i < m.n; i++) m.output[i] = true;
  convert(config);
  for (int c = 0; c < 4; c++) {
    draw_parts(counts[c], c);
    assert_int_equal(dg_partition_measure_step(each, &graph.in, &work, part, counts[c]), DG_OK);
    for (int p = 0; p < counts[c]; p++) {
      const dg_step_part expected = count_part(p);
      assert_memory_equal(&each[p], &expected, sizeof expected);
    }
    check_counts(each, counts[c], config);
  }
}

static void steps_are_counted_as_the_matrix_says(void **state) {
  (void)state;
  for (int layers = 1; layers <= MAX_LAYERS; layers++)
    for (int symmetric = 0; symmetric < 2; symmetric++)
      for (int few = 0; few < 2; few++) {
        dg_step_config config = step_of(layers);
        make_graph(90, 2.5, symmetric, few ? 0.04 : 0.4, layers);
        check_step(&config);
        config.edges = few;
        config.all = !few;
        check_step(&config);
      }
}

static void edges_of_the_last_layer_weigh_by_its_width(void **state) {
  (void)state;
  dg_step_config config = step_of(3);
  config.width = 16, config.out_heads = 2;
  make_graph(60, 3, true, 0.1, 1);
  convert(&config);
  for (int i = 0; i < m.n; i++) {
    double expected = 0;
    for (int l = 1; l <= 3; l++)
      for (int j = 0; j < m.n; j++) expected += m.sees[l][i][j] ? (l == 3 ? CLASSES * 2 / 16.0 : 1) : 0;
    assert_true(near_to(dg_step_edge_work(&work, i, graph.in.indptr[i + 1] - graph.in.indptr[i]), expected));
  }
}

/* ---- single moves ---- */

/* Rows of other parts, each as much as the target in the part that wants it most. */
static double weighted_halo(int parts) {
  double sum = 0;
  for (int p = 0; p < parts; p++)
    for (int j = 0; j < m.n; j++) {
      double most = 0;
      for (int i = 0; part[j] != p && i < m.n; i++) {
        int layers = 0;
        for (int l = 1; l <= m.layers; l++) layers += m.sees[l][i][j];
        if (part[i] == p && m.linked[i][j]) most = fmax(most, layers > 0 ? 100.0 * layers : 1);
      }
      sum += most;
    }
  return sum;
}

static double summed_excess(const dg_refiner *r) {
  double sum = 0;
  for (int p = 0; p < r->parts; p++)
    for (int l = 0; l < r->n_loads; l++) sum += dg_refiner_excess(r, p, l, r->load[p][l]);
  return sum;
}

static void check_lightest(dg_refiner *r) {
  for (int l = 0; l < r->n_loads; l++) {
    int least = r->parts - 1;
    for (int p = least; p >= 0; p--)
      if (r->load[p][l] <= r->load[least][l]) least = p;
    assert_int_equal(dg_refiner_lightest(r, l), least);
  }
}

/* What a move is said to change is what it changes; so loads that are kept are those that are found anew. */
static void check_moves(int parts, dg_partition_balance balance) {
  dg_refiner r;
  dg_partition_config config = dg_partition_defaults(parts);
  config.balance = balance;
  config.step = &work;
  assert_int_equal(dg_refiner_create(&r, part, &graph.in, &config), DG_OK);
  for (int k = 0; k < 40; k++) {
    const int32_t node = (int32_t)(draw(50, k, 0) * m.n);
    const int to = (int)(draw(50, k, 1) * parts);
    if (to == part[node]) continue;
    const double halo = weighted_halo(parts), excess = summed_excess(&r);
    dg_refiner_look(&r, node);
    dg_refiner_consider(&r, to);
    const double halo_change = dg_refiner_halo_of_move(&r, node, to);
    const double excess_change = dg_refiner_excess_of_move(&r, node, to);
    check_lightest(&r);
    dg_refiner_move(&r, node, to);
    check_lightest(&r);
    const double total = r.total[0];
    if (balance == DG_BALANCE_STEP) assert_true(near_to(weighted_halo(parts) - halo, halo_change));
    assert_true(near_to(summed_excess(&r) - excess, excess_change));
    double kept[MAX_PARTS][DG_MAX_LOADS];
    memcpy(kept, r.load, (size_t)parts * sizeof *kept);
    assert_int_equal(dg_refiner_weigh(&r), DG_OK);
    for (int p = 0; p < parts; p++)
      for (int l = 0; l < r.n_loads; l++) assert_true(near_to(kept[p][l], r.load[p][l]));
    assert_true(balance == DG_BALANCE_STEP || total == r.total[0]);
  }
  dg_refiner_destroy(&r);
}

static void moves_change_what_they_say(void **state) {
  (void)state;
  for (int layers = 1; layers <= 3; layers++)
    for (int symmetric = 0; symmetric < 2; symmetric++)
      for (int balance = 0; balance < 4; balance++) {
        const dg_step_config config = step_of(layers);
        make_graph(60, 2.5, symmetric, 0.15, layers);
        convert(&config);
        draw_parts(5, layers);
        check_moves(5, (dg_partition_balance)balance);
      }
}

/* ---- partitions ---- */

static dg_partition_config by_step(int parts) {
  dg_partition_config config = dg_partition_defaults(parts);
  config.step = &work;
  return config;
}

static dg_step_quality divide(const dg_partition_config *config, dg_partition_quality *quality) {
  dg_step_part each[MAX_PARTS];
  assert_int_equal(dg_partition_compute(part, &graph.in, config), DG_OK);
  assert_int_equal(dg_partition_measure(quality, &graph.in, part, config->parts), DG_OK);
  assert_int_equal(dg_partition_measure_step(each, &graph.in, &work, part, config->parts), DG_OK);
  return dg_step_quality_of(each, config->parts);
}

/* Each within 1.05 where rows are small beside a part. */
static void work_and_edges_are_balanced(void **state) {
  (void)state;
  const dg_step_config step = step_of(2);
  make_communities(MAX_NODES, 8, 0.2);
  convert(&step);
  for (int parts = 2; parts <= 4; parts++) {
    dg_partition_config config = by_step(parts);
    dg_partition_quality q;
    for (int objective = 0; objective < 3; objective++) {
      config.objective = (dg_partition_objective)objective;
      const dg_step_quality s = divide(&config, &q);
      assert_true(s.nonzero_imbalance < 1.06 && s.first_edge_imbalance < 1.06 && q.edge_imbalance < 1.06);
    }
    config.balance = DG_BALANCE_EDGES;
    const dg_step_quality s = divide(&config, &q);
    assert_true(s.nonzero_imbalance > 1.06); /* else the graph is no test */
  }
}

/* Where it is bound to fail a part has little more than its largest row. */
static void no_part_is_idle_or_empty_while_rows_last(void **state) {
  (void)state;
  for (int few = 0; few < 2; few++)
    for (int parts = 2; parts <= MAX_PARTS; parts++) {
      const dg_step_config step = step_of(2);
      make_graph(few ? 30 : 120, 1.5, few, 0.05, parts);
      convert(&step);
      int64_t targets = 0;
      for (int i = 0; i < m.n; i++) targets += dg_step_is_target(&work, i);
      const dg_partition_config config = by_step(parts);
      dg_partition_quality q;
      const dg_step_quality s = divide(&config, &q);
      assert_int_equal(q.empty_parts, 0);
      assert_int_equal(s.idle_parts, targets < parts ? parts - targets : 0);
    }
}

/* All targets are in the first part, the last is empty. */
static void filling_gives_every_part_a_target(void **state) {
  (void)state;
  enum { PARTS = 6 };
  const dg_step_config step = step_of(2);
  make_graph(60, 2.5, true, 0.1, 1);
  convert(&step);
  const dg_partition_config config = by_step(PARTS);
  dg_refiner r;
  int targets[PARTS] = {0};
  for (int i = 0; i < m.n; i++) part[i] = dg_step_is_target(&work, i) ? 0 : 1 + i % (PARTS - 2);
  assert_int_equal(dg_refiner_create(&r, part, &graph.in, &config), DG_OK);
  assert_int_equal(dg_refiner_fill(&r), DG_OK);
  for (int i = 0; i < m.n; i++) targets[part[i]] += dg_step_is_target(&work, i);
  for (int p = 0; p < PARTS; p++) {
    assert_true(targets[p] > 0);
    assert_int_equal(r.targets[p], targets[p]);
  }
  dg_refiner_destroy(&r);
}

/* Worst imbalance of a partition, and its halo. */
static void judge(double *worst, double *halo, const dg_partition_config *config) {
  dg_refiner r;
  assert_int_equal(dg_refiner_create(&r, part, &graph.in, config), DG_OK);
  *worst = dg_refiner_worst(&r);
  *halo = weighted_halo(config->parts);
  dg_refiner_destroy(&r);
}

/* Of all partitions in two: the least of worst imbalances, and the least halo of those that keep to `bound`. */
static void try_all(double *least_worst, double *least_halo, double bound, const dg_partition_config *config) {
  *least_worst = *least_halo = INFINITY;
  for (int set = 1; set < 1 << (m.n - 1); set++) {
    double worst, halo;
    for (int i = 0; i < m.n; i++) part[i] = set >> i & 1;
    judge(&worst, &halo, config);
    if (worst < *least_worst) *least_worst = worst;
    if (worst <= bound && halo < *least_halo) *least_halo = halo;
  }
}

static void partitions_are_nearly_the_best_there_are(void **state) {
  (void)state;
  double worse = 0, more = 0;
  enum { GRAPHS = 8 };
  for (int seed = 0; seed < GRAPHS; seed++) {
    const dg_step_config step = step_of(2);
    make_graph(12, 2.5, true, 0.2, seed);
    convert(&step);
    const dg_partition_config config = by_step(2);
    double worst, halo, least_worst, least_halo;
    assert_int_equal(dg_partition_compute(part, &graph.in, &config), DG_OK);
    judge(&worst, &halo, &config);
    try_all(&least_worst, &least_halo, fmax(worst, 1.05), &config);
    assert_true(worst >= least_worst - 1e-9 && halo >= least_halo - 1e-9);
    worse += worst / fmax(least_worst, 1.05) / GRAPHS;
    more += (halo + 100) / (least_halo + 100) / GRAPHS;
  }
  print_message("beside the best of all: imbalance %.3f times, halo %.3f times\n", worse, more);
  assert_true(worse < 1.1 && more < 1.2);
}

/* Rows that were dealt out at random come home: near what METIS finds, and balanced. */
static void refining_mends_a_bad_partition(void **state) {
  (void)state;
  const dg_step_config step = step_of(2);
  make_communities(MAX_NODES, 8, 0.2);
  convert(&step);
  const dg_partition_config config = by_step(4);
  double before, after;
  draw_parts(4, 1);
  for (int i = 0; i < m.n; i++)
    if (draw(60, i, 0) < 0.8) part[i] = i * 4 / m.n;
  assert_int_equal(dg_partition_cost(&before, NULL, part, &graph.in, &config), DG_OK);
  assert_int_equal(dg_partition_refine(part, &graph.in, &config), DG_OK);
  assert_int_equal(dg_partition_cost(&after, NULL, part, &graph.in, &config), DG_OK);
  assert_true(after < 0.6 * before);
}

/* A rank of three times the threads gets three times the work. */
static void shares_are_followed(void **state) {
  (void)state;
  const dg_step_config step = step_of(2);
  const double share[] = {0.2, 0.6, 0.2};
  make_communities(MAX_NODES, 4, 0.3);
  convert(&step);
  dg_partition_config config = by_step(3);
  config.share = share;
  dg_step_part each[3];
  dg_partition_part parts[3];
  assert_int_equal(dg_partition_compute(part, &graph.in, &config), DG_OK);
  assert_int_equal(dg_partition_measure_step(each, &graph.in, &work, part, 3), DG_OK);
  assert_int_equal(dg_partition_measure_parts(parts, &graph.in, part, 3), DG_OK);
  const double nonzeros = (double)(each[0].nonzeros + each[1].nonzeros + each[2].nonzeros);
  const double edges = (double)(graph.in.indptr[m.n] + m.n);
  for (int p = 0; p < 3; p++) {
    assert_true(fabs((double)each[p].nonzeros / nonzeros - share[p]) < 0.06);
    assert_true(fabs((double)parts[p].edges / edges - share[p]) < 0.06);
  }
}

static void auto_keeps_the_smaller_halo(void **state) {
  (void)state;
  for (int seed = 0; seed < 4; seed++)
    for (int balance = 0; balance < 2; balance++) {
      const dg_step_config step = step_of(2);
      double cost[3];
      make_graph(MAX_NODES, 4, true, 0.1, seed);
      convert(&step);
      for (int objective = 0; objective < 3; objective++) {
        dg_partition_config config = by_step(4);
        config.balance = balance ? DG_BALANCE_EDGES : DG_BALANCE_STEP;
        config.objective = (dg_partition_objective)objective;
        assert_int_equal(dg_partition_compute(part, &graph.in, &config), DG_OK);
        assert_int_equal(dg_partition_cost(&cost[objective], NULL, part, &graph.in, &config), DG_OK);
      }
      assert_true(cost[DG_PART_AUTO] <= cost[DG_PART_CUT] && cost[DG_PART_AUTO] <= cost[DG_PART_VOL]);
    }
}

/* No training nodes, no features, no edges: what is not there is not balanced. */
static void steps_without_work_are_divided_too(void **state) {
  (void)state;
  for (int which = 0; which < 3; which++) {
    dg_step_config step = step_of(2);
    step.edges = which != 2;
    make_graph(80, which == 2 ? 0 : 3, true, 0.2, which);
    if (which == 0) memset(m.output, 0, sizeof m.output);
    convert(&step);
    if (which == 1) memset(graph.entries, 0, (size_t)m.n * sizeof *graph.entries);
    const dg_partition_config config = by_step(4);
    dg_partition_quality q;
    (void)divide(&config, &q);
    assert_int_equal(q.empty_parts, 0);
    assert_true(q.edge_imbalance < 1.1);
  }
}

static void out_of_memory_is_a_status(void **state) {
  (void)state;
  const dg_step_config step = step_of(2);
  make_graph(60, 3, false, 0.2, 2);
  convert(&step);
  const dg_partition_config config = by_step(4);
  dg_status status = DG_MEMORY;
  for (int64_t n = 1; status != DG_OK; n++) {
    dg_memory_fail_at(n);
    dg_step_work again;
    status = dg_step_work_create(&again, &graph, CLASSES, &step);
    if (status == DG_OK) dg_step_work_destroy(&again);
    if (status == DG_OK) status = dg_partition_compute(part, &graph.in, &config);
    dg_memory_fail_at(0);
    assert_true(status == DG_OK || status == DG_MEMORY);
    assert_true(n < 300);
    dg_status_clear();
  }
}

static int clean_up(void **state) {
  (void)state;
  destroy_graph();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(steps_are_counted_as_the_matrix_says),
      cmocka_unit_test(edges_of_the_last_layer_weigh_by_its_width),
      cmocka_unit_test(moves_change_what_they_say),
      cmocka_unit_test(work_and_edges_are_balanced),
      cmocka_unit_test(no_part_is_idle_or_empty_while_rows_last),
      cmocka_unit_test(filling_gives_every_part_a_target),
      cmocka_unit_test(partitions_are_nearly_the_best_there_are),
      cmocka_unit_test(refining_mends_a_bad_partition),
      cmocka_unit_test(shares_are_followed),
      cmocka_unit_test(auto_keeps_the_smaller_halo),
      cmocka_unit_test(steps_without_work_are_divided_too),
      cmocka_unit_test(out_of_memory_is_a_status),
  };
  return cmocka_run_group_tests_name("step", tests, NULL, clean_up);
}
