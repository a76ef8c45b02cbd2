#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "kernels/kernels.h"
#include "support/plain_edges.h"
#include "support/plain_rows.h"

/* Aggregation over edges, forward and backward: every variant against plain loops in double precision, with tables in
   the numbers of the model and, rounded before, in bf16. */

/* In-degrees of targets, their self-loop included: about the tiles of a row, 32 vectors. */
static const int degrees[] = {1, 2, 31, 32, 33, 200, 1, 63, 64, 65, 5};
enum { N_DST = sizeof degrees / sizeof *degrees, N_SRC = 230, N_EDGES = 497 };

static const struct {
  int heads, dim, hp, ld;
} shapes[] = {
    {8, 8, 8, 64},                                                        /* paths of their own: */
    {1, 7, 1, 16},      {1, 40, 1, 48},   {1, 64, 1, 64},                 /* hidden layers, classes */
    {5, 8, 8, 64},      {2, 8, 2, 16},    {3, 7, 4, 32},   {8, 3, 8, 32}, /* any other: part of a vector a pattern, */
    {4, 25, 4, 112},    {3, 7, 3, 32},    {3, 30, 3, 96},                 /* three vectors, of three heads, */
    {9, 3, 16, 48},     {17, 2, 32, 64},  {40, 1, 48, 48},                /* several, */
    {200, 2, 208, 416}, {1, 100, 1, 112}, {4, 64, 4, 256},
};

static int32_t indptr[N_DST + 1], indices[N_EDGES], ids[N_SRC];

/* Out-edges of sources. */
typedef struct out_edges {
  int32_t indptr[N_SRC + 1], indices[N_EDGES], edges[N_EDGES];
  int32_t number[N_EDGES], first_number[N_DST]; /* of each among these in the order of in-edges */
} out_edges;

static const dg_range chunks[] = {{0, 4}, {4, N_DST}}, no_chunk;
static out_edges whole, outer;                              /* and those between chunks, */
static int32_t *outer_indices, *outer_edges, *outer_number; /* whose lists lie where a look behind them ends the test */

/* One problem: what kernels are given and make. */
typedef struct problem {
  dg_edges e;
  int heads, dim;
  dg_real *z, *zr, *att, *att_dst, *norm, *dagg; /* given */
  float *attributes;
  dg_real *lin_edge, *edge_scores;
  dg_bf16 *z_bf16, *zr_bf16, *dagg_bf16;
  dg_real *score_src, *agg, *positive, *stat, *dz, *dzr, *dscore_dst, *alpha, *datt;
  uint8_t *notes;
  dg_real *dropped; /* rows that GAT's edges gather, where they are dropped */
} problem;

static bool in_bf16; /* tables are */

static double draw(uint64_t what, uint64_t n) {
  return 2 * dg_rng_uniform(dg_rng_key(17, what), n) - 1;
}

static bool is_outer(int32_t i, int32_t j) {
  return j >= N_DST || (i < chunks[0].end) != (j < chunks[0].end);
}

static void transpose(out_edges *out, bool all_edges) {
  int32_t at = 0;
  for (int32_t j = 0; j < N_SRC; j++) {
    for (int32_t i = 0; i < N_DST; i++)
      for (int32_t t = indptr[i]; t < indptr[i + 1]; t++)
        if (indices[t] == j && (all_edges || is_outer(i, j))) out->indices[at] = i, out->edges[at++] = t;
    out->indptr[j + 1] = at;
  }
  for (int32_t k = 0; k < at; k++)
    for (int32_t other = 0; other < at; other++) out->number[k] += out->edges[other] < out->edges[k];
  for (int32_t i = 0; i < N_DST; i++)
    for (int32_t other = 0; other < at; other++) out->first_number[i] += out->edges[other] < indptr[i];
}

/* A copy of n numbers behind which memory ends. */
static int32_t *before_end(const int32_t *x, size_t n) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = n * sizeof *x, held = (bytes + page - 1) / page * page;
  char *room = mmap(NULL, held + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED || mprotect(room + held, page, PROT_NONE) != 0) return NULL;
  return memcpy(room + held - bytes, x, bytes);
}

