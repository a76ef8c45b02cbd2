#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/halo.h>
#include <distgat/memory.h>
#include <distgat/rng.h>

/* A pattern says who owns and who needs each of `n` nodes; every rank can evaluate it for all ranks, which gives the
   expected results without any message. */
typedef struct pattern {
  const char *name;
  int n;
  int (*owner)(int node, int size);
  bool (*needs)(int rank, int node);
  bool reversed; /* local numbers run against the keys */
} pattern;

static int owner_random(int node, int size) {
  return (int)(dg_rng_uniform(1, (uint64_t)node) * size);
}

static int owner_last(int node, int size) {
  (void)node;
  return size - 1;
}

static int owner_round(int node, int size) {
  return node % size;
}

static bool needs_some(int rank, int node) {
  return dg_rng_uniform(dg_rng_key(2, (uint64_t)rank), (uint64_t)node) < 0.3;
}

static bool needs_hub(int rank, int node) {
  (void)rank;
  return node == 0;
}

static bool needs_all(int rank, int node) {
  (void)rank, (void)node;
  return true;
}

static bool needs_none(int rank, int node) {
  (void)rank, (void)node;
  return false;
}

static const pattern patterns[] = {
    {"random", 60, owner_random, needs_some, false},       {"random, reversed", 60, owner_random, needs_some, true},
    {"all on the last", 20, owner_last, needs_some, true}, {"hub", 15, owner_round, needs_hub, false},
    {"complete", 30, owner_round, needs_all, false},       {"isolated", 30, owner_round, needs_none, false},
    {"few nodes", 3, owner_round, needs_all, false},       {"no nodes", 0, owner_round, needs_all, false},
};
#define N_PATTERNS (sizeof patterns / sizeof patterns[0])
#define MAX_NODES 64

/* A pattern as this rank sees it: the node of each row, owned then halo. */
typedef struct local {
  const pattern *of;
  int n_owned, n_halo;
  dg_id node[MAX_NODES];
  dg_halo_plan plan;
} local;

static bool is_halo(const pattern *p, int rank, int node) {
  return p->owner(node, test_comm.size) != rank && p->needs(rank, node);
}

static dg_status local_create(local *l, const pattern *p) {
  dg_id owned_key[MAX_NODES], *halo_key;
  dg_row owned_row[MAX_NODES];
  int halo_owner[MAX_NODES];
  *l = (local){.of = p};
  for (int v = 0; v < p->n; v++)
    if (p->owner(v, test_comm.size) == test_comm.rank) owned_key[l->n_owned++] = v;
  for (int i = 0; i < l->n_owned; i++) {
    owned_row[i] = p->reversed ? l->n_owned - 1 - i : i;
    l->node[owned_row[i]] = owned_key[i];
  }
  halo_key = l->node + l->n_owned;
  for (int r = 0; r < test_comm.size; r++) {
    for (int v = p->n - 1; v >= 0; v--) { /* the order inside an owner's group is free */
      if (p->owner(v, test_comm.size) != r || !is_halo(p, test_comm.rank, v)) continue;
      halo_owner[l->n_halo] = r;
      halo_key[l->n_halo++] = v;
    }
  }
  return dg_halo_plan_create(&l->plan, &test_comm, l->n_owned, owned_key, p->reversed ? owned_row : NULL, l->n_halo,
                             halo_owner, halo_key);
}

typedef struct shape {
  int width, ld;
  size_t message_bytes; /* 0: as it is */
} shape;
enum { SHORT = 60 << 10 };
/* Several short messages go to a neighbour: of three rows, and of one that is longer. */
static const shape shapes[] = {{1, 1, 0},   {8, 8, 0},       {5, 8, 1},           {64, 64, 0},
                               {63, 65, 0}, {5000, 5008, 0}, {5000, 5008, SHORT}, {16000, 16000, SHORT}};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

static dg_real *matrix_create(const local *l, int ld) {
  dg_real *matrix = NULL;
  DG_CHECK(dg_alloc(&matrix, (size_t)(l->n_owned + l->n_halo) * (size_t)ld, sizeof *matrix) == DG_OK);
  return matrix;
}

/* A number in [-1, 1) of a rank, a node and a column. */
static dg_real number_of(int rank, int node, int column) {
  uint64_t key = dg_rng_key(dg_rng_key(77, (uint64_t)rank), (uint64_t)node);
  return (dg_real)(2 * dg_rng_uniform(key, (uint64_t)column) - 1);
}

