#ifndef DISTGAT_REAL_H
#define DISTGAT_REAL_H

#include <stdint.h>

/* Number type of the model: single precision; double in the build that checks gradients. */
#ifdef DG_REAL_DOUBLE
typedef double dg_real;
#define DG_MPI_REAL MPI_DOUBLE
#else
typedef float dg_real;
#define DG_MPI_REAL MPI_FLOAT
#endif

/* The upper half of a single-precision number: its sign, exponent and first seven digits. */
typedef uint16_t dg_bf16;

#endif