/* Self-loops first, then two other targets, then distinct sources at random distances. */
static int make_graph(void **state) {
  (void)state;
  for (int32_t i = 0; i < N_DST; i++) {
    int32_t *row = indices + indptr[i], first = (int32_t)(100 * (1 + draw(1, (uint64_t)i)));
    for (int t = 0; t < degrees[i]; t++)
      row[t] = t < 3 ? (i + 4 * t) % N_DST : N_DST + (first + t * 7) % (N_SRC - N_DST);
    indptr[i + 1] = indptr[i] + degrees[i];
  }
  for (int32_t j = 0; j < N_SRC; j++) ids[j] = (int32_t)(1 + 9999991 * (int64_t)j % 2000000011);
  transpose(&whole, true);
  transpose(&outer, false);
  outer_indices = before_end(outer.indices, (size_t)outer.indptr[N_SRC]);
  outer_edges = before_end(outer.edges, (size_t)outer.indptr[N_SRC]);
  outer_number = before_end(outer.number, (size_t)outer.indptr[N_SRC]);
  return !outer_indices || !outer_edges || !outer_number || indptr[N_DST] != N_EDGES || whole.indptr[N_SRC] != N_EDGES;
}

static int make_tables_bf16(void **state) {
  (void)state;
  in_bf16 = true;
  return 0;
}

static void *room(size_t count, size_t size) {
  void *block;
  assert_int_equal(dg_alloc(&block, count, size), DG_OK);
  return block;
}

/* Where channel d of head h lies. */
static size_t at(const problem *p, size_t row, int h, int d) {
  return row * (size_t)p->e.ld + (size_t)(d * p->e.hp + h);
}

static dg_real *draw_rows(const problem *p, int n, uint64_t what, double size) {
  dg_real *x = room((size_t)n * p->e.ld, sizeof *x);
  for (int r = 0; r < n; r++)
    for (int h = 0; h < p->heads; h++)
      for (int d = 0; d < p->dim; d++) x[at(p, r, h, d)] = (dg_real)(size * draw(what + (uint64_t)r, at(p, 0, h, d)));
  return x;
}

/* Rows of a table, which bf16 holds as they are where tables are in it. */
static dg_real *draw_table(const problem *p, int n, uint64_t what) {
  dg_real *x = draw_rows(p, n, what, 1);
  for (size_t i = 0; in_bf16 && i < (size_t)n * p->e.ld; i++) x[i] = (dg_real)plain_bf16((double)x[i]);
  return x;
}

/* The upper halves of the numbers of a table, as they lie in it. */
static dg_bf16 *upper_halves(const problem *p, const dg_real *x, int n) {
  dg_bf16 *out = room((size_t)n * p->e.ld, sizeof *out);
  for (int r = 0; r < n; r++)
    for (int c = 0; c < p->e.ld; c++) {
      uint32_t bits;
      memcpy(&bits, &x[(size_t)r * p->e.ld + c], sizeof bits);
      out[(size_t)r * p->e.ld + plain_bf16_place(c, p->e.ld)] = (dg_bf16)(bits >> 16);
    }
  return out;
}

/* What kernels are given: tables in one of the types alone. */
static dg_edges given_to_kernels(problem *p) {
  dg_edges e = p->e;
  if (!in_bf16) return e;
  dg_bf16 **all[] = {&p->z_bf16, &p->zr_bf16, &p->dagg_bf16};
  for (int i = 0; i < 3; i++) dg_free(all[i]);
  e.z_bf16 = p->z_bf16 = upper_halves(p, p->z, N_SRC);
  e.zr_bf16 = p->zr_bf16 = upper_halves(p, p->zr, N_DST);
  e.dagg_bf16 = p->dagg_bf16 = upper_halves(p, p->dagg, N_DST);
  e.z = e.zr = e.dagg = NULL;
  return e;
}

/* Kernels over such tables; `more` of edges that have attributes, or of which some are dropped. */
static const dg_edge_kernels *edges_of(const dg_kernels *k, bool more) {
  return &(in_bf16 ? k->edges_bf16 : k->edges)[more];
}

/* Attributes of edges, and for each of them a row of channels and a number for each head. */
static void draw_attributes(problem *p, int edge_dim, double size_of_scores) {
  const size_t hp = (size_t)p->e.hp, dim = (size_t)edge_dim;
  p->e.edge_dim = edge_dim;
  p->e.t_edges = whole.edges;
  p->e.attributes = p->attributes = room(N_EDGES * dim, sizeof *p->attributes);
  for (size_t i = 0; i < N_EDGES * dim; i++) p->attributes[i] = (float)draw(6000, i);
  p->e.lin_edge = p->lin_edge = draw_rows(p, edge_dim, 7000, 1);
  p->e.edge_scores = p->edge_scores = room(dim * hp, sizeof *p->edge_scores);
  for (size_t c = 0; c < dim; c++)
    for (int h = 0; h < p->heads; h++)
      p->edge_scores[c * hp + (size_t)h] = (dg_real)(size_of_scores * draw(8000 + c, (uint64_t)h));
}

