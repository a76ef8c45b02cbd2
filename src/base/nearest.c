#include "base/nearest.h"

#include <string.h>

enum { MAX_LENGTH = 63 };

/* Least number of letters to insert, delete or replace to turn a into b (b of at most MAX_LENGTH). */
static int edit_distance(const char *a, const char *b) {
  int row[MAX_LENGTH + 1], n = (int)strlen(b);
  for (int j = 0; j <= n; j++) row[j] = j;
  for (int i = 1; a[i - 1]; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= n; j++) {
      int best = diagonal + (a[i - 1] != b[j - 1]);
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[n];
}

const char *dg_option_nearest(const dg_option *options, const char *name) {
  const char *best = NULL;
  int length = (int)strlen(name), limit = length / 3 + (length > 1);
  for (int i = 0; options[i].name; i++) {
    DG_CHECK(strlen(options[i].name) <= MAX_LENGTH);
    int distance = edit_distance(name, options[i].name);
    if (length > 2 && strncmp(name, options[i].name, (size_t)length) == 0) distance = 1;
    if (distance > limit) continue;
    best = options[i].name;
    limit = distance - 1;
  }
  return best;
}
