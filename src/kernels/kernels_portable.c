#ifdef DG_REAL_DOUBLE
#define DG_VL 2
#else
#define DG_VL 4
#endif
#define DG_VARIANT portable
#define DG_EDGES dg_edges_portable
#define DG_EDGES_BF16 dg_edges_portable_bf16
#define DG_BLAS
#include "kernels/kernels_impl.h"
