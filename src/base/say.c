#include "base/say.h"

#include <string.h>
#include <unistd.h>

void dg_say(const char *const *words, size_t n) {
  char text[512];
  size_t used = 0;
  for (size_t i = 0; i < n; i++) {
    const size_t length = strlen(words[i]), room = sizeof text - 1 - used, taken = length < room ? length : room;
    memcpy(text + used, words[i], taken);
    used += taken;
  }
  if (write(STDERR_FILENO, text, used) < 0) return; /* there is nobody to tell */
}
