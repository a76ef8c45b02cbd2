#include "support/support.h"

#include <math.h>

#include "train/schedule.h"

/* The learning rate over the epochs of a run. */

static double rate(int64_t warmup, dg_lr_schedule schedule, int64_t epoch) {
  dg_config config = dg_config_default(DG_MODEL_GCN);
  config.lr = 2, config.epochs = 10, config.warmup = warmup, config.lr_schedule = schedule;
  return dg_schedule_optimizer(&config, epoch).lr;
}

static bool is_close(double a, double b) {
  return fabs(a - b) < 1e-12;
}

static void a_constant_rate_stays(void **state) {
  (void)state;
  for (int64_t epoch = 1; epoch <= 12; epoch++) assert_true(rate(0, DG_LR_CONSTANT, epoch) == 2);
}

static void a_warm_up_grows_to_the_rate(void **state) {
  (void)state;
  assert_true(is_close(rate(4, DG_LR_CONSTANT, 1), 0.5));
  assert_true(is_close(rate(4, DG_LR_CONSTANT, 3), 1.5));
  for (int64_t epoch = 4; epoch <= 10; epoch++) assert_true(rate(4, DG_LR_CONSTANT, epoch) == 2);
}

/* As torch.optim.lr_scheduler.CosineAnnealingLR with T_max the epochs left. */
static void a_cosine_falls_to_zero_behind_the_last_epoch(void **state) {
  (void)state;
  assert_true(is_close(rate(0, DG_LR_COSINE, 1), 2));
  assert_true(is_close(rate(0, DG_LR_COSINE, 6), 1));
  assert_true(is_close(rate(0, DG_LR_COSINE, 10), 1 + cos(acos(-1) * 0.9)));
  assert_true(is_close(rate(4, DG_LR_COSINE, 2), 1));
  assert_true(is_close(rate(4, DG_LR_COSINE, 5), 2));
  assert_true(is_close(rate(4, DG_LR_COSINE, 8), 1));
}

static void a_warm_up_may_outlast_the_run(void **state) {
  (void)state;
  assert_true(is_close(rate(20, DG_LR_COSINE, 10), 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_constant_rate_stays), cmocka_unit_test(a_warm_up_grows_to_the_rate),
      cmocka_unit_test(a_cosine_falls_to_zero_behind_the_last_epoch), cmocka_unit_test(a_warm_up_may_outlast_the_run)};
  return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
