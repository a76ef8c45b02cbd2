#include "bench/entries.h"

#include <math.h>
#include <string.h>

#include <distgat/rng.h>

#include "support/plain_edges.h"
#include "support/plain_rows.h"

/* A random graph in which every node is a target and a source, and its edge kernels. */

static dg_edges e;
static dg_edges noted[8]; /* the same where edges are noted, by each variant */
static plain_edges plain;
static dg_real *alpha, *datt, *positive;

/* In-edges: a self-loop, then sources anywhere; 1 to 2 degree - 1 of them. */
static void draw_in_edges(const bench_sizes *s) {
  int32_t *indptr = bench_room((size_t)s->nodes + 1, sizeof *indptr);
  for (int64_t i = 0; i < s->nodes; i++)
    indptr[i + 1] = indptr[i] + 1 + (int32_t)(dg_rng_uniform(1, (uint64_t)i) * (double)(2 * s->degree - 1));
  int32_t *indices = bench_room((size_t)indptr[s->nodes], sizeof *indices);
  for (int64_t i = 0; i < s->nodes; i++)
    for (int32_t t = indptr[i]; t < indptr[i + 1]; t++)
      indices[t] = t == indptr[i] ? (int32_t)i : (int32_t)(dg_rng_uniform(2, (uint64_t)t) * (double)s->nodes);
  e.indptr = indptr, e.indices = indices, e.n_edges = indptr[s->nodes];
}

static void transpose(int64_t nodes) {
  int32_t *indptr = bench_room((size_t)nodes + 2, sizeof *indptr);
  int32_t *indices = bench_room((size_t)e.n_edges, sizeof *indices);
  int32_t *edges = bench_room((size_t)e.n_edges, sizeof *edges);
  for (int32_t t = 0; t < e.n_edges; t++) indptr[e.indices[t] + 2]++;
  for (int64_t j = 0; j < nodes; j++) indptr[j + 2] += indptr[j + 1];
  for (int32_t i = 0; i < nodes; i++) /* indptr[j + 1] is where the next edge of j goes, at last where they end */
    for (int32_t t = e.indptr[i]; t < e.indptr[i + 1]; t++) {
      const int32_t at = indptr[e.indices[t] + 1]++;
      indices[at] = i, edges[at] = t;
    }
  e.t_indptr = indptr, e.t_indices = indices, e.t_notes = edges, e.n_out_edges = e.n_edges;
}

/* Rounds rows [n, ld]; plain loops then take what the table has. */
static dg_bf16 *round_table(dg_real *x, size_t n) {
  const size_t ld = (size_t)e.ld;
  dg_bf16 *table = bench_room(n * ld, sizeof *table);
  dg_kernels_get()->round_rows(table, x, e.ld, (int32_t)n);
  for (size_t i = 0; i < n * ld; i++) {
    const uint32_t bits = (uint32_t)table[i / ld * ld + (size_t)plain_bf16_place((int)(i % ld), e.ld)] << 16;
    memcpy(&x[i], &bits, sizeof bits);
  }
  return table;
}

static void make_problem(const bench_sizes *s) {
  const size_t n = (size_t)s->nodes, hp = (size_t)s->hp, ld = (size_t)s->ld;
  dg_real *norm = bench_room(n, sizeof *norm);
  e = (dg_edges){.hp = s->hp, .ld = s->ld, .n_dst = (int32_t)n, .ahead = (int32_t)s->ahead, .slope = (dg_real)0.2};
  draw_in_edges(s);
  transpose(s->nodes);
  for (size_t i = 0; i < n; i++) norm[i] = (dg_real)(1 / sqrt(e.indptr[i + 1] - e.indptr[i]));
  e.ids = bench_numbers(s->nodes);
  e.drop = bench_dropout(s);
  e.norm = norm;
  e.z = bench_draw_rows(s, n, 3);
  e.zr = bench_draw_rows(s, n, 4);
  e.att = bench_draw_rows(s, 1, 5);
  e.att_dst = bench_draw_rows(s, 1, 6);
  e.dagg = bench_draw_rows(s, n, 7);
  if (s->bf16) e.z_bf16 = round_table(e.z, n), e.zr_bf16 = round_table(e.zr, n), e.dagg_bf16 = round_table(e.dagg, n);
  e.score_src = bench_room(n * hp, sizeof(dg_real));
  e.stat = bench_room(n * DG_STATS * hp, sizeof(dg_real));
  e.agg = bench_room(n * ld, sizeof(dg_real));
  e.dz = bench_room(n * ld, sizeof(dg_real));
  e.dzr = bench_room(n * ld, sizeof(dg_real));
  e.dscore_dst = bench_room(n * hp, sizeof(dg_real));
  alpha = bench_room((size_t)e.n_edges * hp, sizeof(dg_real));
  datt = bench_room(2 * ld, sizeof(dg_real));
  positive = bench_room(n * ld, sizeof(dg_real));
  bench_must(plain_edges_create(&plain, &e, e.n_dst));
}

