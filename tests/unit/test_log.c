#include "support/support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <distgat/log.h>

/* Standard error goes to a file during a test. */
static FILE *capture;
static int real_stderr;

static int start_capture(void **state) {
  (void)state;
  capture = tmpfile();
  real_stderr = dup(STDERR_FILENO);
  dg_log_quiet(false);
  dg_log_speaker(true);
  return capture == NULL || dup2(fileno(capture), STDERR_FILENO) < 0;
}

static int stop_capture(void **state) {
  (void)state;
  dup2(real_stderr, STDERR_FILENO);
  close(real_stderr);
  return fclose(capture);
}

static const char *captured(void) {
  static char text[4096];
  fflush(stderr);
  rewind(capture);
  text[fread(text, 1, sizeof text - 1, capture)] = '\0';
  return text;
}

static void log_writes_one_line(void **state) {
  (void)state;
  dg_log("loss %.2f after %d", 0.5, 3);
  assert_string_equal(captured(), "loss 0.50 after 3\n");
}

static void quiet_and_other_ranks_write_nothing(void **state) {
  (void)state;
  dg_log_quiet(true);
  dg_log("no");
  dg_progress("work", 1, 2, "no");
  dg_log_quiet(false);
  dg_log_speaker(false);
  dg_log("no");
  dg_progress("work", 2, 2, "no");
  assert_string_equal(captured(), "");
}

static void short_work_shows_no_lines_in_a_file(void **state) {
  (void)state;
  for (long i = 0; i <= 1000; i++) dg_progress("work", i, 1000, "loss 1");
  dg_progress("nothing to do", 0, 0, NULL);
  assert_string_equal(captured(), "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(log_writes_one_line, start_capture, stop_capture),
      cmocka_unit_test_setup_teardown(quiet_and_other_ranks_write_nothing, start_capture, stop_capture),
      cmocka_unit_test_setup_teardown(short_work_shows_no_lines_in_a_file, start_capture, stop_capture),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
