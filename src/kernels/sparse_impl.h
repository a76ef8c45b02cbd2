/* Kernels over sparse input: its non-zeros are listed, without those that dropout takes, well before their rows are
   summed, so that neither waits for the other. */

/* Columns [c, c + nv vectors) of a row of one or two products, sums over n listed rows; the second product takes part
   while these are below `limit`. With `add` what the row holds is added last, once a list. */
INLINE void gather_strip(const dg_product *product, int n_products, size_t at, bool add, const int32_t *index,
                         const dg_real *x, int n, int32_t limit, int ld, int c, int nv) {
  vf sum[SUMS], *other_sum = sum + nv;
  for (int k = 0; k < n_products; k++) {
    const dg_real *start = add ? NULL : product[k].start;
    for (int v = 0; v < nv; v++) sum[k * nv + v] = start ? load(start + c + v * DG_VL) : splat(0);
  }
  const dg_real *from = product[0].from + c;
  int t = 0;
  if (n_products == 2)
    for (const dg_real *other_from = product[1].from + c; t < n && index[t] < limit; t++) {
      const vf *row = (const vf *)(from + (size_t)index[t] * ld);
      const vf *other = (const vf *)(other_from + (size_t)index[t] * ld);
      const vf a = splat(x[t]);
      for (int v = 0; v < nv; v++) sum[v] += a * row[v];
      for (int v = 0; v < nv; v++) other_sum[v] += a * other[v];
    }
  for (; t < n; t++) {
    const vf *row = (const vf *)(from + (size_t)index[t] * ld);
    const vf a = splat(x[t]);
    for (int v = 0; v < nv; v++) sum[v] += a * row[v];
  }
  for (int k = 0; k < n_products; k++)
    for (int v = 0; v < nv; v++) store_sum(product[k].out + at + c + v * DG_VL, sum[k * nv + v], add);
}

/* Row r of one or two products, see gather_strip. */
INLINE void gather_rows(const dg_product *product, int n_products, int32_t r, bool add, const int32_t *index,
                        const dg_real *x, int n, int32_t limit, int ld) {
  const size_t at = (size_t)r * (size_t)ld;
  const int nv = SUMS / n_products;
  int c = 0;
  for (; c + nv * DG_VL <= ld; c += nv * DG_VL)
    gather_strip(product, n_products, at, add, index, x, n, limit, ld, c, nv);
  if (n_products == 1)
    for (; c + nv / 2 * DG_VL <= ld; c += nv / 2 * DG_VL)
      gather_strip(product, n_products, at, add, index, x, n, limit, ld, c, nv / 2);
  for (; c < ld; c += REST * DG_VL) gather_strip(product, n_products, at, add, index, x, n, limit, ld, c, REST);
}

enum { LIST = 512 }; /* non-zeros listed at a time; lists have room for a vector more */

#if defined(__AVX2__) && !defined(DG_REAL_DOUBLE)
/* Loads and inserts: the gather instruction takes twice as long on some processors. */
INLINE __m128i gather_four(const uint32_t *p, const int32_t *i) {
  const __m128i two = _mm_insert_epi32(_mm_cvtsi32_si128((int)p[i[0]]), (int)p[i[1]], 1);
  return _mm_insert_epi32(_mm_insert_epi32(two, (int)p[i[2]], 2), (int)p[i[3]], 3);
}
#endif

/* Sets of lanes, and what is done to lists with them. */
#if defined(__AVX512F__) && !defined(DG_REAL_DOUBLE)
typedef __mmask16 lanes;

INLINE lanes first_lanes(int n) {
  return (lanes)(n < DG_VL ? (1u << n) - 1 : 0xffffu);
}

INLINE lanes at_least(vu bits, uint32_t threshold) {
  return _mm512_cmpge_epu32_mask((__m512i)bits, _mm512_set1_epi32((int)threshold));
}

INLINE uint32_t lane_bits(lanes set) {
  return set;
}

/* Appends the lanes of `keep` to the lists; returns their new length. */
INLINE int append(int32_t *index, dg_real *x, int m, lanes keep, vs i, vf v) {
  _mm512_storeu_si512(index + m, _mm512_maskz_compress_epi32(keep, (__m512i)i));
  _mm512_storeu_ps(x + m, _mm512_maskz_compress_ps(keep, (__m512)v));
  return m + __builtin_popcount(keep);
}

/* The lanes of `inside`, which are the first ones, of lists; zero in others. */
INLINE void load_list(vs *i, vf *v, const int32_t *indices, const float *values, lanes inside) {
  *i = (vs)_mm512_maskz_loadu_epi32(inside, indices);
  *v = (vf)_mm512_maskz_loadu_ps(inside, values);
}

