#include "support/support.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <distgat/memory.h>

static bool all_zero(const unsigned char *block, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    if (block[i] != 0) return false;
  return true;
}

static void blocks_are_zeroed_and_aligned_by(int threads) {
  const size_t sizes[] = {1, 63, 64, 1000, (4u << 20) - 1, 4u << 20, (9u << 20) + 5};
  dg_memory_touch(threads);
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      unsigned char *block = NULL;
      assert_int_equal(dg_alloc(&block, sizes[i], 1), DG_OK);
      assert_int_equal((uintptr_t)block % DG_ALIGN, 0);
      assert_true(all_zero(block, sizes[i]));
      memset(block, 0xFF, sizes[i]); /* the second round may get this memory back */
      dg_free(&block);
      assert_null(block);
    }
  }
}

static void blocks_are_zeroed_and_aligned(void **state) {
  (void)state;
  for (int threads = 3; threads > 0; threads--) blocks_are_zeroed_and_aligned_by(threads);
}

static void count_zero_gives_a_block(void **state) {
  (void)state;
  double *block = NULL;
  assert_int_equal(dg_alloc(&block, 0, sizeof *block), DG_OK);
  assert_non_null(block);
  dg_free(&block);
  dg_free(&block);
  assert_null(block);
}

static void impossible_sizes_fail(void **state) {
  (void)state;
  char unset;
  char *block = &unset;
  dg_status_clear();
  assert_int_equal(dg_alloc(&block, SIZE_MAX / 2, 4), DG_MEMORY); /* product overflows */
  assert_null(block);
  assert_non_null(strstr(dg_status_message(), "out of memory"));
  dg_status_clear();
}

static void chosen_allocation_fails(void **state) {
  (void)state;
  char *block[3] = {NULL, NULL, NULL};
  dg_status_clear();
  dg_memory_fail_at(2);
  assert_int_equal(dg_alloc(&block[0], 8, 1), DG_OK);
  assert_int_equal(dg_alloc(&block[1], 8, 1), DG_MEMORY);
  assert_null(block[1]);
  assert_int_equal(dg_alloc(&block[2], 8, 1), DG_OK);
  dg_memory_fail_at(1);
  dg_memory_fail_at(0);
  assert_int_equal(dg_alloc(&block[1], 8, 1), DG_OK);
  for (int i = 0; i < 3; i++) dg_free(&block[i]);
  dg_status_clear();
}

static void peak_grows_with_use(void **state) {
  (void)state;
  const size_t bytes = (size_t)64 << 20;
  char *block = NULL;
  int64_t before = dg_memory_peak();
  assert_true(before > 0);
  assert_int_equal(dg_alloc(&block, bytes, 1), DG_OK);
  assert_true(dg_memory_peak() >= (int64_t)bytes);
  dg_free(&block);
  assert_true(dg_memory_peak() >= (int64_t)bytes);
}

/* Leaves this process `room` bytes more of address space than it has now; 0 leaves all there is. */
static void limit_space(size_t room) {
  struct rlimit limit;
  size_t pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  assert_non_null(file);
  assert_int_equal(fscanf(file, "%zu", &pages), 1);
  fclose(file);
  assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
  limit.rlim_cur = room == 0 ? limit.rlim_max : pages * 4096 + room;
  assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

static void assert_refused(dg_status status, const char *advice) {
  const char *message = dg_status_message();
  assert_int_equal(status, DG_MEMORY);
  assert_non_null(strstr(message, " under the limit of "));
  assert_string_equal(strstr(message, "(ulimit -v)") + strlen("(ulimit -v)"), advice);
  dg_status_clear();
}

/* Libraries get the rest, and the advice fits what was asked for. */
static void a_limit_is_kept_with_a_reserve(void **state) {
  (void)state;
#ifdef __SANITIZE_ADDRESS__
  skip(); /* whose own memory is beyond any limit */
#endif
  const size_t most = (size_t)200 << 20, fits = most - DG_MEMORY_RESERVE - ((size_t)8 << 20);
  char *block = NULL;
  limit_space(most);
  assert_in_range(dg_memory_limit(), most, SIZE_MAX / 2);
  assert_true(dg_memory_fits(fits) && !dg_memory_fits(most + 4096));
  assert_in_range(dg_memory_free(), fits, most);
  assert_refused(dg_alloc(&block, most - DG_MEMORY_RESERVE + ((size_t)1 << 20), 1), "; more ranks need less each");
  assert_refused(dg_alloc_whole(&block, most, 1), ", which every rank holds whole");
  dg_memory_alone(true);
  assert_refused(dg_alloc(&block, most, 1), "");
  assert_refused(dg_alloc_whole(&block, most, 1), "");
  dg_memory_alone(false);
  assert_int_equal(dg_alloc(&block, fits, 1), DG_OK);
  assert_int_equal(dg_memory_check(), DG_OK);
  limit_space((size_t)16 << 20);
  assert_int_equal(dg_memory_check(), DG_MEMORY);
  dg_status_clear();
  limit_space(0);
  assert_int_equal(dg_memory_check(), DG_OK);
  dg_free(&block);
}

/* No more than the host has, and not so little that nothing would fit. */
static void what_is_free_is_the_hosts(void **state) {
  (void)state;
  const size_t host = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
  assert_in_range(dg_memory_free(), (size_t)1 << 20, host);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_are_zeroed_and_aligned), cmocka_unit_test(count_zero_gives_a_block),
      cmocka_unit_test(impossible_sizes_fail),         cmocka_unit_test(chosen_allocation_fails),
      cmocka_unit_test(peak_grows_with_use),           cmocka_unit_test(a_limit_is_kept_with_a_reserve),
      cmocka_unit_test(what_is_free_is_the_hosts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
