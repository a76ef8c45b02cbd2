#include "support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void first_message_is_kept(void **state) {
  (void)state;
  dg_status_clear();
  assert_string_equal(dg_status_message(), "");
  assert_int_equal(dg_fail(DG_INPUT, "file %s, node %d", "a.h5", 7), DG_INPUT);
  assert_int_equal(dg_fail(DG_IO, "later"), DG_IO);
  assert_string_equal(dg_status_message(), "file a.h5, node 7");
  dg_status_clear();
  assert_string_equal(dg_status_message(), "");
  dg_fail(DG_IO, "next");
  assert_string_equal(dg_status_message(), "next");
  dg_status_clear();
}

static void an_empty_message_is_a_failure_too(void **state) {
  (void)state;
  dg_status_clear();
  dg_fail(DG_IO, "%s", "");
  dg_fail(DG_IO, "later");
  assert_string_equal(dg_status_message(), "");
  dg_status_clear();
}

static void long_message_is_cut(void **state) {
  (void)state;
  char text[5000];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  dg_status_clear();
  dg_fail(DG_USAGE, "%s", text);
  assert_in_range(strlen(dg_status_message()), 500, sizeof text - 2);
  dg_status_clear();
}

static void exit_codes_follow_the_interface(void **state) {
  (void)state;
  assert_int_equal(dg_status_exit_code(DG_OK), 0);
  assert_int_equal(dg_status_exit_code(DG_USAGE), 2);
  assert_int_equal(dg_status_exit_code(DG_INPUT), 2);
  assert_int_equal(dg_status_exit_code(DG_IO), 3);
  assert_int_equal(dg_status_exit_code(DG_MEMORY), 3);
  assert_int_equal(dg_status_exit_code(DG_STOPPED), 75);
}

static dg_status try_twice(dg_status second, int *reached) {
  dg_status status = DG_OK;
  DG_TRY(DG_OK);
  DG_TRY(second);
  *reached = 1;
cleanup:
  return status;
}

static void try_leaves_at_the_first_failure(void **state) {
  (void)state;
  int reached = 0;
  assert_int_equal(try_twice(DG_IO, &reached), DG_IO);
  assert_int_equal(reached, 0);
  assert_int_equal(try_twice(DG_OK, &reached), DG_OK);
  assert_int_equal(reached, 1);
}

/* Breaks an invariant in a child and gives what it said; *end is how it ended. */
static void break_invariant(char *text, size_t size, int *end) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    setenv("OMPI_COMM_WORLD_RANK", "5", 1);
    signal(SIGABRT, SIG_DFL);
    dup2(ends[1], STDERR_FILENO);
    int one = 1;
    DG_CHECK(one == 2);
    _exit(0);
  }
  close(ends[1]);
  size_t length = 0;
  for (ssize_t n; length < size - 1 && (n = read(ends[0], text + length, size - 1 - length)) > 0;) length += (size_t)n;
  text[length] = '\0';
  close(ends[0]);
  waitpid(child, end, 0);
}

static void broken_invariant_aborts_and_says_where(void **state) {
  (void)state;
  char text[512], where[160] = "rank 5 on ";
  int end;
  gethostname(where + strlen(where), sizeof where - strlen(where) - 1);
  break_invariant(text, sizeof text, &end);
  assert_true(WIFSIGNALED(end) && WTERMSIG(end) == SIGABRT);
  assert_non_null(strstr(text, where));
  assert_non_null(strstr(text, "test_status.c:"));
  assert_non_null(strstr(text, "one == 2"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(first_message_is_kept),
      cmocka_unit_test(an_empty_message_is_a_failure_too),
      cmocka_unit_test(long_message_is_cut),
      cmocka_unit_test(exit_codes_follow_the_interface),
      cmocka_unit_test(try_leaves_at_the_first_failure),
      cmocka_unit_test(broken_invariant_aborts_and_says_where),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
