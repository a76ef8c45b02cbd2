#include "support/support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/stop.h"

/* A wish to stop. A process has one, so each case has a process of its own; its exit code is the signal by which the
   work was left at once, or else UNLEFT more than the wish that waits. */

enum { UNLEFT = 100 };

/* What happens in a process: a signal comes, or where there is none the work says what is done with one. */
typedef struct event {
  int number;
  dg_stop_mode mode;
} event;

#define COMES(signal)                                                                                                  \
  { .number = (signal) }
#define FROM_HERE(stop_mode)                                                                                           \
  { .mode = (stop_mode) }
#define END_OF(...) end_of((const event[]){__VA_ARGS__}, sizeof((const event[]){__VA_ARGS__}) / sizeof(event))

static void leave(int number) {
  _exit(number);
}

static void happen(event e) {
  if (e.number != 0)
    dg_stop_wish(e.number);
  else
    dg_stop_set(e.mode);
}

static int end_of(const event *events, size_t n) {
  int status = 0;
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dg_stop_by(leave);
    for (size_t i = 0; i < n; i++) happen(events[i]);
    _exit(UNLEFT + dg_stop_wished());
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void the_smallest_of_two_signals_is_told(void **state) {
  (void)state;
  assert_int_equal(END_OF(FROM_HERE(DG_STOP_AGREED), COMES(SIGUSR1), COMES(SIGTERM)), UNLEFT + SIGUSR1);
  assert_int_equal(END_OF(FROM_HERE(DG_STOP_AGREED), COMES(SIGTERM), COMES(SIGUSR1)), UNLEFT + SIGUSR1);
}

static void work_that_loses_nothing_is_left_at_once(void **state) {
  (void)state;
  assert_int_equal(END_OF(COMES(SIGTERM)), SIGTERM);
  assert_int_equal(END_OF(FROM_HERE(DG_STOP_AGREED), COMES(SIGTERM), FROM_HERE(DG_STOP_AT_ONCE)), SIGTERM);
}

static void a_second_wish_of_the_user_means_at_once(void **state) {
  (void)state;
  assert_int_equal(END_OF(FROM_HERE(DG_STOP_AGREED), COMES(SIGTERM), COMES(SIGTERM)), UNLEFT + SIGTERM);
  assert_int_equal(END_OF(FROM_HERE(DG_STOP_AGREED), COMES(SIGINT), COMES(SIGINT)), SIGINT);
}

static void work_that_ends_anyway_hears_no_first_wish(void **state) {
  (void)state;
  assert_int_equal(END_OF(FROM_HERE(DG_STOP_NOT_ANY_MORE), COMES(SIGTERM)), UNLEFT);
  assert_int_equal(END_OF(FROM_HERE(DG_STOP_AGREED), COMES(SIGINT), FROM_HERE(DG_STOP_NOT_ANY_MORE), COMES(SIGINT)),
                   SIGINT);
}

static void an_agreement_that_takes_too_long_is_not_waited_for(void **state) {
  (void)state;
  assert_int_equal(END_OF(FROM_HERE(DG_STOP_AGREED), COMES(SIGALRM)), UNLEFT);
  assert_int_equal(END_OF(FROM_HERE(DG_STOP_AGREED), COMES(SIGUSR1), COMES(SIGALRM)), SIGUSR1);
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