static void want_gatv2(void) {
  e.positive = NULL;
  plain_gatv2(&plain, &e);
}

static void want_gat(void) {
  e.positive = positive;
  plain_gat(&plain, &e);
}

/* row_dots of GAT takes from dscore_dst what forward left there. */
static void reset_dots(void) {
  for (size_t i = 0; i < (size_t)e.n_dst * (size_t)e.hp; i++) e.dscore_dst[i] = (dg_real)plain.share[i];
}

static void want_gcn(void) {
  plain_gcn(&plain, &e);
}

static const dg_edge_kernels *edges_of(const dg_kernels *k) {
  return e.z_bf16 ? k->edges_bf16 : k->edges;
}

/* What gatv2_backward_noted is given: all edges are out-edges, in the order of in-edges. */
static void note_edges(dg_edges *of, const dg_kernels *k) {
  const dg_edge_kernels *edges = edges_of(k);
  *of = e;
  of->note_size = edges->gatv2_note_size(e.hp, e.ld), of->first_note = e.indptr;
  of->notes = bench_room((size_t)e.n_edges, of->note_size);
  edges->gatv2_forward(of, 0, e.n_dst);
  edges->row_dots(of, 0, e.n_dst);
  edges->gatv2_backward_dst(of, 0, e.n_dst, (dg_range){0}, datt);
}

/* The first call of a variant, which is not timed, makes its notes. */
static void call_gatv2_backward_noted(const dg_kernels *k) {
  int variant = 0;
  while (dg_kernels_all()[variant] != k) variant++;
  if (!noted[variant].notes) note_edges(&noted[variant], k);
  edges_of(k)->gatv2_backward_noted(&noted[variant], 0, e.n_dst);
}

#define EDGE_CALL(kernel, ...)                                                                                         \
  static void call_##kernel(const dg_kernels *k) {                                                                     \
    edges_of(k)->kernel(__VA_ARGS__);                                                                                  \
  }
EDGE_CALL(gatv2_forward, &e, 0, e.n_dst)
EDGE_CALL(gatv2_alpha, &e, 0, e.n_dst, alpha)
EDGE_CALL(row_dots, &e, 0, e.n_dst)
EDGE_CALL(gatv2_backward_dst, &e, 0, e.n_dst, (dg_range){0}, datt)
EDGE_CALL(gatv2_backward_src, &e, 0, e.n_dst)
EDGE_CALL(gat_scores, &e, 0, e.n_dst)
EDGE_CALL(gat_forward, &e, 0, e.n_dst)
EDGE_CALL(gat_alpha, &e, 0, e.n_dst, alpha)
EDGE_CALL(gat_backward_src, &e, 0, e.n_dst, datt)
EDGE_CALL(gcn_forward, &e, 0, e.n_dst)
EDGE_CALL(gcn_backward_src, &e, 0, e.n_dst)

/* Terms of a sum over `edges`, weighted by exponentials of sums over channels of a head, whose size and so error grows
   with these. */
static double terms(double edges) {
  const double channels = (double)e.ld / e.hp;
  return edges + channels * channels;
}

/* Rows [n, ld] or [n, hp]. */
static bench_result rows(const char *name, dg_real *is, double *wanted, int width) {
  const size_t n = (size_t)e.n_dst;
  return (bench_result){name, is, wanted, n, (size_t)width, (size_t)width, terms((double)e.n_edges / e.n_dst)};
}

/* One of the statistics. */
static bench_result statistic(const char *name, int which) {
  bench_result r = rows(name, e.stat + which * e.hp, plain.stat + which * e.hp, e.hp);
  r.stride = DG_STATS * (size_t)e.hp;
  return r;
}

