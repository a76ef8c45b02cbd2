#include "support/support.h"

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "base/id_map.h"

enum { N = 20000 };

/* Ids that follow each other, that share their lower bits, and that look like none of these. */
static dg_id id_of(int kind, int i) {
  if (kind == 0) return i;
  if (kind == 1) return (dg_id)i << (sizeof(dg_id) == 8 ? 32 : 16);
  return (dg_id)(dg_rng_key(1, (uint64_t)i) >> (sizeof(dg_id) == 8 ? 2 : 34));
}

static void ids_keep_their_rows(void **state) {
  (void)state;
  for (int kind = 0; kind < 3; kind++)
    for (size_t expected = 0; expected <= N; expected += N) {
      dg_id_map map;
      assert_int_equal(dg_id_map_create(&map, expected), DG_OK);
      for (int i = 0; i < N; i++) {
        dg_row row = i;
        assert_int_equal(dg_id_map_find(&map, id_of(kind, i)), -1);
        assert_int_equal(dg_id_map_add(&map, id_of(kind, i), &row), DG_OK);
        assert_int_equal(row, i);
      }
      for (int i = 0; i < N; i++) {
        dg_row row = -7;
        assert_int_equal(dg_id_map_find(&map, id_of(kind, i)), i);
        assert_int_equal(dg_id_map_add(&map, id_of(kind, i), &row), DG_OK);
        assert_int_equal(row, i);
      }
      assert_int_equal(map.count, N);
      assert_int_equal(dg_id_map_find(&map, id_of(kind, N)), -1);
      dg_id_map_destroy(&map);
    }
}

static void no_room_is_said_and_loses_nothing(void **state) {
  (void)state;
  dg_id_map map;
  for (int64_t at = 1; at <= 2; at++) {
    dg_memory_fail_at(at);
    assert_int_equal(dg_id_map_create(&map, N), DG_MEMORY);
    assert_null(map.key);
    dg_status_clear();
  }
  assert_int_equal(dg_id_map_create(&map, 0), DG_OK);
  dg_status status = DG_OK;
  int n = 0;
  dg_memory_fail_at(1);
  for (; status == DG_OK && n < N; n++) {
    dg_row row = n;
    status = dg_id_map_add(&map, n, &row);
  }
  assert_int_equal(status, DG_MEMORY);
  for (int i = 0; i < n - 1; i++) assert_int_equal(dg_id_map_find(&map, i), i);
  dg_id_map_destroy(&map);
  dg_memory_fail_at(0);
  dg_status_clear();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ids_keep_their_rows),
      cmocka_unit_test(no_room_is_said_and_loses_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
