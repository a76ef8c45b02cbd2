#define _DEFAULT_SOURCE
#include "cli/start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <distgat/status.h>

#include "base/say.h"
#include "cli/launch.h"
#include "cli/signals.h"

/* OpenBLAS starts a thread for each core when it is loaded, and where a limit (ulimit -v, -u) denies it one it kills
   the program before main, or waits for memory for ever; the program's own threads call it instead. */
static char one_thread[] = "OPENBLAS_NUM_THREADS=1";

/* Threads that wait for each other spin, by OpenMP's own choice for milliseconds: where another process has taken the
   core that the last of them needs, every loop of a step may cost that much. A spin of some 50 microseconds, which
   GNU's runtime itself takes where it has more threads than cores, loses little where the cores are free. */
static char spins_gnu[] = "GOMP_SPINCOUNT=1000", spins_llvm[] = "KMP_BLOCKTIME=0"; /* the latter in milliseconds */

static bool names(const char *entry, const char *setting) {
  return strncmp(entry, setting, (size_t)(strchr(setting, '=') - setting) + 1) == 0;
}

static const char *find(char **environment, const char *setting) {
  for (; *environment != NULL; environment++)
    if (names(*environment, setting)) return *environment;
  return NULL;
}

/* The user's choice of how threads wait stays. */
static bool chooses_spins(char **environment) {
  return find(environment, "OMP_WAIT_POLICY=") || find(environment, spins_gnu) || find(environment, spins_llvm);
}

void dg_start_again(char **argv, char **environment) {
  char path[PATH_MAX]; /* by its name, which process lists then show */
  const char *threads = find(environment, one_thread);
  const bool spins = chooses_spins(environment);
  size_t n = 0, used = 0;
  if (threads != NULL && strcmp(threads, one_thread) == 0 && spins) return;
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return;
  path[length] = '\0';
  while (environment[n] != NULL) n++;
  char **changed = mmap(NULL, (n + 4) * sizeof *changed, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (changed == MAP_FAILED) return;
  for (size_t i = 0; i < n; i++)
    if (!names(environment[i], one_thread)) changed[used++] = environment[i];
  changed[used++] = one_thread;
  if (!spins) changed[used++] = spins_gnu, changed[used++] = spins_llvm;
  dg_signals_hold(true);
  execve(path, argv, changed);
  dg_signals_hold(false);
}

/* Newer OpenBLAS takes its first 128 MiB when it is loaded, and where a limit denies them it asks for ever. Libraries
   start within a tenth of a second of the processor's time: what takes so many milliseconds will not. */
enum { LONG_FOR_A_START = 500 };

static char verb[32];
static bool is_set;
static timer_t alarm_timer;

static void give_up(int number) {
  const char *const words[] = {"distgat", verb,
                               ": out of memory: the limit on this process (ulimit -v) leaves the "
                               "libraries too little to start; raise it\n"};
  (void)number;
  dg_launch_wait_turn();
  dg_say(words, sizeof words / sizeof words[0]);
  dg_launch_end_others(dg_status_exit_code(DG_MEMORY));
  _exit(dg_status_exit_code(DG_MEMORY));
}

/* By a signal that no library and no user of ours has use for. */
static void set_alarm(int milliseconds) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMAX};
  signal(SIGRTMAX, give_up);
  if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &alarm_timer) != 0) return;
  is_set = timer_settime(alarm_timer, 0, &(struct itimerspec){.it_value.tv_nsec = 1000000L * milliseconds}, NULL) == 0;
}

static void guard_libraries(int argc, char **argv) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  if (argc > 1 && strlen(argv[1]) + 1 < sizeof verb) verb[0] = ' ', strcpy(verb + 1, argv[1]);
  set_alarm(LONG_FOR_A_START);
}

void dg_start_done(void) {
  if (!is_set) return;
  timer_delete(alarm_timer);
  signal(SIGRTMAX, SIG_DFL);
  is_set = false;
}

/* Where a standard stream is closed the next file that is opened, be it a socket or a result, would take its place, and
   get what is printed. What is opened here cannot be read, or written, so that uses of it fail as they should. */
static void fill_streams(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
      return;
}

/* Before constructors of libraries, where the dynamic linker knows of such functions; else main is in time for all but
   a limit that kills. */
static void start_first(int argc, char **argv, char **environment) {
  fill_streams();
  dg_start_again(argv, environment);
  guard_libraries(argc, argv);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) = start_first;