INLINE vu gather_bits(const uint32_t *p, vs index) {
  int32_t i[DG_VL] __attribute__((aligned(64)));
  *(vs *)i = index;
  const __m256i low = _mm256_set_m128i(gather_four(p, i + 4), gather_four(p, i));
  const __m256i high = _mm256_set_m128i(gather_four(p, i + 12), gather_four(p, i + 8));
  return (vu)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}
#else
typedef vs lanes;

INLINE lanes first_lanes(int n) {
  return (lanes)(iota(0) < (uint32_t)n);
}

INLINE lanes at_least(vu bits, uint32_t threshold) {
  return (lanes)(bits >= threshold);
}
#if defined(__AVX2__) && !defined(DG_REAL_DOUBLE)
/* Lanes of a mask moved to the front: byte k of word `mask` is the number of its k-th lane. */
static uint64_t front_lanes[256];

static void __attribute__((constructor)) fill_front_lanes(void) {
  for (int mask = 0; mask < 256; mask++)
    for (uint64_t l = 0, at = 0; l < 8; l++)
      if (mask >> l & 1) front_lanes[mask] |= l << 8 * at++;
}

INLINE uint32_t lane_bits(lanes set) {
  return (uint32_t)_mm256_movemask_ps((__m256)set);
}

INLINE int append(int32_t *index, dg_real *x, int m, lanes keep, vs i, vf v) {
  const uint32_t mask = lane_bits(keep);
  const __m256i to_front = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)front_lanes[mask]));
  _mm256_storeu_si256((__m256i *)(index + m), _mm256_permutevar8x32_epi32((__m256i)i, to_front));
  _mm256_storeu_ps(x + m, _mm256_permutevar8x32_ps((__m256)v, to_front));
  return m + __builtin_popcount(mask);
}

INLINE void load_list(vs *i, vf *v, const int32_t *indices, const float *values, lanes inside) {
  *i = (vs)_mm256_maskload_epi32(indices, (__m256i)inside);
  *v = (vf)_mm256_maskload_ps(values, (__m256i)inside);
}

INLINE vu gather_bits(const uint32_t *p, vs index) {
  int32_t i[DG_VL] __attribute__((aligned(32)));
  *(vs *)i = index;
  return (vu)_mm256_set_m128i(gather_four(p, i + 4), gather_four(p, i));
}
#else
INLINE uint32_t lane_bits(lanes set) {
  uint32_t bits = 0;
  for (int l = 0; l < DG_VL; l++) bits |= (uint32_t)(set[l] & 1) << l;
  return bits;
}

INLINE int append(int32_t *index, dg_real *x, int m, lanes keep, vs i, vf v) {
  for (int l = 0; l < DG_VL; l++) {
    index[m] = i[l], x[m] = v[l];
    m -= keep[l];
  }
  return m;
}

INLINE void load_list(vs *i, vf *v, const int32_t *indices, const float *values, lanes inside) {
  for (int l = 0; l < DG_VL; l++) (*i)[l] = inside[l] ? indices[l] : 0, (*v)[l] = inside[l] ? values[l] : 0;
}

INLINE vu gather_bits(const uint32_t *p, vs i) {
  vu bits;
  for (int l = 0; l < DG_VL; l++) bits[l] = p[i[l]];
  return bits;
}
#endif
#endif

/* Row r of up to two products, the second while listed rows are below `limit`: sums of n listed non-zeros. */
INLINE void sum_row(const dg_product *product, int n_products, int32_t r, bool add, const int32_t *index,
                    const dg_real *x, int n, int32_t limit, int ld) {
  if (n_products == 2)
    gather_rows(product, 2, r, add, index, x, n, limit, ld);
  else
    gather_rows(product, 1, r, add, index, x, n, 0, ld);
}

/* Kept non-zeros of some rows, scaled. */
typedef struct row_list {
  int32_t index[LIST + DG_VL];
  dg_real value[LIST + DG_VL];
  int length;
} row_list;

/* Lists the kept ones of n non-zeros of row r, from `first` on. */
INLINE void list_row(row_list *list, const dg_input *x, int32_t r, int64_t first, int n) {
  const dg_dropout drop = x->drop;
  const vu row = splat_bits(drop.threshold ? x->row_bits[r] : 0);
  const int32_t *columns = x->columns + first;
  const float *values = x->values + first;
  int m = list->length;
  for (int t = 0; t < n; t += DG_VL) {
    vs i;
    vf v;
    lanes keep = first_lanes(n - t);
    load_list(&i, &v, columns + t, values + t, keep);
    if (drop.threshold) keep &= at_least(random_bits(row, drop.key, (vu)i), drop.threshold);
    m = append(list->index, list->value, m, keep, i, v * drop.scale);
  }
  list->length = m;
}

