#ifndef DG_REAL_DOUBLE
#define DG_VL 4
#define DG_EDGES dg_edges_portable_bf16
#define DG_TABLE_BF16
#include "kernels/edge_kernels_impl.h"
#else
typedef int dg_edges_portable_bf16_absent; /* an empty translation unit is not C */
#endif
