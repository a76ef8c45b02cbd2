#ifndef DISTGAT_LOG_H
#define DISTGAT_LOG_H

#include <stdbool.h>

#include <distgat/api.h>

DG_API_BEGIN

/* Progress and notes on standard error; results never go through here. Silent until a program lets
   rank 0 of its job speak. */

/* Switches notes and progress off (--quiet); failures are still printed. Local. */
void dg_log_quiet(bool quiet);

/* How progress is shown: as a bar on a terminal and else by lines, or always in one of these ways, or not at all. */
typedef enum dg_progress_mode {
  DG_PROGRESS_AUTO,
  DG_PROGRESS_BAR,
  DG_PROGRESS_LINES,
  DG_PROGRESS_NONE
} dg_progress_mode;
void dg_log_progress(dg_progress_mode mode);

/* Says whether this process writes; it does not at first. Local. */
void dg_log_speaker(bool speaker);

/* Writes one line to standard error unless quiet. Local. */
void dg_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, also where it is quiet: for what went wrong and does not end the program. Local. */
void dg_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Progress of long work: a live bar, or a plain line at most every ten seconds; `done` of `total`
   steps, `text` a short remark such as a loss. Local. */
void dg_progress(const char *what, long done, long total, const char *text);

/* Takes the bar away, before another line goes to the same terminal. Local. */
void dg_progress_clear(void);

/* Whether progress is shown as a bar, and by this process. Local. */
bool dg_progress_is_live(void);

DG_API_END

#endif
