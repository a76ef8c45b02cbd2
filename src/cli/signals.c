#include "cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <distgat/h5io.h>

#include "base/say.h"
#include "base/stop.h"
#include "cli/launch.h"

/* Those whose default is death, but for what cannot be caught. */
static const int deadly[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGABRT, SIGBUS,    SIGFPE, SIGUSR1, SIGSEGV,
                             SIGUSR2, SIGALRM, SIGTERM, SIGXCPU, SIGTRAP, SIGVTALRM, SIGIO,  SIGPROF, SIGSYS};

enum { N_DEADLY = sizeof deadly / sizeof deadly[0], N_SIGNALS = 65 };

/* What a signal did at first; once it is handled here, what follows the cleaning. */
static struct sigaction before[N_SIGNALS];
static bool noted;

/* Those that are wishes to stop, once they are; and whether this rank says that one was met. */
static const int wishes[] = {SIGTERM, SIGUSR1, SIGINT, SIGALRM};
static bool stops;
static volatile sig_atomic_t speaks;

/* The process that says so, on another rank of this system; 0: this one, or out of reach. */
static volatile sig_atomic_t speaker;

/* Whether other ranks may have something to say when the launcher ends this one. */
static volatile sig_atomic_t leaves_last;

/* The exit code of a verb that has failed; 0: of none. */
static volatile sig_atomic_t failure;

/* Whether what is lost is told. */
static volatile sig_atomic_t tells_loss;

/* What a handler holds back: of two signals that wait for a thread the smaller one is delivered first, but it is met
   last where the other one may interrupt it. */
static sigset_t all_signals(void) {
  sigset_t set;
  sigfillset(&set);
  return set;
}

static bool is_end(int number) {
  return number == SIGINT || number == SIGTERM || number == SIGUSR1;
}

/* In a handler; where no epoch is done nothing is lost. */
static void tell_loss(int number) {
  const char *const words[] = {"distgat train: stopped by signal ", dg_stop_name(number), " ", dg_stop_where(),
                               "; nothing of it is kept, for there was no --checkpoint FILE\n"};
  if (strncmp(dg_stop_where(), "after", 5) == 0) dg_say(words, sizeof words / sizeof words[0]);
}

void dg_signals_tell_loss(bool tells) {
  tells_loss = tells;
}

void dg_signals_pass_to(pid_t pid) {
  speaker = pid;
}

void dg_signals_end(dg_status status) {
  tells_loss = false, speaker = 0;
  if (status != DG_OK) speaks = false, failure = dg_status_exit_code(status);
  dg_stop_set(DG_STOP_SOON);
}

static bool is_crash(int number) {
  return number == SIGILL || number == SIGABRT || number == SIGBUS || number == SIGFPE || number == SIGSEGV;
}

/* One thread ends the process, and the rank that speaks hears of it. Where two have met a signal each, at the same
   time, a launcher's SIGTERM may be before the one that it follows: a moment is left for that. Open MPI's kills all
   others once one has ended by it: rank 0 is to be that one. What is unfinished goes before that, for the launcher may
   not wait; and once more by the caller, for other threads go on meanwhile. */
static void settle(int number) {
  static atomic_flag ends = ATOMIC_FLAG_INIT;
  static const struct timespec moment = {.tv_nsec = 20 * 1000 * 1000}, long_moment = {.tv_nsec = 500 * 1000 * 1000};
  const sigset_t all = all_signals();
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  while (atomic_flag_test_and_set(&ends)) pause();
  dg_h5_remove_unfinished();
  if (speaker != 0 && is_end(number) && number != SIGTERM) kill(speaker, number); /* a launcher sends that to all */
  if (number == SIGTERM) nanosleep(leaves_last ? &long_moment : &moment, NULL);
}

/* MPI's report of a crash may wait for what the crash has interrupted, malloc's lock for one, and so for ever. */
enum { REPORT_SECONDS = 2 };
static volatile sig_atomic_t crash;

