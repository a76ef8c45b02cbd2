#ifndef DG_CLI_REPORT_H
#define DG_CLI_REPORT_H

#include <distgat/train.h>

#include "cli/train_log.h"

/* Where the program reports training: standard output, and the log. On rank 0; elsewhere nothing
   is written. */
typedef struct report {
  bool json;         /* results as one JSON object, and no other line on standard output */
  bool quiet;        /* results alone */
  const char *saved; /* the model's file, NULL: none */
  train_log log;
  int64_t epochs, runs, splits; /* that are asked for; runs of all splits */
  bool gap;                     /* the last line was empty */
  char note[320];               /* see dg_beginning; "": none */
} report;

/* The observer that writes to `r`; it opens the log, and an older one is gone. */
dg_observer report_observer(report *r);

/* Closes the log. Errors: DG_IO where a line could not be written. Local. */
dg_status report_close(report *r);

/* What stands after all runs: their mean and deviation; with json the results. Rank 0. */
void report_end(report *r, const dg_result *results, int64_t runs);

#endif
