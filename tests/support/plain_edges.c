#include "support/plain_edges.h"

#include <math.h>
#include <string.h>

#include <distgat/memory.h>

#include "support/plain_rows.h"

dg_status plain_edges_create(plain_edges *plain, const dg_edges *e, int32_t n_src) {
  dg_status status = DG_OK;
  const size_t n_dst = (size_t)e->n_dst, hp = (size_t)e->hp, ld = (size_t)e->ld;
  *plain = (plain_edges){.n_src = n_src};
  DG_TRY(dg_alloc(&plain->alpha, (size_t)e->n_edges * hp, sizeof(double)));
  DG_TRY(dg_alloc(&plain->score_src, (size_t)n_src * hp, sizeof(double)));
  DG_TRY(dg_alloc(&plain->stat, n_dst * DG_STATS * hp, sizeof(double)));
  DG_TRY(dg_alloc(&plain->agg, n_dst * ld, sizeof(double)));
  DG_TRY(dg_alloc(&plain->positive, n_dst * ld, sizeof(double)));
  DG_TRY(dg_alloc(&plain->share, n_dst * hp, sizeof(double)));
  DG_TRY(dg_alloc(&plain->dz, (size_t)n_src * ld, sizeof(double)));
  DG_TRY(dg_alloc(&plain->dzr, n_dst * ld, sizeof(double)));
  DG_TRY(dg_alloc(&plain->dscore_dst, n_dst * hp, sizeof(double)));
  DG_TRY(dg_alloc(&plain->datt, 2 * ld, sizeof(double)));
  DG_TRY(dg_alloc(&plain->dedge, (size_t)e->edge_dim * ld, sizeof(double)));
cleanup:
  if (status != DG_OK) plain_edges_destroy(plain);
  return status;
}

void plain_edges_destroy(plain_edges *plain) {
  double **all[] = {&plain->alpha, &plain->score_src, &plain->stat,       &plain->agg,  &plain->positive, &plain->share,
                    &plain->dz,    &plain->dzr,       &plain->dscore_dst, &plain->datt, &plain->dedge};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dg_free(all[i]);
}

/* What is added to starts at zero. */
static void start(plain_edges *p, const dg_edges *e) {
  const size_t row = (size_t)e->ld * sizeof(double);
  memset(p->agg, 0, (size_t)e->n_dst * row);
  memset(p->positive, 0, (size_t)e->n_dst * row);
  memset(p->share, 0, (size_t)e->n_dst * (size_t)e->hp * sizeof(double));
  memset(p->dz, 0, (size_t)p->n_src * row);
  memset(p->dzr, 0, (size_t)e->n_dst * row);
  memset(p->dscore_dst, 0, (size_t)e->n_dst * (size_t)e->hp * sizeof(double));
  memset(p->datt, 0, 2 * row);
  memset(p->dedge, 0, (size_t)e->edge_dim * row);
}

static double leaky(const dg_edges *e, double u) {
  return u > 0 ? u : (double)e->slope * u;
}

static double leaky_slope(const dg_edges *e, double u) {
  return u > 0 ? 1 : (double)e->slope;
}

static double mask(const dg_edges *e, int32_t i, int32_t j, int h) {
  return plain_kept(&e->drop, e->ids[i], (uint32_t)e->ids[j] * (uint32_t)e->hp + (uint32_t)h) ? (double)e->drop.scale
                                                                                              : 0;
}

static double *stat_of(const plain_edges *p, const dg_edges *e, int32_t i, int what) {
  return p->stat + ((size_t)i * DG_STATS + (size_t)what) * (size_t)e->hp;
}

/* <x, y> over the channels of head h of two rows. */
static double dot(const dg_edges *e, const dg_real *x, int32_t r, const dg_real *y, int32_t s, int h) {
  const size_t ld = (size_t)e->ld;
  double sum = 0;
  for (size_t c = (size_t)h; c < ld; c += (size_t)e->hp)
    sum += (double)x[(size_t)r * ld + c] * (double)y[(size_t)s * ld + c];
  return sum;
}

/* Rows that scores are made of. */
static const dg_real *scored(const dg_edges *e) {
  return e->row_drop.threshold ? e->scored : e->z;
}

/* What dropout makes of a 1 in channel c of the row that edges gather of source j. */
static double row_mask(const dg_edges *e, int32_t j, size_t c) {
  if (!e->row_drop.threshold) return 1;
  return plain_kept(&e->row_drop, e->ids[j], (uint32_t)c) ? (double)e->row_drop.scale : 0;
}

