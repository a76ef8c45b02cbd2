#include <math.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "level.h"

/* Rows near the borders of parts are few in graphs that have good parts: rank 0 polishes them, and one fixed node a
   part stands for all others (a band graph: Chevalier, Pellegrini 2008, section 3.2). Where they are too many, but
   parts too heavy, some of those at borders are enough to make these lighter. */

/* A band goes no further from the borders. */
enum { REACH = 12 };

/* Edges of a band, times the rows that it may have. */
enum { BAND_EDGES = 32 };

typedef struct band {
  const dg_level *level;
  int parts;
  uint8_t *distance; /* [n + n_halo] from the border, from 1; 0: beyond the band */
  dg_id *number;     /* [n + n_halo] among the rows of the band, -1: not in it */
  int64_t n;         /* rows of the band here */
  int64_t n_all;     /* of all ranks */
  bool sampled;      /* whether they are some of those at borders alone */
  dg_weight *load;   /* [parts] without the rows of the band */
} band;

/* A row, and an edge of it, on their way to rank 0. */
typedef struct band_row {
  dg_weight weight;
  int32_t part;
  int64_t n_edges;
} band_row;

typedef struct band_edge {
  dg_id to; /* number in the band, or n_all + part */
  int32_t weight;
} band_edge;

static dg_status allocate(band *b) {
  dg_status status = DG_OK;
  const size_t all = (size_t)b->level->n + (size_t)b->level->n_halo;
  DG_TRY(dg_alloc(&b->distance, all, 1));
  DG_TRY(dg_alloc(&b->number, all, sizeof *b->number));
  DG_TRY(dg_alloc(&b->load, (size_t)b->parts, sizeof *b->load));
cleanup:
  return status;
}

static void release(band *b) {
  dg_free(&b->distance);
  dg_free(&b->number);
  dg_free(&b->load);
}

static bool is_next(const band *b, const int32_t *part, dg_row i, int reached) {
  const dg_level *level = b->level;
  if (b->distance[i] > 0) return false;
  for (int64_t t = level->indptr[i]; t < level->indptr[i + 1]; t++)
    if (reached == 0 ? part[level->to[t]] != part[i] : b->distance[level->to[t]] == reached) return true;
  return false;
}

/* Takes the rows into the band that are next to it, at first those at borders; what[2] are then rows and edges of the
   band on all ranks. Collective. */
static dg_status widen(int64_t *what, band *b, const int32_t *part, int reached) {
  const dg_level *level = b->level;
  int64_t more[2] = {0};
  for (dg_row i = 0; i < level->n; i++) {
    if (!is_next(b, part, i, reached)) continue;
    b->distance[i] = (uint8_t)(reached + 1);
    more[0]++, more[1] += level->indptr[i + 1] - level->indptr[i];
  }
  dg_comm_sum_int64(level->comm, more, 2);
  what[0] += more[0], what[1] += more[1];
  return dg_level_pull(level, b->distance, 1);
}

/* Leaves a share of the rows at borders in the band. */
static void thin_out(band *b, double share, uint64_t key) {
  for (dg_row i = 0; i < b->level->n; i++)
    if (dg_rng_uniform(key, (uint64_t)dg_level_id(b->level, i)) >= share) b->distance[i] = 0;
  b->sampled = true;
}

/* Finds a band of no more than `most` rows, as wide as possible, or thin where parts are too heavy; gives how far it
   reaches. Collective. */
static dg_status find_band(int *reach, band *b, const int32_t *part, int64_t most, bool heavy, uint64_t key) {
  dg_status status = DG_OK;
  int64_t what[2] = {0};
  for (*reach = 0; *reach < REACH; ++*reach) {
    const int64_t before = what[0];
    DG_TRY(widen(what, b, part, *reach));
    const double rows = (double)most / (double)what[0], edges = BAND_EDGES * (double)most / (double)what[1];
    if (rows < 1 || edges < 1) {
      if (*reach > 0 || !heavy) break;
      thin_out(b, rows < edges ? rows : edges, key);
      *reach = 1;
      break;
    }
    if (what[0] == before) break;
  }
cleanup:
  return status;
}

