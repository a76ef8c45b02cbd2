#include <math.h>

#include <distgat/memory.h>

#include "base/queue.h"
#include "methods.h"

/* Kernighan's and Lin's moves, in the way of Fiduccia and Mattheyses (1982): also those that cost more, in the hope of
   others behind them; what led nowhere is taken back. */

enum { PASSES = 8, RELIEFS = 20, STALL = 300 };

/* Looks at edges in a pass, times the edges of the graph. */
enum { LOOKS = 30 };

/* A row of more neighbours is needed by every part before and after a move, near enough. */
enum { MANY_NEIGHBOURS = 256 };

/* What a pass is for. */
typedef enum pass_aim {
  SHIFT,   /* rows at the borders of parts that are too heavy move, whatever they weigh: whole strips do */
  RELIEVE, /* rows that are some of what a part has too much of move, those that cost least */
  SHRINK   /* rows move to where they cost less */
} pass_aim;

typedef struct move {
  int32_t node, from;
} move;

typedef struct polisher {
  const dg_weighted_graph *g;
  int parts;
  bool halo; /* whether a part's halo rows are what costs, not cut edges */
  int32_t *part;
  int64_t *load, *limit; /* [parts, stride] */
  int64_t *room;         /* [parts, stride] to which rows that cost less may fill a part */
  double *fair;          /* [parts, stride] */
  int32_t *lightest;     /* [stride] the part with the least of each load, -1: to be looked for */
  int64_t *nodes;        /* [parts] */
  int64_t *tie;          /* [parts] what the node at hand saves there, 0 between nodes */
  int32_t *tied;         /* [n_tied] parts where it is not 0 */
  int n_tied;
  int32_t *need, *needed; /* [parts] how much a part needs a row, 0 between rows; parts where it is not 0 */
  uint8_t *has_moved;     /* [n_nodes] in this pass; fixed nodes always have */
  dg_queue queue;
  move *moves; /* [n_moves] of this pass */
  int64_t n_moves, looks;
  double excess; /* of all parts */
  int64_t cost;  /* cut edges; or halo rows, less those at the start */
} polisher;

static const int64_t *weight_of(const polisher *p, int32_t node) {
  return p->g->weight + (int64_t)node * p->g->stride;
}

/* ---- loads ---- */

/* The square of how much of a load is beyond the limit, in means. */
static double excess_of(const polisher *p, int64_t at, int64_t load) {
  if (load <= p->limit[at] || p->fair[at] <= 0) return 0;
  const double beyond = (double)(load - p->limit[at]) / p->fair[at];
  return beyond * beyond;
}

/* Change of the excess of a part that so many times a node's weight comes to. */
static double excess_change(const polisher *p, int32_t node, int part, int sign) {
  const int64_t *weight = weight_of(p, node);
  double change = 0;
  for (int k = 0; k < p->g->stride; k++) {
    const int64_t at = (int64_t)part * p->g->stride + k;
    if (weight[k] > 0) change += excess_of(p, at, p->load[at] + sign * weight[k]) - excess_of(p, at, p->load[at]);
  }
  return change;
}

static bool is_over(const polisher *p, int part) {
  for (int k = 0; k < p->g->stride; k++)
    if (p->load[part * p->g->stride + k] > p->limit[part * p->g->stride + k]) return true;
  return false;
}

static bool has_room(const polisher *p, int part, int32_t node, const int64_t *limit) {
  const int64_t *weight = weight_of(p, node);
  for (int k = 0; k < p->g->stride; k++)
    if (weight[k] > 0 && p->load[part * p->g->stride + k] + weight[k] > limit[part * p->g->stride + k]) return false;
  return true;
}

/* Whether its part would be left without nodes, or without some weight. */
static bool must_stay(const polisher *p, int32_t node) {
  const int own = p->part[node];
  const int64_t *weight = weight_of(p, node);
  if (p->nodes[own] < 2) return true;
  for (int k = 0; k < p->g->stride; k++)
    if (weight[k] > 0 && p->load[own * p->g->stride + k] == weight[k]) return true;
  return false;
}

/* In means. */
static double relative_load(const polisher *p, int part, int which) {
  const int64_t at = (int64_t)part * p->g->stride + which;
  return p->fair[at] > 0 ? (double)p->load[at] / p->fair[at] : 0;
}

