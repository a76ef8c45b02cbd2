#ifndef DISTGAT_IDS_H
#define DISTGAT_IDS_H

#include <stdint.h>

#include <distgat/api.h>

DG_API_BEGIN

/* Two numbers that must not be mixed up, told apart by their names. */
typedef int64_t dg_id;  /* a node of the graph, by its original number; the same on every rank */
typedef int32_t dg_row; /* a row of a matrix on this rank */

/* 32 bits that stand for a node where random numbers are drawn: the id itself where it has no more. Local. */
static inline int32_t dg_id_fold(dg_id id) {
  const uint64_t upper = (uint64_t)id >> 32;
  return (int32_t)((uint32_t)id ^ (uint32_t)(upper * 0x9E3779B97F4A7C15u >> 32));
}

DG_API_END

#endif
