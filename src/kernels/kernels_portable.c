#ifdef DG_REAL_DOUBLE
#define DG_VL 2
#else
#define DG_VL 4
#endif
#define DG_VARIANT portable
#define DG_BLAS
#include "kernels/kernels_impl.h"