/* Of equal parts the first. */
static int find_lightest(polisher *p, int which) {
  if (p->lightest[which] >= 0) return p->lightest[which];
  int best = 0;
  for (int q = 1; q < p->parts; q++)
    if (relative_load(p, q, which) < relative_load(p, best, which)) best = q;
  return p->lightest[which] = best;
}

static void add_load(polisher *p, int part, int32_t node, int sign) {
  const int64_t *weight = weight_of(p, node);
  for (int k = 0; k < p->g->stride; k++) {
    const int best = p->lightest[k];
    p->load[part * p->g->stride + k] += sign * weight[k];
    if (weight[k] == 0 || best < 0) continue;
    if (part == best || (sign < 0 && relative_load(p, part, k) <= relative_load(p, best, k))) p->lightest[k] = -1;
  }
  p->nodes[part] += sign;
}

/* ---- proposals ---- */

static void add_tie(polisher *p, int part, int64_t tie) {
  if (p->tie[part] == 0) p->tied[p->n_tied++] = part;
  p->tie[part] += tie;
}

/* Finds how much parts need a row, a node's need aside: as much as the heaviest of its edges there; gives how many
   parts do. */
static int find_need(polisher *p, int32_t row, int32_t node) {
  int n = 0;
  for (int64_t t = p->g->indptr[row]; t < p->g->indptr[row + 1]; t++) {
    const int32_t q = p->part[p->g->ids[t]], weight = p->g->edge_weight[t];
    if (p->g->ids[t] == node) continue;
    if (p->need[q] == 0) p->needed[n++] = q;
    if (p->need[q] < weight) p->need[q] = weight;
  }
  p->looks += p->g->indptr[row + 1] - p->g->indptr[row];
  return n;
}

/* Where a neighbour is, or is halo anyway, the node needs nothing more for its sake. */
static void look_at_row(polisher *p, int32_t node, int32_t row, int32_t weight) {
  const int n = find_need(p, row, node);
  for (int k = 0; k < n; k++) {
    const int q = p->needed[k];
    if (q != p->part[row]) add_tie(p, q, p->need[q] < weight ? p->need[q] : weight);
    p->need[q] = 0;
  }
  add_tie(p, p->part[row], weight);
}

/* What a node saves in each part: the edges that it has there; or rows of halo, those that it would need, and itself.
   forget() makes it 0 again. */
static void look(polisher *p, int32_t node) {
  const int64_t *indptr = p->g->indptr;
  p->n_tied = 0;
  for (int64_t t = indptr[node]; t < indptr[node + 1]; t++) {
    const int32_t row = (int32_t)p->g->ids[t];
    if (!p->halo)
      add_tie(p, p->part[row], p->g->edge_weight[t]);
    else if (indptr[row + 1] - indptr[row] <= MANY_NEIGHBOURS)
      look_at_row(p, node, row, p->g->edge_weight[t]);
  }
  p->looks += 1 + indptr[node + 1] - indptr[node];
  if (!p->halo) return;
  const int n = find_need(p, node, node);
  for (int k = 0; k < n; k++) {
    add_tie(p, p->needed[k], p->need[p->needed[k]]);
    p->need[p->needed[k]] = 0;
  }
}

static void forget(polisher *p) {
  for (int k = 0; k < p->n_tied; k++) p->tie[p->tied[k]] = 0;
}

/* Whether a part may take a node: rows that cost less leave some room for the levels to come, and parts that are too
   heavy give to those that are not more so. */
static bool may_take(const polisher *p, int part, int32_t node, pass_aim aim) {
  if (aim == SHRINK) return has_room(p, part, node, p->room);
  return has_room(p, part, node, p->limit) ||
         excess_change(p, node, p->part[node], -1) + excess_change(p, node, part, 1) < 1e-12;
}

/* The part that a node is most tied to of those that may take it, of equal ones the first; -1: there is none. */
static int best_part(double *key, const polisher *p, int32_t node, pass_aim aim) {
  const int own = p->part[node];
  int best = -1;
  for (int k = 0; k < p->n_tied; k++) {
    const int q = p->tied[k];
    const bool better = best < 0 || p->tie[q] > p->tie[best] || (p->tie[q] == p->tie[best] && q < best);
    if (q != own && better && may_take(p, q, node, aim)) best = q;
  }
  if (best >= 0) *key = (double)(p->tie[best] - p->tie[own]);
  return best;
}

