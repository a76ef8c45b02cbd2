#include "support/support.h"

#include <math.h>
#include <metis.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <distgat/memory.h>
#include <distgat/partition.h>
#include <distgat/rng.h>

#include "partition/methods.h"

/* What METIS is told of a graph, against counts of a matrix: its calls come here first, by the linker's --wrap. */

enum { N = 48, PARTS = 3, CLASSES = 4, MOST = 3 };
static const double whole = 1e8;

/* linked[i][j] where messages flow j -> i; the last nodes have no edges, and outputs are trained on. */
static bool linked[N][N], output[N];
static dg_outline graph;

/* As METIS was told last; what it was not told is 1, edges that are not there are 0. */
static struct told {
  int n_nodes, n_weights;
  idx_t weight[N][MOST], size[N], edge[N][N];
  double share[PARTS][MOST];
} told;

/* How often METIS gives up, as it does where SIGTERM comes meanwhile; and how often that was heard. */
static int gives_up, heard;

/* Whether METIS waits until its handler of SIGTERM is no longer there; and whether it was. */
static bool waits, lost_handler;

static void be_signalled(int number) {
  (void)number;
}

/* For ten seconds at most. */
static void wait_for_handler(void) {
  const struct timespec moment = {.tv_nsec = 1000 * 1000};
  struct sigaction now;
  signal(SIGTERM, be_signalled);
  for (int i = 0; i < 10000 && !lost_handler; i++) {
    nanosleep(&moment, NULL);
    sigaction(SIGTERM, NULL, &now);
    lost_handler = now.sa_handler != be_signalled;
  }
}

static void note(const idx_t *ends, const idx_t *to, const idx_t *edge_weight) {
  for (int i = 0; i < told.n_nodes; i++)
    for (idx_t t = ends[i]; t < ends[i + 1]; t++) told.edge[i][to[t]] += edge_weight ? edge_weight[t] : 1;
}

static void note_nodes(const idx_t *weight, const idx_t *size, const real_t *share) {
  for (int i = 0; i < told.n_nodes; i++) {
    for (int k = 0; k < told.n_weights; k++) told.weight[i][k] = weight ? weight[i * told.n_weights + k] : 1;
    told.size[i] = size ? size[i] : 1;
  }
  for (int p = 0; p < PARTS; p++)
    for (int k = 0; k < told.n_weights; k++)
      told.share[p][k] = share ? (double)share[p * told.n_weights + k] : 1.0 / PARTS;
}

extern __typeof__(METIS_PartGraphKway) __real_METIS_PartGraphKway, __wrap_METIS_PartGraphKway;

int __wrap_METIS_PartGraphKway(idx_t *n, idx_t *n_weights, idx_t *ends, idx_t *to, idx_t *weight, idx_t *size,
                               idx_t *edge_weight, idx_t *parts, real_t *share, real_t *slack, idx_t *options,
                               idx_t *objective, idx_t *part) {
  told = (struct told){.n_nodes = (int)*n, .n_weights = (int)*n_weights};
  note(ends, to, edge_weight);
  note_nodes(weight, size, share);
  if (gives_up > 0 && gives_up--) return METIS_ERROR;
  if (waits) wait_for_handler();
  return __real_METIS_PartGraphKway(n, n_weights, ends, to, weight, size, edge_weight, parts, share, slack, options,
                                    objective, part);
}

/* ---- graphs ---- */

static double draw(int what, int i, int j) {
  return dg_rng_uniform(dg_rng_key((uint64_t)what, (uint64_t)i), (uint64_t)j);
}

static int in_degree(int i) {
  int n = 0;
  for (int j = 0; j < N; j++) n += linked[i][j];
  return n;
}

static void destroy_graph(void) {
  dg_outline_destroy(&graph);
}

/* The matrix as CSR, whose rows have 1 to 9 features. */
static void convert(void) {
  destroy_graph();
  graph.in.n_rows = N;
  assert_int_equal(dg_alloc(&graph.in.indptr, N + 1, sizeof *graph.in.indptr), DG_OK);
  assert_int_equal(dg_alloc(&graph.in.indices, N * N, sizeof *graph.in.indices), DG_OK);
  assert_int_equal(dg_alloc(&graph.entries, N, sizeof *graph.entries), DG_OK);
  assert_int_equal(dg_alloc(&graph.mask, N, sizeof *graph.mask), DG_OK);
  for (int i = 0; i < N; i++) {
    graph.in.indptr[i + 1] = graph.in.indptr[i];
    for (int j = 0; j < N; j++)
      if (linked[i][j]) graph.in.indices[graph.in.indptr[i + 1]++] = j;
    graph.entries[i] = 1 + (int64_t)(9 * draw(1, i, 0));
    graph.mask[i] = output[i] ? DG_TRAIN : 0;
  }
}

