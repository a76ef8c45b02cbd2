#define _GNU_SOURCE
#include "data/h5guard.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <distgat/memory.h>

/* Processor time that the child may take: files of megabytes take it milliseconds, chunks of large ones have long
   indexes. And seconds in all, for file systems that do not answer. */
#define WORK_SECONDS 0.5
#define WORK_SECONDS_A_BYTE 4e-9
#define WORK_SECONDS_MOST 8.0
enum { ALL_SECONDS = 120 };

/* What the child says: one of these, the texts or a message, and SAID. */
enum { GOOD = 'g', BAD = 'b', UNREADABLE = 'u', NO_MEMORY = 'm', SAID = '.' };

/* Files found good. */
typedef struct verdict {
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec changed;
  dg_h5texts texts;
  struct verdict *next;
} verdict;
static verdict *verdicts;

static verdict *find_verdict(const struct stat *st) {
  for (verdict *v = verdicts; v != NULL; v = v->next)
    if (v->device == st->st_dev && v->inode == st->st_ino && v->size == st->st_size &&
        v->changed.tv_sec == st->st_ctim.tv_sec && v->changed.tv_nsec == st->st_ctim.tv_nsec)
      return v;
  return NULL;
}

/* ---- The child ---- */

/* No dump of memory, no words of its own, nothing that the program does on signals; and an end. */
static void restrain(off_t file_size) {
  sigset_t none;
  const struct rlimit no_dump = {0, 0};
  const double seconds = fmin(WORK_SECONDS + WORK_SECONDS_A_BYTE * (double)file_size, WORK_SECONDS_MOST);
  const struct itimerval end = {.it_value = {(time_t)seconds, (suseconds_t)(1e6 * (seconds - floor(seconds)))}};
  const int silence = open("/dev/null", O_RDWR);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setrlimit(RLIMIT_CORE, &no_dump);
  for (int fd = 0; fd <= 2 && silence >= 0; fd++) dup2(silence, fd);
  setitimer(ITIMER_PROF, &end, NULL);
  alarm(ALL_SECONDS);
}

static bool say(int to, const void *bytes, size_t n) {
  const char *at = bytes;
  while (n > 0) {
    const ssize_t done = write(to, at, n);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done, n -= (size_t)done;
  }
  return true;
}

static char kind_of(dg_status status) {
  return status == DG_OK ? GOOD : status == DG_MEMORY ? NO_MEMORY : status == DG_IO ? UNREADABLE : BAD;
}

/* Ends without what the program does at its end: the state of MPI and of open files is the parent's. */
static _Noreturn void be_child(int to, const char *path, off_t file_size) {
  dg_h5texts texts = {0};
  restrain(file_size);
  dg_status_clear();
  const dg_status status = dg_h5walk(&texts, path);
  const char *message = dg_status_message();
  const char kind = kind_of(status);
  const bool said = say(to, &kind, 1) &&
                    (status == DG_OK ? say(to, texts.bytes, texts.used) : say(to, message, strlen(message) + 1)) &&
                    say(to, &(char){SAID}, 1);
  _exit(said ? 0 : 1);
}

/* ---- The parent ---- */

/* All that comes until the child ends, with a final NUL; *answer is allocated with malloc. */
static dg_status listen(char **answer, size_t *n, int from) {
  size_t room = 0;
  for (*n = 0;;) {
    if (*n + 1 >= room) {
      char *longer = realloc(*answer, room = 2 * room + 4096);
      if (longer == NULL) return dg_fail(DG_MEMORY, "out of memory for the attributes of a file");
      *answer = longer;
    }
    const ssize_t done = read(from, *answer + *n, room - *n - 1);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) break;
    *n += (size_t)done;
  }
  (*answer)[*n] = '\0';
  return DG_OK;
}

static dg_status judge_silence(const char *path, int ended) {
  if (WIFSIGNALED(ended) && WTERMSIG(ended) == SIGALRM)
    return dg_fail(DG_INPUT, "%s: could not be looked through in %d s", path, ALL_SECONDS);
  if (WIFSIGNALED(ended) && WTERMSIG(ended) == SIGPROF)
    return dg_fail(DG_INPUT, "%s: is damaged: the HDF5 library does not come to an end with it", path);
  return dg_fail(DG_INPUT, "%s: is damaged: the HDF5 library crashes on it", path);
}

dg_status dg_h5guard_trust(const struct stat *st, const char *texts, size_t n) {
  if (find_verdict(st) != NULL) return DG_OK;
  verdict *v = calloc(1, sizeof *v);
  char *bytes = malloc(n + 1);
  if (v == NULL || bytes == NULL) {
    free(v);
    free(bytes);
    return dg_fail(DG_MEMORY, "out of memory for the attributes of a file");
  }
  memcpy(bytes, texts, n);
  *v = (verdict){st->st_dev, st->st_ino, st->st_size, st->st_ctim, {bytes, n}, verdicts};
  verdicts = v;
  return DG_OK;
}

static dg_status judge(const char *path, const struct stat *st, const char *answer, size_t n, int ended) {
  if (n < 2 || answer[n - 1] != SAID) return judge_silence(path, ended);
  if (answer[0] == GOOD) return dg_h5guard_trust(st, answer + 1, n - 2);
  const dg_status status = answer[0] == NO_MEMORY ? DG_MEMORY : answer[0] == UNREADABLE ? DG_IO : DG_INPUT;
  return dg_fail(status, "%s", answer + 1);
}

/* fork, not a program of its own: it costs less than a millisecond, works where this is a library, and the child makes
   no calls of MPI. Where a network forbids even that, Open MPI says so itself. Memory is small when files are opened
   first, which is why it is done then. Without a child (no more processes are allowed) the file is read unguarded. */
dg_status dg_h5guard_examine(const dg_h5texts **texts, const char *path, const struct stat *identity) {
  dg_status status = DG_OK;
  int ends[2], ended = 0;
  char *answer = NULL;
  size_t n;
  const verdict *known = find_verdict(identity);
  *texts = known == NULL ? NULL : &known->texts;
  if (known != NULL || pipe2(ends, O_CLOEXEC) != 0) return DG_OK;
  const pid_t child = fork();
  if (child == 0) be_child(ends[1], path, identity->st_size);
  close(ends[1]);
  if (child > 0) {
    status = listen(&answer, &n, ends[0]);
    while (waitpid(child, &ended, 0) < 0 && errno == EINTR) continue;
    if (status == DG_OK) status = judge(path, identity, answer, n, ended);
    if (status == DG_OK) *texts = &verdicts->texts;
  }
  close(ends[0]);
  free(answer);
  return status;
}
