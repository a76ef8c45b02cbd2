#include "cli/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/log.h>

#include "base/fault.h"
#include "cli/json.h"
#include "nn/conv.h"

enum { CONSOLE_EVERY = 10 };

static dg_status fail_log(const report *r) {
  return dg_fail(DG_IO, "cannot write the log %s: %s", r->path, strerror(errno));
}

/* A percentage with its sign, or a loss of the console, or a dash where there is none. */
static const char *figure(char text[16], const char *format, double value) {
  if (isnan(value)) return "-";
  snprintf(text, 16, format, value);
  return text;
}

static const char *plural(int n) {
  return n == 1 ? "" : "s";
}

/* ---- epochs ----------------------------------------------------------------------------------------------------- */

static dg_status open_log(report *r) {
  if (r->path == NULL) return DG_OK;
  const dg_status status = dg_fault("log.open", DG_IO);
  if (status != DG_OK) return status;
  r->log = fopen(r->path, "w");
  return r->log == NULL ? fail_log(r) : DG_OK;
}

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
static int64_t count_parameters(const dg_params *params) {
  int64_t count = 0;
  for (int i = 0; i < params->n_tensors; i++) count += dg_tensor_size(&params->tensor[i]);
  return count;
}

static dg_status print_beginning(const dg_beginning *b) {
  char *changes = NULL;
  const dg_status status = dg_config_describe_changes(&changes, b->config);
  if (status != DG_OK) return status;
  const char *kind = dg_model_kind_name(b->config->model.kind);
  printf("%s on %s: %lld nodes, %lld edges, %d features, %d classes; %lld to train, %lld to validate, %lld to test\n",
         kind, b->graph->name, (long long)b->graph->n_nodes, (long long)b->graph->n_edges, b->graph->n_features,
         b->graph->n_classes, (long long)b->n_train, (long long)b->n_val, (long long)b->n_test);
  print_model(&b->config->model);
  printf(", %lld parameters, on %d rank%s of %d thread%s\n", (long long)count_parameters(&b->model->params), b->ranks,
         plural(b->ranks), b->threads, plural(b->threads));
  if (*changes) printf("Options: %s\n", changes);
  printf("\n");
  free(changes);
  return DG_OK;
}

static dg_status start(void *context, const dg_beginning *beginning) {
  report *r = context;
  const dg_status status = open_log(r);
  return status == DG_OK && !r->json && !r->quiet ? print_beginning(beginning) : status;
}

static dg_status log_epoch(report *r, int64_t run, int64_t epoch, const dg_history *h) {
  json_write_line(r->log,
                  json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "event", "epoch", "run", (json_int_t)run,
                            "epoch", (json_int_t)epoch, "train_loss", json_number(h->train_loss), "train_acc",
                            json_number(h->train_acc), "val_loss", json_number(h->val_loss), "val_acc",
                            json_number(h->val_acc), "seconds", json_number(h->seconds)));
  if (h->seconds > r->flushed + 1) fflush(r->log), r->flushed = h->seconds;
  return ferror(r->log) ? fail_log(r) : dg_fault("log.write", DG_IO);
}

static void print_epoch(int64_t epoch, const dg_history *h) {
  char a[16], b[16], c[16], d[16];
  dg_progress_clear();
  printf("Epoch %4lld | Train Loss: %6s | Train Acc: %7s | Val Loss: %6s | Val Acc: %7s\n", (long long)epoch,
         figure(a, "%.3f", h->train_loss), figure(b, "%.2f%%", 100 * h->train_acc), figure(c, "%.3f", h->val_loss),
         figure(d, "%.2f%%", 100 * h->val_acc));
  if (dg_progress_is_live()) fflush(stdout); /* before the bar is there again */
}

/* Shows how far training is; where there is no bar and epochs have lines of their own, these tell. */
static void show_progress(const report *r, int64_t run, int64_t epoch, const dg_history *h) {
  char what[64] = "training", text[96], accuracy[16] = "";
  const double left = (double)(r->epochs - epoch) * h->seconds / (double)epoch;
  if (!dg_progress_is_live() && !r->log && !r->json) return;
  if (r->runs > 1) snprintf(what, sizeof what, "training, run %lld of %lld", (long long)run + 1, (long long)r->runs);
  if (!isnan(h->val_acc)) snprintf(accuracy, sizeof accuracy, ", val %.1f%%", 100 * h->val_acc);
  snprintf(text, sizeof text, "loss %.3f%s, %.3g/s, %.0f s left", h->train_loss, accuracy, (double)epoch / h->seconds,
           left);
  dg_progress(what, (long)epoch, (long)r->epochs, text);
}

