#include "support/support.h"

#include <math.h>

#include <distgat/ids.h>
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

/* ---- keys that are related ---- */

enum { SIDE = 64, MOST_SHIFT = 3 };
#define GOLDEN 0x9E3779B97F4A7C15u /* the multipliers of counters and columns */
#define GOLDEN32 0x9E3779B1u

/* The inverse of an odd number modulo 2^64, by Newton's method. */
static uint64_t inverse(uint64_t odd) {
  uint64_t x = odd;
  for (int i = 0; i < 5; i++) x *= 2 - odd * x;
  return x;
}

/* Keys that differ from `key` as a counter, or what is made of one, changes. */
enum { RELATIONS = 10 };
static uint64_t related(uint64_t key, int relation, int bit) {
  const uint64_t by = (uint64_t)1 << bit, low = 0xffffffffu;
  switch (relation) {
  case 0:
    return key ^ by;
  case 1:
    return key + by;
  case 2:
    return key ^ by * GOLDEN;
  case 3:
    return key + by * GOLDEN;
  case 4:
    return key + by * inverse(GOLDEN);
  case 5:
    return key - by * inverse(GOLDEN);
  case 6:
    return (key & ~low) | ((key + by * GOLDEN32) & low);
  case 7:
    return (key & ~low) | ((key - by % 7 * GOLDEN32) & low);
  case 8:
    return key ^ (by * GOLDEN32 & low);
  default:
    return key - by;
  }
}

/* A table of uniform 32 bits that a key makes. */
typedef uint32_t table[SIDE][SIDE];

static void draw_mask(table t, uint64_t key) {
  for (uint32_t r = 0; r < SIDE; r++)
    for (uint32_t c = 0; c < SIDE; c++) t[r][c] = dg_rng_column(dg_rng_row(key, r), key, c);
}

static void draw_rows(table t, uint64_t key) {
  for (uint32_t r = 0; r < SIDE; r++)
    for (uint32_t c = 0; c < SIDE; c++) t[r][c] = dg_rng_row(key, r * SIDE + c);
}

static void draw_counters(table t, uint64_t key) {
  for (uint32_t r = 0; r < SIDE; r++)
    for (uint32_t c = 0; c < SIDE; c++) t[r][c] = (uint32_t)(dg_rng_uniform(key, r * SIDE + c) * 0x1p32);
}

/* Chi-square of the pairs of an element of a and one of b that lies `down` and `right` of it, against independence; in
   standard deviations from its mean. */
static double dependence(table a, table b, int down, int right) {
  enum { PARTS = 16, CELLS = PARTS * PARTS };
  int count[CELLS] = {0};
  const double expected = (double)SIDE * SIDE / CELLS;
  double chi = 0;
  for (int r = 0; r < SIDE; r++)
    for (int c = 0; c < SIDE; c++) count[(a[r][c] >> 28) * PARTS + (b[(r + down) % SIDE][(c + right) % SIDE] >> 28)]++;
  for (int i = 0; i < CELLS; i++) chi += (count[i] - expected) * (count[i] - expected) / expected;
  return (chi - CELLS) / sqrt(2 * CELLS);
}

static void check_related(void (*draw)(table t, uint64_t key)) {
  static table a, b;
  for (uint64_t k = 0; k < 2; k++)
    for (int i = 0; i < RELATIONS * 64; i++) {
      const uint64_t key = k * dg_rng_key(5, k), other = related(key, i / 64, i % 64);
      if (other == key) continue;
      draw(a, key);
      draw(b, other);
      for (int down = 0; down < 2 * MOST_SHIFT; down++)
        for (int right = 0; right < 2 * MOST_SHIFT; right++)
          if (dependence(a, b, down, right) > 8 || dependence(b, a, down, right) > 8)
            fail_msg("keys %llx and %llx: alike when shifted by %d, %d", (unsigned long long)key,
                     (unsigned long long)other, down, right);
    }
}

static void masks_of_related_keys_are_independent(void **state) {
  (void)state;
  check_related(draw_mask);
}

static void rows_of_related_keys_are_independent(void **state) {
  (void)state;
  check_related(draw_rows);
}

static void uniforms_of_related_keys_are_independent(void **state) {
  (void)state;
  check_related(draw_counters);
}

/* Ids that fit are what they were; two that share their lower bits differ, as do their neighbours. */
static void ids_are_folded_into_words(void **state) {
  (void)state;
  const dg_id far = INT64_C(1) << 32;
  for (dg_id id = 1; id < far; id *= 3) assert_int_equal((uint32_t)dg_id_fold(id), id);
  for (dg_id upper = 1; upper < 1000; upper++) {
    assert_int_not_equal(dg_id_fold(upper * far), 0);
    assert_int_not_equal(dg_id_fold(upper * far), dg_id_fold((upper + 1) * far));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(uniform_has_flat_bins_mean_and_variance),
      cmocka_unit_test(uniform_varies_with_every_word_of_the_key),
      cmocka_unit_test(keys_are_independent),
      cmocka_unit_test(columns_are_uniform_along_rows_and_columns),
      cmocka_unit_test(dropout_of_neighbours_is_independent),
      cmocka_unit_test(masks_of_related_keys_are_independent),
      cmocka_unit_test(rows_of_related_keys_are_independent),
      cmocka_unit_test(uniforms_of_related_keys_are_independent),
      cmocka_unit_test(ids_are_folded_into_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
