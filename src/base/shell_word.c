#include "base/shell_word.h"

#include <string.h>

void dg_shell_word(FILE *out, const char *text) {
  if (*text != '\0' && *text != '~' && strpbrk(text, " \t\n'\"\\$`&|;<>()[]{}*?!#") == NULL) {
    fputs(text, out);
    return;
  }
  fputc('\'', out);
  for (; *text; text++)
    if (*text == '\'')
      fputs("'\\''", out);
    else
      fputc(*text, out);
  fputc('\'', out);
}
