#include "base/nearest.h"

#include <string.h>

enum { MAX_LENGTH = 63 };

static int least(int a, int b) {
  return a < b ? a : b;
}

/* Least number of letters to insert, delete, replace, or exchange with the next, to turn a into b (b of at most
   MAX_LENGTH): optimal string alignment. */
static int edit_distance(const char *a, const char *b) {
  int rows[3][MAX_LENGTH + 1], n = (int)strlen(b);
  int *before = rows[0], *last = rows[1], *row = rows[2];
  for (int j = 0; j <= n; j++) last[j] = j;
  for (int i = 1; a[i - 1]; i++) {
    row[0] = i;
    for (int j = 1; j <= n; j++) {
      row[j] = least(last[j - 1] + (a[i - 1] != b[j - 1]), least(last[j], row[j - 1]) + 1);
      const bool exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (exchanged) row[j] = least(row[j], before[j - 2] + 1);
    }
    int *const oldest = before;
    before = last, last = row, row = oldest;
  }
  return last[n];
}

/* The nearest so far, and how far another may be to be nearer. */
typedef struct search {
  const char *typed, *best;
  int limit;
} search;

static search begin(const char *typed) {
  const int length = (int)strlen(typed);
  return (search){typed, NULL, length / 3 + (length > 1)};
}

static void consider(search *s, const char *name) {
  const size_t length = strlen(s->typed);
  DG_CHECK(strlen(name) <= MAX_LENGTH);
  int distance = edit_distance(s->typed, name);
  if (length > 2 && strncmp(s->typed, name, length) == 0) distance = 1;
  if (distance > s->limit) return;
  s->best = name;
  s->limit = distance - 1;
}

const char *dg_nearest(const char *const *names, const char *typed) {
  search s = begin(typed);
  for (int i = 0; names[i]; i++) consider(&s, names[i]);
  return s.best;
}

const char *dg_option_nearest(const dg_option *options, const char *typed) {
  search s = begin(typed);
  for (int i = 0; options[i].name; i++) consider(&s, options[i].name);
  return s.best;
}