/* The part to go to that costs least for what excess it takes away, of neighbours' parts and the lightest. */
static int best_relief(double *key, polisher *p, int32_t node) {
  const int own = p->part[node];
  const double left = excess_change(p, node, own, -1);
  int best = -1;
  if (left >= 0) return -1;
  for (int k = 0; k < p->n_tied + p->g->stride; k++) {
    const int q = k < p->n_tied ? p->tied[k] : find_lightest(p, k - p->n_tied);
    if (q == own) continue;
    const double relief = -left - excess_change(p, node, q, 1), gain = (double)(p->tie[q] - p->tie[own]);
    if (relief <= 1e-12) continue;
    const double value = gain > 0 ? gain * relief : (gain - 1) / relief;
    if (best < 0 || value > *key) best = q, *key = value;
  }
  return best;
}

/* Where a node would go, and how soon; -1: nowhere. */
static int propose(double *key, polisher *p, pass_aim aim, int32_t node) {
  int to = -1;
  if (must_stay(p, node) || (aim != SHRINK && !is_over(p, p->part[node]))) return -1;
  look(p, node);
  to = aim == RELIEVE ? best_relief(key, p, node) : best_part(key, p, node, aim);
  forget(p);
  return to;
}

/* ---- passes ---- */

static void place(polisher *p, int32_t node, int to) {
  const int from = p->part[node];
  look(p, node);
  p->cost += p->tie[from] - p->tie[to];
  forget(p);
  p->excess += excess_change(p, node, from, -1) + excess_change(p, node, to, 1);
  add_load(p, from, node, -1);
  add_load(p, to, node, 1);
  p->part[node] = to;
}

/* Neighbours of a node that has moved: their keys rise by as much as they may have gained, what is true is found when
   they come up. */
static void wake(polisher *p, pass_aim aim, int32_t node, int from) {
  double key;
  for (int64_t t = p->g->indptr[node]; t < p->g->indptr[node + 1]; t++) {
    const int32_t i = (int32_t)p->g->ids[t];
    const double weight = p->g->edge_weight[t];
    if (p->has_moved[i]) continue;
    if (dg_queue_has(&p->queue, i) && aim != RELIEVE && !p->halo) {
      if (p->part[i] != p->part[node])
        dg_queue_put(&p->queue, i, p->queue.key[i] + weight * (p->part[i] == from ? 2 : 1));
    } else if (propose(&key, p, aim, i) >= 0) {
      dg_queue_put(&p->queue, i, key);
    }
  }
}

static void begin(polisher *p, pass_aim aim) {
  double key;
  p->n_moves = p->looks = 0;
  dg_queue_clear(&p->queue);
  for (int32_t i = 0; i < (int32_t)p->g->n_nodes; i++) {
    p->has_moved[i] = i >= p->g->n_nodes - p->g->n_fixed;
    if (!p->has_moved[i] && propose(&key, p, aim, i) >= 0) dg_queue_put(&p->queue, i, key);
  }
}

static bool is_done(const polisher *p, pass_aim aim, int64_t best) {
  if (p->looks > LOOKS * (p->g->indptr[p->g->n_nodes] + p->g->n_nodes)) return true;
  return aim == SHRINK ? p->n_moves - best > STALL : p->excess <= 0;
}

/* Whether a node has become dearer than it was, and others are cheaper now: what excess it takes away falls with every
   move, and little of that is no reason. */
static bool is_late(const polisher *p, pass_aim aim, double key, double before) {
  if (p->queue.n == 0 || key >= p->queue.key[p->queue.heap[0]]) return false;
  return aim != RELIEVE || key < before - 0.25 * fabs(before);
}

/* One pass, in which each node moves once at most; says whether it made anything better. */
static bool pass(polisher *p, pass_aim aim) {
  double key, least_excess = p->excess;
  int64_t best = 0, least = p->cost;
  begin(p, aim);
  for (int32_t node; !is_done(p, aim, best) && (node = dg_queue_take(&p->queue)) >= 0;) {
    const int from = p->part[node], to = propose(&key, p, aim, node);
    if (to < 0) continue;
    if (is_late(p, aim, key, p->queue.key[node])) {
      dg_queue_put(&p->queue, node, key);
      continue;
    }
    place(p, node, to);
    p->has_moved[node] = 1;
    p->moves[p->n_moves++] = (move){node, from};
    if (p->excess < least_excess - 1e-12 || (p->excess <= least_excess + 1e-12 && p->cost < least))
      best = p->n_moves, least_excess = fmin(p->excess, least_excess), least = p->cost;
    wake(p, aim, node, from);
  }
  while (p->n_moves > best) {
    const move last = p->moves[--p->n_moves];
    place(p, last.node, last.from);
  }
  return best > 0;
}

