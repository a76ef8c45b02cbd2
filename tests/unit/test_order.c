#include "support/support.h"

#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "field/order.h"

enum { SIDE = 400, N = SIDE * SIDE, TOPIC = 50, FIELD = 40 * TOPIC, DEGREE = 7, MAX_EDGES = 2 * DEGREE * N };

typedef struct edge {
  int32_t to, from;
} edge;

static edge edges[MAX_EDGES];
static int n_edges;
static dg_csr graph;
static dg_row mixed[N]; /* a random permutation */

static int draw(uint64_t key, int i, int below) {
  return (int)(dg_rng_uniform(key, (uint64_t)i) * below);
}

static void mix(void) {
  for (int i = 0; i < N; i++) mixed[i] = i;
  for (int i = N - 1; i > 0; i--) {
    const int j = draw(1, i, i + 1);
    const dg_row row = mixed[i];
    mixed[i] = mixed[j], mixed[j] = row;
  }
}

static void link_rows(int32_t a, int32_t b) {
  if (a == b) return;
  edges[n_edges++] = (edge){a, b};
  edges[n_edges++] = (edge){b, a};
}

static int compare_edges(const void *a, const void *b) {
  const edge *x = a, *y = b;
  return x->to != y->to ? (x->to > y->to) - (x->to < y->to) : (x->from > y->from) - (x->from < y->from);
}

/* The graph of all that was linked. */
static void close_graph(void) {
  qsort(edges, (size_t)n_edges, sizeof *edges, compare_edges);
  graph.n_rows = N;
  assert_int_equal(dg_alloc(&graph.indptr, N + 1, sizeof *graph.indptr), DG_OK);
  assert_int_equal(dg_alloc(&graph.indices, (size_t)n_edges, sizeof *graph.indices), DG_OK);
  for (int t = 0; t < n_edges; t++) graph.indices[t] = edges[t].from, graph.indptr[edges[t].to + 1]++;
  for (int i = 0; i < N; i++) graph.indptr[i + 1] += graph.indptr[i];
  n_edges = 0;
}

enum kind { PATH, GRID, MIXED_PATH, MIXED_GRID, RANDOM, PLANTED, KINDS };

/* Topics of 50 rows, fields of 40 topics: six edges of ten in the topic, three in the field. */
static int planted_partner(int i, int e) {
  const int at = DEGREE * i + e, place = draw(2, at, 10), inside = draw(3, at, TOPIC);
  const int topic = i / TOPIC * TOPIC, field = i / FIELD * FIELD;
  if (place < 6) return topic + inside;
  return place < 9 ? field + draw(4, at, FIELD) : draw(4, at, N);
}

static void make(enum kind kind) {
  for (int i = 0; i < N; i++) {
    const bool is_mixed = kind == MIXED_PATH || kind == MIXED_GRID || kind == PLANTED;
#define NAME(i) (is_mixed ? mixed[i] : (i))
    if (kind == PATH || kind == MIXED_PATH) {
      if (i + 1 < N) link_rows(NAME(i), NAME(i + 1));
    } else if (kind == GRID || kind == MIXED_GRID) {
      if (i % SIDE + 1 < SIDE) link_rows(NAME(i), NAME(i + 1));
      if (i + SIDE < N) link_rows(NAME(i), NAME(i + SIDE));
    } else {
      for (int e = 0; e < DEGREE; e++)
        link_rows(NAME(i), NAME(kind == RANDOM ? draw(5, DEGREE * i + e, N) : planted_partner(i, e)));
    }
#undef NAME
  }
  close_graph();
}

/* Rows that a cache of `room` rows, the least recently used of which leaves, has to fetch, a gathered row. */
static double misses(const dg_row *order, int room) {
  static int32_t next[N + 1], before[N + 1]; /* rows in the cache in a ring, the last one used behind N */
  int64_t fetched = 0;
  int held = 0;
  memset(next, -1, sizeof next);
  next[N] = before[N] = N;
  for (int s = 0; s < N; s++)
    for (int64_t t = graph.indptr[order[s]]; t < graph.indptr[order[s] + 1]; t++) {
      const int32_t j = graph.indices[t];
      const bool here = next[j] >= 0;
      const int32_t leaves = here ? j : before[N];
      fetched += !here;
      if (here || held == room) {
        next[before[leaves]] = next[leaves], before[next[leaves]] = before[leaves], next[leaves] = -1;
      } else {
        held++;
      }
      next[j] = next[N], before[j] = N, before[next[j]] = j, next[N] = j;
    }
  return (double)fetched / (double)graph.indptr[N];
}

static void order_rows(dg_row *order) {
  static bool seen[N];
  memset(seen, 0, sizeof seen);
  assert_int_equal(dg_order_rows(order, &graph), DG_OK);
  for (int s = 0; s < N; s++) {
    assert_in_range(order[s], 0, N - 1);
    assert_false(seen[order[s]]);
    seen[order[s]] = true;
  }
}

