#include <distgat/train.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/files.h>
#include <distgat/log.h>
#include <distgat/memory.h>

#include "train/model_file.h"
#include "train/report.h"
#include "train/stopping.h"
#include "train/trainer.h"

/* All runs of one call of `train`. */
typedef struct session {
  const dg_comm *comm;
  const dg_config *config;
  dg_trainer trainer;
  dg_report report;
  dg_stopping stopping;
  dg_history *history; /* [capacity], grows with the run */
  int64_t capacity;
  dg_real *initial, *best; /* [params.count] weights before the first step; of the best epoch */
  dg_status reported;      /* whether the log could be written, on rank 0 */
  dg_result *results;      /* [config.runs] */
} session;

static bool validates(const session *s) {
  return s->trainer.local.shard.n_val > 0;
}

static dg_status check_config(const dg_config *c, const dg_local *local) {
  const bool needs_val = c->early_stop != DG_STOP_NONE || c->select != DG_SELECT_LAST;
  if (needs_val && local->shard.n_val == 0)
    return dg_fail(DG_INPUT, "--early-stop and --select need a validation split, and that of %s is empty",
                   local->shard.info.name);
  return DG_OK;
}

/* Refuses outputs that could not be written or would destroy another file, before any work; rank 0. */
static dg_status check_outputs(const dg_config *c, const char *graph_path) {
  dg_status status = DG_OK;
  const dg_named_file files[] = {{"--save", c->save, true},
                                 {"--log", c->log, true},
                                 {"--save-gradients", c->save_gradients, true},
                                 {"the graph", graph_path, false},
                                 {"--partition", c->partition, false},
                                 {"--config", c->config_file, false},
                                 {"--init", c->init, false}};
  const int n = sizeof files / sizeof files[0];
  if (c->log) DG_TRY(dg_file_check_writable(c->log));
  if (c->save) DG_TRY(dg_h5_check_writable(c->save));
  if (c->save_gradients) DG_TRY(dg_h5_check_writable(c->save_gradients));
  DG_TRY(dg_files_check_distinct(files, n - 1));
  DG_TRY(dg_files_check_distinct(files + 1, n - 1)); /* --save may replace --init: it is read before */

cleanup:
  return status;
}

/* Weights of --init, with which every run starts. Local. */
static dg_status load_initial(session *s) {
  dg_params *p = &s->trainer.model.params;
  const dg_status status = dg_model_load_weights(&s->trainer.model, s->config->init, "weights");
  memcpy(s->initial, p->value, (size_t)p->count * sizeof *p->value);
  return status;
}

static dg_status create_session(session *s, const char *graph_path, bool json) {
  dg_status status = DG_OK;
  const dg_config *c = s->config;
  DG_TRY(dg_comm_agree(s->comm, s->comm->rank == 0 ? check_outputs(c, graph_path) : DG_OK));
  DG_TRY(dg_trainer_create(&s->trainer, s->comm, c, graph_path));
  DG_TRY(check_config(c, &s->trainer.local));
  if (validates(s)) DG_TRY(dg_trainer_prepare_val(&s->trainer));
  const size_t count = (size_t)s->trainer.model.params.count;
  status = dg_alloc(&s->initial, count, sizeof *s->initial);
  if (status == DG_OK) status = dg_alloc(&s->best, count, sizeof *s->best);
  if (status == DG_OK) status = dg_alloc(&s->results, (size_t)c->runs, sizeof *s->results);
  if (status == DG_OK && c->init) status = load_initial(s);
  DG_TRY(dg_comm_agree(s->comm, status));
  DG_TRY(dg_comm_agree(s->comm, dg_report_open(&s->report, s->comm, c->log, json))); /* replaces an older log: last */

cleanup:
  return status;
}

static dg_status destroy_session(session *s) {
  dg_stopping_destroy(&s->stopping);
  dg_free(&s->history);
  dg_free(&s->initial);
  dg_free(&s->best);
  dg_free(&s->results);
  dg_trainer_destroy(&s->trainer);
  return dg_report_close(&s->report);
}

