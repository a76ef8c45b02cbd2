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
  dg_stopping_create(&s, &config);
  int64_t last = 0;
  for (int64_t epoch = 1; epoch <= N; epoch++)
    if (dg_stopping_is_best(&s, scores[epoch - 1])) last = epoch;
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
  dg_stopping_create(&s, &config);
  for (int64_t epoch = 1; epoch <= n && end == 0; epoch++) {
    assert_int_equal(dg_stopping_reserve(&s), DG_OK);
    if (dg_stopping_is_over(&s, val[epoch - 1], reason, sizeof reason)) end = epoch;
  }
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

/* Room that a rule takes for `patience` after n validations. */
static int64_t room_of(dg_early_stop rule, int64_t patience, int64_t n) {
  const dg_config config = {.early_stop = rule, .patience = patience};
  char reason[200];
  dg_stopping s;
  dg_stopping_create(&s, &config);
  for (int64_t i = 0; i < n; i++) {
    assert_int_equal(dg_stopping_reserve(&s), DG_OK);
    assert_false(dg_stopping_is_full(&s));
    dg_stopping_is_over(&s, (dg_score){1, 0}, reason, sizeof reason);
  }
  const int64_t room = s.room;
  assert_true((room == 0) == (s.recent == NULL));
  dg_stopping_destroy(&s);
  return room;
}

static void patience_takes_no_more_room_than_was_seen(void **state) {
  (void)state;
  assert_int_equal(room_of(DG_STOP_GAT, 1000000000, 300), 0);
  assert_int_equal(room_of(DG_STOP_NONE, 1000000000, 300), 0);
  assert_int_equal(room_of(DG_STOP_GCN, 1000000000, 0), 0);
  assert_in_range(room_of(DG_STOP_GCN, 1000000000, 300), 300, 600);
  assert_int_equal(room_of(DG_STOP_GCN, 100, 300), 100);
  assert_int_equal(room_of(DG_STOP_GCN, 3, 300), 3);
}

/* A ring that has grown on the way is the one that was there from the start. */
static void a_rule_of_long_patience_ends_where_it_should(void **state) {
  (void)state;
  enum { LONG = 500 };
  static dg_score val[LONG];
  for (int i = 0; i < LONG; i++) val[i].loss = i < 400 ? 2 - i * 1e-3 : 1.6 + (i - 400) * 1e-2;
  int64_t wanted = 0;
  for (int i = 201; i < LONG && wanted == 0; i++) {
    double mean = 0;
    for (int k = i - 200; k < i; k++) mean += val[k].loss / 200;
    if (val[i].loss > mean) wanted = i + 1;
  }
  assert_true(wanted > 400);
  assert_int_equal(end_of(DG_STOP_GCN, 200, val, LONG), wanted);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_best_epoch_is_kept), cmocka_unit_test(patience_ends_without_progress),
      cmocka_unit_test(a_loss_above_the_recent_mean_ends), cmocka_unit_test(patience_takes_no_more_room_than_was_seen),
      cmocka_unit_test(a_rule_of_long_patience_ends_where_it_should)};
  return cmocka_run_group_tests_name("stopping", tests, NULL, NULL);
}
