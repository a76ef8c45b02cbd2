#include "cli/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/log.h>

#include "nn/conv.h"

enum { CONSOLE_EVERY = 10 };

/* A percentage with its sign, or a loss of the console, or a dash where there is none. */
static const char *figure(char text[16], const char *format, double value) {
  if (isnan(value)) return "-";
  snprintf(text, 16, format, value);
  return text;
}

static const char *plural(int n) {
  return n == 1 ? "" : "s";
}

/* An empty line between what belongs together, never two. */
static void print_gap(report *r) {
  if (!r->quiet && !r->gap) printf("\n");
  r->gap = true;
}

/* ---- epochs ----------------------------------------------------------------------------------------------------- */

/* The model in words: "2 layers, 8 heads of 8 channels". */
static void print_model(const dg_model_config *m) {
  printf("%d layer%s", m->layers, plural(m->layers));
  if (m->layers == 1) return;
  if (dg_conv_of(m->kind)->attention)
    printf(", %d head%s of %d channel%s", m->heads, plural(m->heads), m->hidden, plural(m->hidden));
  else
    printf(" of %d channel%s", m->hidden, plural(m->hidden));
}

/* As many as the model has in a file: in memory channels are padded. */
/* Statistics are none. */
static int64_t count_parameters(const dg_params *params) {
  int64_t count = 0;
  for (int i = 0; i < params->n_tensors; i++)
    if (!params->tensor[i].is_statistic) count += dg_tensor_size(&params->tensor[i]);
  return count;
}

/* The lists of the split, of the first of several by its name. */
static void print_split(const dg_beginning *b) {
  if (b->n_splits > 1) printf("split %s, the first of %lld: ", b->split, (long long)b->n_splits);
  printf("%lld to train, %lld to validate, %lld to test\n", (long long)b->n_train, (long long)b->n_val,
         (long long)b->n_test);
}

static dg_status print_beginning(report *r, const dg_beginning *b) {
  char *changes = NULL;
  const dg_status status = dg_config_describe_changes(&changes, b->config);
  if (status != DG_OK) return status;
  const char *kind = dg_model_kind_name(b->config->model.kind);
  printf("%s on %s: %lld nodes, %lld edges, %d features, %d classes; ", kind, b->graph->name,
         (long long)b->graph->n_nodes, (long long)b->graph->n_edges, b->graph->n_features, b->graph->n_classes);
  print_split(b);
  print_model(&b->config->model);
  printf(", %lld parameters, on %d rank%s of %d thread%s\n", (long long)count_parameters(&b->model->params), b->ranks,
         plural(b->ranks), b->threads, plural(b->threads));
  if (*changes) printf("Options: %s\n", changes);
  if (b->graph->multilabel) printf("Nodes have several labels: Acc is micro-F1\n");
  if (*b->note) printf("Note: %s\n", b->note);
  print_gap(r);
  free(changes);
  return DG_OK;
}

static dg_status start(void *context, const dg_beginning *beginning) {
  report *r = context;
  const dg_status status = train_log_open(&r->log);
  snprintf(r->note, sizeof r->note, "%s", beginning->note);
  return status == DG_OK && !r->json && !r->quiet ? print_beginning(r, beginning) : status;
}

static void print_epoch(report *r, int64_t epoch, const dg_history *h) {
  char a[16], b[16], c[16], d[16];
  dg_progress_clear();
  r->gap = false;
  printf("Epoch %4lld | Train Loss: %6s | Train Acc: %7s | Val Loss: %6s | Val Acc: %7s\n", (long long)epoch,
         figure(a, "%.3f", h->train_loss), figure(b, "%.2f%%", 100 * h->train_acc), figure(c, "%.3f", h->val_loss),
         figure(d, "%.2f%%", 100 * h->val_acc));
  if (dg_progress_is_live()) fflush(stdout); /* before the bar is there again */
}

