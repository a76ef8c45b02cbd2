#include "base/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

enum { LEAST_PATIENCE = 3, MOST_PATIENCE = 3600 };

static atomic_int wished; /* by any thread's handler */
static volatile sig_atomic_t interrupted, mode = DG_STOP_AT_ONCE, patience = LEAST_PATIENCE;
static void (*volatile end_by)(int number);

/* Two, so that a handler finds one whole. */
static char places[2][64] = {"before the first epoch"};
static volatile sig_atomic_t place;

void dg_stop_by(void (*end)(int number)) {
  end_by = end;
}

static void leave(void) {
  if (end_by != NULL) end_by(wished);
}

void dg_stop_place(const char *text) {
  snprintf(places[!place], sizeof places[0], "%s", text);
  place = !place;
}

void dg_stop_set(dg_stop_mode next) {
  mode = next;
  if (mode == DG_STOP_NOT_ANY_MORE) alarm(0);
  if (mode == DG_STOP_SOON) alarm(wished != 0 ? LEAST_PATIENCE : 0);
  if (mode == DG_STOP_AT_ONCE && wished != 0) leave();
}

const char *dg_stop_where(void) {
  return places[place];
}

void dg_stop_patience(double seconds) {
  const double most = seconds < MOST_PATIENCE ? seconds : MOST_PATIENCE;
  patience = most > LEAST_PATIENCE ? (sig_atomic_t)most : LEAST_PATIENCE;
}

/* Whether it is the first. */
static bool note(int number) {
  int noted = wished;
  while ((noted == 0 || number < noted) && !atomic_compare_exchange_weak(&wished, &noted, number)) {
  }
  return noted == 0;
}

/* A second wish of the user means at once; others may come twice by themselves, from a launcher and its scheduler. */
void dg_stop_wish(int number) {
  const bool again = interrupted && number == SIGINT, late = number == SIGALRM;
  if (mode == DG_STOP_NOT_ANY_MORE && !again) return;
  const bool first = !late && note(number);
  if (number == SIGINT) interrupted = 1;
  if (wished == 0) return;
  if (mode == DG_STOP_AT_ONCE || again || late) leave();
  if (first) alarm(mode == DG_STOP_SOON ? LEAST_PATIENCE : (unsigned)patience);
}

int dg_stop_wished(void) {
  return wished;
}

const char *dg_stop_name(int number) {
  return number == SIGTERM ? "SIGTERM" : number == SIGUSR1 ? "SIGUSR1" : number == SIGINT ? "SIGINT" : "a signal";
}
