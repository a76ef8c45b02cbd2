/* To be loaded before a program: SIGTERM comes END_AFTER milliseconds of the processor's time after METIS has begun to
   divide, if it still does; without END_AFTER METIS divides until a signal ends it. The file METIS_BEGAN then is there.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { METIS_OK = 1 };

typedef int divide(void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *,
                   void *);

static timer_t start(long milliseconds) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
  timer_t timer;
  timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer);
  timer_settime(timer, 0, &(struct itimerspec){.it_value = {milliseconds / 1000, milliseconds % 1000 * 1000000}}, NULL);
  return timer;
}

divide METIS_PartGraphKway;
int METIS_PartGraphKway(void *a, void *b, void *c, void *d, void *e, void *f, void *g, void *h, void *i, void *j,
                        void *k, void *l, void *m) {
  divide *real = (divide *)dlsym(RTLD_NEXT, "METIS_PartGraphKway");
  const char *after = getenv("END_AFTER");
  timer_t timer;
  int result;
  close(creat(getenv("METIS_BEGAN"), 0600));
  if (after != NULL) timer = start(atol(after));
  do result = real(a, b, c, d, e, f, g, h, i, j, k, l, m);
  while (after == NULL && result == METIS_OK);
  if (after != NULL) timer_delete(timer);
  return result;
}
