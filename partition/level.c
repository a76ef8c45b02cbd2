#include "level.h"

#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

static dg_status begin(dg_level *level, const dg_comm *comm, int64_t n_nodes) {
  dg_status status = DG_OK;
  *level = (dg_level){.comm = comm, .nodes = dg_directory_blocks(comm, n_nodes)};
  if (level->nodes.n >= INT32_MAX) return dg_fail(DG_MEMORY, "%d nodes on one rank; start more ranks", INT32_MAX);
  level->n = (dg_row)level->nodes.n;
  DG_TRY(dg_alloc(&level->indptr, (size_t)level->n + 1, sizeof *level->indptr));
  DG_TRY(dg_alloc(&level->weight, (size_t)level->n, sizeof *level->weight));
cleanup:
  return status;
}

/* Turns ids into rows. Collective. */
static dg_status localise(dg_level *level, const dg_id *ids) {
  dg_status status = DG_OK;
  const int64_t n_ends = level->indptr[level->n];
  DG_TRY(dg_comm_agree(level->comm, dg_alloc(&level->to, (size_t)n_ends, sizeof *level->to)));
  DG_TRY(dg_links_create(&level->halo, level->to, level->comm, &level->nodes, ids, n_ends, true));
  level->n_halo = (dg_row)level->halo.n;
  level->n_ends = n_ends;
  dg_comm_sum_int64(level->comm, &level->n_ends, 1);
cleanup:
  return status;
}

dg_status dg_level_create(dg_level *level, const dg_comm *comm, int64_t n_nodes, const dg_in_edges *in) {
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(comm, begin(level, comm, n_nodes)));
  memcpy(level->indptr, in->indptr, ((size_t)level->n + 1) * sizeof *level->indptr);
  DG_TRY(localise(level, in->source));
cleanup:
  if (status != DG_OK) dg_level_destroy(level);
  return status;
}

void dg_level_destroy(dg_level *level) {
  dg_free(&level->indptr);
  dg_free(&level->to);
  dg_free(&level->way);
  dg_free(&level->edge_weight);
  dg_free(&level->hot);
  dg_free(&level->weight);
  dg_links_destroy(&level->halo);
}

/* ---- gathering edges ---- */

int64_t dg_edge_portion = (int64_t)1 << 18;

typedef struct gathering {
  dg_level *level;
  const dg_edge_source *source;
  bool ways;
  dg_mail mail;
  dg_edge *portion;
  int32_t *to;
  int64_t *next; /* [n] where the next edge of a row goes */
  dg_id *ids;
  int32_t *weight;
  bool places; /* edges; before, they are counted */
} gathering;

/* The edges that came are counted, or put into their rows. Local. */
static void take(gathering *g) {
  const dg_edge *come = g->mail.come;
  for (int64_t k = 0; k < g->mail.n_come; k++) {
    const dg_row i = (dg_row)(come[k].a - g->level->nodes.first);
    if (!g->places) {
      g->level->indptr[i + 1]++;
    } else {
      g->ids[g->next[i]] = come[k].b;
      g->weight[g->next[i]++] = come[k].weight;
    }
  }
}

/* All portions of all ranks travel once. Collective. */
static dg_status pass(gathering *g) {
  dg_status status = DG_OK;
  const dg_level *level = g->level;
  bool gave_all = false;
  for (;;) {
    const int64_t n = gave_all ? 0 : g->source->next(g->portion, g->source->context);
    gave_all = n == 0; /* others may have more portions */
    if (dg_comm_max_int64(level->comm, n) == 0) break;
    for (int64_t k = 0; k < n; k++) g->to[k] = dg_directory_rank(&level->nodes, g->portion[k].a);
    DG_TRY(dg_mail_send(&g->mail, g->portion, g->to, n, sizeof *g->portion));
    take(g);
  }
cleanup:
  return status;
}

static int compare_edges(const void *a, const void *b) {
  const dg_edge *x = a, *y = b;
  return (x->b > y->b) - (x->b < y->b);
}

static int32_t join(const gathering *g, int32_t a, int32_t b) {
  if (g->ways) return a | b;
  return a > INT32_MAX - b ? INT32_MAX : a + b;
}

/* Sorts a row of n edges at `from` and writes them, of equal ones one, at `out`; gives how many. */
static int64_t tidy_row(gathering *g, dg_edge *row, int64_t from, int64_t n, int64_t out) {
  const int64_t first = out;
  for (int64_t k = 0; k < n; k++) row[k] = (dg_edge){.b = g->ids[from + k], .weight = g->weight[from + k]};
  qsort(row, (size_t)n, sizeof *row, compare_edges);
  for (int64_t k = 0; k < n; k++) {
    if (out > first && g->ids[out - 1] == row[k].b) {
      g->weight[out - 1] = join(g, g->weight[out - 1], row[k].weight);
    } else {
      g->ids[out] = row[k].b;
      g->weight[out++] = row[k].weight;
    }
  }
  return out - first;
}

static dg_status tidy(gathering *g) {
  int64_t longest = 0, out = 0, from = 0;
  int64_t *indptr = g->level->indptr;
  dg_edge *row;
  for (dg_row i = 0; i < g->level->n; i++)
    if (indptr[i + 1] - indptr[i] > longest) longest = indptr[i + 1] - indptr[i];
  const dg_status status = dg_alloc(&row, (size_t)longest, sizeof *row);
  if (status != DG_OK) return status;
  for (dg_row i = 0; i < g->level->n; i++) {
    const int64_t end = indptr[i + 1];
    indptr[i] = out;
    out += tidy_row(g, row, from, end - from, out);
    from = end;
  }
  indptr[g->level->n] = out;
  dg_free(&row);
  return DG_OK;
}

