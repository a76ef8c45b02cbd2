#include "train/run_file.h"

#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#define RUN(member) DG_COLUMN(dg_run, member)
#define NOT(member) DG_COLUMN_NOT(dg_run, member)
static const dg_column run_members[] = {RUN(index),
                                        RUN(seed),
                                        RUN(epoch),
                                        NOT(began), /* by the history */
                                        NOT(params),
                                        NOT(initial),
                                        RUN(initial_given),
                                        NOT(best),
                                        RUN(best_epoch),
                                        NOT(stopping.rule), /* by the configuration */
                                        NOT(stopping.select),
                                        NOT(stopping.patience),
                                        RUN(stopping.waited),
                                        RUN(stopping.least_loss),
                                        RUN(stopping.most_acc),
                                        NOT(stopping.recent),
                                        NOT(stopping.room),
                                        RUN(stopping.seen),
                                        RUN(stopping.best_loss),
                                        RUN(stopping.best_acc),
                                        NOT(history),
                                        NOT(capacity),
                                        RUN(stop_reason),
                                        RUN(all_done),
                                        RUN(diverged)};
const dg_columns dg_run_columns = {run_members, COUNT(run_members), sizeof(dg_run)};

#define HISTORY(member) DG_COLUMN(dg_history, member)
static const dg_column history_members[] = {HISTORY(train_loss), HISTORY(train_acc), HISTORY(val_loss),
                                            HISTORY(val_acc),    HISTORY(seconds),   HISTORY(step_seconds)};
const dg_columns dg_history_columns = {history_members, COUNT(history_members), sizeof(dg_history)};

#define RESULT(member) DG_COLUMN(dg_result, member)
static const dg_column result_members[] = {RESULT(dataset),
                                           RESULT(split),
                                           DG_COLUMN_NOT(dg_result, model), /* by the configuration */
                                           RESULT(ranks),
                                           RESULT(threads),
                                           RESULT(seed),
                                           RESULT(run),
                                           RESULT(epochs),
                                           RESULT(best_epoch),
                                           RESULT(stop_reason),
                                           RESULT(diverged),
                                           RESULT(multilabel),
                                           RESULT(train.loss),
                                           RESULT(train.acc),
                                           RESULT(val.loss),
                                           RESULT(val.acc),
                                           RESULT(test.loss),
                                           RESULT(test.acc),
                                           RESULT(test_quality.micro_f1),
                                           RESULT(test_quality.macro_f1),
                                           RESULT(test_quality.roc_auc),
                                           RESULT(seconds),
                                           RESULT(step_ms_median),
                                           RESULT(halo_bytes_per_epoch),
                                           RESULT(peak_rss_bytes)};
const dg_columns dg_result_columns = {result_members, COUNT(result_members), sizeof(dg_result)};

/* Losses that the stopping rule remembers. */
static int64_t n_recent(const dg_stopping *s) {
  return s->rule != DG_STOP_GCN ? 0 : s->seen < s->patience ? s->seen : s->patience;
}

static const char *in(char path[64], const char *group, const char *name) {
  snprintf(path, 64, "%s/%s", group, name);
  return path;
}

dg_status dg_run_write(const dg_run *run, dg_h5 *file, const char *group) {
  dg_status status = DG_OK;
  char path[64];
  const int64_t n = n_recent(&run->stopping);
  DG_TRY(dg_columns_write(&dg_run_columns, run, 1, file, group));
  DG_TRY(dg_h5_write(file, in(path, group, "stopping.recent"), DG_H5_F64, 1, &n, run->stopping.recent));
  DG_TRY(dg_columns_write(&dg_history_columns, run->history, run->epoch, file, in(path, group, "history")));
  DG_TRY(dg_params_write(run->params, run->best, file, in(path, group, "best_weights")));
  DG_TRY(dg_params_write(run->params, run->initial, file, in(path, group, "initial_weights")));

cleanup:
  return status;
}

/* Room for the history and the losses that are to come in; what was there is gone. */
static dg_status make_room(dg_run *run) {
  dg_status status = DG_OK;
  dg_free(&run->history);
  dg_free(&run->stopping.recent);
  run->capacity = run->epoch;
  run->stopping.room = n_recent(&run->stopping);
  DG_TRY(dg_alloc(&run->history, (size_t)run->capacity, sizeof *run->history));
  DG_TRY(dg_alloc(&run->stopping.recent, (size_t)run->stopping.room, sizeof *run->stopping.recent));

cleanup:
  return status;
}