/* Numbers the rows of the band, of all ranks. Collective. */
static dg_status number_rows(band *b, int reach) {
  dg_status status = DG_OK;
  const dg_level *level = b->level;
  int64_t first;
  for (dg_row i = 0; i < level->n; i++) b->n += b->distance[i] > 0 && b->distance[i] <= reach;
  first = b->n_all = b->n;
  dg_comm_sum_below(level->comm, &first, 1);
  dg_comm_sum_int64(level->comm, &b->n_all, 1);
  for (dg_row i = 0; i < level->n; i++) b->number[i] = b->distance[i] > 0 && b->distance[i] <= reach ? first++ : -1;
  DG_TRY(dg_level_pull(level, b->number, sizeof *b->number));
cleanup:
  return status;
}

/* Rows [b->n] and their edges as rank 0 is to see them. Local. */
static void list_rows(band_row *rows, band_edge *edges, const band *b, const int32_t *part) {
  const dg_level *level = b->level;
  for (dg_row i = 0; i < level->n; i++) {
    if (b->number[i] < 0) continue;
    *rows++ = (band_row){level->weight[i], part[i], level->indptr[i + 1] - level->indptr[i]};
    for (int64_t t = level->indptr[i]; t < level->indptr[i + 1]; t++) {
      const dg_row j = level->to[t];
      *edges++ = (band_edge){b->number[j] < 0 ? b->n_all + part[j] : b->number[j], dg_level_edge(level, i, t)};
    }
  }
}

/* What the parts weigh without the rows of the band. Collective. */
static void weigh_rest(band *b, const int32_t *part) {
  memset(b->load, 0, (size_t)b->parts * sizeof *b->load);
  for (dg_row i = 0; i < b->level->n; i++)
    if (b->number[i] < 0) dg_weight_add(&b->load[part[i]], &b->level->weight[i]);
  dg_comm_sum_int64(b->level->comm, b->load->of, (size_t)b->parts * DG_MAX_WEIGHTS);
}

/* Whether a part has more of anything than moves leave it. Collective. */
static bool are_heavy(band *b, const int32_t *part, const double *share) {
  memset(b->number, -1, (size_t)b->level->n * sizeof *b->number);
  weigh_rest(b, part);
  for (int p = 0; p < b->parts; p++)
    for (int k = 0; k < DG_MAX_WEIGHTS; k++) {
      const double fair = (share ? share[p] : 1.0 / b->parts) * (double)b->level->total.of[k];
      if ((double)b->load[p].of[k] > ceil(DG_BALANCE_AIM * fair)) return true;
    }
  return false;
}

/* The same on rank 0, as a graph. */
typedef struct band_graph {
  int64_t *indptr, *weight;
  dg_id *ids;
  int32_t *edge_weight, *part;
} band_graph;

static void destroy_graph(band_graph *g) {
  dg_free(&g->indptr);
  dg_free(&g->weight);
  dg_free(&g->ids);
  dg_free(&g->edge_weight);
  dg_free(&g->part);
}

/* Local. */
static dg_status make_graph(band_graph *g, const band *b, const dg_mail *rows, const dg_mail *edges) {
  dg_status status = DG_OK;
  const band_row *row = rows->come;
  const band_edge *edge = edges->come;
  const int64_t n = rows->n_come + b->parts;
  DG_TRY(dg_alloc(&g->indptr, (size_t)n + 1, sizeof *g->indptr));
  DG_TRY(dg_alloc(&g->weight, (size_t)n * DG_MAX_WEIGHTS, sizeof *g->weight));
  DG_TRY(dg_alloc(&g->part, (size_t)n, sizeof *g->part));
  DG_TRY(dg_alloc(&g->ids, (size_t)edges->n_come, sizeof *g->ids));
  DG_TRY(dg_alloc(&g->edge_weight, (size_t)edges->n_come, sizeof *g->edge_weight));
  for (int64_t i = 0; i < n; i++) {
    const int p = (int)(i - rows->n_come);
    const dg_weight *weight = p < 0 ? &row[i].weight : &b->load[p];
    for (int k = 0; k < DG_MAX_WEIGHTS; k++) g->weight[i * DG_MAX_WEIGHTS + k] = weight->of[k];
    g->part[i] = p < 0 ? row[i].part : p;
    g->indptr[i + 1] = g->indptr[i] + (p < 0 ? row[i].n_edges : 0);
  }
  for (int64_t t = 0; t < edges->n_come; t++) g->ids[t] = edge[t].to, g->edge_weight[t] = edge[t].weight;
cleanup:
  return status;
}