/* Channel c of what edges gather of source j. */
static double message(const dg_edges *e, int32_t j, size_t c) {
  return row_mask(e, j, c) * (double)scored(e)[(size_t)j * (size_t)e->ld + c];
}

static double attribute(const dg_edges *e, int32_t t, int c) {
  return (double)e->attributes[(size_t)t * (size_t)e->edge_dim + (size_t)c];
}

/* The in-edge t from j to i. */
typedef struct edge {
  int32_t i, j, t;
} edge;

/* Score of GAT before LeakyReLU. */
static double gat_sum(const plain_edges *p, const dg_edges *e, edge at, int h) {
  const size_t hp = (size_t)e->hp;
  double sum = p->score_src[(size_t)at.j * hp + (size_t)h] + stat_of(p, e, at.i, DG_STAT_SCORE)[h];
  for (int c = 0; c < e->edge_dim; c++)
    sum += attribute(e, at.t, c) * (double)e->edge_scores[(size_t)c * hp + (size_t)h];
  return sum;
}

/* Channel d of what GATv2 gives to LeakyReLU. */
static double gatv2_sum(const dg_edges *e, edge at, size_t d) {
  const size_t ld = (size_t)e->ld;
  double sum = (double)e->z[(size_t)at.j * ld + d] + (double)e->zr[(size_t)at.i * ld + d];
  for (int c = 0; c < e->edge_dim; c++) sum += attribute(e, at.t, c) * (double)e->lin_edge[(size_t)c * ld + d];
  return sum;
}

/* Whether the edge takes no part. */
static bool is_dropped(const dg_edges *e, edge at) {
  return at.i != at.j && !plain_kept(&e->edge_drop, e->ids[at.i], (uint32_t)e->ids[at.j]);
}

static double score(const plain_edges *p, const dg_edges *e, bool v2, edge at, int h) {
  double sum = 0;
  if (is_dropped(e, at)) return -INFINITY;
  if (!v2) return leaky(e, gat_sum(p, e, at, h));
  for (size_t c = (size_t)h; c < (size_t)e->ld; c += (size_t)e->hp)
    sum += (double)e->att[c] * leaky(e, gatv2_sum(e, at, c));
  return sum;
}

static void forward(plain_edges *p, const dg_edges *e, bool v2, int32_t i, int h) {
  const size_t ld = (size_t)e->ld, hp = (size_t)e->hp;
  const int32_t begin = e->indptr[i], end = e->indptr[i + 1];
  double top = -INFINITY, sum = 0, *alpha = p->alpha + h;
  for (int32_t t = begin; t < end; t++)
    top = fmax(top, alpha[t * hp] = score(p, e, v2, (edge){i, e->indices[t], t}, h));
  for (int32_t t = begin; t < end; t++) sum += alpha[t * hp] = exp(alpha[t * hp] - top);
  for (int32_t t = begin; t < end; t++) {
    const double weight = (alpha[t * hp] /= sum) * mask(e, i, e->indices[t], h);
    const bool positive = !v2 && gat_sum(p, e, (edge){i, e->indices[t], t}, h) > 0;
    if (positive) p->share[(size_t)i * hp + (size_t)h] += alpha[t * hp];
    for (size_t c = (size_t)h; c < ld; c += hp) {
      const double term = weight * message(e, e->indices[t], c);
      p->agg[(size_t)i * ld + c] += term;
      if (positive) p->positive[(size_t)i * ld + c] += term;
    }
  }
  stat_of(p, e, i, DG_STAT_MAX)[h] = top;
  stat_of(p, e, i, DG_STAT_RSUM)[h] = 1 / sum;
}

