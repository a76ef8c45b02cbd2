/* Products of many rows with a matrix. A block of outputs stays in registers while the inner dimension passes. */

#if DG_VL == 16 && !defined(DG_REAL_DOUBLE)
enum { WIDE = 4 }; /* vectors of a block's row: 32 registers hold 6 x 4 sums */
#else
enum { WIDE = 2 }; /* 16 registers hold 6 x 2 */
#endif
enum { INNER = 64 }; /* rows whose products are added to a weight gradient at a time: they stay in the first cache */

/* One factor of a product: element (m, k) at a[m * row + k * inner]. */
typedef struct factor {
  const dg_real *a;
  size_t row, inner;
} factor;

/* out[m, :] (+)= start + sum over k of f[m, k] * b[k, :], for n_rows x nv vectors; both constant. What out holds is
   added last: a long sum made piece by piece is then rounded once a piece, not once a product. */
INLINE void product_block(dg_real *out, size_t ld_out, factor f, const dg_real *b, size_t ld_b, const dg_real *start,
                          bool add, int n_inner, int n_rows, int nv) {
  vf acc[12][WIDE];
  UNROLLED for (int m = 0; m < n_rows; m++) {
    UNROLLED for (int v = 0; v < nv; v++) {
      acc[m][v] = start ? load(start + v * DG_VL) : splat(0);
    }
  }
  for (int k = 0; k < n_inner; k++) {
    vf row[WIDE];
    UNROLLED for (int v = 0; v < nv; v++) row[v] = load(b + k * ld_b + v * DG_VL);
    UNROLLED for (int m = 0; m < n_rows; m++) {
      const vf x = splat(f.a[m * f.row + k * f.inner]);
      UNROLLED for (int v = 0; v < nv; v++) acc[m][v] += x * row[v];
    }
  }
  UNROLLED for (int m = 0; m < n_rows; m++) {
    UNROLLED for (int v = 0; v < nv; v++) store_sum(out + m * ld_out + v * DG_VL, acc[m][v], add);
  }
}

/* The same for any number of rows. */
INLINE void product_strip(dg_real *out, size_t ld_out, factor f, const dg_real *b, size_t ld_b, const dg_real *start,
                          bool add, int n_inner, int n_rows, int nv) {
  const int most = nv > 3 ? 6 : nv == 3 ? 8 : 12 / (WIDE == 2 ? nv : 1); /* rows that fill the registers */
  int m = 0;
#define BLOCKS(SIZE)                                                                                                   \
  for (; m + (SIZE) <= n_rows; m += (SIZE)) {                                                                          \
    const factor rows = {f.a + m * f.row, f.row, f.inner};                                                             \
    product_block(out + m * ld_out, ld_out, rows, b, ld_b, start, add, n_inner, SIZE, nv);                             \
  }
  BLOCKS(most)
  BLOCKS(4)
  BLOCKS(1)
#undef BLOCKS
}

INLINE void product(dg_real *out, size_t ld_out, factor f, const dg_real *b, size_t ld_b, const dg_real *start,
                    bool add, int n_inner, int n_rows, int n_columns) {
  for (int c = 0; c < n_columns; c += WIDE * DG_VL) {
    const dg_real *first = start ? start + c : NULL;
#define STRIP_OF(NV) product_strip(out + c, ld_out, f, b + c, ld_b, first, add, n_inner, n_rows, NV)
    switch ((n_columns - c) / DG_VL) {
#if DG_VL == 16
    case 1:
      STRIP_OF(1);
      break;
    case 2:
      STRIP_OF(2);
      break;
    case 3:
      STRIP_OF(3);
      break;
#endif
    default:
      STRIP_OF(WIDE);
    }
#undef STRIP_OF
  }
}

/* ---- wide matrices ---- */

/* Columns up to which a matrix is read where it lies. The rows of a strip of a wider one share a few sets of the first
   cache, and each is a page of its own: strips are copied, DEPTH rows of them at a time. */
enum { NARROW = 4 * WIDE * DG_VL, DEPTH = 256 };

INLINE int strip_vectors(int n_columns) {
  const int nv = n_columns / DG_VL;
  return nv < WIDE ? nv : WIDE;
}

/* The first nv vectors of n rows, one row after the other. */
INLINE void pack(dg_real *out, const dg_real *b, size_t ld_b, int n, int nv) {
  for (int k = 0; k < n; k++)
    for (int v = 0; v < nv; v++) store(out + (k * nv + v) * DG_VL, load(b + k * ld_b + v * DG_VL));
}

/* product() for any number of columns and no more than DEPTH inner ones. */
INLINE void wide_product(dg_real *out, size_t ld_out, factor f, const dg_real *b, size_t ld_b, const dg_real *start,
                         bool add, int n_inner, int n_rows, int n_columns) {
  dg_real packed[DEPTH * WIDE * DG_VL] __attribute__((aligned(64)));
  for (int c = 0, nv; c < n_columns; c += nv * DG_VL) {
    nv = strip_vectors(n_columns - c);
    pack(packed, b + c, ld_b, n_inner, nv);
    product(out + c, ld_out, f, packed, (size_t)nv * DG_VL, start ? start + c : NULL, add, n_inner, n_rows, nv * DG_VL);
  }
}

static void multiply(dg_real *out, const dg_real *x, int ld_x, const dg_real *w, const dg_real *bias, bool add, int n,
                     int ld, int32_t rows) {
  if (ld <= NARROW) {
    product(out, (size_t)ld, (factor){x, (size_t)ld_x, 1}, w, (size_t)ld, bias, add, n, rows, ld);
    return;
  }
  for (int k = 0; k == 0 || k < n; k += DEPTH) {
    const factor f = {x + k, (size_t)ld_x, 1};
    wide_product(out, (size_t)ld, f, w + (size_t)k * ld, (size_t)ld, k == 0 ? bias : NULL, add || k > 0,
                 n - k < DEPTH ? n - k : DEPTH, rows, ld);
  }
}

static void multiply_transposed(dg_real *dw, const dg_real *x, int ld_x, const dg_real *dz, bool add, int n, int ld,
                                int32_t rows) {
  const int deep = ld <= NARROW ? INNER : DEPTH;
  for (int32_t r = 0; r < rows; r += deep) {
    const factor f = {x + (size_t)r * ld_x, 1, (size_t)ld_x};
    const int n_inner = rows - r < deep ? rows - r : deep;
    if (ld <= NARROW)
      product(dw, (size_t)ld, f, dz + (size_t)r * ld, (size_t)ld, NULL, add || r > 0, n_inner, n, ld);
    else
      wide_product(dw, (size_t)ld, f, dz + (size_t)r * ld, (size_t)ld, NULL, add || r > 0, n_inner, n, ld);
  }
  if (rows == 0 && !add) memset(dw, 0, (size_t)n * ld * sizeof *dw);
}