/* Polishes what came to rank 0: g->part are then the parts of all rows of the band. Local. */
static dg_status polish(band_graph *g, const band *b, const dg_mail *rows, const dg_mail *edges, const double *share) {
  dg_status status = DG_OK;
  dg_polished result;
  DG_TRY(make_graph(g, b, rows, edges));
  const dg_weighted_graph graph = {.n_nodes = rows->n_come + b->parts,
                                   .n_fixed = b->parts,
                                   .n_weights = DG_MAX_WEIGHTS,
                                   .stride = DG_MAX_WEIGHTS,
                                   .indptr = g->indptr,
                                   .ids = g->ids,
                                   .edge_weight = g->edge_weight,
                                   .weight = g->weight};
  DG_TRY(dg_partition_polish(&result, g->part, &graph, b->parts, share, b->level->edge_weight == NULL && !b->sampled));
cleanup:
  return status;
}

/* Sends the band to rank 0, and takes back where its rows belong: part [n + n_halo]. Collective. */
static dg_status send(int32_t *part, const band *b, const double *share) {
  dg_status status = DG_OK;
  const dg_level *level = b->level;
  dg_mail to_row = {.comm = level->comm}, to_edge = {.comm = level->comm};
  band_graph graph = {0};
  band_row *rows = NULL;
  band_edge *edges = NULL;
  int32_t *to = NULL, *answer = NULL;
  int64_t n_edges = 0, k = 0;
  for (dg_row i = 0; i < level->n; i++)
    if (b->number[i] >= 0) n_edges += level->indptr[i + 1] - level->indptr[i];
  status = dg_alloc(&rows, (size_t)b->n, sizeof *rows);
  if (status == DG_OK) status = dg_alloc(&edges, (size_t)n_edges, sizeof *edges);
  if (status == DG_OK) status = dg_alloc(&to, (size_t)(n_edges > b->n ? n_edges : b->n), sizeof *to); /* rank 0 */
  if (status == DG_OK) status = dg_alloc(&answer, (size_t)b->n, sizeof *answer);
  DG_TRY(dg_comm_agree(level->comm, status));
  list_rows(rows, edges, b, part);
  DG_TRY(dg_mail_send(&to_row, rows, to, b->n, sizeof *rows));
  DG_TRY(dg_mail_send(&to_edge, edges, to, n_edges, sizeof *edges));
  if (level->comm->rank == 0) status = polish(&graph, b, &to_row, &to_edge, share);
  DG_TRY(dg_comm_agree(level->comm, status));
  DG_TRY(dg_mail_return(&to_row, answer, graph.part, sizeof *answer));
  for (dg_row i = 0; i < level->n; i++)
    if (b->number[i] >= 0) part[i] = answer[k++];
  DG_TRY(dg_level_pull(level, part, sizeof *part));
cleanup:
  dg_mail_destroy(&to_row);
  dg_mail_destroy(&to_edge);
  destroy_graph(&graph);
  dg_free(&rows);
  dg_free(&edges);
  dg_free(&to);
  dg_free(&answer);
  return status;
}

dg_status dg_level_polish(int32_t *part, const dg_level *level, int parts, const double *share, int64_t most,
                          uint64_t key) {
  dg_status status = DG_OK;
  band b = {.level = level, .parts = parts};
  int reach;
  DG_TRY(dg_comm_agree(level->comm, allocate(&b)));
  DG_TRY(dg_level_pull(level, part, sizeof *part));
  DG_TRY(find_band(&reach, &b, part, most, are_heavy(&b, part, share), key));
  DG_TRY(number_rows(&b, reach));
  if (b.n_all == 0) goto cleanup;
  weigh_rest(&b, part);
  DG_TRY(send(part, &b, share));
cleanup:
  release(&b);
  return status;
}
