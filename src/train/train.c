#include <distgat/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <distgat/files.h>
#include <distgat/memory.h>
#include <distgat/trainer.h>

#include "base/fault.h"
#include "data/normalize.h"
#include "train/keeper.h"
#include "train/loss.h"
#include "train/model_file.h"
#include "train/quality.h"
#include "train/result.h"
#include "train/run.h"
#include "train/splits.h"

/* Root mean square of a column of features from which on they are called large. */
enum { LARGE = 100 };

/* All runs of one call of `train`. */
typedef struct session {
  const dg_comm *comm;
  const dg_config *config; /* as given, or `now` */
  dg_config now;           /* see dg_keeper_open; its split is the one at hand */
  dg_split_list splits;
  int64_t n_runs;       /* of all splits */
  char note[320];       /* see dg_beginning */
  dg_observer observer; /* silent but on rank 0 */
  dg_status observed;   /* of on_epoch; on rank 0 */
  dg_trainer trainer;
  dg_run run;
  dg_run kept; /* of several runs the one that is saved */
  dg_result *results;
  dg_keeper keeper;
} session;

/* Whether validation decides when training ends, or what it gives. */
static bool watches(const dg_config *c) {
  return c->early_stop != DG_STOP_NONE || c->select != DG_SELECT_LAST;
}

static bool validates(const session *s) {
  return s->trainer.local.shard.n_val > 0;
}

static bool keeps_one_of_several(const session *s) {
  return (s->config->save || s->config->checkpoint) && s->n_runs > 1;
}

static dg_status check_config(const dg_config *c) {
  if (!watches(c) || c->epochs > 0) return DG_OK;
  return dg_fail(DG_USAGE, "--early-stop and --select need validation, and with --epochs 0 there is none");
}

/* Collective. */
static dg_status check_validation(const session *s) {
  const dg_trainer *t = &s->trainer;
  const char *name = t->local.shard.info.name;
  if (!watches(s->config)) return DG_OK;
  if (!validates(s))
    return dg_fail(DG_INPUT, "--early-stop and --select need a validation split, and that of %s is empty", name);
  if (dg_loss_sum_weights(&t->loss, &t->local, DG_VAL) > 0) return DG_OK;
  return dg_fail(
      DG_INPUT,
      "--early-stop and --select need a validation loss, and by --class-weights balanced that of %s has none: "
      "its nodes are of classes that no training node has",
      name);
}

/* Refuses outputs that could not be written or would destroy another file, before any work; rank 0. */
static dg_status check_outputs(const dg_config *c, const char *graph_path) {
  dg_status status = DG_OK;
  const dg_named_file files[] = {{"--save", c->save, true},
                                 {"--log", c->log, true},
                                 {"--save-gradients", c->save_gradients, true},
                                 {"--checkpoint", c->checkpoint, true},
                                 {"the graph", graph_path, false},
                                 {"--partition", c->partition, false},
                                 {"--config", c->config_file, false},
                                 {"--init", c->init, false}};
  const int n = sizeof files / sizeof files[0];
  DG_TRY(dg_fault("train.outputs", DG_IO));
  if (c->log) DG_TRY(dg_file_check_writable(c->log));
  if (c->save) DG_TRY(dg_h5_check_writable(c->save));
  if (c->save_gradients) DG_TRY(dg_h5_check_writable(c->save_gradients));
  if (c->checkpoint) DG_TRY(dg_h5_check_writable(c->checkpoint));
  DG_TRY(dg_files_check_distinct(files, n - 1));
  DG_TRY(dg_files_check_distinct(files + 1, n - 1)); /* --save may replace --init: it is read before */

cleanup:
  return status;
}

/* Room for runs, which all splits use. Local. */
static dg_status create_runs(session *s) {
  dg_status status = DG_OK;
  if (s->run.params) return DG_OK;
  DG_TRY(dg_run_create(&s->run, &s->trainer.model.params));
  if (keeps_one_of_several(s)) DG_TRY(dg_run_create(&s->kept, &s->trainer.model.params));

cleanup:
  return status;
}

/* The weights of --init, with which every run of split k starts; a run that is gone on with has them. Collective. */
static dg_status give_initial(session *s, int64_t k) {
  const char *path = s->keeper.resumes ? NULL : s->config->init;
  const dg_model *model = &s->trainer.model;
  s->run.initial_given = path != NULL;
  if (!path) return DG_OK;
  const dg_status status = dg_model_share_weights(s->run.initial, model, s->comm, path, "weights");
  if (status == DG_OK && k == 0 && s->comm->rank == 0) dg_model_warn_left_out(model, path);
  return status;
}

static dg_run_name run_name(const session *s) {
  return (dg_run_name){s->run.index, s->run.seed, s->trainer.local.shard.split};
}

