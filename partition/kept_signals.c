#include "kept_signals.h"

#include <time.h>

static const int numbers[DG_KEPT_SIGNALS] = {SIGTERM, SIGABRT}; /* the first is taken back */

/* Where the process is about to die by it there is no handler any more, which stays so. */
static void take_back(const struct sigaction *before) {
  struct sigaction now;
  sigaction(numbers[0], NULL, &now);
  const bool kept = now.sa_handler == before->sa_handler && now.sa_flags == before->sa_flags;
  if (!kept && now.sa_handler != SIG_DFL) sigaction(numbers[0], before, NULL);
}

/* METIS takes the handlers when it begins, and again wherever it calls itself. */
static void *watch(void *argument) {
  static const struct timespec moment = {.tv_nsec = 1000 * 1000};
  dg_kept_signals *kept = argument;
  while (!atomic_load(&kept->ended)) {
    nanosleep(&moment, NULL);
    take_back(&kept->before[0]);
  }
  return NULL;
}

void dg_kept_signals_begin(dg_kept_signals *kept) {
  sigset_t all, mine;
  for (int i = 0; i < DG_KEPT_SIGNALS; i++) sigaction(numbers[i], NULL, &kept->before[i]);
  atomic_init(&kept->ended, false);
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &mine); /* the watcher handles none */
  kept->watched = pthread_create(&kept->watcher, NULL, watch, kept) == 0;
  pthread_sigmask(SIG_SETMASK, &mine, NULL);
}

void dg_kept_signals_end(dg_kept_signals *kept) {
  for (int i = 0; i < DG_KEPT_SIGNALS; i++) sigaction(numbers[i], &kept->before[i], NULL);
  atomic_store(&kept->ended, true);
  if (kept->watched) pthread_join(kept->watcher, NULL);
}