static dg_status report_epoch(void *context, int64_t run, int64_t epoch, const dg_history *h) {
  report *r = context;
  if (!r->json && !r->quiet && epoch % CONSOLE_EVERY == 0) print_epoch(epoch, h);
  show_progress(r, run, epoch, h);
  return r->log ? log_epoch(r, run, epoch, h) : DG_OK;
}

/* ---- results ---------------------------------------------------------------------------------------------------- */

static json_t *result_json(const dg_result *r) {
  return json_pack(
      "{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:s, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "event",
      "result", "dataset", r->dataset, "model", r->model, "ranks", r->ranks, "threads", r->threads, "seed",
      (json_int_t)r->seed, "run", (json_int_t)r->run, "epochs", (json_int_t)r->epochs, "stop_reason", r->stop_reason,
      "best_epoch", (json_int_t)r->best_epoch, "diverged", r->diverged, "train_acc", json_number(r->train.acc),
      "val_acc", json_number(r->val.acc), "val_loss", json_number(r->val.loss), "test_acc", json_number(r->test.acc),
      "test_loss", json_number(r->test.loss), "seconds", json_number(r->seconds), "step_ms_median",
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

static void print_result(const report *how, const dg_result *r) {
  char a[16], b[16];
  const bool all = r->epochs == how->epochs && !r->diverged;
  dg_progress_clear();
  if (!how->quiet) printf("\n");
  if (r->epochs == 0)
    printf("No epochs: initial weights\n");
  else if (all)
    printf("Stopped after all %lld epochs\n", (long long)r->epochs);
  else
    printf("Stopped after %lld epoch%s: %s\n", (long long)r->epochs, r->epochs == 1 ? "" : "s", r->stop_reason);
  if (r->best_epoch < r->epochs) printf("Weights of epoch %lld\n", (long long)r->best_epoch);
  printf("%s on %s", r->model, r->dataset);
  if (how->runs > 1) printf(", seed %llu", (unsigned long long)r->seed);
  if (r->diverged)
    printf(": diverged");
  else
    printf(": test accuracy %s, validation %s", figure(a, "%.2f%%", 100 * r->test.acc),
           figure(b, "%.2f%%", 100 * r->val.acc));
  printf(", %.2f s on %d rank%s of %d thread%s", r->seconds, r->ranks, plural(r->ranks), r->threads,
         plural(r->threads));
  if (r->epochs > 0) printf(", %.3f ms a step", r->step_ms_median);
  printf("\n%s", how->quiet ? "" : "\n");
  fflush(stdout);
}

static dg_status report_result(void *context, const dg_result *result, const dg_model *model) {
  report *r = context;
  (void)model;
  if (r->log) json_write_line(r->log, result_json(result));
  if (!r->json) print_result(r, result);
  return DG_OK;
}

static json_t *summary_json(const dg_summary *s, int64_t best_run) {
  return json_pack("{s:s, s:I, s:I, s:o, s:o, s:I}", "event", "summary", "runs", (json_int_t)s->runs, "diverged",
                   (json_int_t)s->diverged, "test_acc_mean", json_number(s->test_acc_mean), "test_acc_std",
                   json_number(s->test_acc_std), "best_run", (json_int_t)best_run);
}

/* One object of all runs: the last run's figures, then the summary's, then every run. */
static json_t *results_json(const dg_result *results, int64_t runs) {
  json_t *last = result_json(&results[runs - 1]);
  if (runs == 1) return last;
  const dg_summary s = dg_summarize(results, runs);
  json_t *list = json_array(), *summary = summary_json(&s, dg_best_run(results, runs));
  for (int64_t i = 0; i < runs; i++) json_array_append_new(list, result_json(&results[i]));
  json_object_update(last, summary);
  json_object_set_new(last, "results", list);
  json_decref(summary);
  return last;
}

/* Which of several runs the saved model is of, and why. */
static void print_kept(const char *path, const dg_result *r) {
  const char *why = r->diverged         ? "all have diverged"
                    : isnan(r->val.acc) ? "the last: nothing validates"
                                        : "the best by validation";
  printf("%s keeps run %lld, of seed %llu: %s\n", path, (long long)r->run, (unsigned long long)r->seed, why);
}

static void print_summary(const dg_result *results, const dg_summary *s) {
  printf("%s on %s, %lld runs: ", results[0].model, results[0].dataset, (long long)s->runs);
  if (s->diverged == s->runs)
    printf("all diverged");
  else
    printf("test accuracy %.2f +- %.2f %%", 100 * s->test_acc_mean, 100 * s->test_acc_std);
  if (s->diverged > 0 && s->diverged < s->runs) printf(" without %lld that diverged", (long long)s->diverged);
  printf("\n");
}

/* What stands after several runs. */
static void report_runs(report *r, const dg_result *results, int64_t runs) {
  const dg_summary s = dg_summarize(results, runs);
  const int64_t best = dg_best_run(results, runs);
  if (r->log) json_write_line(r->log, summary_json(&s, best));
  if (!r->json) print_summary(results, &s);
  if (!r->json && r->saved) print_kept(r->saved, &results[best]);
}

void report_end(report *r, const dg_result *results, int64_t runs) {
  if (runs > 1) report_runs(r, results, runs);
  if (r->json) json_write_line(stdout, results_json(results, runs));
}

/* ---- going on --------------------------------------------------------------------------------------------------- */

/* Whether a line of a log belongs to one of the runs before `run`. */
static bool is_earlier(const char *line, size_t length, int64_t run) {
  json_t *object = json_loadb(line, length, 0, NULL);
  const char *event = json_string_value(json_object_get(object, "event"));
  const json_t *number = json_object_get(object, "run");
  const bool known = event && (strcmp(event, "epoch") == 0 || strcmp(event, "result") == 0);
  const bool earlier = known && json_is_integer(number) && json_integer_value(number) < run;
  json_decref(object);
  return earlier && line[length - 1] == '\n';
}

/* Bytes of a log, from its beginning, that tell of the runs before `run`. */
static off_t earlier_bytes(FILE *log, int64_t run) {
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  off_t bytes = 0;
  while ((length = getline(&line, &room, log)) > 0 && is_earlier(line, (size_t)length, run)) bytes += length;
  free(line);
  return bytes;
}

/* Opens the log and cuts off what is told again, or never was to its end. What is no file has no past. */
static dg_status open_cut(report *r, int64_t run) {
  struct stat info;
  const bool there = stat(r->path, &info) == 0 && S_ISREG(info.st_mode);
  r->log = fopen(r->path, there ? "r+" : "w");
  if (r->log == NULL) return fail_log(r);
  if (!there) return DG_OK;
  const off_t bytes = earlier_bytes(r->log, run);
  const bool cut = fseeko(r->log, bytes, SEEK_SET) == 0 && ftruncate(fileno(r->log), bytes) == 0;
  return cut ? DG_OK : fail_log(r);
}

/* The log gets every epoch of the run, as it would be had it never been interrupted; standard output the results of
   the runs before. */
static dg_status resume(void *context, const dg_resumed *past) {
  dg_status status = DG_OK;
  report *r = context;
  for (int64_t i = 0; i < past->run && !r->json; i++) print_result(r, &past->results[i]);
  if (r->path == NULL) return DG_OK;
  DG_TRY(dg_fault("log.resume", DG_IO));
  DG_TRY(open_cut(r, past->run));
  for (int64_t i = 0; i < past->epoch; i++) DG_TRY(log_epoch(r, past->run, i + 1, &past->history[i]));

cleanup:
  return status;
}

/* What was told reaches the disk before a checkpoint says that it was. A pipe has no disk. */
static dg_status settle(void *context) {
  report *r = context;
  fflush(stdout);
  if (r->log == NULL) return DG_OK;
  const bool flushed = fflush(r->log) == 0;
  if (flushed && (fsync(fileno(r->log)) == 0 || errno == EINVAL || errno == EROFS)) return DG_OK;
  return fail_log(r);
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
  if (r->log == NULL) return DG_OK;
  bool failed = ferror(r->log) != 0;
  if (fclose(r->log) != 0) failed = true;
  r->log = NULL;
  return failed ? fail_log(r) : dg_fault("log.close", DG_IO);
}
