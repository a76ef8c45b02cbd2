#include "support/support.h"

#include <math.h>

#include <distgat/rng.h>

#define BINS 64
#define DRAWS 65536

/* Chi-square of counts against uniform; 63 degrees of freedom: mean 63, standard deviation 11.2. */
static double chi_square(const int *count, int draws) {
  double expected = (double)draws / BINS, sum = 0;
  for (int i = 0; i < BINS; i++) sum += (count[i] - expected) * (count[i] - expected) / expected;
  return sum;
}

static void assert_uniform(const int *count, int draws) {
  double chi = chi_square(count, draws);
  assert_true(chi > 20 && chi < 130);
}

static void uniform_has_flat_bins_mean_and_variance(void **state) {
  (void)state;
  int count[BINS] = {0};
  double sum = 0, squares = 0;
  uint64_t key = dg_rng_key(7, 1);
  for (uint64_t i = 0; i < DRAWS; i++) {
    double u = dg_rng_uniform(key, i);
    assert_true(u >= 0 && u < 1);
    count[(int)(u * BINS)]++;
    sum += u, squares += u * u;
  }
  assert_uniform(count, DRAWS);
  assert_true(fabs(sum / DRAWS - 0.5) < 0.006);
  assert_true(fabs(squares / DRAWS - 1.0 / 3) < 0.006);
}

static void uniform_varies_with_every_word_of_the_key(void **state) {
  (void)state;
  int count[BINS] = {0};
  for (uint64_t seed = 0; seed < 16; seed++)
    for (uint64_t epoch = 0; epoch < 16; epoch++)
      for (uint64_t node = 0; node < 256; node++)
        count[(int)(dg_rng_uniform(dg_rng_key(dg_rng_key(seed, epoch), node), 0) * BINS)]++;
  assert_uniform(count, DRAWS);
}

/* Correlation of the draws of two keys over the same counters; its standard deviation is 1 / sqrt(DRAWS) = 0.004. */
static double correlation(uint64_t a, uint64_t b) {
  double sum = 0;
  for (uint64_t i = 0; i < DRAWS; i++) sum += (dg_rng_uniform(a, i) - 0.5) * (dg_rng_uniform(b, i) - 0.5);
  return sum / DRAWS * 12;
}

static void keys_are_independent(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 8; i++) {
    assert_true(fabs(correlation(dg_rng_key(1, i), dg_rng_key(1, i + 1))) < 0.02);
    assert_true(fabs(correlation(dg_rng_key(i, 1), dg_rng_key(i + 1, 1))) < 0.02);
    assert_true(fabs(correlation(dg_rng_key(i, i + 1), dg_rng_key(i + 1, i))) < 0.02);
  }
}

static uint32_t column_of(uint64_t row, uint32_t column) {
  const uint64_t key = dg_rng_key(3, 5);
  return dg_rng_column(dg_rng_row(key, (uint32_t)row), key, column);
}

static void columns_are_uniform_along_rows_and_columns(void **state) {
  (void)state;
  int wide[BINS] = {0}, tall[BINS] = {0};
  double sum = 0;
  for (uint32_t i = 0; i < DRAWS; i++) {
    uint32_t x = column_of(11, i);
    wide[x / (UINT32_MAX / BINS + 1)]++;
    sum += x;
    tall[column_of(i, 11) / (UINT32_MAX / BINS + 1)]++;
  }
  assert_uniform(wide, DRAWS);
  assert_uniform(tall, DRAWS);
  assert_true(fabs(sum / DRAWS / 0x1p32 - 0.5) < 0.006);
}

/* Share kept at dropout 0.6 in short rows, as training uses them, and the joint share of neighbours. */
static void dropout_of_neighbours_is_independent(void **state) {
  (void)state;
  const uint32_t keep_below = (uint32_t)(0.4 * 0x1p32);
  const int rows = 4096, columns = 64;
  int kept = 0, both_columns = 0, both_rows = 0;
  for (uint32_t i = 0; i < (uint32_t)rows; i++) {
    for (uint32_t c = 0; c < (uint32_t)columns; c++) {
      int here = column_of(i, c) < keep_below;
      kept += here;
      both_columns += here && column_of(i, c + 1) < keep_below;
      both_rows += here && column_of(i + 1, c) < keep_below;
    }
  }
  double n = (double)rows * columns; /* standard deviation of a share below 0.001 */
  assert_true(fabs(kept / n - 0.4) < 0.005);
  assert_true(fabs(both_columns / n - 0.16) < 0.005);
  assert_true(fabs(both_rows / n - 0.16) < 0.005);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(uniform_has_flat_bins_mean_and_variance),
      cmocka_unit_test(uniform_varies_with_every_word_of_the_key),
      cmocka_unit_test(keys_are_independent),
      cmocka_unit_test(columns_are_uniform_along_rows_and_columns),
      cmocka_unit_test(dropout_of_neighbours_is_independent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
