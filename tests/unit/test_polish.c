#include "support/support.h"

#include <math.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "base/queue.h"
#include "partition/methods.h"

/* Parts of grids and paths, of which it is known how they should be. */

enum { MAX = 1200, PARTS = 4, KINDS = 2 };

static int64_t indptr[MAX + 1], weight[MAX][KINDS];
static dg_id ids[4 * MAX];
static int32_t edge_weight[4 * MAX], part[MAX];
static dg_weighted_graph graph = {
    .n_weights = KINDS, .stride = KINDS, .indptr = indptr, .ids = ids, .edge_weight = edge_weight, .weight = weight[0]};

/* A grid, of which each node weighs 1, and of a second kind 1 where it is one of `every`. */
static void make_grid(int width, int height, int every) {
  graph.n_nodes = (int64_t)width * height, graph.n_fixed = 0;
  for (int i = 0; i < width * height; i++) {
    const int x = i % width, y = i / width;
    const int near[4] = {y > 0 ? i - width : -1, x > 0 ? i - 1 : -1, x < width - 1 ? i + 1 : -1,
                         y < height - 1 ? i + width : -1};
    indptr[i + 1] = indptr[i];
    for (int k = 0; k < 4; k++)
      if (near[k] >= 0) edge_weight[indptr[i + 1]] = 1, ids[indptr[i + 1]++] = near[k];
    weight[i][0] = 1, weight[i][1] = i % every == 0;
  }
}

static int64_t cut(void) {
  int64_t sum = 0;
  for (int i = 0; i < graph.n_nodes; i++)
    for (int64_t t = indptr[i]; t < indptr[i + 1]; t++) sum += part[i] != part[ids[t]] ? edge_weight[t] : 0;
  return sum / 2;
}

/* Largest load of a kind over its share. */
static double worst(int parts, int kind) {
  double load[PARTS] = {0}, sum = 0, most = 0;
  for (int i = 0; i < graph.n_nodes; i++) load[part[i]] += (double)weight[i][kind], sum += (double)weight[i][kind];
  for (int p = 0; p < parts; p++) most = fmax(most, load[p] * parts / sum);
  return most;
}

static void polish(int parts) {
  dg_polished result;
  assert_int_equal(dg_partition_polish(&result, part, &graph, parts, NULL, false), DG_OK);
  const double beyond = fmax(1.05, fmax(worst(parts, 0), worst(parts, 1)));
  assert_true(fabs(result.cost - (double)cut() * beyond) < 1e-6 * result.cost + 1e-9);
}

/* What weighs too much lies far from the parts with room: all that is between moves. */
static void strips_move_out_of_parts_that_are_too_heavy(void **state) {
  (void)state;
  make_grid(MAX, 1, 5);
  for (int i = 0; i < MAX; i++) part[i] = i < 480 ? 0 : 1 + (i - 480) / 240;
  polish(PARTS);
  assert_true(worst(PARTS, 0) <= 1.034 && worst(PARTS, 1) <= 1.034);
  assert_in_range(cut(), PARTS - 1, 2 * (PARTS - 1));
}

/* Of two kinds of weight one is in one part alone, and nowhere near another. */
static void rows_leave_that_are_what_there_is_too_much_of(void **state) {
  (void)state;
  make_grid(MAX, 1, MAX);
  for (int i = 0; i < MAX; i++) part[i] = i / (MAX / PARTS), weight[i][1] = i >= 100 && i < 140;
  polish(PARTS);
  assert_true(worst(PARTS, 0) <= 1.034 && worst(PARTS, 1) <= 1.11);
}

/* Rows that parts other than their own need. */
static int64_t halo(void) {
  int64_t sum = 0;
  for (int i = 0; i < graph.n_nodes; i++) {
    bool needed[PARTS] = {false};
    for (int64_t t = indptr[i]; t < indptr[i + 1]; t++) needed[part[ids[t]]] = true;
    for (int p = 0; p < PARTS; p++) sum += p != part[i] && needed[p];
  }
  return sum;
}

static void ragged_borders_become_straight(void **state) {
  (void)state;
  enum { SIDE = 30 };
  dg_polished result;
  make_grid(SIDE, SIDE, 1);
  for (int i = 0; i < SIDE * SIDE; i++)
    part[i] = i % SIDE >= SIDE / 2 + (int)(dg_rng_key(3, (uint64_t)i / SIDE) % 7) - 3;
  assert_true(halo() > 3 * SIDE);
  assert_int_equal(dg_partition_polish(&result, part, &graph, 2, NULL, true), DG_OK);
  assert_true(worst(2, 0) <= 1.034);
  assert_in_range(halo(), SIDE, 2 * SIDE + 2);
}

/* A node between 100 and 200, which the other part has as halo anyway, and 900, which is there: it cuts fewer edges
   here, and needs fewer rows there. */