static void fill(dg_real *matrix, const local *l, int ld, int salt) {
  for (int i = 0; i < l->n_owned + l->n_halo; i++)
    for (int c = 0; c < ld; c++) matrix[i * ld + c] = number_of(salt, l->node[i], c);
}

/* The number as it arrives, rounded as the definition of round-to-nearest-even says. */
static dg_real on_wire(dg_real x, dg_halo_type type) {
  if (type == DG_HALO_F32 || x == 0) return x;
  int exponent;
  double mantissa = frexp((double)(float)x, &exponent);
  return (dg_real)ldexp(nearbyint(ldexp(mantissa, 8)), exponent - 8);
}

/* Owned rows stay, halo rows hold their owners' numbers in `width` columns and what they held beyond. */
static bool pulled_right(const dg_real *matrix, const local *l, shape s, int salt, dg_halo_type type) {
  bool right = true;
  for (int i = 0; i < l->n_owned + l->n_halo; i++) {
    for (int c = 0; c < s.ld; c++) {
      dg_real expected = number_of(salt, l->node[i], c);
      if (i >= l->n_owned) expected = c < s.width ? on_wire(expected, type) : 99;
      right = right && matrix[i * s.ld + c] == expected;
    }
  }
  return right;
}

static void check_pull(const local *l, shape s, dg_halo_type type) {
  dg_real *value = matrix_create(l, s.ld);
  dg_halo_channel *channel = NULL;
  dg_status status = dg_halo_channel_create(&channel, &l->plan, value, NULL, s.width, s.ld, type);
  assert_all_true(&test_comm, status == DG_OK);
  for (int round = 0; round < 3; round++) {
    fill(value, l, s.ld, round);
    for (int i = l->n_owned * s.ld; i < (l->n_owned + l->n_halo) * s.ld; i++) value[i] = 99;
    dg_halo_pull_begin(channel);
    dg_halo_pull_end(channel);
    assert_all_true(&test_comm, pulled_right(value, l, s, round, type));
  }
  dg_halo_channel_destroy(&channel);
  assert_null(channel);
  dg_free(&value);
}

/* Number of owned row `i` after a push: what it held, then the halo rows of the ranks that need it, in their order. */
static dg_real pushed(const local *l, int i, int c, shape s, dg_halo_type type) {
  dg_real sum = number_of(test_comm.rank, l->node[i], c);
  for (int r = 0; r < test_comm.size && c < s.width; r++)
    if (is_halo(l->of, r, l->node[i])) sum += on_wire(number_of(r, l->node[i], c), type);
  return sum;
}

static bool pushed_right(const dg_real *matrix, const local *l, shape s, dg_halo_type type) {
  bool right = true;
  for (int i = 0; i < l->n_owned + l->n_halo; i++) {
    for (int c = 0; c < s.ld; c++) {
      dg_real expected = i < l->n_owned ? pushed(l, i, c, s, type) : number_of(test_comm.rank, l->node[i], c);
      right = right && matrix[i * s.ld + c] == expected; /* to the last bit: the order of the sum is fixed */
    }
  }
  return right;
}

static void check_push(const local *l, shape s, dg_halo_type type) {
  dg_real *value = matrix_create(l, s.ld), *gradient = matrix_create(l, s.ld);
  dg_halo_channel *channel = NULL;
  dg_status status = dg_halo_channel_create(&channel, &l->plan, value, gradient, s.width, s.ld, type);
  assert_all_true(&test_comm, status == DG_OK);
  for (int round = 0; round < 3; round++) {
    fill(gradient, l, s.ld, test_comm.rank);
    dg_halo_pull_begin(channel); /* shares the buffers */
    dg_halo_pull_end(channel);
    dg_halo_push_begin(channel);
    dg_halo_push_end(channel);
    assert_all_true(&test_comm, pushed_right(gradient, l, s, type));
  }
  dg_halo_channel_destroy(&channel);
  dg_free(&value);
  dg_free(&gradient);
}