static dg_status tell_start(const session *s) {
  const dg_observer *o = &s->observer;
  const dg_resumed resumed = {run_name(s), s->run.epoch, s->run.history, s->results, s->note};
  if (s->keeper.resumes && o->on_resume) return o->on_resume(o->context, &resumed);
  const dg_shard *shard = &s->trainer.local.shard;
  const dg_beginning beginning = {.config = s->config,
                                  .graph = &shard->info,
                                  .model = &s->trainer.model,
                                  .split = shard->split,
                                  .n_splits = s->splits.n,
                                  .n_train = shard->n_train,
                                  .n_val = shard->n_val,
                                  .n_test = shard->n_test,
                                  .note = s->note,
                                  .ranks = s->comm->size,
                                  .threads = s->trainer.threads};
  return o->on_start ? o->on_start(o->context, &beginning) : DG_OK;
}

static dg_status open_keeper(session *s) {
  dg_run *kept = keeps_one_of_several(s) ? &s->kept : NULL;
  const dg_checkpoint checkpoint = {
      .config = s->config, .run = &s->run, .n_runs = s->n_runs, .kept = kept, .results = s->results};
  s->keeper = (dg_keeper){.comm = s->comm, .observer = &s->observer, .checkpoint = checkpoint};
  s->config = &s->now;
  return dg_keeper_open(&s->keeper, &s->now);
}

static dg_status create_session(session *s, const char *graph_path) {
  dg_status status = DG_OK;
  const dg_config *c = s->config;
  DG_TRY(dg_comm_agree(s->comm, check_config(c)));
  DG_TRY(dg_comm_agree(s->comm, s->comm->rank == 0 ? check_outputs(c, graph_path) : DG_OK));
  DG_TRY(dg_split_list_read(&s->splits, s->comm, c, graph_path));
  s->n_runs = s->splits.n * c->runs;
  DG_TRY(open_keeper(s));
  if (s->keeper.index >= s->n_runs)
    status =
        dg_fail(DG_INPUT, "%s: has %lld splits, fewer than the run began with", graph_path, (long long)s->splits.n);

cleanup:
  return status;
}

/* Makes what trains on split k: the graph in parts for it, and the run to go on with where it is in this split.
   Collective. */
static dg_status open_split(session *s, int64_t k, const char *graph_path) {
  dg_status status = DG_OK;
  if (s->run.params) s->now.first_halo = s->keeper.checkpoint.config->first_halo; /* the choice was another split's */
  if (s->splits.name) s->now.split = s->splits.name[k];
  dg_trainer_destroy(&s->trainer);
  DG_TRY(dg_trainer_open(&s->trainer, s->comm, s->config, graph_path));
  DG_TRY(check_validation(s));
  DG_TRY(dg_comm_agree(s->comm, dg_fault("train.validation", DG_MEMORY)));
  if (validates(s)) DG_TRY(dg_trainer_prepare_val(&s->trainer));
  DG_TRY(dg_comm_agree(s->comm, create_runs(s)));
  DG_TRY(give_initial(s, k));
  DG_TRY(dg_keeper_read(&s->keeper, &s->trainer));

cleanup:
  return status;
}

static void destroy_session(session *s) {
  dg_keeper_close(&s->keeper);
  dg_run_destroy(&s->run);
  dg_run_destroy(&s->kept);
  dg_trainer_destroy(&s->trainer);
  dg_split_list_destroy(&s->splits);
}

static dg_status save_gradients(const session *s) {
  const dg_model *m = &s->trainer.model;
  if (s->comm->rank != 0) return DG_OK;
  return dg_model_save_block(s->config->save_gradients, m, m->params.grad, "grads");
}

/* Tells rank 0's observer; where it fails, the next step tells every rank. */
static void observe_epoch(session *s, const dg_history *figures) {
  const dg_observer *o = &s->observer;
  const dg_run_name run = run_name(s);
  if (o->on_epoch) s->observed = o->on_epoch(o->context, &run, s->run.epoch, figures);
  s->trainer.failed = s->observed != DG_OK;
}

static bool validates_after(const session *s, int64_t epoch) {
  const dg_config *c = s->config;
  return validates(s) && (epoch % c->eval_every == 0 || (epoch == c->epochs && watches(c)));
}

