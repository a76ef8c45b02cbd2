#include "refiner.h"

#include <stdlib.h>

#include <distgat/memory.h>

/* Passes over the nodes, at most: most graphs are done after two or three. */
enum { BALANCE_PASSES = 20 };

/* Largest load over mean that needs no mending. */
static const double ENOUGH = 1.045;

/* A part with less than this share of the neighbours in the own part seldom saves halo. */
static const double PULL = 0.3;

/* A row that may leave its part, and what each unit of excess that it takes away costs in halo. */
typedef struct offer {
  int32_t node;
  double price;
} offer;

static int compare_offers(const void *a, const void *b) {
  const offer *x = a, *y = b;
  return x->price != y->price ? (x->price > y->price) - (x->price < y->price)
                              : (x->node > y->node) - (x->node < y->node);
}

/* How much of its part's excessive loads, in means, goes with the node. */
static double burden(const dg_refiner *r, int32_t node) {
  double sum = 0;
  for (int l = 0; l < r->n_loads; l++) sum += dg_refiner_burden(r, node, l);
  return sum;
}

/* The move of a node that takes excess away and costs least halo: part, and price; -1 where there is none. */
static int best_relief(double *price, dg_refiner *r, int32_t node) {
  int best = -1;
  double least = INFINITY;
  dg_refiner_look(r, node);
  for (int l = 0; l < r->n_loads; l++) dg_refiner_consider(r, dg_refiner_lightest(r, l));
  for (int k = 0; k < r->n_near; k++) {
    const int to = r->near_part[k];
    const double cost = dg_refiner_halo_of_move(r, node, to);
    if (to == r->part[node] || cost >= least || dg_refiner_excess_of_move(r, node, to) > -1e-9) continue;
    best = to, least = cost;
  }
  const double taken = burden(r, node);
  if (best < 0 || taken <= 0) return -1;
  *price = least > 0 ? least / taken : least * taken;
  return best;
}

/* Whether a move of the node could help its part. */
static bool is_burden(const dg_refiner *r, int32_t node) {
  const int p = r->part[node];
  if (dg_refiner_must_stay(r, node)) return false;
  for (int l = 0; l < r->n_loads; l++)
    if (dg_refiner_excess(r, p, l, r->load[p][l]) > 0 && dg_refiner_has_load(r, node, l)) return true;
  return false;
}

/* One pass of moves out of parts that have too much, the cheapest first, of nodes that are drawn so much to others;
   gives how many there were. */
static int64_t relieve(dg_refiner *r, offer *offers, double pull) {
  int64_t n = 0, moved = 0;
  for (int32_t i = 0; i < r->in->n_rows; i++)
    if (is_burden(r, i) && (pull == 0 || dg_refiner_is_drawn(r, i, pull)) && best_relief(&offers[n].price, r, i) >= 0)
      offers[n++].node = i;
  qsort(offers, (size_t)n, sizeof *offers, compare_offers);
  for (int64_t k = 0; k < n; k++) {
    const int32_t i = offers[k].node;
    double price;
    int to;
    if (!is_burden(r, i) || (to = best_relief(&price, r, i)) < 0) continue;
    /* Dearer than it was: perhaps others are cheaper now. */
    if (price > offers[k].price + 0.25 * fabs(offers[k].price)) continue;
    dg_refiner_move(r, i, to);
    moved++;
  }
  return moved;
}

/* Passes until all loads are within bounds or no move helps: first of nodes at borders, where moves cost little. */
static dg_status balance(dg_refiner *r, offer *offers) {
  dg_status status = DG_OK;
  double pull = PULL;
  for (int pass = 0; pass < BALANCE_PASSES && dg_refiner_worst(r) > ENOUGH; pass++) {
    if (relieve(r, offers, pull) == 0) {
      if (pull == 0) break;
      pull = 0;
    }
    DG_TRY(dg_refiner_weigh(r));
  }
cleanup:
  return status;
}

/* One pass of moves that make the halo smaller and no part too heavy; gives how many there were. */
static int64_t shrink_halo(dg_refiner *r) {
  int64_t moved = 0;
  for (int32_t i = 0; i < r->in->n_rows; i++) {
    if (!dg_refiner_is_drawn(r, i, PULL) || dg_refiner_must_stay(r, i)) continue;
    dg_refiner_look(r, i);
    int best = -1;
    double least = -0.5; /* a row of evaluation's halo is 1 */
    for (int k = 0; k < r->n_near; k++) {
      const int to = r->near_part[k];
      if (to == r->part[i]) continue;
      const double change = dg_refiner_halo_of_move(r, i, to);
      if (change < least && dg_refiner_excess_of_move(r, i, to) <= 0) best = to, least = change;
    }
    if (best < 0) continue;
    dg_refiner_move(r, i, best);
    moved++;
  }
  return moved;
}

dg_status dg_partition_refine(int32_t *part, const dg_csr *edges, const dg_partition_config *config) {
  dg_status status = DG_OK;
  dg_refiner r = {0};
  offer *offers = NULL;
  DG_TRY(dg_refiner_create(&r, part, edges, config));
  DG_TRY(dg_alloc(&offers, (size_t)edges->n_rows, sizeof *offers));
  DG_TRY(dg_refiner_fill(&r));
  DG_TRY(balance(&r, offers));
  if (config->objective == DG_PART_AUTO && shrink_halo(&r) > 0) shrink_halo(&r);
cleanup:
  dg_free(&offers);
  dg_refiner_destroy(&r);
  return status;
}

dg_status dg_partition_cost(double *cost, double *worst, int32_t *part, const dg_csr *edges,
                            const dg_partition_config *config) {
  dg_status status = DG_OK;
  dg_refiner r = {0};
  dg_partition_part *each = NULL;
  dg_step_part *step = NULL;
  DG_TRY(dg_refiner_create(&r, part, edges, config));
  DG_TRY(dg_alloc(&each, (size_t)r.parts, sizeof *each));
  DG_TRY(dg_alloc(&step, (size_t)r.parts, sizeof *step));
  DG_TRY(dg_partition_measure_parts(each, edges, part, r.parts));
  if (r.step) DG_TRY(dg_partition_measure_step(step, edges, r.step, part, r.parts));
  *cost = 0;
  for (int p = 0; p < r.parts; p++) {
    *cost += (double)each[p].halo + DG_STEP_EDGE_WEIGHT * (double)step[p].halo_nodes;
  }
  const double most = dg_refiner_worst(&r);
  *cost *= fmax(DG_BALANCED, most) / DG_BALANCED;
  if (worst) *worst = most;
cleanup:
  dg_free(&each);
  dg_free(&step);
  dg_refiner_destroy(&r);
  return status;
}
