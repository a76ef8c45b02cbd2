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

/* Rows that fill the registers beside nv vectors. */
INLINE int block_rows(int nv) {
  return nv > 3 ? 6 : nv == 3 ? 8 : 12 / (WIDE == 2 ? nv : 1);
}

/* out[m, :] (+)= start + sum over k of f[m, k] * b[k, :], for n_rows x nv vectors; both constant. What out holds is
   added last: a long sum made piece by piece is then rounded once a piece, not once a product. */
INLINE void product_block(dg_real *out, size_t ld_out, factor f, const dg_real *b, size_t ld_b, const dg_real *start,
                          bool add, int n_inner, int n_rows, int nv) {
  vf acc[12][WIDE];
  for (int m = 0; add && n_inner > INNER && m < n_rows; m++)
    for (int v = 0; v < nv * DG_VL; v += 64 / (int)sizeof *out) __builtin_prefetch(out + m * ld_out + v, 1);
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

/* The same for any number of rows. Where f is packed the rows of a block, as many as meet a whole strip, lie side by
 * side.
 */
INLINE void product_strip(dg_real *out, size_t ld_out, factor f, bool packed, const dg_real *b, size_t ld_b,
                          const dg_real *start, bool add, int n_inner, int n_rows, int nv) {
  const int most = block_rows(packed ? WIDE : nv);
  int m = 0;
#define BLOCKS(SIZE)                                                                                                   \
  for (; m + (SIZE) <= n_rows; m += (SIZE)) {                                                                          \
    const factor rows = packed ? (factor){f.a + m * n_inner, 1, SIZE} : (factor){f.a + m * f.row, f.row, f.inner};     \
    product_block(out + m * ld_out, ld_out, rows, b, ld_b, start, add, n_inner, SIZE, nv);                             \
  }
  BLOCKS(most)
  BLOCKS(4)
  BLOCKS(2)
  BLOCKS(1)
#undef BLOCKS
}

INLINE void product(dg_real *out, size_t ld_out, factor f, bool packed, const dg_real *b, size_t ld_b,
                    const dg_real *start, bool add, int n_inner, int n_rows, int n_columns) {
  for (int c = 0; c < n_columns; c += WIDE * DG_VL) {
    const dg_real *first = start ? start + c : NULL;
#define STRIP_OF(NV) product_strip(out + c, ld_out, f, packed, b + c, ld_b, first, add, n_inner, n_rows, NV)
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
   cache, and each is a page of its own: strips lie packed, DEPTH of their rows at a time, one row after the other. */
enum { NARROW = 8 * DG_VL, DEPTH = 128 };

static bool is_narrow(int n, int ld) {
  (void)n;
  return ld <= NARROW;
}

static size_t packed_size(int n, int ld) {
  return (size_t)n * (size_t)ld;
}

INLINE int strip_vectors(int n_columns) {
  const int nv = n_columns / DG_VL;
  return nv < WIDE ? nv : WIDE;
}

/* The first nv vectors of n rows; and of a matrix whose elements (k, c) are at b[k * row + c * column]. */
INLINE void pack_strip(dg_real *out, const dg_real *b, size_t row, int n, int nv) {
  for (int k = 0; k < n; k++)
    for (int v = 0; v < nv; v++) store(out + (k * nv + v) * DG_VL, load(b + k * row + v * DG_VL));
}

INLINE void pack_turned_strip(dg_real *out, const dg_real *b, size_t row, size_t column, int n, int nv) {
  for (int k = 0; k < n; k++)
    for (int c = 0; c < nv * DG_VL; c++) out[k * nv * DG_VL + c] = b[k * row + c * column];
}

static void pack(dg_real *out, const dg_real *w, size_t row, size_t column, int n, int ld) {
  const int deep = ld <= NARROW ? n : DEPTH;
  for (int k = 0, depth; k < n; k += depth) {
    depth = n - k < deep ? n - k : deep;
    for (int c = 0, nv; c < ld; c += nv * DG_VL, out += depth * nv * DG_VL) {
      nv = ld <= NARROW ? ld / DG_VL : strip_vectors(ld - c);
      if (column == 1)
        pack_strip(out, w + k * row + c, row, depth, nv);
      else
        pack_turned_strip(out, w + k * row + c * column, row, column, depth, nv);
    }
  }
}

static void multiply(dg_real *out, const dg_real *x, int ld_x, const dg_real *w, const dg_real *bias, bool add, int n,
                     int ld, int32_t rows) {
  if (is_narrow(n, ld)) {
    product(out, (size_t)ld, (factor){x, (size_t)ld_x, 1}, false, w, (size_t)ld, bias, add, n, rows, ld);
    return;
  }
  for (int c = 0, nv; c < ld; c += nv * DG_VL) {
    nv = strip_vectors(ld - c);
    for (int k = 0, depth; k == 0 || k < n; k += DEPTH) {
      depth = n - k < DEPTH ? n - k : DEPTH;
      product(out + c, (size_t)ld, (factor){x + k, (size_t)ld_x, 1}, false, w + (size_t)k * ld + (size_t)c * depth,
              (size_t)nv * DG_VL, k == 0 && bias ? bias + c : NULL, add || k > 0, depth, rows, nv * DG_VL);
    }
  }
}

/* ---- products with a transposed matrix ---- */

enum { PACKED_COLUMNS = 192 }; /* of it, in DEPTH rows, that are packed at a time */

/* Columns [m, n) of x as blocks of product_strip take them, `size` to a block, which lie side by side row after row;
   returns the first that is left. */
INLINE int pack_blocks(dg_real *out, const dg_real *x, size_t ld_x, int n_rows, int m, int n, int size) {
  for (; m + size <= n; m += size)
    for (int r = 0; r < n_rows; r++) memcpy(out + m * n_rows + r * size, x + r * ld_x + m, (size_t)size * sizeof *x);
  return m;
}

INLINE void pack_columns(dg_real *out, const dg_real *x, size_t ld_x, int n_rows, int n) {
  int m = pack_blocks(out, x, ld_x, n_rows, 0, n, block_rows(WIDE));
  m = pack_blocks(out, x, ld_x, n_rows, m, n, 4);
  m = pack_blocks(out, x, ld_x, n_rows, m, n, 2);
  pack_blocks(out, x, ld_x, n_rows, m, n, 1);
}

/* A strip of nv vectors of dw [n, ld] += x^T [n, rows] dz [rows, ld], of no more than DEPTH rows, x being packed. */
INLINE void transposed_strip(dg_real *dw, const dg_real *columns, const dg_real *dz, bool add, int n, int ld, int rows,
                             int nv) {
  dg_real strip[DEPTH * WIDE * DG_VL] __attribute__((aligned(64)));
  pack_strip(strip, dz, (size_t)ld, rows, nv);
  product(dw, (size_t)ld, (factor){columns, 0, 0}, true, strip, (size_t)nv * DG_VL, NULL, add, rows, n, nv * DG_VL);
}

static void wide_transposed(dg_real *dw, const dg_real *x, size_t ld_x, const dg_real *dz, bool add, int n, int ld,
                            int rows) {
  dg_real columns[DEPTH * PACKED_COLUMNS] __attribute__((aligned(64)));
  for (int m = 0; m < n; m += PACKED_COLUMNS) {
    const int n_columns = n - m < PACKED_COLUMNS ? n - m : PACKED_COLUMNS;
    dg_real *out = dw + (size_t)m * ld;
    int c = 0;
    pack_columns(columns, x + m, ld_x, rows, n_columns);
    for (; c + WIDE * DG_VL <= ld; c += WIDE * DG_VL)
      transposed_strip(out + c, columns, dz + c, add, n_columns, ld, rows, WIDE);
    if (c < ld) transposed_strip(out + c, columns, dz + c, add, n_columns, ld, rows, (ld - c) / DG_VL);
  }
}

/* Whether x^T [n, .] dz [., ld] is made of packed factors: of few columns none is met often enough. */
INLINE bool is_wide(int n, int ld) {
  return ld > 2 * NARROW || (ld > NARROW && n > NARROW);
}

static void multiply_transposed(dg_real *dw, const dg_real *x, int ld_x, const dg_real *dz, bool add, int n, int ld,
                                int32_t rows) {
  const int deep = is_wide(n, ld) ? DEPTH : INNER;
  for (int32_t r = 0; r < rows; r += deep) {
    const dg_real *from = x + (size_t)r * ld_x, *d = dz + (size_t)r * ld;
    const int n_inner = rows - r < deep ? rows - r : deep;
    if (is_wide(n, ld))
      wide_transposed(dw, from, (size_t)ld_x, d, add || r > 0, n, ld, n_inner);
    else
      product(dw, (size_t)ld, (factor){from, 1, (size_t)ld_x}, false, d, (size_t)ld, NULL, add || r > 0, n_inner, n,
              ld);
  }
  if (rows == 0 && !add) memset(dw, 0, (size_t)n * ld * sizeof *dw);
}
