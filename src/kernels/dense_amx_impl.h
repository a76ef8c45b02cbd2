/* Products by tiles where matrices fill them, else by vectors. */

#include "kernels/dense_amx.h"

#ifdef DG_AMX
/* Whether making the pieces of x [., n], and sums of products [., ld] in blocks, takes what tiles win. */
static bool is_small(int n, int ld) {
  return n < 32 || ld < 48 || (int64_t)n * ld < 4096;
}

static bool amx_in_place(int n, int ld) {
  return is_small(n, ld) && is_narrow(n, ld);
}

static size_t amx_packed_size(int n, int ld) {
  return is_small(n, ld) ? packed_size(n, ld) : dg_amx_packed_size(n, ld);
}

static void amx_pack(float *out, const float *w, size_t row, size_t column, int n, int ld) {
  (is_small(n, ld) ? pack : dg_amx_pack)(out, w, row, column, n, ld);
}

static void amx_multiply(float *out, const float *x, int ld_x, const float *w, const float *bias, bool add, int n,
                         int ld, int32_t rows) {
  (is_small(n, ld) ? multiply : dg_amx_multiply)(out, x, ld_x, w, bias, add, n, ld, rows);
}

static void amx_multiply_transposed(float *dw, const float *x, int ld_x, const float *dz, bool add, int n, int ld,
                                    int32_t rows) {
  (is_small(n, ld) ? multiply_transposed : dg_amx_multiply_transposed)(dw, x, ld_x, dz, add, n, ld, rows);
}
#endif