/* Weights before the first step: of --init, which are there already, or of the seed. */
static void start_weights(session *s, uint64_t seed) {
  dg_params *p = &s->trainer.model.params;
  const size_t bytes = (size_t)p->count * sizeof *p->value;
  dg_params_reset(p, seed);
  if (s->config->init)
    memcpy(p->value, s->initial, bytes);
  else
    memcpy(s->initial, p->value, bytes);
  memcpy(s->best, p->value, bytes);
}

static dg_status save_gradients(session *s) {
  dg_status status = DG_OK;
  if (s->comm->rank == 0)
    status = dg_model_save_block(s->config->save_gradients, &s->trainer.model, s->trainer.model.params.grad, "grads");
  return dg_comm_agree(s->comm, status);
}

/* Makes room for the history of an epoch. Collective. */
static dg_status reserve_history(session *s, int64_t epoch) {
  if (epoch <= s->capacity) return DG_OK;
  dg_history *longer = NULL;
  const int64_t capacity = 2 * s->capacity > 1024 ? 2 * s->capacity : 1024;
  const dg_status status = dg_comm_agree(s->comm, dg_alloc(&longer, (size_t)capacity, sizeof *longer));
  if (status == DG_OK) {
    if (s->capacity > 0) memcpy(longer, s->history, (size_t)s->capacity * sizeof *longer);
    dg_free(&s->history);
    s->history = longer, s->capacity = capacity;
  } else {
    dg_free(&longer);
  }
  return status;
}

/* One epoch: a step, validation where it is due, a line. Errors: DG_IO, once the log could not be written. Collective.
 */
static dg_status run_epoch(session *s, dg_result *r, int64_t epoch, double start) {
  dg_history *h = &s->history[epoch - 1];
  const double before = dg_time();
  const dg_score train = dg_trainer_step(&s->trainer, r->seed, epoch);
  if (s->trainer.failed) return dg_comm_agree(s->comm, s->reported);
  *h = (dg_history){.train_loss = train.loss, .train_acc = train.acc, .val_loss = NAN, .val_acc = NAN};
  h->step_seconds = dg_time() - before;
  if (validates(s) && epoch % s->config->eval_every == 0) {
    const dg_score val = dg_trainer_evaluate(&s->trainer, &s->trainer.val, DG_VAL);
    h->val_loss = val.loss, h->val_acc = val.acc;
  }
  h->seconds = dg_time() - start;
  s->reported = dg_report_epoch(&s->report, r->run, epoch, h);
  s->trainer.failed = s->reported != DG_OK; /* the next step tells every rank */
  return DG_OK;
}

/* Looks at an epoch's figures, the same on all ranks; says whether training is over. */
static bool is_over(session *s, dg_result *r, int64_t epoch) {
  const dg_history *h = &s->history[epoch - 1];
  const dg_params *p = &s->trainer.model.params;
  const dg_score val = {h->val_loss, h->val_acc};
  if (!isfinite(h->train_loss)) {
    snprintf(r->stop_reason, sizeof r->stop_reason, "training loss of epoch %lld is not finite", (long long)epoch);
    dg_log("warning: %s", r->stop_reason);
    return true;
  }
  if (isnan(val.acc)) return false;
  if (dg_stopping_is_best(&s->stopping, val, epoch)) memcpy(s->best, p->value, (size_t)p->count * sizeof *p->value);
  return dg_stopping_is_over(&s->stopping, val, r->stop_reason, sizeof r->stop_reason);
}

