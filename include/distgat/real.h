#ifndef DISTGAT_REAL_H
#define DISTGAT_REAL_H

/* Number type of the model: single precision; double in the build that checks gradients. */
#ifdef DG_REAL_DOUBLE
typedef double dg_real;
#define DG_MPI_REAL MPI_DOUBLE
#else
typedef float dg_real;
#define DG_MPI_REAL MPI_FLOAT
#endif

#endif