static void make_problem(problem *p, size_t shape, double size_of_scores, double dropout, int edge_dim) {
  *p = (problem){.heads = shapes[shape].heads, .dim = shapes[shape].dim};
  const size_t hp = (size_t)shapes[shape].hp, ld = (size_t)shapes[shape].ld;
  p->e = (dg_edges){.hp = (int)hp,
                    .ld = (int)ld,
                    .indptr = indptr,
                    .indices = indices,
                    .t_indptr = whole.indptr,
                    .t_indices = whole.indices,
                    .ids = ids,
                    .n_dst = N_DST,
                    .n_edges = N_EDGES,
                    .n_out_edges = N_EDGES,
                    .ahead = dropout > 0 ? 6 : 0, /* prefetching is tried along with dropout */
                    .slope = (dg_real)0.2,
                    .drop = {.scale = 1}};
  if (dropout > 0)
    p->e.drop = (dg_dropout){dg_rng_key(3, shape), (uint32_t)(dropout * 0x1p32), (dg_real)(1 / (1 - dropout))};
  p->e.z = p->z = draw_table(p, N_SRC, 1000);
  p->e.zr = p->zr = draw_table(p, N_DST, 2000);
  p->e.att = p->att = draw_rows(p, 1, 3000, size_of_scores);
  p->e.att_dst = p->att_dst = draw_rows(p, 1, 4000, size_of_scores);
  p->e.dagg = p->dagg = draw_table(p, N_DST, 5000);
  p->e.norm = p->norm = room(N_SRC, sizeof *p->norm);
  for (int r = 0; r < N_SRC; r++) p->norm[r] = (dg_real)(1 / sqrt(1 + r % 9));
  p->e.score_src = p->score_src = room(N_SRC * hp, sizeof *p->score_src);
  p->e.agg = p->agg = room(N_DST * ld, sizeof *p->agg);
  p->positive = room(N_DST * ld, sizeof *p->positive);
  p->e.stat = p->stat = room(N_DST * DG_STATS * hp, sizeof *p->stat);
  p->e.dz = p->dz = room(N_SRC * ld, sizeof *p->dz);
  p->e.dzr = p->dzr = room(N_DST * ld, sizeof *p->dzr);
  p->e.dscore_dst = p->dscore_dst = room(N_DST * hp, sizeof *p->dscore_dst);
  p->alpha = room(N_EDGES * hp, sizeof *p->alpha);
  p->datt = room((size_t)(2 + edge_dim) * ld, sizeof *p->datt);
  if (edge_dim > 0) draw_attributes(p, edge_dim, size_of_scores);
}

static void free_problem(problem *p) {
  dg_real **all[] = {&p->z,          &p->zr,    &p->att,      &p->att_dst,  &p->norm,        &p->dagg,
                     &p->score_src,  &p->agg,   &p->positive, &p->stat,     &p->dz,          &p->dzr,
                     &p->dscore_dst, &p->alpha, &p->datt,     &p->lin_edge, &p->edge_scores, &p->dropped};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dg_free(all[i]);
  dg_free(&p->attributes);
  dg_free(&p->notes);
  dg_bf16 **tables[] = {&p->z_bf16, &p->zr_bf16, &p->dagg_bf16};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) dg_free(tables[i]);
}

/* Rows as kernels lay them out are `wanted` to single precision of terms about 1, and their padding zero. */
static void check_rows(const problem *p, const dg_real *x, const double *wanted, int n, const char *variant,
                       const char *what) {
  double error = 0, scale = 1, padding = 0;
  for (int r = 0; r < n; r++)
    for (int c = 0; c < p->e.ld; c++) {
      const int h = c % p->e.hp, d = c / p->e.hp;
      const double is = x[(size_t)r * p->e.ld + c], right = wanted[(size_t)r * p->e.ld + c];
      if (h >= p->heads || d >= p->dim) {
        padding = fmax(padding, isfinite(is) ? fabs(is) : INFINITY);
        continue;
      }
      error = fmax(error, isfinite(is) ? fabs(is - right) : INFINITY);
      scale = fmax(scale, fabs(right));
    }
  if (error > 5e-6 * scale || padding != 0)
    fail_msg("%s, hp %d, ld %d: %s: error %g of %g, padding up to %g", variant, p->e.hp, p->e.ld, what, error, scale,
             padding);
}