/* Gradients of attention vectors. */
static bench_result sums(const char *name, int width) {
  return (bench_result){name, datt, plain.datt, 1, (size_t)width, (size_t)width, terms(e.n_edges)};
}

/* Operations on channels that are not padding, without exponentials and random numbers. */
const bench_entry *edge_entries(const bench_sizes *s) {
  static bench_entry table[32];
  make_problem(s);
  memset(noted, 0, sizeof noted);
  const size_t note = edges_of(dg_kernels_get())->gatv2_note_size(s->hp, s->ld);
  const double E = e.n_edges, n = (double)s->nodes, w = (double)(s->heads * s->dim), U = n * w;
  const double M = 4 * n * s->ld, T = s->bf16 ? M / 2 : M, H = 4 * n * s->hp, csr = 4 * (E + n),
               A = 4 * E * s->hp; /* bytes */
  const bench_result agg = rows("agg", e.agg, plain.agg, e.ld), dz = rows("dz", e.dz, plain.dz, e.ld);
  const bench_result dzr = rows("dzr", e.dzr, plain.dzr, e.ld), score = statistic("scores of targets", DG_STAT_SCORE);
  const bench_result dscore = rows("dscore_dst", e.dscore_dst, plain.dscore_dst, e.hp);
  const bench_result more = rows("positive", positive, plain.positive, e.ld);
  const bench_result share = rows("coefficients of positive", e.dscore_dst, plain.share, e.hp);
  const bench_result source_score = rows("score_src", e.score_src, plain.score_src, e.hp);
  const bench_result top = statistic("maximum", DG_STAT_MAX), sum = statistic("1 / sum", DG_STAT_RSUM);
  const bench_result dots = statistic("dots", DG_STAT_DOT);
  const bench_result a = {"alpha", alpha, plain.alpha, (size_t)e.n_edges, (size_t)e.hp, (size_t)e.hp, agg.terms};
  const bench_result att = sums("gradient of att", s->ld), atts = sums("gradients of att", 2 * s->ld);
  const bench_entry made[] = {
      {ENTRY(gatv2_forward), "edge", E, 7 * E * w, csr + 2 * T + M + 2 * H, {agg, top, sum}, want_gatv2},
      {ENTRY(gatv2_alpha), "edge", E, 5 * E * w, csr + 2 * T + 2 * H + A, {a}},
      {ENTRY(row_dots), "element", U, 2 * U, T + M + H, {dots}},
      {ENTRY(gatv2_backward_dst), "edge", E, 11 * E * w, csr + 3 * T + M + 3 * H, {dzr, att}},
      {ENTRY(gatv2_backward_src), "edge", E, 11 * E * w, csr + 3 * T + M + 3 * H, {dz}},
      {ENTRY(gat_scores), "element", U, 4 * U, T + 2 * H, {source_score, score}, want_gat},
      {ENTRY(gat_forward), "edge", E, 4 * E * w, csr + T + 2 * M + 5 * H, {agg, top, sum, more, share}},
      {ENTRY(gat_alpha), "edge", E, 0, csr + 4 * H + A, {a}},
      {ENTRY_AS("row_dots of gat", row_dots), "element", U, 4 * U, T + 2 * M + 3 * H, {dots, dscore}, NULL, reset_dots},
      {ENTRY(gat_backward_src), "edge", E, 4 * E * w + 8 * U, csr + 2 * T + M + 6 * H, {dz, atts}},
      {ENTRY(gcn_forward), "edge", E, 2 * E * w, csr + T + M + 4 * n, {agg}, want_gcn},
      {ENTRY(gcn_backward_src), "edge", E, 2 * E * w, csr + T + M + 4 * n, {dz}},
      {.name = note > 0 ? "gatv2_backward_noted" : NULL, /* rows of others are not noted: the table ends */
       .run = call_gatv2_backward_noted,
       .unit = "edge",
       .units = E,
       .flops = 3 * E * w,
       .bytes = csr + T + M + E * (double)(4 + note),
       .results = {dz},
       .plain = want_gatv2},
  };
  _Static_assert(sizeof made < sizeof table, "room for the entries and their end");
  return memcpy(table, made, sizeof made);
}

void edge_entries_free(void) {
  plain_edges_destroy(&plain);
  bench_release();
}
