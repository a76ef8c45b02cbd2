#include "cli/train_log.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/log.h>

#include "base/csv.h"
#include "base/fault.h"
#include "base/sync.h"

static const char heading[] = "run,split,seed,epoch,train_loss,train_acc,val_loss,val_acc,seconds\n";

static dg_status fail_log(const train_log *log) {
  return dg_fail(DG_IO, "cannot write the log %s: %s", log->path, strerror(errno));
}

static bool is_table(const train_log *log) {
  static const char ending[] = ".csv";
  const size_t length = strlen(log->path), n = sizeof ending - 1;
  return length >= n && strcasecmp(log->path + length - n, ending) == 0;
}

/* Of two runs with one file each writes over the other's lines. The second is told; a lock that cannot be had for
   another reason, as on some network's file system, or that a lost host has left there, keeps nobody from going on. */
static void claim(const train_log *log) {
  struct stat info;
  const int fd = fileno(log->file);
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    dg_warn("warning: %s: another run writes it too; give each a --log of its own", log->path);
}

dg_status train_log_open(train_log *log) {
  if (log->path == NULL) return DG_OK;
  const dg_status status = dg_fault("log.open", DG_IO);
  if (status != DG_OK) return status;
  log->file = fopen(log->path, "w");
  if (log->file == NULL) return fail_log(log);
  claim(log);
  if (is_table(log)) fputs(heading, log->file);
  return DG_OK;
}

/* ---- lines ---- */

static void add_row(FILE *file, const dg_run_name *run, int64_t epoch, const dg_history *h) {
  const double figures[] = {h->train_loss, h->train_acc, h->val_loss, h->val_acc, h->seconds};
  fprintf(file, "%lld,", (long long)run->index);
  dg_csv_field(file, run->split);
  fprintf(file, ",%llu,%lld", (unsigned long long)run->seed, (long long)epoch);
  for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
    if (isfinite(figures[i]))
      fprintf(file, ",%.9g", figures[i]);
    else
      fputc(',', file);
  fputc('\n', file);
}

static void add_line(FILE *file, const dg_run_name *run, int64_t epoch, const dg_history *h) {
  json_write_line(file,
                  json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "event", "epoch", "run", (json_int_t)run->index,
                            "epoch", (json_int_t)epoch, "train_loss", json_number(h->train_loss), "train_acc",
                            json_number(h->train_acc), "val_loss", json_number(h->val_loss), "val_acc",
                            json_number(h->val_acc), "seconds", json_number(h->seconds)));
}

dg_status train_log_epoch(train_log *log, const dg_run_name *run, int64_t epoch, const dg_history *h) {
  if (log->file == NULL) return DG_OK;
  (is_table(log) ? add_row : add_line)(log->file, run, epoch, h);
  if (h->seconds > log->flushed + 1) fflush(log->file), log->flushed = h->seconds;
  return ferror(log->file) ? fail_log(log) : dg_fault("log.write", DG_IO);
}

void train_log_add(train_log *log, json_t *object) {
  if (log->file && !is_table(log))
    json_write_line(log->file, object);
  else
    json_decref(object);
}

/* ---- going on ---- */

/* Whether a line of JSON belongs to one of the runs before `run`. */
static bool is_earlier_line(const char *line, size_t length, int64_t run) {
  json_t *object = json_loadb(line, length, 0, NULL);
  const char *event = json_string_value(json_object_get(object, "event"));
  const json_t *number = json_object_get(object, "run");
  const bool known = event && (strcmp(event, "epoch") == 0 || strcmp(event, "result") == 0);
  const bool earlier = known && json_is_integer(number) && json_integer_value(number) < run;
  json_decref(object);
  return earlier;
}

/* The same of a row of a table, whose heading does as well. */
static bool is_earlier_row(const char *line, int64_t run) {
  char *end;
  if (strcmp(line, heading) == 0) return true;
  const long long number = strtoll(line, &end, 10);
  return end > line && *end == ',' && number < run;
}

/* Bytes of a log, from its beginning, that tell of the runs before `run`; -1 where it cannot be read. */
static off_t earlier_bytes(const train_log *log, int64_t run) {
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  off_t bytes = 0;
  const bool table = is_table(log);
  while ((length = getline(&line, &room, log->file)) > 0 && line[length - 1] == '\n' &&
         (table ? is_earlier_row(line, run) : is_earlier_line(line, (size_t)length, run)))
    bytes += length;
  free(line);
  return length < 0 && !feof(log->file) ? -1 : bytes;
}

/* Cuts off what is told again, or never was to its end. What is no file has no past. */
dg_status train_log_reopen(train_log *log, int64_t run) {
  struct stat info;
  if (log->path == NULL) return DG_OK;
  const dg_status status = dg_fault("log.resume", DG_IO);
  if (status != DG_OK) return status;
  const bool there = stat(log->path, &info) == 0 && S_ISREG(info.st_mode);
  log->file = fopen(log->path, there ? "r+" : "w");
  if (log->file == NULL) return fail_log(log);
  claim(log);
  const off_t bytes = there ? earlier_bytes(log, run) : 0;
  if (bytes < 0) return dg_fail(DG_IO, "cannot read the log %s: %s", log->path, strerror(errno));
  if (there && (fseeko(log->file, bytes, SEEK_SET) != 0 || ftruncate(fileno(log->file), bytes) != 0))
    return fail_log(log);
  if (bytes == 0 && is_table(log)) fputs(heading, log->file);
  return DG_OK;
}

/* A pipe has no disk. */
dg_status train_log_settle(train_log *log) {
  if (log->file == NULL) return DG_OK;
  const bool flushed = fflush(log->file) == 0;
  if (flushed && (dg_sync(fileno(log->file)) == 0 || errno == EINVAL || errno == EROFS)) return DG_OK;
  return fail_log(log);
}

dg_status train_log_close(train_log *log) {
  if (log->file == NULL) return DG_OK;
  bool failed = ferror(log->file) != 0;
  if (fclose(log->file) != 0) failed = true;
  log->file = NULL;
  return failed ? fail_log(log) : dg_fault("log.close", DG_IO);
}