static void check_alpha(const problem *p, const plain_edges *plain, const char *variant) {
  double error = 0;
  for (int t = 0; t < N_EDGES; t++)
    for (int h = 0; h < p->heads; h++)
      error = fmax(error, fabs((double)p->alpha[t * p->e.hp + h] - plain->alpha[t * p->e.hp + h]));
  if (!(error < 5e-6)) fail_msg("%s, hp %d, ld %d: alpha: error %g", variant, p->e.hp, p->e.ld, error);
}

/* Kernels treat ranges of rows: all are made in two, of which the sums are added. */
typedef void edge_kernel(const dg_edges *e, int32_t begin, int32_t end);
typedef void summing(const dg_edges *e, int32_t begin, int32_t end, dg_real *partial);

/* Where a kernel's sums are to be lies what another has left there. */
static void leave(dg_real *sums, size_t n) {
  for (size_t c = 0; c < n; c++) sums[c] = 7;
}

static void run_summing(problem *p, const dg_edges *e, summing *kernel, int32_t n, int32_t middle, size_t width) {
  dg_real *partial = room(width, sizeof *partial);
  leave(p->datt, width), leave(partial, width);
  kernel(e, 0, middle, p->datt);
  kernel(e, middle, n, partial);
  for (size_t c = 0; c < width; c++) p->datt[c] += partial[c];
  dg_free(&partial);
}

/* Of GATv2 over targets; where edges within chunks are `inner`, they go to dz, whose rows of targets are zero before.
 */
static void run_targets(problem *p, const dg_edges *e, const dg_edge_kernels *k, bool inner) {
  const size_t width = (size_t)(1 + e->edge_dim) * (size_t)e->ld;
  dg_real *partial = room(width, sizeof *partial);
  memset(p->datt, 0, width * sizeof *partial);
  leave(partial, width);
  if (inner) memset(p->dz, 0, N_DST * (size_t)e->ld * sizeof *p->dz);
  for (int c = 0; c < 2; c++)
    for (int32_t i = chunks[c].begin, end; i < chunks[c].end; i = end) {
      end = i + 3 < chunks[c].end ? i + 3 : chunks[c].end;
      k->gatv2_backward_dst(e, i, end, inner ? chunks[c] : no_chunk, partial);
      for (size_t x = 0; x < width; x++) p->datt[x] += partial[x];
    }
  dg_free(&partial);
}

/* Out-edges are noted where rows are long enough. */
static void note_edges(problem *p, dg_edges *e, const dg_edge_kernels *k) {
  e->note_size = k->gatv2_note_size(e->hp, e->ld);
  e->t_notes = e->inner ? outer_number : whole.number;
  e->first_note = e->inner ? outer.first_number : whole.first_number;
  dg_free(&p->notes);
  if (e->note_size > 0) e->notes = p->notes = room((size_t)e->n_out_edges, e->note_size);
}

static void run_gatv2(problem *p, const dg_edge_kernels *k, bool inner, bool noted) {
  p->e.positive = NULL;
  dg_edges e = given_to_kernels(p);
  if (inner) e.inner = true, e.t_indptr = outer.indptr, e.t_indices = outer_indices;
  if (inner) e.n_out_edges = outer.indptr[N_SRC];
  if (inner && e.edge_dim > 0) e.t_edges = outer_edges;
  if (noted) note_edges(p, &e, k);
  k->gatv2_forward(&e, 0, 5);
  k->gatv2_forward(&e, 5, N_DST);
  k->gatv2_alpha(&e, 0, N_DST, p->alpha);
  k->row_dots(&e, 0, N_DST);
  run_targets(p, &e, k, inner);
  edge_kernel *const sources = e.notes ? k->gatv2_backward_noted : k->gatv2_backward_src;
  sources(&e, 0, 40);
  sources(&e, 40, N_SRC);
}