static void sparse_forward(const dg_product *product, int n_products, const dg_input *x, int ld, int32_t begin,
                           int32_t end) {
  enum { ROWS = 64 };
  row_list list;
  int until[ROWS];
  for (int32_t r = begin; r < end;) {
    const int32_t first_row = r;
    list.length = 0;
    for (; r < end && r - first_row < ROWS; r++) {
      const int64_t first = x->indptr[x->row[r]], n = x->indptr[x->row[r] + 1] - first;
      if (n > LIST - list.length) break;
      list_row(&list, x, r, first, (int)n);
      until[r - first_row] = list.length;
    }
    for (int32_t s = first_row, at = 0; s < r; at = until[s++ - first_row])
      sum_row(product, s < product[n_products - 1].n ? n_products : 1, s, false, list.index + at, list.value + at,
              until[s - first_row] - at, INT32_MAX, ld);
    if (r > first_row) continue;
    /* a row longer than a list */
    const int64_t start = x->indptr[x->row[r]], stop = x->indptr[x->row[r] + 1];
    for (int64_t first = start; first < stop; first += LIST) {
      list.length = 0;
      list_row(&list, x, r, first, stop - first < LIST ? (int)(stop - first) : LIST);
      sum_row(product, r < product[n_products - 1].n ? n_products : 1, r, first > start, list.index, list.value,
              list.length, INT32_MAX, ld);
    }
    r++;
  }
}

/* The kept ones of some non-zeros that follow each other, by columns. */
typedef struct column_list {
  int32_t index[LIST + DG_VL];
  dg_real value[LIST + DG_VL];
  uint32_t column[LIST + DG_VL] __attribute__((aligned(64))); /* of each non-zero, kept or not */
  uint32_t kept[LIST / DG_VL + 1];                            /* a bit for each non-zero of a vector */
  int32_t before[LIST / DG_VL + 1];                           /* kept before a vector */
} column_list;

/* Lists n <= LIST non-zeros from `first` on, which lies in column f: all lanes work, however few a column has. */
INLINE void list_columns(column_list *list, const dg_columns *x, int64_t first, int n, int32_t f) {
  const dg_dropout drop = x->drop;
  const uint32_t *row_bits = x->row_bits;
  const int32_t *rows = x->rows + first;
  const float *values = x->values + first;
  int m = 0;
  for (int t = 0; t < n; f++) {
    const int stop = x->indptr[f + 1] - first < n ? (int)(x->indptr[f + 1] - first) : n;
    const vu column = splat_bits((uint32_t)f);
    for (; t < stop; t += DG_VL) memcpy(list->column + t, &column, sizeof column);
    t = stop;
  }
  for (int t = 0; t < n; t += DG_VL) {
    vs i;
    vf v;
    lanes keep = first_lanes(n - t);
    load_list(&i, &v, rows + t, values + t, keep);
    if (drop.threshold) {
      const vu column = *(const vu *)(list->column + t);
      keep &= at_least(random_bits(gather_bits(row_bits, i), drop.key, column), drop.threshold);
    }
    list->before[t / DG_VL] = m;
    list->kept[t / DG_VL] = lane_bits(keep);
    m = append(list->index, list->value, m, keep, i, v * drop.scale);
  }
  if (n % DG_VL == 0) list->before[n / DG_VL] = m, list->kept[n / DG_VL] = 0;
}

/* Kept non-zeros before the t-th. */
INLINE int kept_before(const column_list *list, int t) {
  const uint32_t earlier = (1u << t % DG_VL) - 1;
  return list->before[t / DG_VL] + __builtin_popcount(list->kept[t / DG_VL] & earlier);
}

/* Of n listed rows of a column, which ascend, those below `limit`. */
INLINE int count_below(const int32_t *row, int n, int32_t limit) {
  while (n > 0 && row[n - 1] >= limit) n--;
  return n;
}

static void sparse_backward(const dg_product *product, int n_products, const dg_columns *x, int ld, int32_t begin,
                            int32_t end) {
  column_list list;
  int32_t f = begin;
  bool add = false; /* column f began in an earlier list */
  for (int64_t first = x->indptr[begin]; f < end; first += LIST) {
    const int n = x->indptr[end] - first < LIST ? (int)(x->indptr[end] - first) : LIST;
    list_columns(&list, x, first, n, f);
    for (int at = 0; f < end; f++) {
      const bool whole = x->indptr[f + 1] - first <= n;
      const int until = kept_before(&list, whole ? (int)(x->indptr[f + 1] - first) : n);
      const int count = count_below(list.index + at, until - at, product[0].n);
      sum_row(product, n_products, f, add, list.index + at, list.value + at, count, product[n_products - 1].n, ld);
      add = !whole;
      if (add) break;
      at = until;
    }
  }
}
