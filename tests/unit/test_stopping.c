#include "support/support.h"

#include <math.h>
#include <string.h>

#include "train/stopping.h"

/* When training stops and which epoch it keeps, on made-up validation scores. */

static const dg_score scores[] = {{1.00, 0.50}, {0.90, 0.60}, {0.95, 0.62}, {0.85, 0.62}, {0.80, 0.61},
                                  {0.82, 0.63}, {0.79, 0.63}, {0.78, 0.60}, {0.90, 0.63}, {0.91, 0.60}};
enum { N = sizeof scores / sizeof *scores };

static int64_t best_epoch(dg_select select) {
  const dg_config config = {.select = select, .patience = 1};
  dg_stopping s;
  assert_int_equal(dg_stopping_create(&s, &config), DG_OK);
  int64_t last = 0;
  for (int64_t epoch = 1; epoch <= N; epoch++)
    if (dg_stopping_is_best(&s, scores[epoch - 1], epoch)) last = epoch;
  assert_int_equal(s.best_epoch, last);
  dg_stopping_destroy(&s);
  return last;
}

static void the_best_epoch_is_kept(void **state) {
  (void)state;
  assert_int_equal(best_epoch(DG_SELECT_LAST), 0);
  assert_int_equal(best_epoch(DG_SELECT_BEST_VAL_LOSS), 8);
  assert_int_equal(best_epoch(DG_SELECT_BEST_VAL_ACC), 7);  /* of equals that of the least loss */
  assert_int_equal(best_epoch(DG_SELECT_BEST_VAL_BOTH), 7); /* epoch 8 has less loss, but not the accuracy */
}

/* The epoch after which a rule ends training, 0 where it does not; losses and accuracies are those given. */
static int64_t end_of(dg_early_stop rule, int64_t patience, const dg_score *val, int64_t n) {
  const dg_config config = {.early_stop = rule, .patience = patience};
  char reason[200] = "";
  dg_stopping s;
  int64_t end = 0;
  assert_int_equal(dg_stopping_create(&s, &config), DG_OK);
  for (int64_t epoch = 1; epoch <= n && end == 0; epoch++)
    if (dg_stopping_is_over(&s, val[epoch - 1], reason, sizeof reason)) end = epoch;
  assert_true((end > 0) == (strlen(reason) > 0));
  dg_stopping_destroy(&s);
  return end;
}

/* Velickovic et al. 2018: neither loss nor accuracy reached its best for `patience` epochs; reaching it again counts.
 */
static void patience_ends_without_progress(void **state) {
  (void)state;
  const dg_score val[] = {{1, 0.5}, {2, 0.4}, {2, 0.5}, {2, 0.4}, {1, 0.1}, {2, 0.4}, {3, 0.4}, {0.5, 0.1}};
  assert_int_equal(end_of(DG_STOP_GAT, 1, val, 8), 2);
  assert_int_equal(end_of(DG_STOP_GAT, 2, val, 8), 7);
  assert_int_equal(end_of(DG_STOP_GAT, 3, val, 8), 0);
  assert_int_equal(end_of(DG_STOP_NONE, 1, val, 8), 0);
}

/* Kipf and Welling 2017: after more epochs than `patience` the loss exceeds the mean of the `patience` before it. */
static void a_loss_above_the_recent_mean_ends(void **state) {
  (void)state;
  const dg_score falling[] = {{5, 0}, {4, 0}, {3, 0}, {2, 0}, {1, 0}, {1.6, 0}};
  assert_int_equal(end_of(DG_STOP_GCN, 3, falling, 6), 0); /* the mean is 2 */
  assert_int_equal(end_of(DG_STOP_GCN, 2, falling, 6), 6); /* the mean is 1.5 */
  const dg_score rising[] = {{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}};
  assert_int_equal(end_of(DG_STOP_GCN, 3, rising, 6), 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_best_epoch_is_kept),
                                     cmocka_unit_test(patience_ends_without_progress),
                                     cmocka_unit_test(a_loss_above_the_recent_mean_ends)};
  return cmocka_run_group_tests_name("stopping", tests, NULL, NULL);
}
