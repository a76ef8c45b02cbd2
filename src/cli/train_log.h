#ifndef DG_CLI_TRAIN_LOG_H
#define DG_CLI_TRAIN_LOG_H

#include <stdio.h>

#include <distgat/train.h>

#include "cli/json.h"

/* What --log FILE gets: JSON lines of epochs and results, or where FILE ends in .csv a table of epochs alone. Rank 0;
   all Local, errors: DG_IO. */
typedef struct train_log {
  const char *path; /* NULL: none, and nothing happens */
  FILE *file;       /* while it is open */
  double flushed;   /* when it was flushed last, in seconds of the run */
} train_log;

/* Begins it; an older one is gone. */
dg_status train_log_open(train_log *log);

/* Opens one that is there, and keeps what it tells of the runs before `run`. */
dg_status train_log_reopen(train_log *log, int64_t run);

dg_status train_log_epoch(train_log *log, const dg_run_name *run, int64_t epoch, const dg_history *history);

/* Adds a line of JSON, which a table leaves out; takes over `object`. */
void train_log_add(train_log *log, json_t *object);

/* Sees to it that what was written is on the disk. */
dg_status train_log_settle(train_log *log);
dg_status train_log_close(train_log *log);

#endif
