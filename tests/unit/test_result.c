#include "support/support.h"

#include <math.h>

#include <distgat/train.h>

/* What is said of several runs: their mean, and which of them is kept. */

static dg_result run_of(double test_acc, double val_acc, double val_loss) {
  return (dg_result){.test = {1, test_acc}, .val = {val_loss, val_acc}};
}

static dg_result diverged_run(void) {
  dg_result r = run_of(NAN, NAN, NAN);
  r.diverged = true;
  return r;
}

static void runs_that_diverged_are_not_in_the_mean(void **state) {
  (void)state;
  const dg_result runs[] = {run_of(0.5, 1, 1), diverged_run(), run_of(0.7, 1, 1), diverged_run(), run_of(0.9, 1, 1)};
  const dg_summary s = dg_summarize(runs, 5);
  assert_int_equal(s.runs, 5);
  assert_int_equal(s.diverged, 2);
  assert_true(fabs(s.test_acc_mean - 0.7) < 1e-12 && fabs(s.test_acc_std - 0.2) < 1e-12);
  const dg_summary one = dg_summarize(runs, 2);
  assert_true(one.test_acc_mean == 0.5 && one.test_acc_std == 0);
  const dg_summary none = dg_summarize(runs + 1, 1);
  assert_true(isnan(none.test_acc_mean) && isnan(none.test_acc_std) && none.diverged == 1);
}

static void the_best_run_is_that_of_validation(void **state) {
  (void)state;
  const dg_result runs[] = {run_of(0.9, 0.6, 2), run_of(0.1, 0.8, 3), run_of(0.9, 0.8, 1), run_of(0.9, 0.8, 1),
                            diverged_run()};
  assert_int_equal(dg_best_run(runs, 1), 0);
  assert_int_equal(dg_best_run(runs, 2), 1);
  assert_int_equal(dg_best_run(runs, 3), 2); /* of equal accuracy that of the least loss */
  assert_int_equal(dg_best_run(runs, 5), 2); /* of equals the first; none that diverged */
}

static void without_validation_the_last_run_is_kept(void **state) {
  (void)state;
  const dg_result runs[] = {diverged_run(), run_of(0.9, NAN, NAN), run_of(0.1, NAN, NAN), diverged_run()};
  assert_int_equal(dg_best_run(runs, 1), 0);
  assert_int_equal(dg_best_run(runs, 2), 1);
  assert_int_equal(dg_best_run(runs, 3), 2);
  assert_int_equal(dg_best_run(runs, 4), 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(runs_that_diverged_are_not_in_the_mean),
                                     cmocka_unit_test(the_best_run_is_that_of_validation),
                                     cmocka_unit_test(without_validation_the_last_run_is_kept)};
  return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
