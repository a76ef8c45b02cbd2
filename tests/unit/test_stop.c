#include "support/support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/stop.h"

/* A wish to stop. A process has one, so each case has a process of its own; its exit code is the signal by which the
   work was left at once, or else UNLEFT more than the wish that waits. */

enum { UNLEFT = 100 };

static void leave(int number) {
  _exit(number);
}

static int end_of(void (*work)(void)) {
  int status = 0;
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dg_stop_by(leave);
    work();
    _exit(UNLEFT + dg_stop_wished());
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void wish_of_a_user_then_of_a_launcher(void) {
  dg_stop_set(DG_STOP_AGREED);
  dg_stop_wish(SIGUSR1);
  dg_stop_wish(SIGTERM);
}

static void wish_of_a_launcher_then_of_a_user(void) {
  dg_stop_set(DG_STOP_AGREED);
  dg_stop_wish(SIGTERM);
  dg_stop_wish(SIGUSR1);
}

static void the_smallest_of_two_signals_is_told(void **state) {
  (void)state;
  assert_int_equal(end_of(wish_of_a_user_then_of_a_launcher), UNLEFT + SIGUSR1);
  assert_int_equal(end_of(wish_of_a_launcher_then_of_a_user), UNLEFT + SIGUSR1);
}

static void wish_at_once(void) {
  dg_stop_wish(SIGTERM);
}

static void wish_before_work_without_agreement(void) {
  dg_stop_set(DG_STOP_AGREED);
  dg_stop_wish(SIGTERM);
  dg_stop_set(DG_STOP_AT_ONCE);
}

static void work_that_loses_nothing_is_left_at_once(void **state) {
  (void)state;
  assert_int_equal(end_of(wish_at_once), SIGTERM);
  assert_int_equal(end_of(wish_before_work_without_agreement), SIGTERM);
}

static void two_wishes_of_a_launcher(void) {
  dg_stop_set(DG_STOP_AGREED);
  dg_stop_wish(SIGTERM);
  dg_stop_wish(SIGTERM);
}

static void two_wishes_of_a_user(void) {
  dg_stop_set(DG_STOP_AGREED);
  dg_stop_wish(SIGINT);
  dg_stop_wish(SIGINT);
}

static void a_second_wish_of_the_user_means_at_once(void **state) {
  (void)state;
  assert_int_equal(end_of(two_wishes_of_a_launcher), UNLEFT + SIGTERM);
  assert_int_equal(end_of(two_wishes_of_a_user), SIGINT);
}

static void wish_at_the_end(void) {
  dg_stop_set(DG_STOP_NOT_ANY_MORE);
  dg_stop_wish(SIGTERM);
}

static void two_wishes_of_a_user_at_the_end(void) {
  dg_stop_set(DG_STOP_AGREED);
  dg_stop_wish(SIGINT);
  dg_stop_set(DG_STOP_NOT_ANY_MORE);
  dg_stop_wish(SIGINT);
}

static void work_that_ends_anyway_hears_no_first_wish(void **state) {
  (void)state;
  assert_int_equal(end_of(wish_at_the_end), UNLEFT);
  assert_int_equal(end_of(two_wishes_of_a_user_at_the_end), SIGINT);
}

static void alarm_without_a_wish(void) {
  dg_stop_set(DG_STOP_AGREED);
  dg_stop_wish(SIGALRM);
}

static void alarm_after_a_wish(void) {
  dg_stop_set(DG_STOP_AGREED);
  dg_stop_wish(SIGUSR1);
  dg_stop_wish(SIGALRM);
}

static void an_agreement_that_takes_too_long_is_not_waited_for(void **state) {
  (void)state;
  assert_int_equal(end_of(alarm_without_a_wish), UNLEFT);
  assert_int_equal(end_of(alarm_after_a_wish), SIGUSR1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_smallest_of_two_signals_is_told),
      cmocka_unit_test(work_that_loses_nothing_is_left_at_once),
      cmocka_unit_test(a_second_wish_of_the_user_means_at_once),
      cmocka_unit_test(work_that_ends_anyway_hears_no_first_wish),
      cmocka_unit_test(an_agreement_that_takes_too_long_is_not_waited_for),
  };
  return cmocka_run_group_tests_name("a wish to stop", tests, NULL, NULL);
}
