/* Kernels over rows of matrices: sparse input, activation, output, optimizer. */

#define STRIP 64 /* columns of a row whose sums stay in registers */

/* acc[0 .. nv-1] += x[t] * w[t, strip], over n listed rows. */
INLINE void gather_strip(dg_real *out, const dg_real *start, const int32_t *index, const dg_real *x, int n,
                         const dg_real *w, int ld, int nv) {
  vf acc[STRIP / DG_VL];
  for (int v = 0; v < nv; v++) acc[v] = start ? load(start + v * DG_VL) : splat(0);
  for (int t = 0; t < n; t++) {
    const vf *row = (const vf *)(w + (size_t)index[t] * ld);
    vf a = splat(x[t]);
    for (int v = 0; v < nv; v++) acc[v] += a * row[v];
  }
  for (int v = 0; v < nv; v++) store(out + v * DG_VL, acc[v]);
}

/* out[ld] = start + sum of x[t] * w[index[t], :]. */
INLINE void gather_rows(dg_real *out, const dg_real *start, const int32_t *index, const dg_real *x, int n,
                        const dg_real *w, int ld) {
  int c = 0;
  for (; c + STRIP <= ld; c += STRIP)
    gather_strip(out + c, start ? start + c : NULL, index, x, n, w + c, ld, STRIP / DG_VL);
  for (; c < ld; c += 16) gather_strip(out + c, start ? start + c : NULL, index, x, n, w + c, ld, 16 / DG_VL);
}

enum { LIST = 512 }; /* kept non-zeros listed at a time; lists have room for a vector more */

#if defined(__AVX512F__) && !defined(DG_REAL_DOUBLE)
/* Appends the lanes of `keep` to the lists; returns their new length. */
INLINE int append(int32_t *index, dg_real *x, int m, vs keep, vs i, vf v) {
  const __mmask16 mask = _mm512_movepi32_mask((__m512i)keep);
  _mm512_storeu_si512(index + m, _mm512_maskz_compress_epi32(mask, (__m512i)i));
  _mm512_storeu_ps(x + m, _mm512_maskz_compress_ps(mask, (__m512)v));
  return m + __builtin_popcount(mask);
}

/* The lanes of `inside`, which are the first ones, of lists; zero in others. */
INLINE void load_list(vs *i, vf *v, const int32_t *indices, const float *values, vs inside) {
  const __mmask16 mask = _mm512_movepi32_mask((__m512i)inside);
  *i = (vs)_mm512_maskz_loadu_epi32(mask, indices);
  *v = (vf)_mm512_maskz_loadu_ps(mask, values);
}

INLINE vu gather_bits(const uint32_t *p, vs i) {
  return (vu)_mm512_i32gather_epi32((__m512i)i, p, 4);
}
#elif defined(__AVX2__) && !defined(DG_REAL_DOUBLE)
/* Lanes of a mask moved to the front: byte k of word `mask` is the number of its k-th lane. */
static uint64_t front_lanes[256];

static void __attribute__((constructor)) fill_front_lanes(void) {
  for (int mask = 0; mask < 256; mask++)
    for (uint64_t l = 0, at = 0; l < 8; l++)
      if (mask >> l & 1) front_lanes[mask] |= l << 8 * at++;
}

INLINE int append(int32_t *index, dg_real *x, int m, vs keep, vs i, vf v) {
  const int mask = _mm256_movemask_ps((__m256)keep);
  const __m256i to_front = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)front_lanes[mask]));
  _mm256_storeu_si256((__m256i *)(index + m), _mm256_permutevar8x32_epi32((__m256i)i, to_front));
  _mm256_storeu_ps(x + m, _mm256_permutevar8x32_ps((__m256)v, to_front));
  return m + __builtin_popcount((unsigned)mask);
}

