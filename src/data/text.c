#include "data/text.h"

#include <stdbool.h>
#include <string.h>

/* Length of the UTF-8 sequence that text begins with; 0 where it is none (Unicode 15, table 3-7). */
static size_t sequence_length(const unsigned char *text) {
  const unsigned char first = text[0], second = text[1];
  const size_t length = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  for (size_t k = 1; k < length; k++)
    if ((text[k] & 0xC0) != 0x80) return 0;
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool outside = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return length > 2 && (overlong || outside) ? 0 : length;
}

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
    const size_t length = sequence_length((const unsigned char *)text), step = length == 0 ? 1 : length;
    const bool kept = length > 0 && !is_control((const unsigned char *)text);
    if (used + (kept ? step : 1) >= size) break;
    memcpy(out + used, kept ? text : "?", kept ? step : 1);
    used += kept ? step : 1;
    text += step;
  }
  out[used] = '\0';
}
