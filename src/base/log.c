#include <distgat/log.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 20
#define BAR_SECONDS 0.1
#define LINE_SECONDS 10.0

static bool quiet_mode, speaker_mode;
static dg_progress_mode progress_mode;
static bool bar_shown;
static double last_shown;
static long last_done;
static char last_what[64];

void dg_log_quiet(bool quiet) {
  quiet_mode = quiet;
}

void dg_log_progress(dg_progress_mode mode) {
  progress_mode = mode;
}

void dg_log_speaker(bool speaker) {
  speaker_mode = speaker;
}

void dg_progress_clear(void) {
  if (bar_shown) fputs("\r\033[K", stderr);
  bar_shown = false;
}

bool dg_progress_is_live(void) {
  if (!speaker_mode || quiet_mode) return false;
  return progress_mode == DG_PROGRESS_BAR || (progress_mode == DG_PROGRESS_AUTO && isatty(STDERR_FILENO) == 1);
}

/* A line is one piece, into which no other process's text falls. */
static void say(const char *format, va_list arguments) {
  char line[4096];
  vsnprintf(line, sizeof line, format, arguments);
  dg_progress_clear();
  fprintf(stderr, "%s\n", line);
}

void dg_log(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (!quiet_mode && speaker_mode) say(format, arguments);
  va_end(arguments);
}

void dg_warn(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (speaker_mode) say(format, arguments);
  va_end(arguments);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Another name or a step back means new work, whose clock starts now. */
static bool is_new_work(const char *what, long done) {
  return done < last_done || strncmp(what, last_what, sizeof last_what - 1) != 0;
}

/* Columns of the terminal, or where it does not say those of the environment; else 80. */
static int count_columns(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char *text = getenv("COLUMNS");
  const long columns = text ? strtol(text, NULL, 10) : 0;
  return columns > 0 && columns < 10000 ? (int)columns : 80;
}

/* One row of the terminal: what does not fit is cut off, for only a row can be cleared again. */
static void show_bar(const char *what, long done, long total, const char *text) {
  char bar[BAR_WIDTH + 1], row[512];
  const int filled = total > 0 ? (int)((double)done / (double)total * BAR_WIDTH) : 0;
  for (int i = 0; i < BAR_WIDTH; i++) bar[i] = i < filled ? '#' : '.';
  bar[BAR_WIDTH] = '\0';
  snprintf(row, sizeof row, "%s [%s] %ld/%ld %s", what, bar, done, total, text);
  fprintf(stderr, "\r\033[K%.*s", count_columns() - 1, row);
  fflush(stderr);
  bar_shown = true;
}

void dg_progress(const char *what, long done, long total, const char *text) {
  if (quiet_mode || !speaker_mode || progress_mode == DG_PROGRESS_NONE) return;
  const bool terminal = dg_progress_is_live();
  double time = now();
  if (is_new_work(what, done)) {
    snprintf(last_what, sizeof last_what, "%s", what);
    last_shown = time;
  }
  last_done = done;
  if (text == NULL) text = "";
  if (terminal && done >= total) {
    dg_progress_clear();
  } else if (time - last_shown >= (terminal ? BAR_SECONDS : LINE_SECONDS)) {
    last_shown = time;
    if (terminal)
      show_bar(what, done, total, text);
    else
      fprintf(stderr, "%s %ld/%ld %s\n", what, done, total, text);
  }
}
