#include <math.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "level.h"

/* Classes of moves by what they gain, each again divided by chance: of a class that has not room in a part as a whole
   some such pieces may have. */
enum { GAINS = 16, CHANCES = 8, CLASSES = GAINS * CHANCES };

/* A round that moves less of the rows than this is the last, but for those that must go. */
static const double FEW = 1e-3;

/* A move that a row would like; class -1: none. */
typedef struct wish {
  int32_t to;
  int32_t class;
} wish;

typedef struct spreader {
  const dg_level *level;
  const dg_spread_config *config;
  int32_t *part;
  dg_weight *load, *limit; /* [parts] */
  dg_weight *sum;          /* [parts, CLASSES] of wishes */
  uint8_t *yes;            /* [parts, CLASSES] */
  int64_t *tie;            /* [parts] of the row at hand to each part, 0 between rows */
  wish *wishes;            /* [n] */
} spreader;

static void find_loads(spreader *s) {
  const size_t parts = (size_t)s->config->parts;
  memset(s->load, 0, parts * sizeof *s->load);
  for (dg_row i = 0; i < s->level->n; i++) dg_weight_add(&s->load[s->part[i]], &s->level->weight[i]);
  dg_comm_sum_int64(s->level->comm, s->load->of, parts * DG_MAX_WEIGHTS);
}

static void set_limits(spreader *s) {
  for (int p = 0; p < s->config->parts; p++)
    for (int k = 0; k < DG_MAX_WEIGHTS; k++) {
      const double share = s->config->share ? s->config->share[p] : 1.0 / s->config->parts;
      s->limit[p].of[k] = (int64_t)ceil(DG_BALANCE_AIM * share * (double)s->level->total.of[k]);
    }
}

static bool is_over(const spreader *s, int part, const dg_weight *load) {
  for (int k = 0; k < DG_MAX_WEIGHTS; k++)
    if (load->of[k] > s->limit[part].of[k]) return true;
  return false;
}

/* Whether the row is some of what its part has too much of. */
static bool is_excess(const spreader *s, dg_row i) {
  const int p = s->part[i];
  for (int k = 0; k < DG_MAX_WEIGHTS; k++)
    if (s->level->weight[i].of[k] > 0 && s->load[p].of[k] > s->limit[p].of[k]) return true;
  return false;
}

static bool has_room(const spreader *s, int part, const dg_weight *more) {
  return dg_weight_fits(&s->load[part], more, &s->limit[part]);
}

/* Classes ascend as gains fall: by powers of 2, those above 0 before those below. */
static int32_t class_of(int64_t gain, uint64_t luck) {
  const int size = (int)fmin(7, log2(fabs((double)gain) + 1) / 2);
  const int rank = gain > 0 ? 7 - size : 8 + size;
  return rank * CHANCES + (int32_t)(luck % CHANCES);
}

/* Any part with room, for a row that must go but has no neighbour in one. */
static int try_parts(const spreader *s, dg_row i, uint64_t luck) {
  for (uint64_t k = 0; k < 8; k++) {
    const int p = (int)(dg_rng_key(luck, k) % (uint64_t)s->config->parts);
    if (p != s->part[i] && has_room(s, p, &s->level->weight[i])) return p;
  }
  return -1;
}

/* Where a row would like to go: to the part that it is most tied to of those with room, if it is more so than to its
   own, or must go at all. */
static wish choose(const spreader *s, dg_row i, bool forced, uint64_t luck) {
  const dg_level *level = s->level;
  const int own = s->part[i];
  const int64_t begin = level->indptr[i], end = level->indptr[i + 1];
  int best = -1;
  int64_t most = 0;
  for (int64_t t = begin; t < end; t++) s->tie[s->part[level->to[t]]] += dg_level_edge(level, i, t);
  const int64_t stay = s->tie[own];
  for (int64_t t = begin; t < end; t++) {
    const int p = s->part[level->to[t]];
    const int64_t tie = s->tie[p];
    s->tie[p] = 0;
    if (p == own || tie < most || tie == 0 || (tie == most && p > best)) continue;
    if (has_room(s, p, &level->weight[i])) best = p, most = tie;
  }
  if (forced && best < 0) best = try_parts(s, i, luck);
  if (best < 0 || (!forced && most <= stay)) return (wish){-1, -1};
  return (wish){best, class_of(most - stay, luck >> 8)};
}

/* Adds up wishes by the part that they fill, or leave. Collective. */
static void sum_wishes(spreader *s, bool leave) {
  const size_t n = (size_t)s->config->parts * CLASSES;
  memset(s->sum, 0, n * sizeof *s->sum);
  for (dg_row i = 0; i < s->level->n; i++) {
    const wish *w = &s->wishes[i];
    if (w->class >= 0) dg_weight_add(&s->sum[(leave ? s->part[i] : w->to) * CLASSES + w->class], &s->level->weight[i]);
  }
  dg_comm_sum_int64(s->level->comm, s->sum->of, n * DG_MAX_WEIGHTS);
}