static void for_each_case(void (*check)(const local *l, shape s, dg_halo_type type)) {
  for (size_t p = 0; p < N_PATTERNS; p++) {
    local l;
    assert_all_true(&test_comm, local_create(&l, &patterns[p]) == DG_OK);
    for (size_t s = 0; s < N_SHAPES; s++) {
      l.plan.comm.message_bytes = shapes[s].message_bytes > 0 ? shapes[s].message_bytes : test_comm.message_bytes;
      check(&l, shapes[s], DG_HALO_F32);
      check(&l, shapes[s], DG_HALO_BF16);
    }
    dg_halo_plan_destroy(&l.plan);
  }
}

static void pull_fills_the_halo_rows(void **state) {
  (void)state;
  for_each_case(check_pull);
}

static void push_adds_in_the_order_of_ranks(void **state) {
  (void)state;
  for_each_case(check_push);
}

/* Sixteen bits of a node and a column. */
static dg_bf16 bits_of(int salt, int node, int column) {
  return (dg_bf16)dg_rng_key(dg_rng_key(78, (uint64_t)(100 * salt + node)), (uint64_t)column);
}

/* Rows of a table in bf16 arrive bit by bit, and gradients come home as those of other channels do, round after round.
 */
static void check_table(const local *l, shape s, dg_halo_type type) {
  const int n = l->n_owned + l->n_halo;
  const int more = s.width < s.ld ? s.width + 1 : s.ld; /* than of gradients travel of a row */
  const dg_bf16 untouched = 0xABCD;
  dg_bf16 *value = NULL;
  DG_CHECK(dg_alloc(&value, (size_t)n * (size_t)s.ld, sizeof *value) == DG_OK);
  dg_real *gradient = matrix_create(l, s.ld);
  dg_halo_channel *channel = NULL;
  dg_status status = dg_halo_channel_create_bf16(&channel, &l->plan, value, more, gradient, s.width, s.ld, type);
  assert_all_true(&test_comm, status == DG_OK);
  for (int round = 0; round < 3; round++) {
    bool right = true;
    for (int i = 0; i < n; i++)
      for (int c = 0; c < s.ld; c++) value[i * s.ld + c] = i < l->n_owned ? bits_of(round, l->node[i], c) : untouched;
    dg_halo_pull_begin(channel);
    dg_halo_pull_end(channel);
    for (int i = 0; i < n; i++)
      for (int c = 0; c < s.ld; c++)
        right &= value[i * s.ld + c] == (i < l->n_owned || c < more ? bits_of(round, l->node[i], c) : untouched);
    assert_all_true(&test_comm, right);
    fill(gradient, l, s.ld, test_comm.rank);
    dg_halo_push_begin(channel);
    dg_halo_push_end(channel);
    assert_all_true(&test_comm, pushed_right(gradient, l, s, type));
  }
  dg_halo_channel_destroy(&channel);
  dg_free(&value);
  dg_free(&gradient);
}

static void tables_in_bf16_travel_as_they_are(void **state) {
  (void)state;
  for_each_case(check_table);
}

/* More digits than a real has. */
static double sum_of(int rank, int node, int column) {
  return (double)number_of(rank, node, column) + 0x1p-40;
}

/* Rows of doubles come home as they are, longer than those of `value`, which travel as ever. */
static void check_sums(const local *l, shape s, dg_halo_type type) {
  const int n = l->n_owned + l->n_halo, n_sums = 3 * s.ld;
  double *sums = NULL;
  dg_halo_channel *channel = NULL;
  if (type != DG_HALO_F32 || s.ld > 100) return;
  dg_real *value = matrix_create(l, s.ld);
  DG_CHECK(dg_alloc(&sums, (size_t)n * (size_t)n_sums, sizeof *sums) == DG_OK);
  assert_all_true(&test_comm,
                  dg_halo_channel_create_sums(&channel, &l->plan, value, NULL, s.width, s.ld, sums, n_sums) == DG_OK);
  bool right =
      dg_halo_channel_bytes_back(channel) == l->plan.send_offset[l->plan.n_send_ranks] * n_sums * (int64_t)sizeof *sums;
  for (int round = 0; round < 2; round++) {
    fill(value, l, s.ld, round);
    for (int i = l->n_owned * s.ld; i < n * s.ld; i++) value[i] = 99;
    for (int i = 0; i < n * n_sums; i++) sums[i] = sum_of(test_comm.rank, l->node[i / n_sums], i % n_sums);
    dg_halo_pull_begin(channel);
    dg_halo_pull_end(channel);
    dg_halo_push_begin(channel);
    dg_halo_push_end(channel);
    right &= pulled_right(value, l, s, round, type);
    for (int i = 0; i < l->n_owned * n_sums; i++) {
      double expected = sum_of(test_comm.rank, l->node[i / n_sums], i % n_sums);
      for (int r = 0; r < test_comm.size; r++)
        if (is_halo(l->of, r, l->node[i / n_sums])) expected += sum_of(r, l->node[i / n_sums], i % n_sums);
      right &= sums[i] == expected;
    }
    assert_all_true(&test_comm, right);
  }
  dg_halo_channel_destroy(&channel);
  dg_free(&value);
  dg_free(&sums);
}