/* Gradient of one score to z, zr, the attention vectors, and what attributes are multiplied by. */
static void score_backward(plain_edges *p, const dg_edges *e, bool v2, edge at, int h, double ds) {
  const size_t ld = (size_t)e->ld, ri = (size_t)at.i * ld, rj = (size_t)at.j * ld;
  if (!v2) ds *= leaky_slope(e, gat_sum(p, e, at, h));
  if (!v2) p->dscore_dst[(size_t)at.i * (size_t)e->hp + (size_t)h] += ds;
  for (int c = 0; !v2 && c < e->edge_dim; c++) p->dedge[c * e->hp + h] += ds * attribute(e, at.t, c);
  for (size_t c = (size_t)h; c < ld; c += (size_t)e->hp) {
    const double att = (double)e->att[c], zj = (double)scored(e)[rj + c];
    if (v2) {
      const double u = gatv2_sum(e, at, c), du = ds * att * leaky_slope(e, u);
      for (int f = 0; f < e->edge_dim; f++) p->dedge[(size_t)f * ld + c] += du * attribute(e, at.t, f);
      p->dz[rj + c] += du;
      p->dzr[ri + c] += du;
      p->datt[c] += ds * leaky(e, u);
    } else {
      p->dz[rj + c] += ds * att;
      p->dz[ri + c] += ds * (double)e->att_dst[c];
      p->datt[c] += ds * zj;
      p->datt[ld + c] += ds * (double)scored(e)[ri + c];
    }
  }
}

static void backward(plain_edges *p, const dg_edges *e, bool v2, int32_t i, int h) {
  const size_t ld = (size_t)e->ld, hp = (size_t)e->hp;
  double mean = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int32_t t = e->indptr[i]; t < e->indptr[i + 1]; t++) {
      const int32_t j = e->indices[t];
      const double alpha = p->alpha[t * hp + (size_t)h], m = mask(e, i, j, h);
      double dalpha = 0;
      for (size_t c = (size_t)h; c < ld; c += hp) dalpha += m * (double)e->dagg[(size_t)i * ld + c] * message(e, j, c);
      if (pass == 0) {
        mean += alpha * dalpha;
        continue;
      }
      for (size_t c = (size_t)h; c < ld; c += hp)
        p->dz[(size_t)j * ld + c] += alpha * m * row_mask(e, j, c) * (double)e->dagg[(size_t)i * ld + c];
      score_backward(p, e, v2, (edge){i, j, t}, h, alpha * (dalpha - mean));
    }
  stat_of(p, e, i, DG_STAT_DOT)[h] = mean;
}

static void attention(plain_edges *p, const dg_edges *e, bool v2) {
  start(p, e);
  for (int32_t j = 0; j < p->n_src && !v2; j++)
    for (int h = 0; h < e->hp; h++) {
      p->score_src[(size_t)j * (size_t)e->hp + (size_t)h] = dot(e, scored(e), j, e->att, 0, h);
      if (j < e->n_dst) stat_of(p, e, j, DG_STAT_SCORE)[h] = dot(e, scored(e), j, e->att_dst, 0, h);
    }
  for (int32_t i = 0; i < e->n_dst; i++)
    for (int h = 0; h < e->hp; h++) {
      forward(p, e, v2, i, h);
      backward(p, e, v2, i, h);
    }
}

void plain_gatv2(plain_edges *plain, const dg_edges *e) {
  attention(plain, e, true);
}

void plain_gat(plain_edges *plain, const dg_edges *e) {
  attention(plain, e, false);
}

void plain_gcn(plain_edges *plain, const dg_edges *e) {
  const size_t ld = (size_t)e->ld;
  start(plain, e);
  for (int32_t i = 0; i < e->n_dst; i++)
    for (int32_t t = e->indptr[i]; t < e->indptr[i + 1]; t++) {
      const size_t ri = (size_t)i * ld, rj = (size_t)e->indices[t] * ld;
      const double weight = e->edge_dim == 0 || e->indices[t] == i ? 1 : attribute(e, t, 0);
      const double norm = weight * (double)e->norm[i] * (double)e->norm[e->indices[t]];
      for (size_t c = 0; c < ld; c++) {
        plain->agg[ri + c] += norm * (double)e->z[rj + c];
        plain->dz[rj + c] += norm * (double)e->dagg[ri + c];
      }
    }
}

/* norm is 1 / neighbours of a target; its self-loop is no neighbour. */
void plain_mean(plain_edges *plain, const dg_edges *e) {
  const size_t ld = (size_t)e->ld;
  start(plain, e);
  for (int32_t i = 0; i < e->n_dst; i++)
    for (int32_t t = e->indptr[i]; t < e->indptr[i + 1]; t++) {
      const size_t ri = (size_t)i * ld, rj = (size_t)e->indices[t] * ld;
      if (e->indices[t] == i) continue;
      for (size_t c = 0; c < ld; c++) {
        plain->agg[ri + c] += (double)e->norm[i] * (double)e->z[rj + c];
        plain->dz[rj + c] += (double)e->norm[i] * (double)e->dagg[ri + c];
      }
    }
}
