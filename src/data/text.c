#include "data/text.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

/* Of both sets, U+0000 to U+001F and U+007F to U+009F, and what turns the direction of writing round. */
static bool is_control(const unsigned char *text) {
  if (text[0] < 0x20 || text[0] == 0x7F) return true;
  if (text[0] == 0xC2 && text[1] < 0xA0) return true;
  if (text[0] != 0xE2) return false;
  return (text[1] == 0x80 && text[2] >= 0xA8 && text[2] <= 0xAE) ||
         (text[1] == 0x81 && text[2] >= 0xA6 && text[2] <= 0xA9);
}

void dg_text_copy(char *out, size_t size, const char *text) {
  size_t used = 0;
  while (*text != '\0') {
    const size_t length = dg_utf8_length(text), step = length == 0 ? 1 : length;
    const bool kept = length > 0 && !is_control((const unsigned char *)text);
    if (used + (kept ? step : 1) >= size) break;
    memcpy(out + used, kept ? text : "?", kept ? step : 1);
    used += kept ? step : 1;
    text += step;
  }
  out[used] = '\0';
}