static void sums_come_home_as_doubles(void **state) {
  (void)state;
  for_each_case(check_sums);
}

static double dot(const dg_real *a, const dg_real *b, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += (double)a[i] * b[i];
  return sum;
}

/* <pull(x), y> over all rows equals <x, push(y)> over owned rows. */
static void check_adjoint(const local *l, shape s, dg_halo_type type) {
  if (s.width < s.ld) return; /* what stays home has no adjoint */
  int owned = l->n_owned * s.ld, all = (l->n_owned + l->n_halo) * s.ld;
  dg_real *x = matrix_create(l, s.ld), *y = matrix_create(l, s.ld);
  dg_halo_channel *channel = NULL;
  assert_all_true(&test_comm, dg_halo_channel_create(&channel, &l->plan, x, y, s.width, s.ld, type) == DG_OK);
  fill(x, l, s.ld, 1);
  fill(y, l, s.ld, 100 + test_comm.rank);
  dg_halo_pull_begin(channel);
  dg_halo_pull_end(channel);
  double side[3] = {dot(x, y, all), 0, (double)all};
  dg_halo_push_begin(channel);
  dg_halo_push_end(channel);
  side[1] = dot(x, y, owned);
  dg_comm_sum_double(&test_comm, side, 3);
  assert_all_true(&test_comm, fabs(side[0] - side[1]) <= (type == DG_HALO_BF16 ? 0.01 : 1e-6) * (side[2] + 1));
  dg_halo_channel_destroy(&channel);
  dg_free(&x);
  dg_free(&y);
}

static void pull_and_push_are_adjoint(void **state) {
  (void)state;
  for_each_case(check_adjoint);
}

/* Ranks of one host need no pieces; elsewhere one row at least is in each. */
static void rows_for_a_neighbour_are_one_message_or_short_ones(void **state) {
  (void)state;
  assert_all_true(&test_comm, test_comm.host[0] != '\0' || test_comm.message_bytes > 1 << 20);
  for (size_t p = 0; p < N_PATTERNS; p++) {
    local l;
    assert_all_true(&test_comm, local_create(&l, &patterns[p]) == DG_OK);
    dg_real *value = matrix_create(&l, 8);
    for (int pieces = 0; pieces < 2; pieces++) {
      dg_halo_channel *both = NULL, *pull = NULL;
      if (pieces) l.plan.comm.message_bytes = 1;
      const bool made = dg_halo_channel_create(&both, &l.plan, value, value, 5, 8, DG_HALO_F32) == DG_OK &&
                        dg_halo_channel_create(&pull, &l.plan, value, NULL, 5, 8, DG_HALO_F32) == DG_OK;
      assert_all_true(&test_comm, made);
      const int64_t there = pieces ? l.plan.send_offset[l.plan.n_send_ranks] : l.plan.n_send_ranks;
      const int64_t back = pieces ? l.n_halo : l.plan.n_recv_ranks;
      assert_all_true(&test_comm, dg_halo_channel_messages(both, 2) == 2 * there + back);
      assert_all_true(&test_comm, dg_halo_channel_messages(pull, 2) == 2 * there);
      dg_halo_channel_destroy(&both);
      dg_halo_channel_destroy(&pull);
    }
    dg_free(&value);
    dg_halo_plan_destroy(&l.plan);
  }
}