static void make_graph(bool symmetric, double outputs) {
  for (int i = 0; i < N; i++) {
    output[i] = i == 0 || draw(2, i, 0) < outputs;
    for (int j = 0; j < N; j++) {
      const int a = symmetric && j > i ? j : i, b = symmetric && j > i ? i : j;
      linked[i][j] = i != j && i < N - 6 && j < N - 6 && draw(3, a, b) < 0.08;
    }
  }
  convert();
}

/* ---- what METIS is to know ---- */

static bool target[N];                         /* of a step of two layers: outputs, and what they see */
static double nonzeros[N], step_edges[N], all; /* of a target; all non-zeros */

/* Each source's features are shared by the targets that see it; an edge of the last layer counts by its width. */
static void count_step(double last) {
  all = 0;
  for (int j = 0; j < N; j++) {
    target[j] = output[j], nonzeros[j] = 0;
    for (int i = 0; i < N; i++) target[j] |= output[i] && linked[i][j];
  }
  for (int j = 0; j < N; j++) {
    int seen_by = target[j];
    for (int i = 0; i < N; i++) seen_by += target[i] && linked[i][j];
    for (int i = 0; i < N; i++)
      if (target[i] && (i == j || linked[i][j])) nonzeros[i] += (double)graph.entries[j] / seen_by;
    all += seen_by > 0 ? (double)graph.entries[j] : 0;
    step_edges[j] = (target[j] + output[j] * last) * (in_degree(j) + 1);
  }
}

static bool is_source(int j) {
  bool is = target[j];
  for (int i = 0; i < N; i++) is |= target[i] && linked[i][j];
  return is;
}

static void check_edges(bool step) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      const int weight = step && (target[i] || target[j]) ? DG_STEP_EDGE_WEIGHT : 1;
      assert_int_equal(told.edge[i][j], linked[i][j] || linked[j][i] ? weight : 0);
    }
}

static void divide(const dg_partition_config *config) {
  static int32_t part[N];
  memset(&told, 0, sizeof told);
  assert_int_equal(dg_partition_compute(part, &graph.in, config), DG_OK);
  assert_int_equal(told.n_nodes, N);
}

static dg_partition_config by(dg_partition_balance balance) {
  dg_partition_config config = dg_partition_defaults(PARTS);
  config.balance = balance;
  config.objective = DG_PART_CUT;
  return config;
}

static void nodes_weigh_what_is_to_be_balanced(void **state) {
  (void)state;
  for (int symmetric = 0; symmetric < 2; symmetric++)
    for (int balance = DG_BALANCE_EDGES; balance <= DG_BALANCE_BOTH; balance++) {
      const dg_partition_config config = by((dg_partition_balance)balance);
      make_graph(symmetric, 0.1);
      divide(&config);
      check_edges(false);
      assert_int_equal(told.n_weights, balance == DG_BALANCE_BOTH ? 2 : 1);
      for (int i = 0; i < N; i++) {
        assert_int_equal(told.weight[i][0], balance == DG_BALANCE_NODES ? 1 : in_degree(i) + 1);
        if (balance == DG_BALANCE_BOTH) assert_int_equal(told.weight[i][1], 1);
        assert_int_equal(told.size[i], 1);
      }
    }
}

static void nodes_weigh_what_a_step_does(void **state) {
  (void)state;
  for (int symmetric = 0; symmetric < 2; symmetric++) {
    dg_step_config step = dg_step_defaults();
    dg_step_work work;
    double edges = 0;
    step.width = 8;
    make_graph(symmetric, 0.1);
    count_step((double)CLASSES / step.width);
    assert_int_equal(dg_step_work_create(&work, &graph, CLASSES, &step), DG_OK);
    dg_partition_config config = by(DG_BALANCE_STEP);
    config.step = &work;
    divide(&config);
    check_edges(true);
    assert_int_equal(told.n_weights, 3);
    for (int i = 0; i < N; i++) edges += step_edges[i];
    for (int i = 0; i < N; i++) {
      assert_true(fabs(told.weight[i][0] - whole * nonzeros[i] / all) < 1e-6 * whole);
      assert_true(fabs(told.weight[i][1] - whole * step_edges[i] / edges) < 1e-6 * whole);
      assert_int_equal(told.weight[i][2], in_degree(i) + 1);
      assert_int_equal(told.size[i], is_source(i) ? DG_STEP_EDGE_WEIGHT : 1);
    }
    dg_step_work_destroy(&work);
  }
}

