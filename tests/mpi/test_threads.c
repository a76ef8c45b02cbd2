#define _GNU_SOURCE
#include "support/support.h"

#include <omp.h>
#include <sys/resource.h>

#include <distgat/memory.h>

#include "par/threads.h"

/* The share of this rank, one of all on a made-up node, that may run on `n` cores from `first` on. */
static int share_of(int first, int n) {
  int mine[DG_MAX_CORES] = {0};
  for (int c = first; c < first + n; c++) mine[c] = 1;
  return dg_threads_share(test_comm.mpi, mine);
}

static void ranks_that_share_all_cores_divide_them(void **state) {
  (void)state;
  const int size = test_comm.size;
  assert_all_true(&test_comm, share_of(0, 4 * size) == 4);
  assert_all_true(&test_comm, share_of(8000, 3 * size + size - 1) == 3);
}

static void ranks_in_a_part_of_the_node_divide_that_part(void **state) {
  (void)state;
  assert_all_true(&test_comm, share_of(62, 2) == (test_comm.size < 2 ? 2 : 1));
  assert_all_true(&test_comm, share_of(5, 1) == 1);
}

static void a_rank_with_cores_of_its_own_uses_them_all(void **state) {
  (void)state;
  assert_all_true(&test_comm, share_of(test_comm.rank, 1) == 1);
  assert_all_true(&test_comm, share_of(6 * test_comm.rank, 6) == 6);
  assert_all_true(&test_comm, share_of(10 * test_comm.rank, test_comm.rank + 1) == test_comm.rank + 1);
}

/* Pairs of ranks share a socket of 16 cores; who has no partner has it alone. */
static void only_ranks_on_the_same_cores_count(void **state) {
  (void)state;
  const bool alone = test_comm.rank == test_comm.size - 1 && test_comm.size % 2 == 1;
  assert_all_true(&test_comm, share_of(16 * (test_comm.rank / 2), 16) == (alone ? 16 : 8));
}

static void shares_never_exceed_the_cores(void **state) {
  (void)state;
  int64_t sum = share_of(2 * test_comm.rank, 4); /* half of it shared with the next rank */
  dg_comm_sum_int64(&test_comm, &sum, 1);
  assert_all_true(&test_comm, sum <= 2 * test_comm.size + 2 && sum >= 2 * test_comm.size);
}

static void what_is_wanted_is_set(void **state) {
  (void)state;
  int threads;
  assert_all_true(&test_comm, dg_threads_set(&threads, &test_comm, 3) == DG_OK && threads == 3);
  assert_all_true(&test_comm, dg_threads_set(&threads, &test_comm, 0) == DG_OK && threads >= 1);
}

/* Pages that the calling thread has touched first, or blocks of them. */
static int64_t first_touches(void) {
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

static void each_thread_touches_its_share_of_a_large_block(void **state) {
  (void)state;
  enum { THREADS = 3, HUGE_PAGES = 24 }; /* more than malloc may hold already */
  int64_t touched[THREADS] = {0};
  int threads;
  char *block = NULL;
  bool good = true;
  assert_all_true(&test_comm, dg_threads_set(&threads, &test_comm, THREADS) == DG_OK);
#pragma omp parallel num_threads(THREADS)
  touched[omp_get_thread_num()] -= first_touches();
  assert_all_true(&test_comm, dg_alloc(&block, HUGE_PAGES, (size_t)2 << 20) == DG_OK);
#pragma omp parallel num_threads(THREADS)
  touched[omp_get_thread_num()] += first_touches();
  for (int t = 0; t < THREADS; t++) good = good && touched[t] >= HUGE_PAGES / THREADS;
  assert_all_true(&test_comm, good);
  dg_free(&block);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranks_that_share_all_cores_divide_them),
      cmocka_unit_test(ranks_in_a_part_of_the_node_divide_that_part),
      cmocka_unit_test(a_rank_with_cores_of_its_own_uses_them_all),
      cmocka_unit_test(only_ranks_on_the_same_cores_count),
      cmocka_unit_test(shares_never_exceed_the_cores),
      cmocka_unit_test(what_is_wanted_is_set),
      cmocka_unit_test(each_thread_touches_its_share_of_a_large_block),
  };
  return mpi_test_main(argc, argv, "threads", tests, sizeof tests / sizeof tests[0]);
}