/* Rows are dropped once their scores are made. */
static void drop_rows(problem *p, dg_edges *e, const dg_kernels *k) {
  p->dropped = room((size_t)N_SRC * (size_t)e->ld, sizeof *p->dropped);
  k->drop_rows(p->dropped, e->z, e->ld, e->ids, &e->row_drop, 0, 7);
  k->drop_rows(p->dropped, e->z, e->ld, e->ids, &e->row_drop, 7, N_SRC);
  e->z = p->dropped;
}

static void run_gat(problem *p, const dg_kernels *all, const dg_edge_kernels *k) {
  p->e.positive = p->positive;
  dg_edges e = given_to_kernels(p);
  k->gat_scores(&e, 0, 7);
  k->gat_scores(&e, 7, N_SRC);
  if (e.row_drop.threshold) drop_rows(p, &e, all);
  k->gat_forward(&e, 0, 5);
  k->gat_forward(&e, 5, N_DST);
  k->gat_alpha(&e, 0, N_DST, p->alpha);
  k->row_dots(&e, 0, N_DST);
  run_summing(p, &e, k->gat_backward_src, N_SRC, 40, 2 * (size_t)e.ld + (size_t)e.edge_dim * (size_t)e.hp);
}

/* The gradient of what attributes are multiplied by: rows of channels, or of a number for each head. */
static void check_edge_gradient(problem *p, const plain_edges *plain, const char *variant, bool v2) {
  const dg_real *is = p->datt + (v2 ? 1 : 2) * p->e.ld;
  if (v2) {
    check_rows(p, is, plain->dedge, p->e.edge_dim, variant, "gradient of lin_edge");
    return;
  }
  const int ld = p->e.ld, dim = p->dim;
  p->e.ld = p->e.hp, p->dim = 1;
  check_rows(p, is, plain->dedge, p->e.edge_dim, variant, "gradient of edge_scores");
  p->e.ld = ld, p->dim = dim;
}

static void check_results(problem *p, const plain_edges *plain, const char *variant, bool v2) {
  check_rows(p, p->agg, plain->agg, N_DST, variant, "agg");
  check_alpha(p, plain, variant);
  check_rows(p, p->dz, plain->dz, N_SRC, variant, "dz");
  check_rows(p, p->datt, plain->datt, 1, variant, "gradient of att");
  if (v2)
    check_rows(p, p->dzr, plain->dzr, N_DST, variant, "dzr");
  else
    check_rows(p, p->datt + p->e.ld, plain->datt + p->e.ld, 1, variant, "gradient of att_dst");
  check_edge_gradient(p, plain, variant, v2);
}

static void check_attention(const dg_kernels *k, size_t shape, bool v2, double dropout, int edge_dim,
                            double edge_dropout) {
  const dg_edge_kernels *edges = edges_of(k, edge_dim > 0 || edge_dropout > 0);
  problem p;
  plain_edges plain;
  make_problem(&p, shape, 1, dropout, edge_dim);
  p.e.edge_drop = (dg_dropout){.key = dg_rng_key(5, shape), .threshold = (uint32_t)(edge_dropout * 0x1p32)};
  assert_int_equal(plain_edges_create(&plain, &p.e, N_SRC), DG_OK);
  (v2 ? plain_gatv2 : plain_gat)(&plain, &p.e);
  for (int way = 0; way < (v2 ? 4 : 1); way++) {
    if (v2)
      run_gatv2(&p, edges, way % 2, way / 2);
    else
      run_gat(&p, k, edges);
    check_results(&p, &plain, k->name, v2);
  }
  free_problem(&p);
  plain_edges_destroy(&plain);
}

#define FOR_ALL(k, shape)                                                                                              \
  for (const dg_kernels *const *k = dg_kernels_all(); *k; k++)                                                         \
    for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++)

static void gatv2_is_what_plain_loops_give(void **state) {
  (void)state;
  FOR_ALL(k, shape) check_attention(*k, shape, true, 0, 0, 0);
}

static void gatv2_drops_as_plain_loops_do(void **state) {
  (void)state;
  FOR_ALL(k, shape) check_attention(*k, shape, true, 0.4, 0, 0);
}

static void gat_is_what_plain_loops_give(void **state) {
  (void)state;
  FOR_ALL(k, shape) check_attention(*k, shape, false, 0, 0, 0);
}

static void gat_drops_as_plain_loops_do(void **state) {
  (void)state;
  FOR_ALL(k, shape) check_attention(*k, shape, false, 0.4, 0, 0);
}

