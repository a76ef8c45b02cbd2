#ifndef DISTGAT_IDS_H
#define DISTGAT_IDS_H

#include <stdint.h>

/* Two numbers that must not be mixed up, told apart by their names. */
typedef int32_t dg_id;  /* a node of the graph, by its original number; the same on every rank */
typedef int32_t dg_row; /* a row of a matrix on this rank */

#endif