static void rows_go_where_most_is_halo_anyway(void **state) {
  (void)state;
  enum { X = 300 };
  static bool linked[MAX][MAX];
  const int extra[][2] = {{100, 700}, {200, 800}, {X, 100}, {X, 200}, {X, 900}};
  dg_polished result;
  memset(linked, 0, sizeof linked);
  for (int i = 0; i + 1 < MAX; i++) linked[i][i + 1] = linked[i + 1][i] = i != X && i + 1 != X;
  for (int k = 0; k < 5; k++) linked[extra[k][0]][extra[k][1]] = linked[extra[k][1]][extra[k][0]] = true;
  make_grid(MAX, 1, 1);
  for (int i = 0; i < MAX; i++) {
    indptr[i + 1] = indptr[i];
    for (int j = 0; j < MAX; j++)
      if (linked[i][j]) edge_weight[indptr[i + 1]] = 1, ids[indptr[i + 1]++] = j;
    part[i] = i >= MAX / 2;
  }
  const int64_t before = halo();
  assert_int_equal(dg_partition_polish(&result, part, &graph, 2, NULL, true), DG_OK);
  assert_int_equal(part[X], 1);
  assert_int_equal(halo(), before - 1);
}

/* Two nodes that only together are better off elsewhere. */
static void moves_that_cost_more_lead_to_better_ones(void **state) {
  (void)state;
  make_grid(MAX, 1, 1);
  for (int64_t t = 0; t < indptr[MAX]; t++) edge_weight[t] = 20;
  for (int i = 0; i < MAX; i++) part[i] = i >= 590;
  part[100] = part[101] = 1;
  edge_weight[indptr[589] + 1] = edge_weight[indptr[590]] = 1;
  edge_weight[indptr[100]] = edge_weight[indptr[99] + 1] = edge_weight[indptr[101] + 1] = edge_weight[indptr[102]] = 3;
  edge_weight[indptr[100] + 1] = edge_weight[indptr[101]] = 10;
  polish(2);
  assert_int_equal(cut(), 1);
}

static void fixed_nodes_stay_and_parts_keep_some_of_all(void **state) {
  (void)state;
  make_grid(MAX, 1, 5);
  graph.n_fixed = 200;
  for (int i = 0; i < MAX; i++) part[i] = i < MAX - 1 ? 0 : 3;
  part[0] = 1, part[5] = 2;
  polish(PARTS);
  for (int i = MAX - 200; i < MAX; i++) assert_int_equal(part[i], i < MAX - 1 ? 0 : 3);
  for (int p = 0; p < PARTS; p++) {
    int64_t has[KINDS] = {0};
    for (int i = 0; i < MAX; i++)
      if (part[i] == p) has[0] += weight[i][0], has[1] += weight[i][1];
    assert_true(has[0] > 0 && (has[1] > 0 || p == 3));
  }
}

static void lack_of_memory_is_told(void **state) {
  (void)state;
  dg_polished result;
  dg_status status = DG_MEMORY;
  make_grid(20, 20, 3);
  for (int64_t n = 1; status != DG_OK; n++) {
    memset(part, 0, sizeof part);
    dg_memory_fail_at(n);
    status = dg_partition_polish(&result, part, &graph, PARTS, NULL, false);
    dg_memory_fail_at(0);
    assert_true(status == DG_OK || status == DG_MEMORY);
    dg_status_clear();
  }
}

static void queue_gives_the_largest_key_first(void **state) {
  (void)state;
  enum { NODES = 50 };
  dg_queue queue;
  double key[NODES] = {0};
  bool has[NODES] = {false};
  assert_int_equal(dg_queue_create(&queue, NODES), DG_OK);
  for (uint64_t k = 0; k < 3000; k++) {
    const int32_t node = (int32_t)(dg_rng_key(1, k) % NODES);
    int32_t first = -1;
    if (dg_rng_key(2, k) % 3 > 0) {
      key[node] = (double)(dg_rng_key(3, k) % 12);
      has[node] = true;
      dg_queue_put(&queue, node, key[node]);
      continue;
    }
    for (int32_t i = 0; i < NODES; i++)
      if (has[i] && (first < 0 || key[i] > key[first])) first = i;
    assert_int_equal(dg_queue_take(&queue), first);
    if (first >= 0) has[first] = false;
    for (int32_t i = 0; i < NODES; i++) assert_true(dg_queue_has(&queue, i) == has[i]);
  }
  dg_queue_clear(&queue);
  assert_int_equal(dg_queue_take(&queue), -1);
  dg_queue_destroy(&queue);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(strips_move_out_of_parts_that_are_too_heavy),
      cmocka_unit_test(rows_leave_that_are_what_there_is_too_much_of),
      cmocka_unit_test(ragged_borders_become_straight),
      cmocka_unit_test(rows_go_where_most_is_halo_anyway),
      cmocka_unit_test(moves_that_cost_more_lead_to_better_ones),
      cmocka_unit_test(fixed_nodes_stay_and_parts_keep_some_of_all),
      cmocka_unit_test(lack_of_memory_is_told),
      cmocka_unit_test(queue_gives_the_largest_key_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
