#ifndef DG_PARTITION_KEPT_SIGNALS_H
#define DG_PARTITION_KEPT_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { DG_KEPT_SIGNALS = 2 };

/* The handlers that METIS takes for itself while it runs. It gives them back as those of System V: for one signal each,
   and calls that are interrupted then fail. Its own of SIGTERM jumps out of whatever METIS does, allocating with the
   memory's locks held for one, and is gone with the first of two: that signal is taken back within a millisecond.
   SIGABRT stays with METIS, which raises it where memory runs out. */
typedef struct dg_kept_signals {
  struct sigaction before[DG_KEPT_SIGNALS];
  atomic_bool ended;
  bool watched; /* by a thread of its own; where there is none SIGTERM stays with METIS, too */
  pthread_t watcher;
} dg_kept_signals;

/* Before METIS is called, and after; `kept` stays where it is in between. Local. */
void dg_kept_signals_begin(dg_kept_signals *kept);
void dg_kept_signals_end(dg_kept_signals *kept);

#endif