static void gatv2_sees_attributes_of_edges(void **state) {
  (void)state;
  FOR_ALL(k, shape) {
    check_attention(*k, shape, true, 0, 3, 0);
    check_attention(*k, shape, true, 0.4, 1, 0);
  }
}

static void gat_sees_attributes_of_edges(void **state) {
  (void)state;
  FOR_ALL(k, shape) {
    check_attention(*k, shape, false, 0, 3, 0);
    check_attention(*k, shape, false, 0.4, 1, 0);
  }
}

static void edges_are_dropped_before_the_softmax(void **state) {
  (void)state;
  FOR_ALL(k, shape)
  for (int v2 = 0; v2 < 2; v2++) {
    check_attention(*k, shape, v2, 0, 0, 0.3);
    check_attention(*k, shape, v2, 0.4, 2, 0.6);
  }
}

/* Of tables in the numbers of the model alone. */
static void check_dropped_rows(const dg_kernels *k, size_t shape, double dropout, int edge_dim) {
  problem p;
  plain_edges plain;
  make_problem(&p, shape, 1, dropout, edge_dim);
  p.e.row_drop = (dg_dropout){dg_rng_key(7, shape), (uint32_t)(0.35 * 0x1p32), (dg_real)(1 / 0.65)};
  p.e.scored = p.z;
  assert_int_equal(plain_edges_create(&plain, &p.e, N_SRC), DG_OK);
  plain_gat(&plain, &p.e);
  run_gat(&p, k, edges_of(k, true));
  check_results(&p, &plain, k->name, false);
  free_problem(&p);
  plain_edges_destroy(&plain);
}

static void rows_are_dropped_after_their_scores(void **state) {
  (void)state;
  FOR_ALL(k, shape) {
    check_dropped_rows(*k, shape, 0, 0);
    check_dropped_rows(*k, shape, 0.4, 2);
  }
}

/* Number d of row i of what head h has. */
static dg_real *head_number(dg_real *x, int rows, int width, int h, int i, int d) {
  return &x[((size_t)h * (size_t)rows + (size_t)i) * (size_t)width + (size_t)d];
}

/* Numbers, and rows of sources that are no targets times them, as plain loops know them; roots of targets' edges. */
static void take_norms(problem *p, dg_real *norm, dg_real *root) {
  for (int j = 0; j < N_SRC; j++) norm[j] = j < N_DST ? 1 : (dg_real)(0.4 + 0.1 * (j % 7));
  for (int i = 0; i < N_DST; i++) root[i] = (dg_real)sqrt((double)(p->e.indptr[i + 1] - p->e.indptr[i]));
  for (int j = 0; j < N_SRC; j++)
    for (int c = 0; c < p->e.ld; c++) p->z[(size_t)j * (size_t)p->e.ld + (size_t)c] *= norm[j];
}

/* Heads that all project input rows to themselves: what edges between projected rows make is what edges over input rows
   make for each head. */
