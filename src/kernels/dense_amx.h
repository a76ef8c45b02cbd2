#ifndef DG_KERNELS_DENSE_AMX_H
#define DG_KERNELS_DENSE_AMX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Dense products by the tiles of AMX, as exact as products in f32: see kernels.h; n is 1 or more. */

#if defined(__x86_64__) && defined(__linux__) && !defined(DG_REAL_DOUBLE) && (__clang_major__ >= 12 || __GNUC__ >= 11)
#define DG_AMX

/* Whether this processor has tiles and the system lends them to this process. Local. */
bool dg_amx_usable(void);

size_t dg_amx_packed_size(int n, int ld);
void dg_amx_pack(float *out, const float *w, size_t row, size_t column, int n, int ld);
void dg_amx_multiply(float *out, const float *x, int ld_x, const float *w, const float *bias, bool add, int n, int ld,
                     int32_t rows);
void dg_amx_multiply_transposed(float *dw, const float *x, int ld_x, const float *dz, bool add, int n, int ld,
                                int32_t rows);
double dg_amx_product_flops(int64_t rounds);
#endif

#endif