static void drop_refused(spreader *s, bool leave) {
  for (dg_row i = 0; i < s->level->n; i++) {
    wish *w = &s->wishes[i];
    if (w->class >= 0 && !s->yes[(leave ? s->part[i] : w->to) * CLASSES + w->class]) w->class = -1;
  }
}

/* Parts let go no more classes than bring them within their limits. */
static void let_go(spreader *s) {
  sum_wishes(s, true);
  for (int p = 0; p < s->config->parts; p++) {
    dg_weight load = s->load[p];
    for (int c = p * CLASSES; c < (p + 1) * CLASSES; c++) {
      s->yes[c] = is_over(s, p, &load);
      for (int k = 0; s->yes[c] && k < DG_MAX_WEIGHTS; k++) load.of[k] -= s->sum[c].of[k];
    }
  }
  drop_refused(s, true);
}

/* Parts take the classes for which they have room. */
static void let_in(spreader *s) {
  sum_wishes(s, false);
  for (int p = 0; p < s->config->parts; p++)
    for (int c = p * CLASSES; c < (p + 1) * CLASSES; c++) {
      s->yes[c] = has_room(s, p, &s->sum[c]);
      if (s->yes[c]) dg_weight_add(&s->load[p], &s->sum[c]);
    }
  drop_refused(s, false);
}

/* One round. Of rows that may move half do, so that neighbours do not change places; *moved of all ranks' did.
   Collective. */
static dg_status move_rows(int64_t *moved, spreader *s, bool forced, uint64_t key) {
  dg_status status = DG_OK;
  *moved = 0;
  for (dg_row i = 0; i < s->level->n; i++) {
    const uint64_t luck = dg_rng_key(key, (uint64_t)dg_level_id(s->level, i));
    const bool may = forced ? is_excess(s, i) : (luck & 1) != 0;
    s->wishes[i] = may ? choose(s, i, forced, luck >> 1) : (wish){-1, -1};
  }
  if (forced) let_go(s);
  let_in(s);
  for (dg_row i = 0; i < s->level->n; i++)
    if (s->wishes[i].class >= 0) s->part[i] = s->wishes[i].to, ++*moved;
  dg_comm_sum_int64(s->level->comm, moved, 1);
  DG_TRY(dg_level_pull(s->level, s->part, sizeof *s->part));
  find_loads(s);
cleanup:
  return status;
}

static bool is_balanced(const spreader *s) {
  for (int p = 0; p < s->config->parts; p++)
    if (is_over(s, p, &s->load[p])) return false;
  return true;
}

static dg_status allocate(spreader *s) {
  dg_status status = DG_OK;
  const size_t parts = (size_t)s->config->parts;
  DG_TRY(dg_alloc(&s->load, parts, sizeof *s->load));
  DG_TRY(dg_alloc(&s->limit, parts, sizeof *s->limit));
  DG_TRY(dg_alloc(&s->sum, parts * CLASSES, sizeof *s->sum));
  DG_TRY(dg_alloc(&s->yes, parts * CLASSES, 1));
  DG_TRY(dg_alloc(&s->tie, parts, sizeof *s->tie));
  DG_TRY(dg_alloc(&s->wishes, (size_t)s->level->n, sizeof *s->wishes));
cleanup:
  return status;
}

dg_status dg_level_spread(int32_t *part, const dg_level *level, const dg_spread_config *config) {
  dg_status status = DG_OK;
  spreader s = {.level = level, .config = config, .part = part};
  DG_TRY(dg_comm_agree(level->comm, allocate(&s)));
  set_limits(&s);
  DG_TRY(dg_level_pull(level, part, sizeof *part));
  find_loads(&s);
  bool worth = true;
  for (int r = 0; r < 2 * config->rounds; r++) {
    int64_t moved;
    if (!is_balanced(&s)) DG_TRY(move_rows(&moved, &s, true, dg_rng_key(config->seed, (uint64_t)(2 * r))));
    if (!worth || r >= config->rounds) continue;
    DG_TRY(move_rows(&moved, &s, false, dg_rng_key(config->seed, (uint64_t)(2 * r + 1))));
    worth = moved >= FEW * (double)level->nodes.n_nodes;
  }
cleanup:
  dg_free(&s.load);
  dg_free(&s.limit);
  dg_free(&s.sum);
  dg_free(&s.yes);
  dg_free(&s.tie);
  dg_free(&s.wishes);
  return status;
}
