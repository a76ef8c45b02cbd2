/* Rows that edges gather, in one of two types of numbers: those of the model, or bf16, of which a vector is widened
   when it is read. The including file chooses by DG_TABLE_BF16; with the numbers of the model nothing here costs
   anything. */

/* Sums of a row in registers, where its length is known to the compiler; else in the memory they are meant for. */
#define MAX_FIXED (64 / DG_VL)
#define IS_FIXED(nv) (__builtin_constant_p(nv) && (nv) <= MAX_FIXED)

#ifdef DG_TABLE_BF16
typedef dg_bf16 element;
typedef dg_bf16 half __attribute__((vector_size(DG_VL * sizeof(dg_bf16)), may_alias));

/* A table of dg_edges. */
#define TABLE(e, name) ((e)->name##_bf16)

/* One of its rows, where it lies or, unless NULL, widened. */
typedef struct table_row {
  const half *at;
  const vf *wide;
} table_row;

INLINE vf widen_half(half x) {
  return (vf)(__builtin_convertvector(x, vu) << 16);
}

INLINE vf vector(table_row x, int v) {
  return x.wide ? x.wide[v] : widen_half(x.at[v]);
}

INLINE table_row row_of(const element *x) {
  return (table_row){.at = (const half *)x};
}

/* The row that many edges share: widened once, in `room` [MAX_FIXED], where registers hold it. */
INLINE table_row own_row(vf *room, const element *x, int nv) {
  const table_row row = row_of(x);
  if (!IS_FIXED(nv)) return row;
  for (int v = 0; v < nv; v++) room[v] = vector(row, v);
  return (table_row){.wide = room};
}
#else
typedef dg_real element;
typedef const vf *table_row;
#define TABLE(e, name) ((e)->name)
#define vector(x, v) ((x)[v])
#define row_of(x) ((const vf *)(x))
#define own_row(room, x, nv) ((void)(room), row_of(x))
#endif

INLINE void prefetch_row(const element *row, int n) {
  for (int c = 0; c < n; c += 64 / (int)sizeof *row) __builtin_prefetch(row + c);
}
