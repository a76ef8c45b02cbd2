#include "support/support.h"

#include <math.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "kernels/kernels.h"

/* Exact sums: every variant, in any order, against whole numbers. */

#define FOR_VARIANTS(k) for (const dg_kernels *const *list = dg_kernels_all(), *k = *list; k; k = *++list)

enum { N = 32, ROWS = 3000 };

static void *room(size_t count, size_t size) {
  void *block;
  assert_int_equal(dg_alloc(&block, count, size), DG_OK);
  return block;
}

static double uniform(uint64_t what, uint64_t i) {
  return 2 * dg_rng_uniform(dg_rng_key(31, what), i) - 1;
}

/* Numbers from 2^-60 to 2^10, of either sign. */
static dg_real *draw(void) {
  dg_real *x = room((size_t)ROWS * N, sizeof *x);
  for (size_t i = 0; i < (size_t)ROWS * N; i++) x[i] = (dg_real)ldexp(uniform(1, i), (int)(35 * uniform(2, i)) - 25);
  return x;
}

/* x in whole multiples of the smallest step. */
static __int128 in_steps(dg_real x) {
  const double steps = (double)x / DG_EXACT_LOW, high = trunc(ldexp(steps, -50));
  return (__int128)high * ((__int128)1 << 50) + (__int128)nearbyint(steps - ldexp(high, 50));
}

static double value(const double *sum, int c) {
  return (sum[c] + sum[N + c]) + sum[2 * N + c];
}

/* Rows first, first + step, ... */
static void add_rows(double *sum, const dg_kernels *k, const dg_real *x, int first, int step) {
  for (int r = first; r >= 0 && r < ROWS; r += step) k->exact_add(sum, N, x + (size_t)r * N, N);
}

static void sums_are_those_of_whole_numbers(void **state) {
  (void)state;
  dg_real *x = draw();
  FOR_VARIANTS(k) {
    _Alignas(DG_ALIGN) double sum[DG_EXACT_PARTS * N] = {0};
    add_rows(sum, k, x, 0, 1);
    for (int c = 0; c < N; c++) {
      __int128 want = 0, got = 0;
      for (int r = 0; r < ROWS; r++) want += in_steps(x[(size_t)r * N + (size_t)c]);
      for (int p = 0; p < DG_EXACT_PARTS; p++) got += (__int128)(sum[p * N + c] / DG_EXACT_LOW);
      assert_true(want == got);
    }
  }
  dg_free(&x);
}

static void sums_do_not_depend_on_order(void **state) {
  (void)state;
  dg_real *x = draw();
  FOR_VARIANTS(k) {
    _Alignas(DG_ALIGN) double up[DG_EXACT_PARTS * N] = {0}, down[DG_EXACT_PARTS * N] = {0};
    _Alignas(DG_ALIGN) double odd[DG_EXACT_PARTS * N] = {0}, even[DG_EXACT_PARTS * N] = {0};
    add_rows(up, k, x, 0, 1);
    add_rows(down, k, x, ROWS - 1, -1);
    add_rows(even, k, x, 0, 2);
    add_rows(odd, k, x, 1, 2);
    for (int i = 0; i < DG_EXACT_PARTS * N; i++) even[i] += odd[i];
    for (int c = 0; c < N; c++) {
      assert_true(value(up, c) == value(down, c));
      assert_true(value(up, c) == value(even, c));
    }
    assert_memory_equal(up, down, sizeof up);
    assert_memory_equal(up, even, sizeof up);
  }
  dg_free(&x);
}

static void what_is_not_finite_stays_so(void **state) {
  (void)state;
  FOR_VARIANTS(k) {
    _Alignas(DG_ALIGN) double sum[DG_EXACT_PARTS * N] = {0};
    _Alignas(DG_ALIGN) dg_real x[N] = {1, INFINITY, -INFINITY, NAN};
    k->exact_add(sum, N, x, N);
    x[1] = x[2] = x[3] = -5;
    k->exact_add(sum, N, x, N);
    assert_true(value(sum, 0) == 2);
    for (int c = 1; c < 4; c++) assert_false(isfinite(value(sum, c)));
  }
}

/* Products of rounded numbers. */
enum { IN = 13, LD = 48 };

static void draw_whole(double *x, size_t n, uint64_t what) {
  for (size_t i = 0; i < n; i++) x[i] = nearbyint(ldexp(uniform(what, i), DG_EXACT_BITS));
}

static void products_are_those_of_whole_numbers(void **state) {
  (void)state;
  double *x = room((size_t)DG_EXACT_ROWS * IN, sizeof *x), *d = room((size_t)DG_EXACT_ROWS * LD, sizeof *d);
  const size_t size = DG_EXACT_PRODUCT_PARTS * (size_t)IN * LD;
  double *sum = room(size, sizeof *sum), *parts = room(size, sizeof *parts);
  draw_whole(x, (size_t)DG_EXACT_ROWS * IN, 3);
  draw_whole(d, (size_t)DG_EXACT_ROWS * LD, 4);
  for (int r = 0; r < DG_EXACT_ROWS; r++) x[r * IN] = d[r * LD] = ldexp(1, DG_EXACT_BITS); /* the most they can be */
  for (int r = 0; r < DG_EXACT_ROWS; r++) x[r * IN + 1] = d[r * LD + 1] = ldexp(1, DG_EXACT_BITS) - 1;
  d[1]--; /* three odd sums are more than a double holds */
  FOR_VARIANTS(k) {
    memset(sum, 0, size * sizeof *sum);
    memset(parts, 0, size * sizeof *parts);
    for (int pass = 0; pass < 3; pass++) k->exact_multiply(sum, x, IN, d, LD, DG_EXACT_ROWS);
    for (int pass = 0; pass < 3; pass++)
      for (int first = DG_EXACT_ROWS - 1, rows; first >= 0; first -= rows) {
        rows = first > 100 ? 7 : 1;
        k->exact_multiply(parts, x + (first - rows + 1) * IN, IN, d + (first - rows + 1) * LD, LD, rows);
      }
    for (int i = 0; i < IN; i++)
      for (int c = 0; c < LD; c++) {
        __int128 want = 0;
        const size_t at = (size_t)i * LD + (size_t)c, low = at + (size_t)IN * LD;
        for (int r = 0; r < DG_EXACT_ROWS; r++) want += (__int128)x[r * IN + i] * (__int128)d[r * LD + c];
        assert_true(3 * want == (__int128)sum[at] + (__int128)sum[low]);
        assert_true(3 * want == (__int128)parts[at] + (__int128)parts[low]);
        assert_true(sum[at] + sum[low] == parts[at] + parts[low]);
      }
  }
  dg_free(&x);
  dg_free(&d);
  dg_free(&sum);
  dg_free(&parts);
}

static void numbers_are_rounded_to_whole_ones(void **state) {
  (void)state;
  FOR_VARIANTS(k) {
    dg_real x[5] = {(dg_real)0.3, (dg_real)-0.75, 2.5, -3.5, NAN};
    const double scale[5] = {1024, 4, 1, 1, 1};
    double out[5];
    k->exact_round(out, x, scale, 5);
    assert_true(out[0] == 307 && out[1] == -3 && out[2] == 2 && out[3] == -4 && isnan(out[4]));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sums_are_those_of_whole_numbers), cmocka_unit_test(sums_do_not_depend_on_order),
      cmocka_unit_test(what_is_not_finite_stays_so), cmocka_unit_test(products_are_those_of_whole_numbers),
      cmocka_unit_test(numbers_are_rounded_to_whole_ones)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