static int compare_doubles(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Median time of a step, NaN where there was none. Errors: DG_MEMORY. */
static dg_status median_step_ms(double *median, const dg_history *history, int64_t n) {
  double *seconds = NULL;
  *median = NAN;
  if (n == 0) return DG_OK;
  dg_status status = dg_alloc(&seconds, (size_t)n, sizeof *seconds);
  if (status != DG_OK) return status;
  for (int64_t i = 0; i < n; i++) seconds[i] = history[i].step_seconds;
  qsort(seconds, (size_t)n, sizeof *seconds, compare_doubles);
  *median = 1e3 * (n % 2 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2);
  dg_free(&seconds);
  return DG_OK;
}

/* Scores the selected weights on all splits. */
static dg_status evaluate_final(session *s, dg_result *r) {
  dg_status status = DG_OK;
  dg_trainer *t = &s->trainer;
  r->halo_bytes_per_epoch = dg_trainer_halo_bytes(t);
  if (r->run + 1 == s->config->runs) dg_trainer_release_steps(t);
  DG_TRY(dg_trainer_prepare_final(t));
  r->train = dg_trainer_evaluate(t, &t->final, DG_TRAIN);
  r->val = dg_trainer_score(t, &t->final, DG_VAL);
  r->test = dg_trainer_score(t, &t->final, DG_TEST);

cleanup:
  return status;
}

static dg_status save_model(session *s, const dg_result *r) {
  dg_status status = DG_OK;
  if (s->comm->rank == 0) {
    json_t *json = dg_result_json(r);
    char *line = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(10));
    json_decref(json);
    status = dg_model_save(s->config->save, s->config, &s->trainer.model, s->initial, s->history, r->epochs,
                           line ? line : "{}");
    free(line);
  }
  return dg_comm_agree(s->comm, status);
}

static dg_status run(session *s, int64_t index) {
  dg_status status = DG_OK;
  const dg_config *c = s->config;
  dg_params *p = &s->trainer.model.params;
  dg_result *r = &s->results[index];
  const double start = dg_time();
  *r = (dg_result){.dataset = s->trainer.local.shard.info.name,
                   .model = dg_model_kind_name(c->model.kind),
                   .ranks = s->comm->size,
                   .threads = s->trainer.threads,
                   .seed = c->seed + (uint64_t)index,
                   .run = index};
  snprintf(r->stop_reason, sizeof r->stop_reason, "all %lld epochs done", (long long)c->epochs);
  dg_stopping_destroy(&s->stopping);
  DG_TRY(dg_comm_agree(s->comm, dg_stopping_create(&s->stopping, c)));
  start_weights(s, r->seed);
  for (int64_t epoch = 1; epoch <= c->epochs; epoch++) {
    DG_TRY(reserve_history(s, epoch));
    DG_TRY(run_epoch(s, r, epoch, start));
    r->epochs = epoch;
    if (epoch == 1 && c->save_gradients) DG_TRY(save_gradients(s));
    if (c->log != NULL || !s->report.console) dg_progress("training", (long)epoch, (long)c->epochs, "");
    if (is_over(s, r, epoch)) break;
  }
  if (c->select != DG_SELECT_LAST) {
    memcpy(p->value, s->best, (size_t)p->count * sizeof *p->value);
    r->best_epoch = s->stopping.best_epoch;
  }
  DG_TRY(evaluate_final(s, r));
  r->seconds = dg_time() - start;
  DG_TRY(dg_comm_agree(s->comm, median_step_ms(&r->step_ms_median, s->history, r->epochs)));
  r->peak_rss_bytes = dg_comm_max_int64(s->comm, dg_memory_peak());
  dg_report_result(&s->report, r);
  if (c->save && index + 1 == c->runs) DG_TRY(save_model(s, r));

cleanup:
  return status;
}

dg_status dg_train(const dg_comm *comm, const dg_config *config, const char *graph_path, bool json) {
  dg_status status = DG_OK, closed;
  session s = {.comm = comm, .config = config};
  DG_TRY(create_session(&s, graph_path, json));
  for (int64_t i = 0; i < config->runs; i++) DG_TRY(run(&s, i));
  if (config->runs > 1) dg_report_summary(&s.report, s.results, config->runs);
  if (json && comm->rank == 0) {
    json_t *object = dg_results_json(s.results, config->runs);
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
    fputc('\n', stdout);
    json_decref(object);
  }

cleanup:
  closed = destroy_session(&s);
  return status == DG_OK ? dg_comm_agree(comm, closed) : status;
}