/* Shows how far training is; where there is no bar and epochs have lines of their own, these tell. */
static void show_progress(const report *r, const dg_run_name *run, int64_t epoch, const dg_history *h) {
  char what[64] = "training", text[96], accuracy[16] = "";
  const double left = (double)(r->epochs - epoch) * h->seconds / (double)epoch;
  if (!dg_progress_is_live() && !r->log.path && !r->json) return;
  if (r->runs > 1)
    snprintf(what, sizeof what, "training, run %lld of %lld", (long long)run->index + 1, (long long)r->runs);
  if (!isnan(h->val_acc)) snprintf(accuracy, sizeof accuracy, ", val %.1f%%", 100 * h->val_acc);
  snprintf(text, sizeof text, "loss %.3f%s, %.3g/s, %.0f s left", h->train_loss, accuracy, (double)epoch / h->seconds,
           left);
  dg_progress(what, (long)epoch, (long)r->epochs, text);
}

static dg_status report_epoch(void *context, const dg_run_name *run, int64_t epoch, const dg_history *h) {
  report *r = context;
  if (!r->json && !r->quiet && epoch % CONSOLE_EVERY == 0) print_epoch(r, epoch, h);
  show_progress(r, run, epoch, h);
  return train_log_epoch(&r->log, run, epoch, h);
}

/* ---- results ---------------------------------------------------------------------------------------------------- */

static json_t *result_json(const dg_result *r) {
  return json_pack(
      "{s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:s, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
      "s:I, s:I}",
      "event", "result", "dataset", r->dataset, "split", r->split, "model", r->model, "ranks", r->ranks, "threads",
      r->threads, "seed", (json_int_t)r->seed, "run", (json_int_t)r->run, "epochs", (json_int_t)r->epochs,
      "stop_reason", r->stop_reason, "best_epoch", (json_int_t)r->best_epoch, "diverged", r->diverged, "train_acc",
      json_number(r->train.acc), "val_acc", json_number(r->val.acc), "val_loss", json_number(r->val.loss), "test_acc",
      json_number(r->test.acc), "test_loss", json_number(r->test.loss), "test_micro_f1",
      json_number(r->test_quality.micro_f1), "test_macro_f1", json_number(r->test_quality.macro_f1), "test_roc_auc",
      json_number(r->test_quality.roc_auc), "seconds", json_number(r->seconds), "step_ms_median",
      json_number(r->step_ms_median), "halo_bytes_per_epoch", (json_int_t)r->halo_bytes_per_epoch, "peak_rss_bytes",
      (json_int_t)r->peak_rss_bytes);
}

static char *describe(void *context, const dg_result *result) {
  (void)context;
  json_t *object = result_json(result);
  char *line = json_dumps(object, JSON_LINE);
  json_decref(object);
  return line;
}

static void print_result(report *how, const dg_result *r) {
  char a[16], b[16];
  const bool all = r->epochs == how->epochs && !r->diverged;
  dg_progress_clear();
  print_gap(how);
  if (r->epochs == 0)
    printf("No epochs: initial weights\n");
  else if (all)
    printf("Stopped after all %lld epochs\n", (long long)r->epochs);
  else
    printf("Stopped after %lld epoch%s: %s\n", (long long)r->epochs, r->epochs == 1 ? "" : "s", r->stop_reason);
  if (r->best_epoch < r->epochs) printf("Weights of epoch %lld\n", (long long)r->best_epoch);
  printf("%s on %s", r->model, r->dataset);
  if (how->splits > 1) printf(", split %s", r->split);
  if (how->runs > 1) printf(", seed %llu", (unsigned long long)r->seed);
  if (r->diverged)
    printf(": diverged");
  else
    printf(": test %s %s, validation %s", r->multilabel ? "micro-F1" : "accuracy",
           figure(a, "%.2f%%", 100 * r->test.acc), figure(b, "%.2f%%", 100 * r->val.acc));
  printf(", %.2f s on %d rank%s of %d thread%s", r->seconds, r->ranks, plural(r->ranks), r->threads,
         plural(r->threads));
  if (r->epochs > 0) printf(", %.3f ms a step", r->step_ms_median);
  printf("\n");
  how->gap = false;
  print_gap(how);
  fflush(stdout);
}

static dg_status report_result(void *context, const dg_result *result, const dg_model *model) {
  report *r = context;
  (void)model;
  train_log_add(&r->log, result_json(result));
  if (!r->json) print_result(r, result);
  return DG_OK;
}

