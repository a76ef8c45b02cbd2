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
  DG_TRY(dg_alloc_whole(&run->initial, (size_t)params->count, sizeof *run->initial));
  DG_TRY(dg_alloc_whole(&run->best, (size_t)params->count, sizeof *run->best));

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

void dg_run_swap(dg_run *a, dg_run *b) {
  const dg_run other = *a;
  *a = *b;
  *b = other;
  if (b->initial_given) copy_weights(a, a->initial, b->initial);
  a->initial_given = b->initial_given;
}

void dg_run_rewind(dg_run *run) {
  dg_params_reset(run->params, run->seed);
  if (run->initial_given)
    dg_params_put(run->params, run->initial);
  else
    copy_weights(run, run->initial, run->params->value);
}

static void end_if_all_done(dg_run *run, const dg_config *config) {
  run->all_done = run->epoch >= config->epochs;
  if (!run->all_done) return;
  snprintf(run->stop_reason, sizeof run->stop_reason, "all %lld epochs done", (long long)config->epochs);
}

uint64_t dg_run_seed(const dg_config *config, int64_t index) {
  return config->seed + (uint64_t)(index % config->runs);
}

void dg_run_start(dg_run *run, const dg_config *config, int64_t index) {
  run->index = index;
  run->seed = dg_run_seed(config, index);
  run->epoch = 0;
  run->began = dg_time();
  run->best_epoch = 0;
  run->diverged = false;
  run->stop_reason[0] = '\0';
  end_if_all_done(run, config);
  dg_run_rewind(run);
  copy_weights(run, run->best, run->params->value);
  dg_stopping_destroy(&run->stopping);
  dg_stopping_create(&run->stopping, config);
}

bool dg_run_is_full(const dg_run *run) {
  return run->epoch == run->capacity || dg_stopping_is_full(&run->stopping);
}

static dg_status reserve_history(dg_run *run) {
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

dg_status dg_run_reserve(dg_run *run) {
  dg_status status = DG_OK;
  if (run->epoch == run->capacity) DG_TRY(reserve_history(run));
  DG_TRY(dg_stopping_reserve(&run->stopping));

cleanup:
  return status;
}

void dg_run_continue(dg_run *run, const dg_config *config) {
  run->began = dg_time() - (run->epoch > 0 ? run->history[run->epoch - 1].seconds : 0);
  if (run->all_done) run->stop_reason[0] = '\0';
  if (!dg_run_is_over(run)) end_if_all_done(run, config);
}

static void end_diverged(dg_run *run) {
  run->diverged = true;
  run->all_done = false;
  snprintf(run->stop_reason, sizeof run->stop_reason, "training loss of epoch %lld is not finite%s",
           (long long)run->epoch, run->epoch == 1 && run->initial_given ? ", with the weights that --init gave" : "");
}

static void take_validation(dg_run *run, dg_score val) {
  if (dg_stopping_is_best(&run->stopping, val)) {
    copy_weights(run, run->best, run->params->value);
    run->best_epoch = run->epoch;
  }
  if (dg_stopping_is_over(&run->stopping, val, run->stop_reason, sizeof run->stop_reason)) run->all_done = false;
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

bool dg_run_keep(dg_run *run, int64_t epoch) {
  for (int64_t i = 0; i < run->params->count; i++)
    if (!isfinite(run->params->value[i])) return false;
  copy_weights(run, run->best, run->params->value);
  run->best_epoch = epoch;
  return true;
}

void dg_run_select(dg_run *run, const dg_config *config) {
  const bool last = config->select == DG_SELECT_LAST;
  if (!last) dg_params_put(run->params, run->best);
  run->diverged = !dg_run_keep(run, last ? run->epoch : run->best_epoch);
  if (run->diverged)
    snprintf(run->stop_reason, sizeof run->stop_reason, "weights after epoch %lld are not finite",
             (long long)run->epoch);
}
