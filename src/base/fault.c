#include "base/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool dg_fault_wanted;
static bool begun;
static char wanted[64];
static int until; /* it is met */

void dg_fault_begin(int rank) {
  const char *text = getenv("DISTGAT_FAULT");
  int where = rank, count = 1;
  if (begun || !text) return;
  begun = true;
  if (sscanf(text, "%63[^:]:%d:%d", wanted, &where, &count) < 1) return;
  until = count;
  dg_fault_wanted = where == rank;
}

dg_status dg_fault_meet(const char *name, dg_status failure) {
  if (strcmp(name, wanted) != 0 || --until != 0) return DG_OK;
  return dg_fail(failure, "failure at %s, asked for by DISTGAT_FAULT", name);
}