static void check_input_rows(const dg_kernels *k, size_t shape, double dropout, int edge_dim, double edge_dropout,
                             bool symmetric) {
  const dg_edge_kernels *edges = edges_of(k, edge_dim > 0 || edge_dropout > 0);
  problem p;
  plain_edges plain;
  make_problem(&p, shape, 1, dropout, edge_dim);
  const int width = (p.dim + 15) / 16 * 16, n_scores = edge_dim * p.e.hp;
  const size_t both = 2 * (size_t)p.heads * (size_t)width;
  dg_real *x = room((size_t)N_SRC * (size_t)width, sizeof *x), *sums = room((size_t)N_DST * both / 2, sizeof *sums);
  dg_real *dsums = room((size_t)N_DST * both / 2, sizeof *dsums);
  dg_real *first = room(both + (size_t)n_scores, sizeof *first), *rest = room(both + (size_t)n_scores, sizeof *rest);
  for (int j = 0; j < N_SRC; j++)
    for (int d = 0; d < p.dim; d++) {
      x[j * width + d] = p.z[at(&p, (size_t)j, 0, d)];
      for (int h = 0; h < p.heads; h++) p.z[at(&p, (size_t)j, h, d)] = x[j * width + d];
    }
  p.e.edge_drop = (dg_dropout){.key = dg_rng_key(5, shape), .threshold = (uint32_t)(edge_dropout * 0x1p32)};
  dg_real norm[N_SRC], root[N_DST];
  if (symmetric) take_norms(&p, norm, root);
  for (int h = 0; h < p.heads; h++)
    for (int i = 0; i < N_DST; i++)
      for (int d = 0; d < p.dim; d++)
        *head_number(dsums, N_DST, width, h, i, d) = p.dagg[at(&p, (size_t)i, h, d)] / (symmetric ? root[i] : 1);
  assert_int_equal(plain_edges_create(&plain, &p.e, N_SRC), DG_OK);
  plain_gat(&plain, &p.e);

  edges->gat_scores(&p.e, 0, N_SRC);
  dg_edges e = p.e;
  if (symmetric) e.out_norm = norm;
  e.heads = p.heads, e.ld = width, e.z = x, e.agg = sums, e.dzr = dsums;
  edges->gat_input_forward(&e, 0, 5);
  edges->gat_input_forward(&e, 5, N_DST);
  leave(first, both + (size_t)n_scores), leave(rest, both + (size_t)n_scores);
  edges->gat_input_backward(&e, 0, 4, first);
  edges->gat_input_backward(&e, 4, N_DST, rest);
  for (size_t c = 0; c < both + (size_t)n_scores; c++) first[c] += rest[c];

  memset(p.agg, 0, (size_t)N_DST * (size_t)p.e.ld * sizeof *p.agg);
  memset(p.datt, 0, 2 * (size_t)p.e.ld * sizeof *p.datt);
  for (int h = 0; h < p.heads; h++)
    for (int d = 0; d < p.dim; d++) {
      for (int i = 0; i < N_DST; i++)
        p.agg[at(&p, (size_t)i, h, d)] = *head_number(sums, N_DST, width, h, i, d) / (symmetric ? root[i] : 1);
      for (int of = 0; of < 2; of++) p.datt[at(&p, (size_t)of, h, d)] = first[(of * p.heads + h) * width + d];
    }
  memcpy(p.datt + 2 * p.e.ld, first + both, (size_t)n_scores * sizeof *first);
  check_rows(&p, p.agg, plain.agg, N_DST, k->name, "sums of input rows");
  check_rows(&p, p.datt, plain.datt, 1, k->name, "gradients of scores times rows of sources");
  check_rows(&p, p.datt + p.e.ld, plain.datt + p.e.ld, 1, k->name, "gradients of scores times rows of targets");
  check_edge_gradient(&p, &plain, k->name, false);
  dg_real *all[] = {x, sums, dsums, first, rest};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dg_free(&all[i]);
  free_problem(&p);
  plain_edges_destroy(&plain);
}

static void heads_sum_input_rows(void **state) {
  (void)state;
  FOR_ALL(k, shape) {
    check_input_rows(*k, shape, 0, 0, 0, false);
    check_input_rows(*k, shape, 0.4, 0, 0, true);
    check_input_rows(*k, shape, 0, 3, 0, true);
    check_input_rows(*k, shape, 0.4, 2, 0.6, false);
    check_input_rows(*k, shape, 0.4, 2, 0.6, true);
  }
}

/* Sums without attention. */
static void check_sums(const dg_kernels *k, size_t shape, edge_kernel *forward, edge_kernel *backward,
                       void (*make)(plain_edges *plain, const dg_edges *e), int edge_dim) {
  problem p;
  plain_edges plain;
  make_problem(&p, shape, 1, 0, edge_dim);
  assert_int_equal(plain_edges_create(&plain, &p.e, N_SRC), DG_OK);
  make(&plain, &p.e);
  const dg_edges e = given_to_kernels(&p);
  forward(&e, 0, 5);
  forward(&e, 5, N_DST);
  backward(&e, 0, 40);
  backward(&e, 40, N_SRC);
  check_rows(&p, p.agg, plain.agg, N_DST, k->name, "agg");
  check_rows(&p, p.dz, plain.dz, N_SRC, k->name, "dz");
  free_problem(&p);
  plain_edges_destroy(&plain);
}

static void gcn_is_what_plain_loops_give(void **state) {
  (void)state;
  FOR_ALL(k, shape) {
    const dg_edge_kernels *edges = edges_of(*k, false);
    check_sums(*k, shape, edges->gcn_forward, edges->gcn_backward_src, plain_gcn, 0);
  }
}

static void gcn_weighs_edges(void **state) {
  (void)state;
  FOR_ALL(k, shape) {
    const dg_edge_kernels *edges = edges_of(*k, true);
    check_sums(*k, shape, edges->gcn_forward, edges->gcn_backward_src, plain_gcn, 1);
  }
}

