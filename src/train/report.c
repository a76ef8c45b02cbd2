#include "train/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/log.h>

json_t *dg_json_number(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static void write_line(dg_report *report, json_t *line) {
  if (report->log && line) {
    json_dumpf(line, report->log, JSON_COMPACT | JSON_REAL_PRECISION(10));
    fputc('\n', report->log);
  }
  json_decref(line);
}

static dg_status fail_log(const dg_report *report) {
  return dg_fail(DG_IO, "cannot write the log %s: %s", report->path, strerror(errno));
}

dg_status dg_report_open(dg_report *report, const dg_comm *comm, const char *path, bool json) {
  *report = (dg_report){.path = path, .console = comm->rank == 0 && !json};
  if (comm->rank != 0 || path == NULL) return DG_OK;
  report->log = fopen(path, "w");
  return report->log == NULL ? fail_log(report) : DG_OK;
}

dg_status dg_report_close(dg_report *report) {
  if (report->log == NULL) return DG_OK;
  bool failed = ferror(report->log) != 0;
  if (fclose(report->log) != 0) failed = true;
  report->log = NULL;
  return failed ? fail_log(report) : DG_OK;
}

/* A percentage or loss of the console, or a dash where there is none. */
static const char *figure(char text[16], const char *format, double value) {
  if (isnan(value)) return "-";
  snprintf(text, 16, format, value);
  return text;
}

dg_status dg_report_epoch(dg_report *report, int64_t run, int64_t epoch, const dg_history *h) {
  if (report->log) {
    write_line(report, json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "event", "epoch", "run", (json_int_t)run,
                                 "epoch", (json_int_t)epoch, "train_loss", dg_json_number(h->train_loss), "train_acc",
                                 dg_json_number(h->train_acc), "val_loss", dg_json_number(h->val_loss), "val_acc",
                                 dg_json_number(h->val_acc), "seconds", dg_json_number(h->seconds)));
    if (h->seconds > report->flushed + 1) fflush(report->log), report->flushed = h->seconds;
    if (ferror(report->log)) return fail_log(report);
  }
  if (!report->console || epoch % 10 != 0) return DG_OK;
  char a[16], b[16], c[16], d[16];
  printf("Epoch %4lld | Train Loss: %6s | Train Acc: %6s%% | Val Loss: %6s | Val Acc: %6s%%\n", (long long)epoch,
         figure(a, "%.3f", h->train_loss), figure(b, "%.2f", 100 * h->train_acc), figure(c, "%.3f", h->val_loss),
         figure(d, "%.2f", 100 * h->val_acc));
  return DG_OK;
}

json_t *dg_result_json(const dg_result *r) {
  json_t *object = json_pack(
      "{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "event",
      "result", "dataset", r->dataset, "model", r->model, "ranks", r->ranks, "threads", r->threads, "seed",
      (json_int_t)r->seed, "run", (json_int_t)r->run, "epochs", (json_int_t)r->epochs, "stop_reason", r->stop_reason,
      "best_epoch", r->best_epoch > 0 ? json_integer(r->best_epoch) : json_null(), "train_acc",
      dg_json_number(r->train.acc), "val_acc", dg_json_number(r->val.acc), "val_loss", dg_json_number(r->val.loss),
      "test_acc", dg_json_number(r->test.acc), "test_loss", dg_json_number(r->test.loss), "seconds",
      dg_json_number(r->seconds), "step_ms_median", dg_json_number(r->step_ms_median), "halo_bytes_per_epoch",
      (json_int_t)r->halo_bytes_per_epoch, "peak_rss_bytes", (json_int_t)r->peak_rss_bytes);
  return object;
}

void dg_report_result(dg_report *report, const dg_result *r) {
  write_line(report, report->log ? dg_result_json(r) : NULL);
  if (!report->console) return;
  char a[16], b[16];
  printf("\nStopped after %lld epochs: %s\n", (long long)r->epochs, r->stop_reason);
  if (r->best_epoch > 0) printf("Weights of epoch %lld\n", (long long)r->best_epoch);
  printf("%s on %s: test accuracy %s%%, validation %s%%, %.2f s on %d rank%s of %d thread%s", r->model, r->dataset,
         figure(a, "%.2f", 100 * r->test.acc), figure(b, "%.2f", 100 * r->val.acc), r->seconds, r->ranks,
         r->ranks == 1 ? "" : "s", r->threads, r->threads == 1 ? "" : "s");
  if (r->epochs > 0) printf(", %.3f ms a step", r->step_ms_median);
  printf("\n\n");
  fflush(stdout);
}

/* Mean and sample standard deviation of the finite test accuracies. */
static void spread(const dg_result *results, int64_t runs, double *mean, double *deviation) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < runs; i++) sum += results[i].test.acc;
  *mean = sum / (double)runs;
  for (int64_t i = 0; i < runs; i++) squares += pow(results[i].test.acc - *mean, 2);
  *deviation = runs > 1 ? sqrt(squares / (double)(runs - 1)) : 0;
}

static json_t *summary_json(const dg_result *results, int64_t runs) {
  double mean, deviation;
  spread(results, runs, &mean, &deviation);
  return json_pack("{s:s, s:I, s:o, s:o}", "event", "summary", "runs", (json_int_t)runs, "test_acc_mean",
                   dg_json_number(mean), "test_acc_std", dg_json_number(deviation));
}

json_t *dg_results_json(const dg_result *results, int64_t runs) {
  json_t *last = dg_result_json(&results[runs - 1]);
  if (runs == 1) return last;
  json_t *list = json_array(), *summary = summary_json(results, runs);
  for (int64_t i = 0; i < runs; i++) json_array_append_new(list, dg_result_json(&results[i]));
  json_object_update(last, summary); /* the last run's figures, then the summary's, then every run */
  json_object_set_new(last, "results", list);
  json_decref(summary);
  return last;
}

void dg_report_summary(dg_report *report, const dg_result *results, int64_t runs) {
  double mean, deviation;
  if (report->log) write_line(report, summary_json(results, runs));
  if (!report->console) return;
  spread(results, runs, &mean, &deviation);
  printf("%s on %s, %lld runs: test accuracy %.2f +- %.2f %%\n", results[0].model, results[0].dataset, (long long)runs,
         100 * mean, 100 * deviation);
}
