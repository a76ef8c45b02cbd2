#include "train/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/timer.h>

#include "base/fault.h"

enum { FIRST_CAPACITY = 1024 };

dg_status dg_run_create(dg_run *run, dg_params *params) {
  dg_status status = DG_OK;
  *run = (dg_run){.params = params};
  DG_TRY(dg_alloc(&run->initial, (size_t)params->count, sizeof *run->initial));
  DG_TRY(dg_alloc(&run->best, (size_t)params->count, sizeof *run->best));

cleanup:
  return status;
}

void dg_run_destroy(dg_run *run) {
  dg_stopping_destroy(&run->stopping);
  dg_free(&run->initial);
  dg_free(&run->best);
  dg_free(&run->history);
}

static void copy_weights(const dg_run *run, dg_real *to, const dg_real *from) {
  memcpy(to, from, (size_t)run->params->count * sizeof *to);
}

void dg_run_give_initial(dg_run *run) {
  copy_weights(run, run->initial, run->params->value);
  run->initial_given = true;
}

static void start_weights(dg_run *run) {
  dg_params_reset(run->params, run->seed);
  if (run->initial_given)
    copy_weights(run, run->params->value, run->initial);
  else
    copy_weights(run, run->initial, run->params->value);
  copy_weights(run, run->best, run->params->value);
}

static void end_if_all_done(dg_run *run, const dg_config *config) {
  if (run->epoch < config->epochs) return;
  snprintf(run->stop_reason, sizeof run->stop_reason, "all %lld epochs done", (long long)config->epochs);
}

dg_status dg_run_start(dg_run *run, const dg_config *config, int64_t index) {
  run->index = index;
  run->seed = config->seed + (uint64_t)index;
  run->epoch = 0;
  run->began = dg_time();
  run->diverged = false;
  run->stop_reason[0] = '\0';
  end_if_all_done(run, config);
  start_weights(run);
  dg_stopping_destroy(&run->stopping);
  return dg_stopping_create(&run->stopping, config);
}

dg_status dg_run_reserve(dg_run *run) {
  if (run->epoch < run->capacity) return DG_OK;
  dg_history *longer = NULL;
  const int64_t capacity = run->capacity > 0 ? 2 * run->capacity : FIRST_CAPACITY;
  dg_status status = dg_fault("train.history", DG_MEMORY);
  if (status == DG_OK) status = dg_alloc(&longer, (size_t)capacity, sizeof *longer);
  if (status != DG_OK) return status;
  if (run->capacity > 0) memcpy(longer, run->history, (size_t)run->capacity * sizeof *longer);
  dg_free(&run->history);
  run->history = longer, run->capacity = capacity;
  return DG_OK;
}

static void end_diverged(dg_run *run) {
  run->diverged = true;
  snprintf(run->stop_reason, sizeof run->stop_reason, "training loss of epoch %lld is not finite",
           (long long)run->epoch);
}

static void take_validation(dg_run *run, dg_score val) {
  if (dg_stopping_is_best(&run->stopping, val, run->epoch)) copy_weights(run, run->best, run->params->value);
  dg_stopping_is_over(&run->stopping, val, run->stop_reason, sizeof run->stop_reason);
}

void dg_run_take(dg_run *run, const dg_config *config, const dg_history *figures) {
  run->history[run->epoch++] = *figures;
  end_if_all_done(run, config);
  if (!isfinite(figures->train_loss))
    end_diverged(run);
  else if (!isnan(figures->val_acc))
    take_validation(run, (dg_score){figures->val_loss, figures->val_acc});
}

bool dg_run_is_over(const dg_run *run) {
  return run->stop_reason[0] != '\0';
}

int64_t dg_run_select(dg_run *run, const dg_config *config) {
  if (config->select == DG_SELECT_LAST) return 0;
  copy_weights(run, run->params->value, run->best);
  return run->stopping.best_epoch;
}
