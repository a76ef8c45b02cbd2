/* Rows that edges gather, in one of two types of numbers: those of the model, or bf16, of which a vector is widened
   when it is read. The including file chooses by DG_TABLE_BF16; with the numbers of the model nothing here costs
   anything. */

/* Sums of a row in registers, where its length is known to the compiler; else in the memory they are meant for. */
#define MAX_FIXED (64 / DG_VL)
#define MAX_BLOCK (MAX_FIXED > 8 ? MAX_FIXED : 8)
#define IS_FIXED(nv) (__builtin_constant_p(nv) && (nv) <= MAX_FIXED)

/* A row that many edges share: where it lies, or where registers hold it in `room` [MAX_FIXED]. */
INLINE const vf *own_vectors(vf *room, const dg_real *x, int nv) {
  for (int v = 0; IS_FIXED(nv) && v < nv; v++) room[v] = ((const vf *)x)[v];
  return IS_FIXED(nv) ? room : (const vf *)x;
}

#ifdef DG_TABLE_BF16
typedef dg_bf16 element;
typedef dg_bf16 half __attribute__((vector_size(DG_VL * sizeof(dg_bf16)), may_alias));

/* A table of dg_edges. */
#define TABLE(e, name) ((e)->name##_bf16)

/* One of its rows of nv vectors, where it lies or, unless NULL, widened. */
typedef struct table_row {
  const dg_bf16 *at;
  int nv;
  const vf *wide;
} table_row;

/* Vector v of a row. Channels c and c + 16 of 32 share a word, see kernels.h: one operation widens a vector of them. */
INLINE vf vector(table_row x, int v) {
  const int first = v * DG_VL / 32 * 32, at = v * DG_VL % 32;
  vu words;
  if (x.wide) return x.wide[v];
  if (first + 32 > x.nv * DG_VL) return (vf)(__builtin_convertvector(*(const half *)(x.at + v * DG_VL), vu) << 16);
  memcpy(&words, x.at + first + at % 16 * 2, sizeof words);
  if (at < 16) return (vf)(words << 16);
  return (vf)(words & 0xFFFF0000u);
}

INLINE table_row row_of(const element *x, int nv) {
  return (table_row){.at = x, .nv = nv};
}

/* The row that many edges share: widened once, in `room` [MAX_FIXED], where registers hold it. */
INLINE table_row own_row(vf *room, const element *x, int nv) {
  const table_row row = row_of(x, nv);
  if (!IS_FIXED(nv)) return row;
  for (int v = 0; v < nv; v++) room[v] = vector(row, v);
  return (table_row){.nv = nv, .wide = room};
}
#else
typedef dg_real element;
typedef const vf *table_row;
#define TABLE(e, name) ((e)->name)
#define vector(x, v) ((x)[v])
#define row_of(x, nv) ((const vf *)(x))
#define own_row own_vectors
#endif

INLINE void prefetch_row(const element *row, int n) {
  for (int c = 0; c < n; c += 64 / (int)sizeof *row) prefetch_line(row + c);
}
