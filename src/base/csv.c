#include "base/csv.h"

#include <string.h>

void dg_csv_field(FILE *out, const char *text) {
  if (strpbrk(text, ",\"\r\n") == NULL && *text != ' ') {
    fputs(text, out);
    return;
  }
  fputc('"', out);
  for (; *text; text++) {
    if (*text == '"') fputc('"', out);
    fputc(*text, out);
  }
  fputc('"', out);
}
