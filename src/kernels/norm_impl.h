/* Kernels of the norms between layers. */

static void add_rows(dg_real *y, const dg_real *x, int ld, int32_t begin, int32_t end) {
  for (size_t at = (size_t)begin * ld, stop = (size_t)end * ld; at < stop; at += DG_VL)
    store(y + at, load(y + at) + load(x + at));
}

/* In double: squares of single numbers are exact there, and a mean far from zero costs their sum no digit. */
static void column_moments(double *sum, const dg_real *y, int ld, int32_t begin, int32_t end) {
  for (int32_t r = begin; r < end; r++) {
    const dg_real *row = y + (size_t)r * ld;
    for (int c = 0; c < ld; c++) {
      const double v = (double)row[c];
      sum[c] += v, sum[ld + c] += v * v;
    }
  }
}

static void batch_norm(dg_real *x, const dg_real *y, const dg_norm_columns *norm, int32_t begin, int32_t end) {
  for (int32_t r = begin; r < end; r++)
    for (int c = 0; c < norm->ld; c += DG_VL) {
      const size_t at = (size_t)r * norm->ld + c;
      store(x + at, (load_stream(y + at) - load(norm->center + c)) * load(norm->scale + c));
    }
}

static void batch_norm_sums(dg_real *sum, const dg_real *d, const dg_real *y, const dg_norm_columns *norm,
                            int32_t begin, int32_t end) {
  for (int32_t r = begin; r < end; r++)
    for (int c = 0; c < norm->ld; c += DG_VL) {
      const size_t at = (size_t)r * norm->ld + c;
      const vf x = (load_stream(y + at) - load(norm->center + c)) * load(norm->rstd + c);
      store(sum + c, load(sum + c) + load(d + at) * x);
    }
}

static void batch_norm_backward(dg_real *d, const dg_real *y, const dg_norm_columns *norm, int32_t begin, int32_t end) {
  for (int32_t r = begin; r < end; r++)
    for (int c = 0; c < norm->ld; c += DG_VL) {
      const size_t at = (size_t)r * norm->ld + c;
      const vf off = load_stream(d + at) - load(norm->mean + c) -
                     (load_stream(y + at) - load(norm->center + c)) * load(norm->slope + c);
      store(d + at, off * load(norm->scale + c));
    }
}

/* Column c of a row with its bias, less its mean; zero in padding. */
INLINE vf centred(const dg_real *row, const dg_norm_columns *norm, dg_real mean, int c) {
  return (load(row + c) + load(norm->bias + c) - mean) * load(norm->inside + c);
}

/* Sum of all lanes. */
INLINE dg_real lane_sum(vf x) {
  return fold(x, 1)[0];
}

/* Mean and 1 / deviation of a row. */
INLINE void row_moments(dg_real *mean, dg_real *rstd, const dg_real *row, const dg_norm_columns *norm) {
  vf sum = splat(0), squares = splat(0);
  for (int c = 0; c < norm->ld; c += DG_VL) sum += load_stream(row + c) + load(norm->bias + c);
  *mean = lane_sum(sum) / (dg_real)norm->n;
  for (int c = 0; c < norm->ld; c += DG_VL) {
    const vf off = centred(row, norm, *mean, c);
    squares += off * off;
  }
  *rstd = 1 / DG_SQRT(lane_sum(squares) / (dg_real)norm->n + (dg_real)DG_NORM_EPS);
}

static void layer_norm(dg_real *x, const dg_real *y, const dg_norm_columns *norm, int32_t begin, int32_t end) {
  for (int32_t r = begin; r < end; r++) {
    const dg_real *row = y + (size_t)r * norm->ld;
    dg_real mean, rstd;
    row_moments(&mean, &rstd, row, norm);
    for (int c = 0; c < norm->ld; c += DG_VL)
      store(x + (size_t)r * norm->ld + c, centred(row, norm, mean, c) * rstd * load(norm->scale + c));
  }
}

/* One row: with x the normalized row and g = d * scale, d becomes (g - mean(g) - x mean(g x)) rstd. */
INLINE void layer_norm_row(dg_real *d, const dg_real *row, const dg_norm_columns *norm, dg_real *sum) {
  const int ld = norm->ld;
  const dg_real share = 1 / (dg_real)norm->n;
  dg_real mean, rstd;
  vf level = splat(0), along = splat(0);
  row_moments(&mean, &rstd, row, norm);
  for (int c = 0; c < ld; c += DG_VL) {
    const vf x = centred(row, norm, mean, c) * rstd, g = load(d + c) * load(norm->scale + c);
    store(sum + c, load(sum + c) + load(d + c) * x);
    level += g, along += g * x;
  }
  const dg_real m = lane_sum(level) * share, slope = lane_sum(along) * share;
  for (int c = 0; c < ld; c += DG_VL) {
    const vf x = centred(row, norm, mean, c) * rstd, g = load(d + c) * load(norm->scale + c);
    const vf out = (g - m - x * slope) * rstd * load(norm->inside + c);
    store(d + c, out);
    store(sum + ld + c, load(sum + ld + c) + out);
  }
}

static void layer_norm_backward(dg_real *d, const dg_real *y, const dg_norm_columns *norm, int32_t begin, int32_t end,
                                dg_real *sum) {
  for (int32_t r = begin; r < end; r++) layer_norm_row(d + (size_t)r * norm->ld, y + (size_t)r * norm->ld, norm, sum);
}