/* What holds for all runs together; nothing in it is of a single one. */
static json_t *summary_json(const report *r, const dg_result *results, int64_t runs) {
  const dg_summary s = dg_summarize(results, runs);
  return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I}", "event", "summary", "dataset",
                   results->dataset, "model", results->model, "ranks", results->ranks, "threads", results->threads,
                   "runs", (json_int_t)runs, "splits", (json_int_t)r->splits, "diverged", (json_int_t)s.diverged,
                   "test_acc_mean", json_number(s.test_acc_mean), "test_acc_std", json_number(s.test_acc_std),
                   "val_acc_mean", json_number(s.val_acc_mean), "val_acc_std", json_number(s.val_acc_std), "best_run",
                   (json_int_t)dg_best_run(results, runs));
}

/* The result of one run; of several the figures of the one that is kept, then the summary, then every run. */
static json_t *results_json(const report *r, const dg_result *results, int64_t runs) {
  json_t *kept = result_json(&results[dg_best_run(results, runs)]);
  if (*r->note) json_object_set_new(kept, "note", json_string(r->note));
  if (runs == 1) return kept;
  json_t *list = json_array(), *summary = summary_json(r, results, runs);
  for (int64_t i = 0; i < runs; i++) json_array_append_new(list, result_json(&results[i]));
  json_object_update(kept, summary);
  json_object_set_new(kept, "results", list);
  json_decref(summary);
  return kept;
}

/* Which of several runs the saved model is of, and why. */
static void print_kept(const report *how, const dg_result *r) {
  const char *why = r->diverged         ? "all have diverged"
                    : isnan(r->val.acc) ? "the last: nothing validates"
                                        : "the best by validation";
  printf("%s keeps run %lld, of ", how->saved, (long long)r->run);
  if (how->splits > 1) printf("split %s and ", r->split);
  printf("seed %llu: %s\n", (unsigned long long)r->seed, why);
}

static void print_summary(const report *how, const dg_result *results, const dg_summary *s) {
  printf("%s on %s, %lld runs", results[0].model, results[0].dataset, (long long)s->runs);
  if (how->splits > 1) printf(" on %lld splits", (long long)how->splits);
  printf(": ");
  if (s->diverged == s->runs)
    printf("all diverged");
  else
    printf("test %s %.2f +- %.2f %%", results->multilabel ? "micro-F1" : "accuracy", 100 * s->test_acc_mean,
           100 * s->test_acc_std);
  if (s->diverged > 0 && s->diverged < s->runs) printf(" without %lld that diverged", (long long)s->diverged);
  printf("\n");
}

/* What stands after several runs. */
static void report_runs(report *r, const dg_result *results, int64_t runs) {
  const dg_summary s = dg_summarize(results, runs);
  const int64_t best = dg_best_run(results, runs);
  train_log_add(&r->log, summary_json(r, results, runs));
  if (!r->json) print_summary(r, results, &s);
  if (!r->json && r->saved) print_kept(r, &results[best]);
}

void report_end(report *r, const dg_result *results, int64_t runs) {
  if (runs > 1) report_runs(r, results, runs);
  if (r->json) json_write_line(stdout, results_json(r, results, runs));
}

/* ---- going on --------------------------------------------------------------------------------------------------- */

/* The log gets every epoch of the run, as it would be had it never been interrupted; standard output the results of
   the runs before. */
static dg_status resume(void *context, const dg_resumed *past) {
  dg_status status = DG_OK;
  report *r = context;
  snprintf(r->note, sizeof r->note, "%s", past->note);
  for (int64_t i = 0; i < past->run.index && !r->json; i++) print_result(r, &past->results[i]);
  DG_TRY(train_log_reopen(&r->log, past->run.index));
  for (int64_t i = 0; i < past->epoch; i++) DG_TRY(train_log_epoch(&r->log, &past->run, i + 1, &past->history[i]));

cleanup:
  return status;
}

/* What was told reaches the disk before a checkpoint says that it was. */
static dg_status settle(void *context) {
  report *r = context;
  fflush(stdout);
  return train_log_settle(&r->log);
}

dg_observer report_observer(report *r) {
  return (dg_observer){.context = r,
                       .on_start = start,
                       .on_epoch = report_epoch,
                       .on_result = report_result,
                       .describe = describe,
                       .on_resume = resume,
                       .on_checkpoint = settle};
}

dg_status report_close(report *r) {
  return train_log_close(&r->log);
}
