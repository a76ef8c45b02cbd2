#include "support/support.h"

#include <math.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "par/reduce.h"

/* Sums over ranks, under way at once, against values added one by one in the order of ranks. */

enum { RANGES = 5, MOST = 50000, FEW = 2000, ROUNDS = 3 };

static dg_real value_of(int rank, int round, int range, int64_t i) {
  return (dg_real)(2 * dg_rng_uniform(dg_rng_key((uint64_t)rank, (uint64_t)(round * RANGES + range)), (uint64_t)i) - 1);
}

static void fill(dg_real *values, int64_t n, int rank, int round, int range) {
  for (int64_t i = 0; i < n; i++) values[i] = value_of(rank, round, range, i);
}

static dg_real plain_sum(int round, int range, int64_t i) {
  dg_real sum = value_of(0, round, range, i);
  for (int r = 1; r < test_comm.size; r++) sum += value_of(r, round, range, i);
  return sum;
}

/* Whether values [n] are the sums, to the bit, or within rounding. */
static bool are_sums(const dg_real *values, int64_t n, int round, int range, bool bits) {
  bool same = true;
  for (int64_t i = 0; i < n; i++) {
    const dg_real sum = plain_sum(round, range, i);
    same = same && (bits ? memcmp(&values[i], &sum, sizeof sum) == 0 : fabs((double)(values[i] - sum)) < 1e-5);
  }
  return same;
}

/* All of a step's sums begin before the first ends; some are shorter than there are ranks, or empty. */
static void check(const dg_comm *comm, bool direct, int64_t most) {
  const int64_t n[RANGES] = {1, most, 0, comm->size + 1, 4 * comm->size - 1};
  int64_t count = 0;
  for (int k = 0; k < RANGES; k++) count += n[k];
  dg_reduce reduce;
  dg_real *values;
  assert_all_true(comm, dg_reduce_create(&reduce, comm, count, RANGES) == DG_OK);
  assert_all_true(comm, dg_alloc(&values, (size_t)count, sizeof *values) == DG_OK);
  reduce.direct = direct;
  for (int round = 0; round < ROUNDS; round++) {
    dg_real *at = values;
    for (int k = 0; k < RANGES; at += n[k++]) {
      fill(at, n[k], comm->rank, round, k);
      dg_reduce_begin(&reduce, at, n[k]);
    }
    dg_reduce_end(&reduce);
    at = values;
    for (int k = 0; k < RANGES; at += n[k++]) assert_all_true(comm, are_sums(at, n[k], round, k, direct));
  }
  dg_free(&values);
  dg_reduce_destroy(&reduce);
}

/* A message may hold all, some, or less than one number, where thousands of messages make a sum. */
static void sums_under_way_at_once_are_those_of_all_ranks(void **state) {
  (void)state;
  static const size_t lengths[] = {(size_t)1 << 30, 4096, 3};
  for (int i = 0; i < 3; i++) {
    dg_comm comm = test_comm;
    comm.message_bytes = lengths[i];
    check(&comm, true, i < 2 ? MOST : FEW);
  }
}

static void many_ranks_leave_sums_to_mpi(void **state) {
  (void)state;
  check(&test_comm, false, MOST);
}

/* What one rank has lost is lost to all. */
static void a_value_that_is_not_finite_reaches_all(void **state) {
  (void)state;
  dg_reduce reduce;
  assert_all_true(&test_comm, dg_reduce_create(&reduce, &test_comm, 100, 1) == DG_OK);
  dg_real values[100];
  for (int i = 0; i < 100; i++) values[i] = test_comm.rank == test_comm.size - 1 && i == 7 ? (dg_real)NAN : 1;
  dg_reduce_begin(&reduce, values, 100);
  dg_reduce_end(&reduce);
  bool right = true;
  for (int i = 0; i < 100; i++) right = right && (i == 7 ? isnan(values[i]) : values[i] == (dg_real)test_comm.size);
  assert_all_true(&test_comm, right);
  dg_reduce_destroy(&reduce);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sums_under_way_at_once_are_those_of_all_ranks),
                                     cmocka_unit_test(many_ranks_leave_sums_to_mpi),
                                     cmocka_unit_test(a_value_that_is_not_finite_reaches_all)};
  return mpi_test_main(argc, argv, "reduce", tests, sizeof tests / sizeof *tests);
}