INLINE void load_list(vs *i, vf *v, const int32_t *indices, const float *values, vs inside) {
  *i = (vs)_mm256_maskload_epi32(indices, (__m256i)inside);
  *v = (vf)_mm256_maskload_ps(values, (__m256i)inside);
}

INLINE vu gather_bits(const uint32_t *p, vs i) {
  return (vu)_mm256_i32gather_epi32((const int *)p, (__m256i)i, 4);
}
#else
INLINE int append(int32_t *index, dg_real *x, int m, vs keep, vs i, vf v) {
  for (int l = 0; l < DG_VL; l++) {
    index[m] = i[l], x[m] = v[l];
    m -= keep[l];
  }
  return m;
}

INLINE void load_list(vs *i, vf *v, const int32_t *indices, const float *values, vs inside) {
  for (int l = 0; l < DG_VL; l++) (*i)[l] = inside[l] ? indices[l] : 0, (*v)[l] = inside[l] ? values[l] : 0;
}

INLINE vu gather_bits(const uint32_t *p, vs i) {
  vu bits;
  for (int l = 0; l < DG_VL; l++) bits[l] = p[i[l]];
  return bits;
}
#endif

/* Lists the kept ones of n <= LIST non-zeros, scaled: of the row for which `row` stands, or where `rows` is given of
   column `fixed`, each non-zero lying in another row. */
INLINE int keep_list(int32_t *index, dg_real *x, const int32_t *indices, const float *values, int n, uint32_t row,
                     const uint32_t *rows, uint32_t fixed, const dg_dropout *drop) {
  int m = 0;
  for (int t = 0; t < n; t += DG_VL) {
    vs i, keep = (vs)(iota((uint32_t)t) < (uint32_t)n);
    vf v;
    load_list(&i, &v, indices + t, values + t, keep);
    if (drop->threshold) {
      const vu bits = rows ? random_bits(gather_bits(rows, i), drop->key, splat_bits(fixed))
                           : random_bits(splat_bits(row), drop->key, (vu)i);
      keep &= (vs)(bits >= drop->threshold);
    }
    m = append(index, x, m, keep, i, v * drop->scale);
  }
  return m;
}

static void sparse_forward(const dg_product *product, int n_products, const dg_input *x, int ld, int32_t begin,
                           int32_t end) {
  int32_t index[LIST + DG_VL];
  dg_real value[LIST + DG_VL];
  for (int32_t r = begin; r < end; r++) {
    const uint32_t row = dg_rng_row(x->drop.key, (uint32_t)x->ids[r]);
    const int64_t start = x->indptr[x->row[r]], stop = x->indptr[x->row[r] + 1];
    int64_t first = start;
    do {
      int n = stop - first < LIST ? (int)(stop - first) : LIST;
      n = keep_list(index, value, x->columns + first, x->values + first, n, row, NULL, 0, &x->drop);
      for (int k = 0; k < n_products && r < product[k].n; k++) {
        dg_real *out = product[k].out + (size_t)r * ld;
        gather_rows(out, first == start ? product[k].start : out, index, value, n, product[k].from, ld);
      }
      first += LIST;
    } while (first < stop);
  }
}

/* Numbers of an ascending list that are below n. */
INLINE int count_below(const int32_t *index, int length, int32_t n) {
  while (length > 0 && index[length - 1] >= n) length--;
  return length;
}

static void sparse_backward(const dg_product *product, int n_products, const dg_columns *x, int ld, int32_t begin,
                            int32_t end) {
  int32_t index[LIST + DG_VL];
  dg_real value[LIST + DG_VL];
  for (int32_t f = begin; f < end; f++) {
    int64_t first = x->indptr[f];
    do {
      int n = x->indptr[f + 1] - first < LIST ? (int)(x->indptr[f + 1] - first) : LIST;
      n = keep_list(index, value, x->rows + first, x->values + first, n, 0, x->row_bits, (uint32_t)f, &x->drop);
      for (int k = 0; k < n_products; k++) {
        dg_real *out = product[k].out + (size_t)f * ld;
        n = count_below(index, n, product[k].n);
        gather_rows(out, first == x->indptr[f] ? NULL : out, index, value, n, product[k].from, ld);
      }
      first += LIST;
    } while (first < x->indptr[f + 1]);
  }
}

