#include "cli/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include <distgat/h5io.h>

/* Those whose default is death, but for what cannot be caught. */
static const int deadly[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGABRT, SIGBUS,    SIGFPE, SIGUSR1, SIGSEGV,
                             SIGUSR2, SIGALRM, SIGTERM, SIGXCPU, SIGTRAP, SIGVTALRM, SIGIO,  SIGPROF, SIGSYS};

enum { N_DEADLY = sizeof deadly / sizeof deadly[0], N_SIGNALS = 65 };

/* What a signal did at first; once it is handled here, what follows the cleaning. */
static struct sigaction before[N_SIGNALS];
static bool noted;

static bool is_crash(int number) {
  return number == SIGILL || number == SIGABRT || number == SIGBUS || number == SIGFPE || number == SIGSEGV;
}

static void die_clean(int number, siginfo_t *info, void *context) {
  dg_h5_remove_unfinished();
  sigaction(number, &before[number], NULL);
  if (before[number].sa_flags & SA_SIGINFO)
    before[number].sa_sigaction(number, info, context);
  else
    raise(number); /* blocked until this handler returns */
}

static void note(void) {
  if (noted) return;
  for (int i = 0; i < N_DEADLY; i++) sigaction(deadly[i], NULL, &before[deadly[i]]);
  noted = true;
}

/* Libraries may take signals when they are loaded, as UCX takes SIGHUP even where it is ignored: this comes before. */
#if defined(__GLIBC__) && !defined(DG_SANITIZE)
__attribute__((section(".preinit_array"), used)) static void (*const before_libraries)(void) = note;
#endif

void dg_signals_note(void) {
  note();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  for (int i = 0; i < N_DEADLY; i++)
    if (!is_crash(deadly[i])) sigaction(deadly[i], &before[deadly[i]], NULL);
}

void dg_signals_handle(void) {
  const struct sigaction clean = {.sa_sigaction = die_clean, .sa_flags = SA_SIGINFO};
  for (int i = 0; i < N_DEADLY; i++) {
    const int number = deadly[i];
    struct sigaction *then = &before[number];
    if (then->sa_handler != SIG_DFL)
      sigaction(number, then, NULL);
    else
      sigaction(number, &clean, is_crash(number) ? then : NULL);
  }
}
