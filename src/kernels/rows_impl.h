/* Kernels over rows of matrices: dense input, activation, output, optimizer. */

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
    prefetch_line(later + n - 1); /* rows begin anywhere in a line, and their last vector ends in one more */
    for (; c + DG_VL <= n; c += DG_VL) {
      vf v = load_features(in + c);
      prefetch_line(later + c);
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

#ifndef DG_REAL_DOUBLE
/* The nearest bf16 in the upper half of each lane. */
INLINE vu round_lanes(vf x) {
  const vu bits = (vu)x;
  const vu nearest = bits + 0x7FFFu + (bits >> 16 & 1u), quiet = bits | 0x400000u;
  const vi number = (vi)((bits & 0x7FFFFFFFu) <= 0x7F800000u);
  return (vu)blend(number, (vf)nearest, (vf)quiet) & 0xFFFF0000u;
}

static void round_rows(dg_bf16 *out, const dg_real *in, int ld, int32_t n) {
  typedef dg_bf16 half __attribute__((vector_size(DG_VL * sizeof(dg_bf16)), may_alias));
  for (int32_t r = 0; r < n; r++, out += ld, in += ld) {
    int c = 0;
    for (; c + 32 <= ld; c += 32)
      for (int w = 0; w < 16; w += DG_VL) {
        const vu words = round_lanes(load(in + c + w)) >> 16 | round_lanes(load(in + c + 16 + w));
        memcpy(out + c + 2 * w, &words, sizeof words);
      }
    for (; c < ld; c += DG_VL) *(half *)(out + c) = __builtin_convertvector(round_lanes(load(in + c)) >> 16, half);
  }
}
#endif

INLINE vf activation(vf y, bool elu) {
  if (elu) return where_positive(y, y, vexpm1(y));
  return vmax(splat(0), y);
}

static void activate(dg_real *x, const dg_real *agg, const dg_real *bias, bool elu, int ld, const int32_t *ids,
                     const dg_dropout *drop, int32_t begin, int32_t end) {
  const vi dropped = (vi)splat((dg_real)-0.0);
  for (int32_t r = begin; r < end; r++) {
    const uint32_t row = dg_rng_row(drop->key, (uint32_t)ids[r]);
    for (int c = 0; c < ld; c += DG_VL) {
      /* Adding zero makes a kept -0 positive: the sign of zero tells the backward pass what was dropped. */
      vf y = activation(load_stream(agg + (size_t)r * ld + c) + load(bias + c), elu) * drop->scale + splat(0);
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

static void drop_rows(dg_real *out, const dg_real *in, int ld, const int32_t *ids, const dg_dropout *drop,
                      int32_t begin, int32_t end) {
  for (int32_t r = begin; r < end; r++) {
    const uint32_t row = dg_rng_row(drop->key, (uint32_t)ids[r]);
    const size_t first = (size_t)r * ld;
    for (int c = 0; c < ld; c += DG_VL)
      store(out + first + c, through(load(in + first + c), kept(row, drop, iota((uint32_t)c)), drop));
  }
}

INLINE void strip_sums(const dg_real *x, int ld, int32_t begin, int32_t end, dg_real *sum, int nv) {
  vf total[SUMS];
  for (int v = 0; v < nv; v++) total[v] = load(sum + v * DG_VL);
  for (int32_t r = begin; r < end; r++)
    for (int v = 0; v < nv; v++) total[v] += load(x + (size_t)r * ld + v * DG_VL);
  for (int v = 0; v < nv; v++) store(sum + v * DG_VL, total[v]);
}

static void column_sums(const dg_real *x, int ld, int32_t begin, int32_t end, dg_real *sum) {
  int c = 0;
  for (; c + SUMS / 2 * DG_VL <= ld; c += SUMS / 2 * DG_VL) strip_sums(x + c, ld, begin, end, sum + c, SUMS / 2);
  for (; c < ld; c += REST * DG_VL) strip_sums(x + c, ld, begin, end, sum + c, REST);
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

static void rmsprop(dg_real *value, const dg_real *grad, dg_real *v, int64_t begin, int64_t end, dg_real decay,
                    dg_real lr) {
  const dg_real keep = (dg_real)0.99, come = (dg_real)0.01, eps = (dg_real)1e-8;
  for (int64_t i = begin; i < end; i++) {
    const dg_real g = grad[i] + decay * value[i];
    v[i] = keep * v[i] + come * g * g;
    value[i] -= lr * g / (DG_SQRT(v[i]) + eps);
  }
}

static void vector_exp(dg_real *y, const dg_real *x, int64_t n) {
  for (int64_t i = 0; i < n; i += DG_VL) store(y + i, vexp(load(x + i)));
}

static void vector_expm1(dg_real *y, const dg_real *x, int64_t n) {
  for (int64_t i = 0; i < n; i += DG_VL) store(y + i, vexpm1(load(x + i)));
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