static void bytes_count_what_travels(void **state) {
  (void)state;
  for (size_t p = 0; p < N_PATTERNS; p++) {
    local l;
    dg_halo_channel *wide = NULL, *narrow = NULL, *table = NULL;
    assert_all_true(&test_comm, local_create(&l, &patterns[p]) == DG_OK);
    dg_real *value = matrix_create(&l, 8);
    bool made = dg_halo_channel_create(&wide, &l.plan, value, NULL, 5, 8, DG_HALO_F32) == DG_OK &&
                dg_halo_channel_create(&narrow, &l.plan, value, value, 5, 8, DG_HALO_BF16) == DG_OK &&
                dg_halo_channel_create_bf16(&table, &l.plan, (dg_bf16 *)value, 7, value, 5, 8, DG_HALO_F32) == DG_OK;
    assert_all_true(&test_comm, made);
    int64_t total[] = {dg_halo_channel_bytes(wide),
                       dg_halo_channel_bytes(narrow),
                       dg_halo_channel_bytes(table),
                       dg_halo_channel_bytes_back(table),
                       dg_halo_channel_bytes_back(narrow),
                       dg_halo_channel_bytes_back(wide),
                       l.n_halo};
    dg_comm_sum_int64(&test_comm, total, 7);
    const int64_t reals = total[6] * 5 * (int64_t)sizeof(dg_real), halves = total[6] * 5 * 2;
    assert_all_true(&test_comm, total[0] == reals && total[1] == halves && total[2] == total[6] * 7 * 2);
    assert_all_true(&test_comm, total[3] == reals && total[4] == halves && total[5] == 0);
    dg_halo_channel_destroy(&table);
    dg_halo_channel_destroy(&wide);
    dg_halo_channel_destroy(&narrow);
    dg_free(&value);
    dg_halo_plan_destroy(&l.plan);
  }
}

/* Values at the edges of bf16, and what must arrive. */
static void bf16_rounds_to_nearest_even(void **state) {
  (void)state;
  static const dg_real sent[] = {1,        1 + 0x1p-8f, 1 + 0x3p-8f, 1 + 0x1.01p-8f, -0.0f,
                                 INFINITY, -INFINITY,   0x1.ffp127f, 3e-39f};
  static const dg_real expected[] = {1,        1,         1 + 0x1p-6f, 1 + 0x1p-7f, -0.0f,
                                     INFINITY, -INFINITY, INFINITY,    0x1.08p-128f};
  enum { N = sizeof sent / sizeof sent[0] };
  local l;
  dg_halo_channel *channel = NULL;
  assert_all_true(&test_comm, local_create(&l, &patterns[4]) == DG_OK);
  dg_real *value = matrix_create(&l, N + 2);
  const uint32_t low_nan_bits = 0x7F800001u; /* its upper half alone would be infinite */
  float low_nan;
  memcpy(&low_nan, &low_nan_bits, sizeof low_nan);
  for (int i = 0; i < l.n_owned; i++) {
    memcpy(value + i * (N + 2), sent, sizeof sent);
    value[i * (N + 2) + N] = NAN;
    value[i * (N + 2) + N + 1] = (dg_real)low_nan;
  }
  assert_all_true(&test_comm,
                  dg_halo_channel_create(&channel, &l.plan, value, NULL, N + 2, N + 2, DG_HALO_BF16) == DG_OK);
  dg_halo_pull_begin(channel);
  dg_halo_pull_end(channel);
  bool right = true;
  for (int i = l.n_owned; i < l.n_owned + l.n_halo; i++) {
    const dg_real *row = value + i * (N + 2);
    for (int c = 0; c < N; c++) right = right && row[c] == expected[c] && !signbit(row[c]) == !signbit(expected[c]);
    right = right && isnan(row[N]) && isnan(row[N + 1]);
  }
  assert_all_true(&test_comm, right);
  dg_halo_channel_destroy(&channel);
  dg_free(&value);
  dg_halo_plan_destroy(&l.plan);
}

static void channels_of_one_plan_do_not_mix(void **state) {
  (void)state;
  local l;
  dg_halo_channel *a = NULL, *b = NULL;
  assert_all_true(&test_comm, local_create(&l, &patterns[0]) == DG_OK);
  dg_real *x = matrix_create(&l, 8), *y = matrix_create(&l, 8);
  fill(x, &l, 8, 1);
  fill(y, &l, 8, 2);
  for (int i = l.n_owned * 8; i < (l.n_owned + l.n_halo) * 8; i++) x[i] = y[i] = 99;
  bool made = dg_halo_channel_create(&a, &l.plan, x, NULL, 8, 8, DG_HALO_F32) == DG_OK &&
              dg_halo_channel_create(&b, &l.plan, y, NULL, 8, 8, DG_HALO_F32) == DG_OK;
  assert_all_true(&test_comm, made);
  dg_halo_pull_begin(a);
  dg_halo_pull_begin(b);
  dg_halo_pull_end(b);
  dg_halo_pull_end(a);
  shape s = {8, 8, 0};
  assert_all_true(&test_comm, pulled_right(x, &l, s, 1, DG_HALO_F32) && pulled_right(y, &l, s, 2, DG_HALO_F32));
  dg_halo_channel_destroy(&a);
  dg_halo_channel_destroy(&b);
  dg_free(&x);
  dg_free(&y);
  dg_halo_plan_destroy(&l.plan);
}