/* One epoch: a step, validation where it is due. Errors: those of the observer; any of saving. Collective. */
static dg_status run_epoch(session *s) {
  dg_status status = DG_OK;
  const dg_config *c = s->config;
  dg_run *run = &s->run;
  const int64_t epoch = run->epoch + 1;
  dg_score val = {NAN, NAN};
  if (dg_run_is_full(run)) DG_TRY(dg_comm_agree(s->comm, dg_run_reserve(run)));

  dg_keeper_ask(&s->keeper, &s->trainer);
  const double before = dg_time();
  const dg_score train = dg_trainer_step(&s->trainer, run->seed, epoch);
  const double after = dg_time();
  if (s->trainer.failed) return dg_comm_agree(s->comm, s->observed);
  if (validates_after(s, epoch)) val = dg_trainer_evaluate(&s->trainer, &s->trainer.val, DG_VAL);

  const dg_history figures = {.train_loss = train.loss,
                              .train_acc = isfinite(train.loss) ? train.acc : NAN,
                              .val_loss = val.loss,
                              .val_acc = val.acc,
                              .seconds = dg_time() - run->began,
                              .step_seconds = after - before};
  dg_run_take(run, c, &figures);
  observe_epoch(s, &figures);
  if (epoch == 1 && c->save_gradients) {
    dg_sums_collect(&s->trainer.sums);
    DG_TRY(dg_comm_agree(s->comm, save_gradients(s)));
  }
  DG_TRY(dg_keeper_take(&s->keeper, &s->trainer, dg_time() - before));

cleanup:
  return status;
}

/* Of a run that has diverged the last finite weights are kept: those before the step whose loss was not finite, or
   where the step before had spoilt them already, the last good ones on the same way gone again. Collective. */
static void keep_finite(session *s) {
  dg_run *run = &s->run;
  const int64_t steps = run->epoch - 1;
  if (dg_run_keep(run, steps)) return;
  dg_run_rewind(run);
  for (int64_t epoch = 0; epoch <= steps && dg_run_keep(run, epoch); epoch++)
    dg_trainer_step(&s->trainer, run->seed, epoch + 1);
}

/* Scores the reported weights on all splits; of weights that have diverged there are no figures. Collective. */
static dg_status evaluate_final(session *s, dg_result *r) {
  dg_status status = DG_OK;
  dg_trainer *t = &s->trainer;
  if ((s->run.index + 1) % s->config->runs == 0) dg_trainer_release_steps(t); /* the last of this split */
  DG_TRY(dg_comm_agree(s->comm, dg_fault("train.final", DG_MEMORY)));
  DG_TRY(dg_trainer_prepare_final(t));
  r->train = dg_trainer_evaluate(t, &t->final, DG_TRAIN);
  r->val = dg_trainer_score(t, &t->final, DG_VAL);
  r->test = dg_trainer_score(t, &t->final, DG_TEST);
  DG_TRY(dg_quality_find(&r->test_quality, &t->final, DG_TEST));

cleanup:
  return status;
}

/* Whether a figure is there that is no number, where there are nodes. */
static bool is_spoilt(const session *s, const dg_result *r) {
  const dg_shard *shard = &s->trainer.local.shard;
  return !isfinite(r->train.acc) || (shard->n_val > 0 && !isfinite(r->val.acc)) ||
         (shard->n_test > 0 && !isfinite(r->test.acc));
}

/* Finds which weights are reported, and scores them; those of a run that has diverged have no score. Collective. */
static dg_status find_scores(session *s, dg_result *r) {
  dg_status status = DG_OK;
  dg_run *run = &s->run;
  const dg_score none = {NAN, NAN};
  if (!run->diverged) dg_run_select(run, s->config);
  if (run->diverged) keep_finite(s);
  r->halo_bytes_per_epoch = dg_trainer_halo_bytes(&s->trainer);
  if (!run->diverged) DG_TRY(evaluate_final(s, r));
  if (!run->diverged && is_spoilt(s, r)) {
    run->diverged = true;
    snprintf(run->stop_reason, sizeof run->stop_reason, "loss of the weights of epoch %lld is not finite",
             (long long)run->best_epoch);
  }
  if (run->diverged) r->train = r->val = r->test = none, r->test_quality = (dg_quality){NAN, NAN, NAN};

cleanup:
  return status;
}

/* What the run found, from the weights that are reported. Collective. */
static dg_status find_result(session *s, dg_result *r) {
  dg_status status = DG_OK;
  const dg_run *run = &s->run;
  *r = (dg_result){.model = dg_model_kind_name(s->config->model.kind),
                   .ranks = s->comm->size,
                   .threads = s->trainer.threads,
                   .seed = run->seed,
                   .run = run->index,
                   .epochs = run->epoch,
                   .multilabel = s->trainer.local.shard.info.multilabel};
  snprintf(r->dataset, sizeof r->dataset, "%s", s->trainer.local.shard.info.name);
  snprintf(r->split, sizeof r->split, "%s", s->trainer.local.shard.split);
  DG_TRY(find_scores(s, r));
  r->best_epoch = run->best_epoch;
  r->diverged = run->diverged;
  snprintf(r->stop_reason, sizeof r->stop_reason, "%s", run->stop_reason);
  r->seconds = dg_time() - run->began;
  DG_TRY(dg_comm_agree(s->comm, dg_history_median_ms(&r->step_ms_median, run->history, run->epoch)));
  r->peak_rss_bytes = dg_comm_max_int64(s->comm, dg_memory_peak());

cleanup:
  return status;
}

