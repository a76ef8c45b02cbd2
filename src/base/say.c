#include "base/say.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

/* What waits for room in a pipe, or for a terminal that is held, may wait for ever. */
enum { LONG_FOR_A_LINE = 500 };

void dg_say(const char *const *words, size_t n) {
  char text[512];
  size_t used = 0;
  for (size_t i = 0; i < n; i++) {
    const size_t length = strlen(words[i]), room = sizeof text - 1 - used, taken = length < room ? length : room;
    memcpy(text + used, words[i], taken);
    used += taken;
  }
  struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
  if (poll(&out, 1, LONG_FOR_A_LINE) == 0) return;  /* nobody reads */
  if (write(STDERR_FILENO, text, used) < 0) return; /* there is nobody to tell */
}