/* One rank runs out of memory at its n-th allocation: all ranks hear of it, and nothing is left over. */
static void failed_allocation_is_agreed_on(void **state) {
  (void)state;
  bool victim = test_comm.rank == test_comm.size - 1;
  int failures = 0;
  for (int n = 1;; n++) {
    local l;
    dg_halo_channel *channel = NULL;
    dg_real none[MAX_NODES];
    dg_status_clear();
    dg_memory_fail_at(victim ? n : 0);
    dg_status status = local_create(&l, &patterns[0]);
    if (status == DG_OK) status = dg_halo_channel_create(&channel, &l.plan, none, none, 1, 1, DG_HALO_BF16);
    dg_memory_fail_at(0);
    assert_all_true(&test_comm, status == DG_OK || (status == DG_MEMORY && channel == NULL));
    assert_all_true(&test_comm, dg_comm_max_int64(&test_comm, status) == (int64_t)status);
    dg_halo_channel_destroy(&channel);
    dg_halo_plan_destroy(&l.plan);
    if (status == DG_OK) break;
    failures++;
  }
  assert_all_true(&test_comm, failures >= 6);
  dg_status_clear();
}

/* A rank marks some of its halo rows; which of them, every rank can tell. */
static bool marks(int rank, int node) {
  return dg_rng_uniform(dg_rng_key(5, (uint64_t)rank), (uint64_t)node) < 0.5;
}

static bool marked_by_any(const pattern *p, int node) {
  for (int r = 0; r < test_comm.size; r++)
    if (is_halo(p, r, node) && marks(r, node)) return true;
  return false;
}

static void marks_come_home(void **state) {
  (void)state;
  for (size_t k = 0; k < N_PATTERNS; k++) {
    local l;
    uint8_t halo[MAX_NODES] = {0}, owned[MAX_NODES] = {0};
    bool right = true;
    assert_all_true(&test_comm, local_create(&l, &patterns[k]) == DG_OK);
    for (int h = 0; h < l.n_halo; h++) halo[h] = marks(test_comm.rank, l.node[l.n_owned + h]);
    if (l.n_owned > 0) owned[0] = 7; /* what is there stays where nobody marks */
    assert_all_true(&test_comm, dg_halo_plan_mark(&l.plan, halo, owned) == DG_OK);
    for (int i = 0; i < l.n_owned; i++)
      right &= owned[i] == (marked_by_any(&patterns[k], l.node[i]) ? 1 : i == 0 ? 7 : 0);
    assert_all_true(&test_comm, right);
    dg_halo_plan_destroy(&l.plan);
  }
}

/* NULL is a channel through which nothing travels. */
static void an_empty_channel_does_nothing(void **state) {
  (void)state;
  dg_halo_pull_begin(NULL), dg_halo_pull_end(NULL);
  dg_halo_push_begin(NULL), dg_halo_push_end(NULL);
  assert_int_equal(dg_halo_channel_bytes(NULL), 0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pull_fills_the_halo_rows),
      cmocka_unit_test(push_adds_in_the_order_of_ranks),
      cmocka_unit_test(tables_in_bf16_travel_as_they_are),
      cmocka_unit_test(sums_come_home_as_doubles),
      cmocka_unit_test(pull_and_push_are_adjoint),
      cmocka_unit_test(bytes_count_what_travels),
      cmocka_unit_test(rows_for_a_neighbour_are_one_message_or_short_ones),
      cmocka_unit_test(bf16_rounds_to_nearest_even),
      cmocka_unit_test(channels_of_one_plan_do_not_mix),
      cmocka_unit_test(failed_allocation_is_agreed_on),
      cmocka_unit_test(marks_come_home),
      cmocka_unit_test(an_empty_channel_does_nothing),
  };
  return mpi_test_main(argc, argv, "halo", tests, sizeof tests / sizeof tests[0]);
}
