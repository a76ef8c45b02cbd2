#ifndef DG_TRAIN_REPORT_H
#define DG_TRAIN_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "train/model_file.h"
#include "train/trainer.h"

/* What a training run found; NaN where unknown. */
typedef struct dg_result {
  const char *dataset, *model;
  int ranks, threads;
  uint64_t seed;
  int64_t run, epochs, best_epoch;
  char stop_reason[200];
  dg_score train, val, test;
  double seconds, step_ms_median;
  int64_t halo_bytes_per_epoch, peak_rss_bytes;
} dg_result;

/* Where training reports; on ranks but 0 it is silent. */
typedef struct dg_report {
  FILE *log; /* --log, or NULL */
  const char *path;
  bool console;   /* lines on standard output */
  double flushed; /* when the log was flushed last, seconds */
} dg_report;

/* Opens the log on rank 0; an older one is gone. Errors: DG_IO. Local. */
dg_status dg_report_open(dg_report *report, const dg_comm *comm, const char *path, bool json);
/* Closes the log. Errors: DG_IO where a line could not be written. Local. */
dg_status dg_report_close(dg_report *report);

/* One epoch: a log line always, a console line every 10. Errors: DG_IO where the log cannot be written. Local. */
dg_status dg_report_epoch(dg_report *report, int64_t run, int64_t epoch, const dg_history *h);
/* The result of a run: a log line, and the console's closing lines. Local. */
void dg_report_result(dg_report *report, const dg_result *result);
/* Mean and standard deviation over runs. Local. */
void dg_report_summary(dg_report *report, const dg_result *results, int64_t runs);

/* JSON of a result, and of several with their summary; the caller owns it. NULL: out of memory. Local. */
json_t *dg_result_json(const dg_result *result);
json_t *dg_results_json(const dg_result *results, int64_t runs);
/* A number, or null where it is not finite. Local. */
json_t *dg_json_number(double value);

#endif
