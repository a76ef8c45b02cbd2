/* To be loaded before a program: who asks for the calls that led here waits for ever, as for a lock that its own thread
   holds. The file REPORT_BEGAN then is there. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int backtrace(void **calls, int n) {
  (void)calls, (void)n;
  close(creat(getenv("REPORT_BEGAN"), 0600));
  for (;;) pause();
}
