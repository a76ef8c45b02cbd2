#include "support/support.h"

#include <math.h>

#include "nn/parallel.h"

/* How sums over rows are divided, and how exact they are. */

static void fewer_rows_need_no_more_room(void **state) {
  (void)state;
  int most = 0;
  for (int32_t n = 1; n < 300000; n += 61) {
    most = n_sums(n) > most ? n_sums(n) : most;
    assert_true(most <= most_sums(n) && most_sums(n) <= MAX_SUMS);
    assert_true((int64_t)n_sums(n) * sum_rows(n) >= n);
  }
}

/* Blocks follow each other without gaps, and have one row at least. */
static void blocks_cover_rows(void **state) {
  (void)state;
  enum { N = 1000 };
  int32_t indptr[N + 1] = {0};
  for (int32_t i = 0; i < N; i++) indptr[i + 1] = indptr[i] + (i % 100 == 7 ? 3 * BLOCK_EDGES : i % 50);
  for (int32_t first = 3, last; first < N; first = last) {
    last = block_end(indptr, first, N);
    assert_true(last > first && last <= N && last - first <= BLOCK_ROWS);
    assert_true(last == first + 1 || indptr[last] - indptr[first] <= BLOCK_EDGES);
    assert_true(last == N || last - first == BLOCK_ROWS || indptr[last + 1] - indptr[first] > BLOCK_EDGES);
  }
  assert_int_equal(block_end(NULL, 5, N), 5 + BLOCK_ROWS);
  assert_int_equal(block_end(NULL, N - 3, N), N);
}

/* Ones and a number that single precision cannot add to many of them. */
static void sums_of_blocks_are_added_in_double(void **state) {
  (void)state;
  enum { BLOCKS = 2000, WIDTH = 300 };
  static double sums[2 * WIDTH];
  static dg_real block[WIDTH], out[WIDTH], partial[3 * WIDTH];
  for (int b = 0; b < BLOCKS; b++) {
    for (int c = 0; c < WIDTH; c++) block[c] = b == 0 ? 0x1p24f : 1;
    add_block(sums + b % 2 * WIDTH, block, WIDTH);
    for (int c = 0; c < WIDTH; c++) assert_true(block[c] == 0);
  }
  add_sums(out, sums, 2, WIDTH);
  for (int c = 0; c < WIDTH; c++) assert_true(out[c] == (dg_real)(0x1p24 + BLOCKS - 1));
  for (int c = 0; c < WIDTH; c++) partial[c] = 0x1p24f, partial[WIDTH + c] = 1, partial[2 * WIDTH + c] = 1;
  add_up(out, partial, 3, WIDTH, WIDTH);
  for (int c = 0; c < WIDTH; c++) assert_true(out[c] == (dg_real)(0x1p24 + 2));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fewer_rows_need_no_more_room),
      cmocka_unit_test(blocks_cover_rows),
      cmocka_unit_test(sums_of_blocks_are_added_in_double),
  };
  return cmocka_run_group_tests_name("sums", tests, NULL, NULL);
}