/* All epochs of a run, or those that are left. After those of the last run a signal would lose nothing. Collective. */
static dg_status run_epochs(session *s, int64_t index) {
  dg_status status = DG_OK;
  if (!s->keeper.resumes) dg_run_start(&s->run, s->config, index);
  s->keeper.resumes = false;
  dg_keeper_hold(&s->keeper);
  while (!dg_run_is_over(&s->run)) DG_TRY(run_epoch(s));
  if (index + 1 == s->n_runs) dg_keeper_release(&s->keeper);

cleanup:
  return status;
}

static dg_status train_once(session *s, int64_t index) {
  dg_status status = DG_OK;
  const dg_observer *o = &s->observer;
  dg_result *results = s->results, *result = &results[index];
  DG_TRY(run_epochs(s, index));
  DG_TRY(dg_comm_agree(s->comm, s->observed));
  DG_TRY(find_result(s, result));
  DG_TRY(dg_comm_agree(s->comm, o->on_result ? o->on_result(o->context, result, &s->trainer.model) : DG_OK));
  if (keeps_one_of_several(s) && dg_best_run(results, index + 1) == index) dg_run_swap(&s->run, &s->kept);

cleanup:
  return status;
}

/* Layers begin with weights for features of about one size; others are told, for they show as bad accuracy alone.
   Collective. */
static dg_status note_sizes(session *s) {
  const dg_shard *shard = &s->trainer.local.shard;
  dg_feature_sizes z;
  if (s->config->normalize != DG_NORMALIZE_NONE) return DG_OK;
  const dg_status status =
      dg_feature_sizes_find(&z, &shard->features, s->trainer.local.n, shard->info.n_nodes, s->comm);
  if (status == DG_OK && z.most >= LARGE)
    snprintf(s->note, sizeof s->note,
             "features are large or of very different size, from %.3g (column %d) to %.3g (column %d) in the root "
             "mean square, and may train no better than chance; try --normalize %s",
             z.least, z.least_column, z.most, z.most_column, shard->features.sparse ? "row" : "standardize");
  return status;
}

/* All runs of a split, or those that are left. Collective. */
static dg_status train_on_split(session *s, int64_t k, const char *graph_path) {
  dg_status status = DG_OK;
  const int64_t runs = s->config->runs;
  const bool first = s->run.params == NULL;
  DG_TRY(open_split(s, k, graph_path));
  if (first) DG_TRY(note_sizes(s));
  if (first) DG_TRY(dg_comm_agree(s->comm, tell_start(s)));
  for (int64_t i = first ? s->keeper.index : k * runs; i < (k + 1) * runs; i++) DG_TRY(train_once(s, i));

cleanup:
  return status;
}

/* Writes the trained model, of several that of the best run; rank 0. */
static dg_status save_model(const session *s) {
  const dg_observer *o = &s->observer;
  const dg_run *run = keeps_one_of_several(s) ? &s->kept : &s->run;
  if (!s->config->save || s->comm->rank != 0) return DG_OK;
  const dg_shard *shard = &s->trainer.local.shard;
  char *text = o->describe ? o->describe(o->context, &s->results[run->index]) : NULL;
  const dg_model_origin origin = {.graph = shard->info.name,
                                  .split = s->results[run->index].split,
                                  .fingerprint = shard->fingerprint,
                                  .n_features = shard->info.n_features,
                                  .n_classes = shard->info.n_classes,
                                  .multilabel = shard->info.multilabel,
                                  .result = text};
  const dg_status status = dg_model_save(s->config->save, s->config, run, &origin);
  free(text);
  return status;
}

dg_status dg_train(dg_result *results, const dg_comm *comm, const dg_config *config, const char *graph_path,
                   const dg_observer *observer) {
  dg_status status = DG_OK;
  session s = {.comm = comm, .config = config, .results = results};
  if (observer && comm->rank == 0) s.observer = *observer;
  DG_TRY(create_session(&s, graph_path));
  for (int64_t k = s.keeper.index / config->runs; k < s.splits.n; k++) DG_TRY(train_on_split(&s, k, graph_path));
  DG_TRY(dg_comm_agree(comm, save_model(&s)));

cleanup:
  destroy_session(&s);
  return status;
}
