/* Sums without rounding: the same bits in whatever order, see kernels.h. */

typedef double vd __attribute__((vector_size(DG_VL / 2 * sizeof(double)), may_alias));
typedef dg_real half_row __attribute__((vector_size(DG_VL / 2 * sizeof(dg_real)), aligned(sizeof(dg_real)), may_alias));
enum { VD = DG_VL / 2 }; /* doubles in a vector */

INLINE vd load_doubles(const double *p) {
  return *(const vd *)p;
}

/* Moves the multiple of a step that is nearest to what is left of x to a part of its sum. */
INLINE void move_part(double *part, vd *left, double step) {
  const vd whole = (*left + DG_EXACT_ROUNDER(step)) - DG_EXACT_ROUNDER(step);
  *(vd *)part += whole;
  *left -= whole;
}

static void exact_add(double *sum, size_t part, const dg_real *x, int n) {
  for (int c = 0; c < n; c += VD) {
    vd left = __builtin_convertvector(*(const half_row *)(x + c), vd);
    move_part(sum + c, &left, DG_EXACT_HIGH);
    move_part(sum + part + c, &left, DG_EXACT_MIDDLE);
    move_part(sum + 2 * part + c, &left, DG_EXACT_LOW);
  }
}

static void exact_round(double *out, const dg_real *x, const double *scale, int n) {
  for (int c = 0; c < n; c++) out[c] = dg_exact_nearest((double)x[c] * scale[c], 1);
}

/* Rows of the sum that are made together, and vectors of each. */
enum { EXACT_ROWS = 4, EXACT_VECTORS = 2 };

/* sum += x^T d of `n_k` columns of x and EXACT_VECTORS of d. */
INLINE void exact_block(double *sum, size_t part, const double *x, int n, const double *d, int ld, int32_t rows,
                        int n_k) {
  vd acc[EXACT_ROWS][EXACT_VECTORS] = {0};
  for (int32_t r = 0; r < rows; r++, x += n, d += ld)
    UNROLLED for (int k = 0; k < n_k; k++) UNROLLED for (int v = 0; v < EXACT_VECTORS; v++) acc[k][v] +=
        x[k] * load_doubles(d + v * VD);
  for (int k = 0; k < n_k; k++)
    for (int v = 0; v < EXACT_VECTORS; v++) {
      double *to = sum + (size_t)k * ld + v * VD;
      move_part(to, &acc[k][v], DG_EXACT_CARRY);
      *(vd *)(to + part) += acc[k][v];
    }
}

static void exact_multiply(double *sum, const double *x, int n, const double *d, int ld, int32_t rows) {
  const size_t part = (size_t)n * ld;
  for (int c = 0; c < ld; c += EXACT_VECTORS * VD) {
    int k = 0;
    for (; k + EXACT_ROWS <= n; k += EXACT_ROWS)
      exact_block(sum + (size_t)k * ld + c, part, x + k, n, d + c, ld, rows, EXACT_ROWS);
    for (; k < n; k++) exact_block(sum + (size_t)k * ld + c, part, x + k, n, d + c, ld, rows, 1);
  }
}
