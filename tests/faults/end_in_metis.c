/* To be loaded before a program: SIGTERM comes END_AFTER milliseconds of the processor's time after METIS has begun to
   divide, if it still does. Without END_AFTER METIS takes SIGTERM, as it does, and is never through. The file
   METIS_BEGAN then is there. */
#include <dlfcn.h>
#include <fcntl.h>
#include <metis.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef int divide(idx_t *, idx_t *, idx_t *, idx_t *, idx_t *, idx_t *, idx_t *, idx_t *, real_t *, real_t *, idx_t *,
                   idx_t *, idx_t *);

static timer_t start(long milliseconds) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
  timer_t timer;
  timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer);
  timer_settime(timer, 0, &(struct itimerspec){.it_value = {milliseconds / 1000, milliseconds % 1000 * 1000000}}, NULL);
  return timer;
}

static void give_up(int number) {
  (void)number;
}

int METIS_PartGraphKway(idx_t *a, idx_t *b, idx_t *c, idx_t *d, idx_t *e, idx_t *f, idx_t *g, idx_t *h, real_t *i,
                        real_t *j, idx_t *k, idx_t *l, idx_t *m) {
  divide *real = (divide *)dlsym(RTLD_NEXT, "METIS_PartGraphKway");
  const char *after = getenv("END_AFTER");
  if (after == NULL) signal(SIGTERM, give_up);
  close(creat(getenv("METIS_BEGAN"), 0600));
  while (after == NULL) pause();
  const timer_t timer = start(atol(after));
  const int result = real(a, b, c, d, e, f, g, h, i, j, k, l, m);
  timer_delete(timer);
  return result;
}