/* Passes until no part is too heavy, or the excess hardly falls. */
static void relieve(polisher *p, pass_aim aim) {
  double before = INFINITY;
  for (int k = 0; k < RELIEFS && p->excess > 0 && p->excess < 0.95 * before; k++) {
    before = p->excess;
    pass(p, aim);
  }
}

/* ---- room ---- */

static void weigh(polisher *p, const double *share) {
  const int kinds = p->g->stride;
  for (int k = 0; k < kinds; k++) p->lightest[k] = -1;
  for (int32_t i = 0; i < (int32_t)p->g->n_nodes; i++) add_load(p, p->part[i], i, 1);
  for (int k = 0; k < kinds; k++) {
    double total = 0;
    for (int q = 0; q < p->parts; q++) total += (double)p->load[q * kinds + k];
    for (int q = 0; q < p->parts; q++) {
      const int64_t at = (int64_t)q * kinds + k;
      p->fair[at] = total * (share ? share[q] : 1.0 / p->parts);
      p->limit[at] = (int64_t)ceil(DG_BALANCE_AIM * p->fair[at]);
      p->room[at] = p->halo ? p->limit[at] : (int64_t)p->fair[at];
      p->excess += excess_of(p, at, p->load[at]);
    }
  }
  for (int32_t i = 0; !p->halo && i < (int32_t)p->g->n_nodes; i++)
    for (int64_t t = p->g->indptr[i]; t < p->g->indptr[i + 1]; t++)
      if (p->part[i] < p->part[p->g->ids[t]]) p->cost += p->g->edge_weight[t];
}

static dg_status allocate(polisher *p) {
  dg_status status = DG_OK;
  const size_t n = (size_t)p->g->n_nodes, parts = (size_t)p->parts, loads = parts * (size_t)p->g->stride;
  DG_TRY(dg_alloc(&p->load, loads, sizeof *p->load));
  DG_TRY(dg_alloc(&p->limit, loads, sizeof *p->limit));
  DG_TRY(dg_alloc(&p->room, loads, sizeof *p->room));
  DG_TRY(dg_alloc(&p->fair, loads, sizeof *p->fair));
  DG_TRY(dg_alloc(&p->lightest, (size_t)p->g->stride, sizeof *p->lightest));
  DG_TRY(dg_alloc(&p->nodes, parts, sizeof *p->nodes));
  DG_TRY(dg_alloc(&p->tie, parts, sizeof *p->tie));
  DG_TRY(dg_alloc(&p->tied, parts, sizeof *p->tied));
  DG_TRY(dg_alloc(&p->need, parts, sizeof *p->need));
  DG_TRY(dg_alloc(&p->needed, parts, sizeof *p->needed));
  DG_TRY(dg_alloc(&p->has_moved, n, 1));
  DG_TRY(dg_alloc(&p->moves, n, sizeof *p->moves));
  DG_TRY(dg_queue_create(&p->queue, p->g->n_nodes));
cleanup:
  return status;
}

static void release(polisher *p) {
  dg_free(&p->load);
  dg_free(&p->limit);
  dg_free(&p->room);
  dg_free(&p->fair);
  dg_free(&p->lightest);
  dg_free(&p->nodes);
  dg_free(&p->tie);
  dg_free(&p->tied);
  dg_free(&p->need);
  dg_free(&p->needed);
  dg_free(&p->has_moved);
  dg_free(&p->moves);
  dg_queue_destroy(&p->queue);
}

static double worst_load(const polisher *p) {
  double worst = 1;
  for (int64_t at = 0; at < (int64_t)p->parts * p->g->stride; at++)
    if (p->fair[at] > 0) worst = fmax(worst, (double)p->load[at] / p->fair[at]);
  return worst;
}

dg_status dg_partition_polish(dg_polished *result, int32_t *part, const dg_weighted_graph *graph, int parts,
                              const double *share, bool halo) {
  dg_status status = DG_OK;
  polisher p = {.g = graph, .parts = parts, .part = part, .halo = halo};
  DG_TRY(allocate(&p));
  weigh(&p, share);
  result->before = worst_load(&p);
  relieve(&p, SHIFT);
  relieve(&p, RELIEVE);
  for (int k = 0; k < PASSES && pass(&p, SHRINK); k++) {
  }
  result->cost = (double)p.cost * fmax(DG_BALANCED, worst_load(&p));
cleanup:
  release(&p);
  return status;
}