static void every_row_is_listed_once_and_the_same_way_each_time(void **state) {
  (void)state;
  static dg_row order[N], again[N];
  for (int kind = 0; kind < KINDS; kind++) {
    make((enum kind)kind);
    order_rows(order);
    order_rows(again);
    assert_memory_equal(order, again, sizeof order);
    dg_csr_destroy(&graph);
  }
}

static void columns_beyond_the_rows_do_not_count(void **state) {
  (void)state;
  static dg_row order[N], again[N];
  make(PLANTED);
  order_rows(order);
  int64_t *indptr = graph.indptr, n = 0;
  int32_t *indices = graph.indices;
  dg_csr more = {.n_rows = N};
  assert_int_equal(dg_alloc(&more.indptr, N + 1, sizeof *more.indptr), DG_OK);
  assert_int_equal(dg_alloc(&more.indices, (size_t)indptr[N] + N, sizeof *more.indices), DG_OK);
  for (int i = 0; i < N; i++) {
    for (int64_t t = indptr[i]; t < indptr[i + 1]; t++) more.indices[n++] = indices[t];
    more.indices[n++] = N + i % 3;
    more.indptr[i + 1] = n;
  }
  assert_int_equal(dg_order_rows(again, &more), DG_OK);
  assert_memory_equal(order, again, sizeof order);
  dg_csr_destroy(&more);
  dg_csr_destroy(&graph);
}

/* Pairs of rows that follow each other and are of one group of `size`. */
static double kept_together(const dg_row *order, int size) {
  static int place[N];
  int together = 0;
  for (int i = 0; i < N; i++) place[mixed[i]] = i;
  for (int s = 0; s + 1 < N; s++) together += place[order[s]] / size == place[order[s + 1]] / size;
  return (double)together / (N - 1);
}

static void rows_of_a_topic_lie_together_and_so_do_topics_of_a_field(void **state) {
  (void)state;
  static dg_row order[N];
  make(PLANTED);
  order_rows(order);
  assert_true(kept_together(order, TOPIC) > 0.9);
  assert_true(kept_together(order, FIELD) > 0.98);
  dg_csr_destroy(&graph);
}

/* What a small and a larger cache must fetch: of what is gathered, one row in `degree` comes for the first time. */
static void gathered_rows_are_found_in_caches_of_any_size(void **state) {
  (void)state;
  static const struct {
    enum kind kind;
    double small, large;
  } most[] = {{PATH, 0.501, 0.501},      {GRID, 0.28, 0.27},   {MIXED_PATH, 0.51, 0.51},
              {MIXED_GRID, 0.29, 0.275}, {RANDOM, 0.93, 0.88}, {PLANTED, 0.25, 0.2}};
  static dg_row order[N];
  for (size_t m = 0; m < sizeof most / sizeof most[0]; m++) {
    make(most[m].kind);
    order_rows(order);
    const double small = misses(order, 2500), large = misses(order, 10000);
    if (getenv("DISTGAT_SHOW")) print_message("%d: %.4f %.4f\n", (int)most[m].kind, small, large);
    assert_true(small < most[m].small);
    assert_true(large < most[m].large);
    dg_csr_destroy(&graph);
  }
}

static void small_graphs_stay_as_they_are(void **state) {
  (void)state;
  static dg_row order[N];
  make(PLANTED);
  graph.n_rows = 16383; /* columns beyond do not count */
  assert_int_equal(dg_order_rows(order, &graph), DG_OK);
  for (int i = 0; i < graph.n_rows; i++) assert_int_equal(order[i], i);
  dg_csr_destroy(&graph);
}

static void no_room_is_said(void **state) {
  (void)state;
  static dg_row order[N], whole[N];
  dg_status status = DG_MEMORY;
  int at = 1;
  make(PLANTED);
  order_rows(whole);
  for (; status == DG_MEMORY && at < 100; at++) {
    dg_memory_fail_at(at);
    status = dg_order_rows(order, &graph);
  }
  dg_memory_fail_at(0);
  dg_status_clear();
  assert_int_equal(status, DG_OK);
  assert_true(at < 100);
  assert_memory_equal(order, whole, sizeof order);
  dg_csr_destroy(&graph);
}

int main(void) {
  mix();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_row_is_listed_once_and_the_same_way_each_time),
      cmocka_unit_test(columns_beyond_the_rows_do_not_count),
      cmocka_unit_test(rows_of_a_topic_lie_together_and_so_do_topics_of_a_field),
      cmocka_unit_test(gathered_rows_are_found_in_caches_of_any_size),
      cmocka_unit_test(small_graphs_stay_as_they_are),
      cmocka_unit_test(no_room_is_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