static dg_status check_figures(const dg_run *run, const dg_config *config, dg_h5 *file) {
  const dg_stopping *s = &run->stopping;
  const bool good = run->index >= 0 && run->seed == dg_run_seed(config, run->index) && run->epoch >= 0 &&
                    run->epoch <= config->epochs && run->best_epoch >= 0 && run->best_epoch <= run->epoch &&
                    s->seen >= 0 && s->seen <= run->epoch && s->waited >= 0 && s->waited <= run->epoch;
  return good ? DG_OK : dg_fail(DG_INPUT, "%s: holds a run whose figures do not fit together", dg_h5_path(file));
}

dg_status dg_run_read(dg_run *run, const dg_config *config, dg_h5 *file, const char *group) {
  dg_status status = DG_OK;
  char path[64];
  dg_stopping_destroy(&run->stopping);
  dg_stopping_create(&run->stopping, config);
  DG_TRY(dg_columns_read(&dg_run_columns, run, 1, file, group));
  DG_TRY(check_figures(run, config, file));
  DG_TRY(make_room(run));
  DG_TRY(dg_h5_read(file, in(path, group, "stopping.recent"), DG_H5_F64, 0, run->stopping.room, run->stopping.recent));
  DG_TRY(dg_columns_read(&dg_history_columns, run->history, run->epoch, file, in(path, group, "history")));
  DG_TRY(dg_params_restore(run->params, run->best, file, in(path, group, "best_weights")));
  DG_TRY(dg_params_restore(run->params, run->initial, file, in(path, group, "initial_weights")));

cleanup:
  return status;
}

/* All but what lies behind pointers. */
static void share_figures(dg_run *run, const dg_comm *comm) {
  dg_run mine = *run;
  dg_comm_bcast(comm, run, sizeof *run, 0);
  if (comm->rank == 0) return;
  run->params = mine.params, run->initial = mine.initial, run->best = mine.best;
  run->history = mine.history, run->stopping.recent = mine.stopping.recent;
}

static void share_block(dg_real *block, const dg_params *params, const dg_comm *comm) {
  dg_comm_bcast(comm, block, (size_t)params->count * sizeof *block, 0);
}

dg_status dg_run_share(dg_run *run, const dg_comm *comm) {
  dg_status status = DG_OK;
  share_figures(run, comm);
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? DG_OK : make_room(run)));
  dg_comm_bcast(comm, run->history, (size_t)run->epoch * sizeof *run->history, 0);
  dg_comm_bcast(comm, run->stopping.recent, (size_t)run->stopping.room * sizeof *run->stopping.recent, 0);
  share_block(run->best, run->params, comm);
  share_block(run->initial, run->params, comm);

cleanup:
  return status;
}

/* ---- weights and moments ---- */

dg_status dg_state_create(dg_state *state, const dg_params *params) {
  dg_status status = DG_OK;
  const size_t count = (size_t)params->count;
  DG_TRY(dg_alloc_whole(&state->value, count, sizeof *state->value));
  DG_TRY(dg_alloc_whole(&state->first, count, sizeof *state->first));
  DG_TRY(dg_alloc_whole(&state->second, count, sizeof *state->second));

cleanup:
  if (status != DG_OK) dg_state_destroy(state);
  return status;
}

void dg_state_destroy(dg_state *state) {
  dg_free(&state->value);
  dg_free(&state->first);
  dg_free(&state->second);
}

void dg_state_gather(dg_state *state, const dg_params *params) {
  if (state->value) memcpy(state->value, params->value, (size_t)params->count * sizeof *state->value);
  dg_sums_gather(params->sums, state->first, params->m);
  dg_sums_gather(params->sums, state->second, params->v);
}

void dg_state_share(dg_state *state, dg_params *params, const dg_comm *comm) {
  const dg_sums *sums = params->sums;
  const size_t bytes = (size_t)sums->n * sizeof *params->m;
  share_block(state->value, params, comm);
  share_block(state->first, params, comm);
  share_block(state->second, params, comm);
  dg_params_put(params, state->value);
  memcpy(params->m, state->first + sums->first, bytes);
  memcpy(params->v, state->second + sums->first, bytes);
}

dg_status dg_state_write(const dg_state *state, const dg_params *params, dg_h5 *file) {
  dg_status status = DG_OK;
  DG_TRY(dg_params_write(params, state->value, file, "weights"));
  DG_TRY(dg_params_write(params, state->first, file, "moments/first"));
  DG_TRY(dg_params_write(params, state->second, file, "moments/second"));

cleanup:
  return status;
}

dg_status dg_state_read(dg_state *state, const dg_params *params, dg_h5 *file) {
  dg_status status = DG_OK;
  DG_TRY(dg_params_restore(params, state->value, file, "weights"));
  DG_TRY(dg_params_restore(params, state->first, file, "moments/first"));
  DG_TRY(dg_params_restore(params, state->second, file, "moments/second"));

cleanup:
  return status;
}
