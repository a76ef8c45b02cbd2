#include "support/support.h"

#include <stdlib.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "base/id_set.h"

enum { N = 5000 };

/* Ids of which many are equal: close to each other, in crowds that lie apart, and all apart. */
static dg_id id_of(int kind, int i) {
  const uint64_t drawn = dg_rng_key(1, (uint64_t)i) % (N / 2);
  if (kind == 0) return (dg_id)drawn;
  if (kind == 1) return (dg_id)(drawn % 70 + (drawn / 70 << 20));
  return (dg_id)(dg_rng_key(2, drawn) >> 2);
}

static int compare_ids(const void *a, const void *b) {
  const dg_id x = *(const dg_id *)a, y = *(const dg_id *)b;
  return (x > y) - (x < y);
}

/* The distinct ones of n ids, in ascending order; gives how many. */
static int64_t sort(dg_id *ids, int kind, int n) {
  int64_t count = 0;
  for (int i = 0; i < n; i++) ids[i] = id_of(kind, i);
  qsort(ids, (size_t)n, sizeof *ids, compare_ids);
  for (int i = 0; i < n; i++)
    if (i == 0 || ids[i] != ids[i - 1]) ids[count++] = ids[i];
  return count;
}

static void ids_are_listed_once_and_found(void **state) {
  (void)state;
  static dg_id wanted[N];
  static dg_row word[N];
  for (int kind = 0; kind < 3; kind++)
    for (int n = 0; n <= N; n = 3 * n + 1) {
      dg_id_set set;
      dg_id *ids;
      int64_t count;
      const int64_t n_wanted = sort(wanted, kind, n);
      assert_int_equal(dg_id_set_create(&set), DG_OK);
      for (int i = 0; i < n; i++) assert_int_equal(dg_id_set_add(&set, &word[i], id_of(kind, i)), DG_OK);
      assert_int_equal(dg_id_set_list(&ids, &count, &set), DG_OK);
      assert_int_equal(count, n_wanted);
      assert_memory_equal(ids, wanted, (size_t)count * sizeof *ids);
      for (int i = 0; i < n; i++) assert_int_equal(ids[dg_id_set_place(&set, word[i], id_of(kind, i))], id_of(kind, i));
      dg_free(&ids);
      dg_id_set_destroy(&set);
    }
}

static void no_room_is_said(void **state) {
  (void)state;
  dg_status status = DG_MEMORY;
  for (int64_t at = 1; status != DG_OK; at++) {
    dg_id_set set;
    dg_id *ids = NULL;
    int64_t count;
    dg_row word;
    dg_memory_fail_at(at);
    status = dg_id_set_create(&set);
    for (int i = 0; status == DG_OK && i < 100; i++) status = dg_id_set_add(&set, &word, id_of(2, i));
    if (status == DG_OK) status = dg_id_set_list(&ids, &count, &set);
    assert_true(status == DG_OK || status == DG_MEMORY);
    assert_true(status == DG_OK || ids == NULL);
    assert_true(at < 100);
    dg_memory_fail_at(0);
    dg_status_clear();
    dg_free(&ids);
    dg_id_set_destroy(&set);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ids_are_listed_once_and_found),
      cmocka_unit_test(no_room_is_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