static void let_in(int number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void end_report(int number) {
  (void)number;
  signal(crash, SIG_DFL);
  let_in(crash);
  raise(crash);
}

static void limit_report(int number) {
  const struct sigaction end = {.sa_handler = end_report};
  crash = number;
  sigaction(SIGALRM, &end, NULL);
  let_in(SIGALRM);
  alarm(REPORT_SECONDS);
}

static void die_clean(int number, siginfo_t *info, void *context) {
  if (is_end(number)) dg_stop_wish(number);
  if (!is_crash(number)) settle(number);
  if (is_end(number) && dg_stop_wished() != 0) number = dg_stop_wished();
  dg_h5_remove_unfinished();
  if (tells_loss && is_end(number)) tell_loss(number);
  sigaction(number, &before[number], NULL);
  if (is_crash(number)) limit_report(number);
  if (before[number].sa_flags & SA_SIGINFO)
    before[number].sa_sigaction(number, info, context);
  else
    raise(number); /* blocked until this handler returns */
}

/* ---- wishes to stop ---- */

static void wish(int number) {
  const int error = errno;
  dg_stop_wish(number);
  errno = error;
}

/* In a handler, or out of one: one line, nothing unfinished left behind. */
static void leave(int wished) {
  settle(wished);
  const int number = dg_stop_wished();
  const char *const words[] = {"distgat train: stopped by signal ", dg_stop_name(number), " ", dg_stop_where(),
                               "; continue with --resume\n"};
  dg_h5_remove_unfinished();
  if (speaks) dg_say(words, sizeof words / sizeof words[0]);
  _exit(failure != 0 ? failure : dg_status_exit_code(DG_STOPPED));
}

static void handle_wishes(void) {
  const struct sigaction action = {.sa_handler = wish, .sa_mask = all_signals(), .sa_flags = SA_RESTART};
  for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
    if (before[wishes[i]].sa_handler != SIG_IGN) sigaction(wishes[i], &action, NULL);
}

void dg_signals_hold(bool back) {
  sigset_t set;
  if (!stops) return;
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) sigaddset(&set, wishes[i]);
  sigprocmask(back ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

void dg_signals_stop(bool speaking) {
  stops = true;
  speaks = speaking;
  dg_stop_by(leave);
  handle_wishes();
  dg_signals_hold(false);
}

/* Before options are read, the name alone. */
static void stop_if_named(int argc, char **argv) {
  static const char name[] = "--checkpoint";
  for (int i = 2; i < argc; i++)
    if (strncmp(argv[i], name, sizeof name - 1) == 0) dg_signals_stop(false); /* the environment is not there yet */
}

/* ---- the others ---- */

static void note(int argc, char **argv) {
  if (noted) return;
  for (int i = 0; i < N_DEADLY; i++) sigaction(deadly[i], NULL, &before[deadly[i]]);
  stop_if_named(argc, argv);
  noted = true;
}

/* Libraries may take signals when they are loaded, as UCX takes SIGHUP even where it is ignored: this comes before. */
#if defined(__GLIBC__) && !defined(DG_SANITIZE)
__attribute__((section(".preinit_array"), used)) static void (*const before_libraries)(int, char **) = note;
#endif

void dg_signals_note(int argc, char **argv) {
  note(argc, argv);
  dg_signals_hold(true);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  for (int i = 0; i < N_DEADLY; i++)
    if (!is_crash(deadly[i])) sigaction(deadly[i], &before[deadly[i]], NULL);
  if (stops) dg_signals_stop(dg_launch_is_first());
  leaves_last = !dg_launch_is_first() && getenv("OMPI_COMM_WORLD_SIZE") != NULL;
}

void dg_signals_handle(void) {
  const struct sigaction clean = {.sa_sigaction = die_clean, .sa_mask = all_signals(), .sa_flags = SA_SIGINFO};
  dg_signals_hold(true);
  for (int i = 0; i < N_DEADLY; i++) {
    const int number = deadly[i];
    struct sigaction *then = &before[number];
    if (then->sa_handler != SIG_DFL)
      sigaction(number, then, NULL);
    else
      sigaction(number, &clean, is_crash(number) ? then : NULL);
  }
  if (stops) handle_wishes();
  dg_signals_hold(false);
}