static void means_are_what_plain_loops_give(void **state) {
  (void)state;
  FOR_ALL(k, shape) {
    const dg_edge_kernels *edges = edges_of(*k, false);
    check_sums(*k, shape, edges->mean_forward, edges->mean_backward_src, plain_mean, 0);
  }
}

/* Coefficients of each row sum to one, and an aggregate lies among its sources, within [-1, 1]. */
static void check_extreme(problem *p, const char *variant) {
  for (int32_t i = 0; i < N_DST; i++)
    for (int h = 0; h < p->heads; h++) {
      double sum = 0;
      for (int32_t t = indptr[i]; t < indptr[i + 1]; t++) sum += (double)p->alpha[t * p->e.hp + h];
      if (!(fabs(sum - 1) < 1e-5))
        fail_msg("%s, hp %d, ld %d: coefficients sum to %.9g", variant, p->e.hp, p->e.ld, sum);
      for (int d = 0; d < p->dim; d++) assert_true(fabs((double)p->agg[at(p, i, h, d)]) <= 1.00001);
    }
}

static void extreme_scores_sum_to_one(void **state) {
  (void)state;
  FOR_ALL(k, shape) {
    problem p;
    for (int edge_dim = 0; edge_dim < 2; edge_dim++) {
      const dg_edge_kernels *edges = edges_of(*k, edge_dim > 0);
      make_problem(&p, shape, 1e4, 0, edge_dim);
      run_gatv2(&p, edges, false, false);
      check_extreme(&p, (*k)->name);
      run_gat(&p, *k, edges);
      check_extreme(&p, (*k)->name);
      free_problem(&p);
    }
  }
}

/* Head 0 of targets that source j reaches is not a number, and nothing else. */
static void check_reached(const problem *p, int32_t j, const char *variant) {
  for (int32_t i = 0; i < N_DST; i++) {
    bool reached = false;
    for (int32_t t = indptr[i]; t < indptr[i + 1]; t++) reached |= indices[t] == j;
    for (int h = 0; h < p->heads; h++)
      for (int d = 0; d < p->dim; d++)
        if ((isnan(p->agg[at(p, i, h, d)]) != 0) != (reached && h == 0))
          fail_msg("%s, hp %d, ld %d: target %d, head %d: %g", variant, p->e.hp, p->e.ld, i, h,
                   (double)p->agg[at(p, i, h, d)]);
  }
}

static void no_softmax_hides_what_is_not_a_number(void **state) {
  (void)state;
  const int32_t j = indices[indptr[4] + 20];
  FOR_ALL(k, shape) {
    problem p;
    make_problem(&p, shape, 1, 0, 0);
    p.z[at(&p, (size_t)j, 0, 0)] = (dg_real)NAN;
    run_gatv2(&p, edges_of(*k, false), false, false);
    check_reached(&p, j, (*k)->name);
    run_gat(&p, *k, edges_of(*k, false));
    check_reached(&p, j, (*k)->name);
    free_problem(&p);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gatv2_is_what_plain_loops_give),
      cmocka_unit_test(gatv2_drops_as_plain_loops_do),
      cmocka_unit_test(gat_is_what_plain_loops_give),
      cmocka_unit_test(gat_drops_as_plain_loops_do),
      cmocka_unit_test(means_are_what_plain_loops_give),
      cmocka_unit_test(gcn_is_what_plain_loops_give),
      cmocka_unit_test(gatv2_sees_attributes_of_edges),
      cmocka_unit_test(gat_sees_attributes_of_edges),
      cmocka_unit_test(gcn_weighs_edges),
      cmocka_unit_test(edges_are_dropped_before_the_softmax),
      cmocka_unit_test(extreme_scores_sum_to_one),
      cmocka_unit_test(no_softmax_hides_what_is_not_a_number),
  };
  const struct CMUnitTest alone[] = {cmocka_unit_test(rows_are_dropped_after_their_scores),
                                     cmocka_unit_test(heads_sum_input_rows)};
  const int failed = cmocka_run_group_tests_name("edge_kernels", tests, make_graph, NULL) +
                     cmocka_run_group_tests_name("edge_kernels over tables in the model's numbers", alone, NULL, NULL);
  return failed + cmocka_run_group_tests_name("edge_kernels over tables in bf16", tests, make_tables_bf16, NULL);
}
