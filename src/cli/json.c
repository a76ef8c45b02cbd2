#include "cli/json.h"

#include <math.h>

json_t *json_number(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

void json_write_line(FILE *file, json_t *object) {
  if (object) {
    json_dumpf(object, file, JSON_LINE);
    fputc('\n', file);
  }
  json_decref(object);
}
