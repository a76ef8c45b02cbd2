#include "support/support.h"

#include <math.h>
#include <string.h>

#include "data/fingerprint.h"

/* Five nodes of 1200 features, which are more than are summed at a time. */
enum { N = 5, F = 1200, C = 3 };

static int64_t indptr[] = {0, 2, 2, 5, 6, 8};
static dg_id indices[] = {1, 4, 0, 1, 3, 2, 0, 3};
static int32_t labels[] = {0, 2, -1, 1, 1};
static uint8_t several[N * C];
static float dense[N * F];
static dg_graph_info info = {.n_nodes = N, .n_edges = 8, .n_features = F, .n_classes = C};

static void fill(void) {
  memset(dense, 0, sizeof dense);
  for (int i = 0; i < N; i++)
    for (int c = i; c < F; c += 7 + 100 * i) dense[i * F + c] = (float)(c % 5 + 1) / 4 * (i % 2 ? 1.f : -1.f);
}

static void add_features(dg_content *content, bool sparse, int64_t first, int64_t n) {
  static int64_t rows[N + 1];
  static int32_t columns[N * F];
  static float values[N * F];
  dg_features x = {.sparse = sparse, .n_rows = n, .n_cols = F, .dense = dense + first * F};
  if (sparse) {
    x.indptr = rows, x.indices = columns, x.values = values;
    for (int64_t i = 0; i < n; i++) {
      rows[i + 1] = rows[i];
      for (int c = 0; c < F; c++)
        if (x.dense[i * F + c] != 0 || c % 11 == 0) /* some zeros are stored */
          columns[rows[i + 1]] = c, values[rows[i + 1]++] = x.dense[i * F + c];
    }
    x.dense = NULL;
  }
  dg_content_features(content, &x, first);
}

static void add_labels(dg_content *content, int64_t first, int64_t n) {
  const dg_labels one = {.one = labels + first}, many = {.many = several + first * C};
  dg_content_labels(content, info.multilabel ? &many : &one, C, first, n);
}

static uint64_t whole(bool sparse) {
  dg_content content = {0};
  const dg_in_edges edges = {N, indptr, indices};
  dg_content_edges(&content, &edges, 0);
  add_labels(&content, 0, N);
  add_features(&content, sparse, 0, N);
  return dg_content_fingerprint(&content, &info);
}

/* Stored in partition files: another number would refuse all of them. */
static void fingerprint_never_changes(void **state) {
  (void)state;
  assert_int_equal(whole(false), UINT64_C(0x32cd1bf2c68bff44));
}

static void dense_and_sparse_features_agree(void **state) {
  (void)state;
  assert_int_equal(whole(true), whole(false));
  const uint64_t before = whole(false);
  dense[1] = -0.0f;
  assert_int_equal(whole(false), before);
}

static void blocks_come_in_any_order(void **state) {
  (void)state;
  int64_t late[] = {0, 1, 3};
  dg_content content = {0};
  const dg_in_edges first = {3, indptr, indices}, second = {2, late, indices + 5};
  dg_content_edges(&content, &second, 3);
  add_features(&content, true, 3, 2);
  add_labels(&content, 3, 2);
  add_labels(&content, 0, 3);
  add_features(&content, false, 0, 3);
  dg_content_edges(&content, &first, 0);
  assert_int_equal(dg_content_fingerprint(&content, &info), whole(false));
}

/* Every change gives a number that no other change has given. */
static uint64_t seen[8192];
static int n_seen;

static void assert_new(uint64_t fingerprint) {
  for (int i = 0; i < n_seen; i++) assert_int_not_equal(seen[i], fingerprint);
  assert_in_range(n_seen, 0, 8191);
  seen[n_seen++] = fingerprint;
}

static void every_value_counts(void **state) {
  (void)state;
  n_seen = 0;
  assert_new(whole(false));
  for (int k = 0; k < N * F; k += 3) {
    const float value = dense[k];
    dense[k] = value == 0 ? 1 : -value;
    assert_new(whole(false));
    dense[k] = value == 0 ? INFINITY : nextafterf(value, 9);
    assert_new(whole(false));
    dense[k] = value;
  }
}

static void swap(void *a, void *b, size_t bytes) {
  char kept[sizeof dense];
  memcpy(kept, a, bytes);
  memmove(a, b, bytes);
  memcpy(b, kept, bytes);
}

static void places_count(void **state) {
  (void)state;
  n_seen = 0;
  assert_new(whole(false));
  swap(dense, dense + F, F * sizeof *dense); /* rows of two nodes */
  assert_new(whole(false));
  fill();
  swap(&dense[0], &dense[600], sizeof *dense); /* columns of one */
  assert_new(whole(false));
  swap(&dense[1], &dense[513], sizeof *dense); /* both zero */
  fill();
  for (int i = 0; i < N; i++) dense[i * F] *= -1; /* all of a column */
  assert_new(whole(false));
  fill();
  swap(&labels[0], &labels[1], sizeof *labels);
  assert_new(whole(false));
  swap(&labels[0], &labels[1], sizeof *labels);
  indptr[1]--; /* an edge to the next node */
  assert_new(whole(false));
  indptr[1]++;
  indices[1] = 3;
  assert_new(whole(false));
  indices[1] = 4;
}

static void sizes_count(void **state) {
  (void)state;
  n_seen = 0;
  assert_new(whole(false));
  info.n_classes++;
  assert_new(whole(false));
  info.n_classes--, info.n_features++;
  assert_new(whole(false));
  info.n_features--, info.n_nodes++;
  assert_new(whole(false));
  info.n_nodes--;
}

static void several_labels_count(void **state) {
  (void)state;
  n_seen = 0;
  assert_new(whole(false));
  info.multilabel = true;
  assert_new(whole(false)); /* no node has any class: as if all had the first, were it not for their number */
  for (int k = 0; k < N * C; k++) {
    several[k] = 1;
    assert_new(whole(false)); /* those before are there as well */
  }
  swap(several, several + C, C);
  assert_int_equal(whole(false), seen[n_seen - 1]);
  several[1] = 0;
  assert_new(whole(false));
  several[1] = 1, several[2] = 0; /* as many, but others */
  assert_new(whole(false));
  several[1] = 0, several[2] = 1;
  swap(several, several + C, C);
  assert_new(whole(false));
  info.multilabel = false;
  memset(labels, 0, sizeof labels);
  assert_new(whole(false));
}

static int setup(void **state) {
  (void)state;
  fill();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(fingerprint_never_changes, setup),
      cmocka_unit_test_setup(dense_and_sparse_features_agree, setup),
      cmocka_unit_test_setup(blocks_come_in_any_order, setup),
      cmocka_unit_test_setup(every_value_counts, setup),
      cmocka_unit_test_setup(places_count, setup),
      cmocka_unit_test_setup(sizes_count, setup),
      cmocka_unit_test_setup(several_labels_count, setup), /* the last, for it changes the labels */
  };
  return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
