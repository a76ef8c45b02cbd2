/* Products with wide matrices by BLAS, which knows processors that no variant here is made for. */

#include <cblas.h>
#include <limits.h>

#ifdef DG_REAL_DOUBLE
#define GEMM cblas_dgemm
#else
#define GEMM cblas_sgemm
#endif

/* BLAS packs for itself. */
static bool blas_in_place(int n, int ld) {
  (void)n, (void)ld;
  return true;
}

static void blas_pack(dg_real *out, const dg_real *w, size_t row, size_t column, int n, int ld) {
  if (is_narrow(n, ld)) {
    pack(out, w, row, column, n, ld);
    return;
  }
  for (int k = 0; k < n; k++)
    for (int c = 0; c < ld; c++) out[(size_t)k * ld + c] = w[k * row + c * column];
}

/* What a product is added to: the rows themselves, their bias, or nothing; gives BLAS's factor of them. */
static dg_real begin_rows(dg_real *out, const dg_real *bias, bool add, int ld, int32_t rows) {
  for (int32_t i = 0; bias && i < rows; i++)
    for (int c = 0; c < ld; c++) out[(size_t)i * ld + c] = bias[c] + (add ? out[(size_t)i * ld + c] : 0);
  return add || bias ? 1 : 0;
}

static void blas_multiply(dg_real *out, const dg_real *x, int ld_x, const dg_real *w, const dg_real *bias, bool add,
                          int n, int ld, int32_t rows) {
  if (is_narrow(n, ld) || n == 0 || rows == 0) {
    multiply(out, x, ld_x, w, bias, add, n, ld, rows);
    return;
  }
  const dg_real kept = begin_rows(out, bias, add, ld, rows);
  GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, ld, n, 1, x, ld_x, w, ld, kept, out, ld);
}

static void blas_multiply_transposed(dg_real *dw, const dg_real *x, int ld_x, const dg_real *dz, bool add, int n,
                                     int ld, int32_t rows) {
  if (is_narrow(n, ld) || n == 0 || rows == 0)
    multiply_transposed(dw, x, ld_x, dz, add, n, ld, rows);
  else
    GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, n, ld, rows, 1, x, ld_x, dz, ld, add ? 1 : 0, dw, ld);
}
