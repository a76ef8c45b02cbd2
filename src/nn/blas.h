#ifndef DG_NN_BLAS_H
#define DG_NN_BLAS_H

#include <distgat/status.h>

/* Lets BLAS take what it needs to be called by as many threads as OpenMP has, while a lack of memory can still be said:
   OpenBLAS asks again for ever where a limit denies it the 128 MiB of each thread that calls it. Errors: DG_MEMORY.
   Local. */
dg_status dg_blas_prepare(void);

#endif