enum { AHEAD = 4 }; /* rows prefetched before their use: rows of the store do not follow each other */

/* Features of any alignment, in the type of the model. */
INLINE vf load_features(const float *in) {
  vf v;
#ifdef DG_REAL_DOUBLE
  for (int l = 0; l < DG_VL; l++) v[l] = in[l];
#else
  memcpy(&v, in, sizeof v);
#endif
  return v;
}

static void dense_dropout(dg_real *out, const float *x, const dg_input *rows, int n, int ld, int32_t begin,
                          int32_t end) {
  const dg_dropout *drop = &rows->drop;
  for (int32_t r = begin; r < end; r++, out += ld) {
    const float *in = x + (size_t)rows->row[r] * n, *later = x + (size_t)rows->row[r + AHEAD < end ? r + AHEAD : r] * n;
    const uint32_t row = dg_rng_row(drop->key, (uint32_t)rows->ids[r]);
    int c = 0;
    for (; c + DG_VL <= n; c += DG_VL) {
      vf v = load_features(in + c);
      __builtin_prefetch(later + c);
      if (drop->threshold) v = (vf)((vi)(v * drop->scale) & kept(row, drop, iota((uint32_t)c)));
      memcpy(out + c, &v, sizeof v); /* rows of any length need not be aligned */
    }
    for (; c < n; c++) {
      const bool keep = dg_rng_column(row, drop->key, (uint32_t)c) >= drop->threshold;
      out[c] = keep ? in[c] * drop->scale : 0;
    }
    for (; c < ld; c++) out[c] = 0;
  }
}

INLINE vf activation(vf y, bool elu) {
  if (elu) return where_positive(y, y, vexp(y) - 1);
  return vmax(y, splat(0));
}

static void activate(dg_real *x, const dg_real *agg, const dg_real *bias, bool elu, int ld, const int32_t *ids,
                     const dg_dropout *drop, int32_t begin, int32_t end) {
  const vi dropped = (vi)splat((dg_real)-0.0);
  for (int32_t r = begin; r < end; r++) {
    const uint32_t row = dg_rng_row(drop->key, (uint32_t)ids[r]);
    for (int c = 0; c < ld; c += DG_VL) {
      /* Adding zero makes a kept -0 positive: the sign of zero tells the backward pass what was dropped. */
      vf y = activation(load(agg + (size_t)r * ld + c) + load(bias + c), elu) * drop->scale + splat(0);
      if (drop->threshold) y = blend(kept(row, drop, iota((uint32_t)c)), y, (vf)dropped);
      store(x + (size_t)r * ld + c, y);
    }
  }
}

static void activate_backward(dg_real *dx, const dg_real *x, bool elu, int ld, const dg_dropout *drop, int32_t begin,
                              int32_t end, dg_real *sum) {
  const vi dropped = (vi)splat((dg_real)-0.0);
  const vf scale = splat(drop->scale);
  for (int32_t r = begin; r < end; r++)
    for (int c = 0; c < ld; c += DG_VL) {
      vf y = load(x + (size_t)r * ld + c);
      vf left = splat(0);
      if (elu) left = y + scale;
      vf slope = where_positive(y, scale, left);
      vf d = (vf)((vi)(load(dx + (size_t)r * ld + c) * slope) & ((vi)y != dropped));
      store(dx + (size_t)r * ld + c, d);
      store(sum + c, load(sum + c) + d);
    }
}

static void column_sums(const dg_real *x, int ld, int32_t begin, int32_t end, dg_real *sum) {
  for (int32_t r = begin; r < end; r++)
    for (int c = 0; c < ld; c += DG_VL) store(sum + c, load(sum + c) + load(x + (size_t)r * ld + c));
}