/* Makes room for the edges that were counted. Local. */
static dg_status make_room(gathering *g) {
  dg_status status = DG_OK;
  int64_t *indptr = g->level->indptr;
  for (dg_row i = 0; i < g->level->n; i++) indptr[i + 1] += indptr[i];
  const size_t n = (size_t)indptr[g->level->n];
  DG_TRY(dg_alloc(&g->next, (size_t)g->level->n, sizeof *g->next));
  memcpy(g->next, indptr, (size_t)g->level->n * sizeof *indptr);
  DG_TRY(dg_alloc(&g->ids, n, sizeof *g->ids));
  DG_TRY(dg_alloc(&g->weight, n, sizeof *g->weight));
  g->places = true;
cleanup:
  return status;
}

/* Keeps what came with each edge. Local. */
static dg_status keep_weights(gathering *g) {
  const size_t n = (size_t)g->level->indptr[g->level->n];
  if (!g->ways) {
    g->level->edge_weight = g->weight;
    g->weight = NULL;
    return DG_OK;
  }
  const dg_status status = dg_alloc(&g->level->way, n, sizeof *g->level->way);
  for (size_t t = 0; status == DG_OK && t < n; t++) g->level->way[t] = (uint8_t)g->weight[t];
  dg_free(&g->weight);
  return status;
}

static void release(gathering *g) {
  dg_mail_destroy(&g->mail);
  dg_free(&g->portion);
  dg_free(&g->to);
  dg_free(&g->next);
}

dg_status dg_level_gather(dg_level *level, const dg_comm *comm, int64_t n_nodes, const dg_edge_source *source,
                          bool ways) {
  dg_status status = DG_OK;
  gathering g = {.level = level, .source = source, .ways = ways, .mail = {.comm = comm}};
  const size_t room = (size_t)(dg_edge_portion + source->longest);
  status = begin(level, comm, n_nodes);
  if (status == DG_OK) status = dg_alloc(&g.portion, room, sizeof *g.portion);
  if (status == DG_OK) status = dg_alloc(&g.to, room, sizeof *g.to);
  DG_TRY(dg_comm_agree(comm, status));
  DG_TRY(pass(&g));
  DG_TRY(dg_comm_agree(comm, make_room(&g)));
  DG_TRY(pass(&g));
  release(&g);
  status = tidy(&g);
  DG_TRY(dg_comm_agree(comm, status == DG_OK ? keep_weights(&g) : status));
  DG_TRY(localise(level, g.ids));
cleanup:
  release(&g);
  dg_free(&g.ids);
  dg_free(&g.weight);
  if (status != DG_OK) dg_level_destroy(level);
  return status;
}

void dg_level_weigh(dg_level *level) {
  level->total = (dg_weight){0};
  for (dg_row i = 0; i < level->n; i++) dg_weight_add(&level->total, &level->weight[i]);
  dg_comm_sum_int64(level->comm, level->total.of, DG_MAX_WEIGHTS);
}

/* ---- symmetry ---- */

bool dg_level_is_symmetric(const dg_level *level) {
  int64_t sum[2] = {0};
  uint64_t difference[2] = {0};
  for (dg_row i = 0; i < level->n; i++)
    for (int64_t t = level->indptr[i]; t < level->indptr[i + 1]; t++) {
      const uint64_t a = (uint64_t)dg_level_id(level, i), b = (uint64_t)dg_level_id(level, level->to[t]);
      for (uint64_t s = 0; s < 2; s++)
        difference[s] += dg_rng_key(dg_rng_key(s, a), b) - dg_rng_key(dg_rng_key(s, b), a);
    }
  for (int s = 0; s < 2; s++) sum[s] = (int64_t)difference[s];
  dg_comm_sum_int64(level->comm, sum, 2);
  return sum[0] == 0 && sum[1] == 0;
}

typedef struct both_ways {
  const dg_level *level;
  dg_row row; /* the next */
} both_ways;

/* In-edges of the next rows, and the same from the other end. */
static int64_t next_both_ways(dg_edge *edges, void *context) {
  both_ways *w = context;
  const dg_level *level = w->level;
  int64_t n = 0;
  for (; w->row < level->n && n < dg_edge_portion; w->row++)
    for (int64_t t = level->indptr[w->row]; t < level->indptr[w->row + 1]; t++) {
      const dg_id a = dg_level_id(level, w->row), b = dg_level_id(level, level->to[t]);
      edges[n++] = (dg_edge){a, b, DG_EDGE_IN};
      edges[n++] = (dg_edge){b, a, DG_EDGE_OUT};
    }
  if (n == 0) w->row = 0;
  return n;
}

dg_status dg_level_symmetrise(dg_level *level) {
  dg_status status = DG_OK;
  dg_level both = {0};
  both_ways ways = {.level = level};
  dg_edge_source source = {.next = next_both_ways, .context = &ways};
  for (dg_row i = 0; i < level->n; i++)
    if (2 * (level->indptr[i + 1] - level->indptr[i]) > source.longest)
      source.longest = 2 * (level->indptr[i + 1] - level->indptr[i]);
  DG_TRY(dg_level_gather(&both, level->comm, level->nodes.n_nodes, &source, true));
  memcpy(both.weight, level->weight, (size_t)level->n * sizeof *level->weight);
  both.total = level->total;
  dg_level_destroy(level);
  *level = both;
cleanup:
  return status;
}
