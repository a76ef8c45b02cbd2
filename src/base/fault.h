#ifndef DG_BASE_FAULT_H
#define DG_BASE_FAULT_H

#include <stdbool.h>

#include <distgat/status.h>

/* Named points where a failure may be asked for, so that tests walk through every path that a failure takes:
   DISTGAT_FAULT=NAME[:RANK[:COUNT]] makes the point NAME fail on RANK (every rank where it is not given), once, when it
   is met for the COUNT-th time (1). */

/* Reads what is asked for; later calls change nothing. Local. */
void dg_fault_begin(int rank);

extern bool dg_fault_wanted;
dg_status dg_fault_meet(const char *name, dg_status failure);

/* Fails with `failure` where this point is asked to, else DG_OK at the cost of a branch. Local. */
static inline dg_status dg_fault(const char *name, dg_status failure) {
  return dg_fault_wanted ? dg_fault_meet(name, failure) : DG_OK;
}

#endif