/* A step that aggregates nearly all rows is divided by its edges. */
static void nodes_of_a_step_that_covers_the_graph_weigh_their_edges(void **state) {
  (void)state;
  const dg_step_config step = dg_step_defaults();
  dg_step_work work;
  make_graph(true, 1);
  assert_int_equal(dg_step_work_create(&work, &graph, CLASSES, &step), DG_OK);
  dg_partition_config config = by(DG_BALANCE_STEP);
  config.step = &work;
  divide(&config);
  check_edges(false);
  assert_int_equal(told.n_weights, 1);
  for (int i = 0; i < N; i++) assert_int_equal(told.weight[i][0], in_degree(i) + 1);
  dg_step_work_destroy(&work);
}

static void parts_have_their_shares_of_each_weight(void **state) {
  (void)state;
  const double share[PARTS] = {0.5, 0.3, 0.2};
  dg_partition_config config = by(DG_BALANCE_BOTH);
  config.share = share;
  make_graph(false, 0.1);
  divide(&config);
  for (int p = 0; p < PARTS; p++)
    for (int k = 0; k < 2; k++) assert_float_equal(told.share[p][k], share[p], 1e-6);
}

static void hear(int number) {
  heard += number == SIGTERM;
}

/* Such a signal is for others; who takes it and goes on has a partition. */
static void signals_that_metis_takes_are_passed_on(void **state) {
  (void)state;
  static int32_t usual[N], part[N];
  const dg_partition_config config = by(DG_BALANCE_EDGES);
  make_graph(true, 0.1);
  assert_int_equal(dg_partition_compute(usual, &graph.in, &config), DG_OK);
  signal(SIGTERM, hear);
  gives_up = 1;
  assert_int_equal(dg_partition_compute(part, &graph.in, &config), DG_OK);
  assert_int_equal(heard, 1);
  assert_memory_equal(part, usual, sizeof part);
  gives_up = 2;
  assert_int_equal(dg_partition_compute(part, &graph.in, &config), DG_RUNTIME);
  dg_status_clear();
}

static void handlers_stay_as_they_are(void **state) {
  (void)state;
  static int32_t part[N];
  static const int numbers[] = {SIGTERM, SIGABRT};
  const struct sigaction own = {.sa_handler = hear, .sa_flags = SA_RESTART};
  struct sigaction before[2], after[2];
  const dg_partition_config config = by(DG_BALANCE_EDGES);
  make_graph(true, 0.1);
  for (int i = 0; i < 2; i++) sigaction(numbers[i], &own, NULL), sigaction(numbers[i], NULL, &before[i]);
  assert_int_equal(dg_partition_compute(part, &graph.in, &config), DG_OK);
  for (int i = 0; i < 2; i++) {
    sigaction(numbers[i], NULL, &after[i]);
    assert_true(after[i].sa_handler == hear);
    assert_int_equal(after[i].sa_flags, before[i].sa_flags);
    signal(numbers[i], SIG_DFL);
  }
}

/* So that none jumps out of what METIS is about. */
static void sigterm_is_not_left_to_metis(void **state) {
  (void)state;
  static int32_t part[N];
  const dg_partition_config config = by(DG_BALANCE_EDGES);
  make_graph(true, 0.1);
  waits = true;
  assert_int_equal(dg_partition_compute(part, &graph.in, &config), DG_OK);
  waits = false;
  assert_true(lost_handler);
}

static int clean_up(void **state) {
  (void)state;
  destroy_graph();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nodes_weigh_what_is_to_be_balanced),
      cmocka_unit_test(nodes_weigh_what_a_step_does),
      cmocka_unit_test(nodes_of_a_step_that_covers_the_graph_weigh_their_edges),
      cmocka_unit_test(parts_have_their_shares_of_each_weight),
      cmocka_unit_test(signals_that_metis_takes_are_passed_on),
      cmocka_unit_test(handlers_stay_as_they_are),
      cmocka_unit_test(sigterm_is_not_left_to_metis),
  };
  return cmocka_run_group_tests(tests, NULL, clean_up);
}