static void output(dg_real *logits, const dg_real *agg, const dg_real *bias, int heads, int hp, int ld, int n_classes,
                   int ldc, int32_t begin, int32_t end) {
  const dg_real share = (dg_real)1 / heads;
  for (int32_t r = begin; r < end; r++) {
    dg_real *out = logits + (size_t)r * ldc;
    const dg_real *in = agg + (size_t)r * ld;
    if (hp == 1) { /* one head, its row as wide as that of the logits */
      for (int c = 0; c < ldc; c += DG_VL) store(out + c, load(in + c) + load(bias + c));
      continue;
    }
    for (int c = 0; c < n_classes; c++) {
      dg_real sum = 0;
      for (int h = 0; h < heads; h++) sum += in[(size_t)c * hp + h];
      out[c] = sum * share + bias[c];
    }
  }
}

/* Logits [c, c + DG_VL) of a row of n; those behind the last weigh nothing. */
INLINE vf load_logits(const dg_real *logits, int c, int n) {
  return blend(widen((vs)(iota((uint32_t)c) < (uint32_t)n)), load(logits + c), splat((dg_real)-1e30));
}

static double cross_entropy(dg_real *d, const dg_real *logits, int label, int n, int ld, dg_real share, bool *correct) {
  vf most = splat((dg_real)-1e30), sum = splat(0);
  const dg_real own = logits[label]; /* d may be the logits themselves */
  for (int c = 0; c < n; c += DG_VL) most = vmax(most, load_logits(logits, c, n));
  for (int bit = 0; (1 << bit) < DG_VL; bit++) most = vmax(most, swap_lanes(most, bit));
  *correct = own == most[0];
  for (int c = 0; *correct && c < label; c++) *correct = logits[c] != most[0];
  for (int c = 0; c < ld; c += DG_VL) {
    const vf p = c < n ? vexp(load_logits(logits, c, n) - most) : splat(0);
    sum += p;
    store(d + c, p);
  }
  sum = fold(sum, 1);
  for (int c = 0; c < n; c += DG_VL) store(d + c, load(d + c) * (share / sum[0]));
  for (int c = n; c < ld; c++) d[c] = 0;
  d[label] -= share;
  return log((double)sum[0]) - ((double)own - (double)most[0]);
}

static void adam(dg_real *value, const dg_real *grad, dg_real *m, dg_real *v, int64_t begin, int64_t end, dg_real decay,
                 dg_real step, dg_real rsqrt_correction) {
  /* 1 - beta is rounded from its own value: 1 - 0.999f would be off by 5e-5. */
  const dg_real b1 = (dg_real)0.9, b2 = (dg_real)0.999, c1 = (dg_real)0.1, c2 = (dg_real)0.001, eps = (dg_real)1e-8;
  for (int64_t i = begin; i < end; i++) {
    dg_real g = grad[i] + decay * value[i];
    m[i] = b1 * m[i] + c1 * g;
    v[i] = b2 * v[i] + c2 * g * g;
    value[i] -= step * m[i] / (DG_SQRT(v[i]) * rsqrt_correction + eps);
  }
}

static void vector_exp(dg_real *y, const dg_real *x, int64_t n) {
  for (int64_t i = 0; i < n; i += DG_VL) store(y + i, vexp(load(x + i)));
}

static double fma_flops(int64_t rounds) {
  enum { CHAINS = 12 };
  vf x[CHAINS];
  for (int i = 0; i < CHAINS; i++) x[i] = splat((dg_real)i);
  for (int64_t r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++) x[i] = x[i] * (dg_real)0.999 + (dg_real)0.5;
  vf sum = splat(0);
  for (int i = 0; i < CHAINS; i++) sum += x[i];
  volatile dg_real sink = sum[0];
  (void)sink;
  return 2.0 * CHAINS * DG_VL * (double)rounds;
}
