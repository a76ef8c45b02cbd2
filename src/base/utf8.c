#include "base/utf8.h"

#include <stdbool.h>

size_t dg_utf8_length(const char *text) {
  const unsigned char first = (unsigned char)text[0], second = (unsigned char)text[first != 0];
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
