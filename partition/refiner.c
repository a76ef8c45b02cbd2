#include "refiner.h"

#include <string.h>

#include <distgat/memory.h>

/* A source of more targets is needed by every part before and after a move, near enough; it is not looked at. */
enum { MANY_TARGETS = 256 };

/* ---- loads ---- */

/* What a node brings, wherever it is; of non-zeros nothing, they come with its sources. */
static double load_of(const dg_refiner *r, int32_t node, int which) {
  const int64_t n_in = r->in->indptr[node + 1] - r->in->indptr[node];
  const double edges = (double)(n_in + 1);
  if (r->balance == DG_BALANCE_NODES) return 1;
  if (r->balance != DG_BALANCE_STEP) return which == 0 ? edges : 1;
  return which == 0 ? 0 : which == 1 ? dg_step_edge_work(r->step, node, n_in) : edges;
}

bool dg_refiner_has_load(const dg_refiner *r, int32_t node, int which) {
  return which > 0 || r->balance != DG_BALANCE_STEP ? load_of(r, node, which) > 0 : dg_step_is_target(r->step, node);
}

static bool is_target(const dg_refiner *r, int32_t node) {
  return r->step && dg_step_is_target(r->step, node);
}

/* Stored features of the distinct sources in each part. */
static dg_status weigh_nonzeros(dg_refiner *r) {
  dg_status status = DG_OK;
  dg_step_part *each = NULL;
  DG_TRY(dg_alloc(&each, (size_t)r->parts, sizeof *each));
  DG_TRY(dg_partition_measure_step(each, r->in, r->step, r->part, r->parts));
  for (int p = 0; p < r->parts; p++) {
    r->load[p][0] = (double)each[p].nonzeros;
    r->total[0] += r->load[p][0];
  }
cleanup:
  dg_free(&each);
  return status;
}

dg_status dg_refiner_weigh(dg_refiner *r) {
  memset(r->load, 0, (size_t)r->parts * sizeof *r->load);
  memset(r->total, 0, sizeof r->total);
  for (int32_t i = 0; i < r->in->n_rows; i++)
    for (int l = 0; l < r->n_loads; l++) {
      const double load = load_of(r, i, l);
      r->load[r->part[i]][l] += load;
      r->total[l] += load;
    }
  for (int l = 0; l < r->n_loads; l++) r->lightest[l] = -1;
  return r->step ? weigh_nonzeros(r) : DG_OK;
}

static double fair_load(const dg_refiner *r, int part, int which) {
  return r->total[which] * (r->share ? r->share[part] : 1.0 / r->parts);
}

double dg_refiner_worst(const dg_refiner *r) {
  double worst = 1;
  for (int p = 0; p < r->parts; p++)
    for (int l = 0; l < r->n_loads; l++)
      if (r->total[l] > 0) worst = fmax(worst, r->load[p][l] / fair_load(r, p, l));
  return worst;
}

double dg_refiner_excess(const dg_refiner *r, int part, int which, double load) {
  const double fair = fair_load(r, part, which);
  const double beyond = load - DG_BALANCE_AIM * fair;
  return beyond > 0 ? beyond * beyond / (fair * fair) : 0;
}

static bool is_lighter(const dg_refiner *r, int which, int p, int q) {
  const double share = r->share ? r->share[p] / r->share[q] : 1;
  return r->load[p][which] < r->load[q][which] * share;
}

int dg_refiner_lightest(dg_refiner *r, int which) {
  int best = r->lightest[which];
  if (best >= 0) return best;
  best = 0;
  for (int p = 1; p < r->parts; p++)
    if (is_lighter(r, which, p, best)) best = p;
  return r->lightest[which] = best;
}

bool dg_refiner_must_stay(const dg_refiner *r, int32_t node) {
  const int p = r->part[node];
  return r->nodes[p] < 2 || (is_target(r, node) && r->targets[p] < 2);
}

/* ---- the neighbourhood of a node ---- */

/* What a row counts in a part that needs it for this target: in evaluation, and in each layer of the step. */
static double need_of(const dg_refiner *r, int32_t target) {
  return is_target(r, target) && r->step->edges ? DG_STEP_EDGE_WEIGHT * (r->step->level[target] - 1) : 1;
}

void dg_refiner_consider(dg_refiner *r, int part) {
  if (r->near[part].token == r->token) return;
  r->near[part] = (dg_near){.token = r->token};
  r->near_part[r->n_near++] = part;
}

/* Takes note that a part has another target of the source at hand. */
static void note_target(dg_refiner *r, int32_t target) {
  const int part = r->part[target];
  dg_near *here = &r->near[part];
  dg_refiner_consider(r, part);
  if (here->source != r->source) {
    here->source = r->source, here->needed = 0, here->projects = false;
    r->source_part[r->n_source_parts++] = part;
  }
  const double need = need_of(r, target);
  if (need > here->needed) here->needed = need;
  here->projects |= is_target(r, target);
}

bool dg_refiner_is_drawn(dg_refiner *r, int32_t node, double pull) {
  const int64_t first = r->in->indptr[node], end = r->in->indptr[node + 1];
  double own = 0, most = 0;
  r->token++;
  r->n_near = 0;
  for (int64_t t = first; t < end; t++) {
    dg_near *there = &r->near[r->part[r->in->indices[t]]];
    dg_refiner_consider(r, r->part[r->in->indices[t]]);
    there->halo++;
    if (there == &r->near[r->part[node]])
      own++;
    else if (there->halo > most)
      most = there->halo;
  }
  return most > 0 && most >= pull * own;
}

/* What parts need of one source for the node's sake, and what they have of it without the node. */
static void look_at_source(dg_refiner *r, int32_t node, int32_t source) {
  const int64_t first = r->out->indptr[source], n = r->out->indptr[source + 1] - first;
  const bool projected = is_target(r, node) && (r->step->edges || source == node);
  const double need = need_of(r, node);
  if (n > MANY_TARGETS) return;
  r->source++;
  r->n_source_parts = 0;
  for (int64_t t = 0; t <= n; t++) {
    const int32_t target = t < n ? r->out->indices[first + t] : source;
    if (target != node && (t < n || is_target(r, target))) note_target(r, target);
  }
  if (projected) r->nonzeros += (double)r->step->entries[source];
  for (int k = 0; k < r->n_source_parts; k++) {
    dg_near *here = &r->near[r->source_part[k]];
    if (projected && here->projects) here->nonzeros += (double)r->step->entries[source];
    if (source != node && r->source_part[k] != r->part[source]) here->halo += here->needed < need ? here->needed : need;
    if (source == node) here->halo += here->needed;
  }
  if (source == node) return;
  dg_refiner_consider(r, r->part[source]);
  r->near[r->part[source]].halo += need;
}

void dg_refiner_look(dg_refiner *r, int32_t node) {
  r->token++;
  r->n_near = 0;
  r->nonzeros = 0;
  dg_refiner_consider(r, r->part[node]);
  look_at_source(r, node, node);
  for (int64_t t = r->in->indptr[node]; t < r->in->indptr[node + 1]; t++) look_at_source(r, node, r->in->indices[t]);
}

double dg_refiner_halo_of_move(const dg_refiner *r, int32_t node, int to) {
  return r->near[r->part[node]].halo - r->near[to].halo;
}

/* What a part has more with the node than without it. */
static double load_in(const dg_refiner *r, int32_t node, int part, int which) {
  if (r->balance == DG_BALANCE_STEP && which == 0) return r->nonzeros - r->near[part].nonzeros;
  return load_of(r, node, which);
}

double dg_refiner_excess_of_move(const dg_refiner *r, int32_t node, int to) {
  const int from = r->part[node];
  double change = 0;
  for (int l = 0; l < r->n_loads; l++) {
    const double less = load_in(r, node, from, l), more = load_in(r, node, to, l);
    change += dg_refiner_excess(r, from, l, r->load[from][l] - less) - dg_refiner_excess(r, from, l, r->load[from][l]);
    change += dg_refiner_excess(r, to, l, r->load[to][l] + more) - dg_refiner_excess(r, to, l, r->load[to][l]);
  }
  return change;
}

double dg_refiner_burden(const dg_refiner *r, int32_t node, int which) {
  const int p = r->part[node];
  const double fair = fair_load(r, p, which);
  return r->load[p][which] > DG_BALANCE_AIM * fair ? load_in(r, node, p, which) / fair : 0;
}

void dg_refiner_move(dg_refiner *r, int32_t node, int to) {
  const int from = r->part[node];
  for (int l = 0; l < r->n_loads; l++) {
    const double less = load_in(r, node, from, l), more = load_in(r, node, to, l);
    r->load[from][l] -= less;
    r->load[to][l] += more;
    const int best = r->lightest[l];
    if (best >= 0 && ((more != 0 && to == best) || (less != 0 && !is_lighter(r, l, best, from)))) r->lightest[l] = -1;
  }
  r->nodes[from]--, r->nodes[to]++;
  r->targets[from] -= is_target(r, node), r->targets[to] += is_target(r, node);
  r->part[node] = to;
}

/* ---- parts without anything ---- */

static int largest(const int64_t *count, int parts) {
  int best = 0;
  for (int p = 1; p < parts; p++)
    if (count[p] > count[best]) best = p;
  return best;
}

/* The target of a part whose move costs least halo; among equals the last. */
static int32_t cheapest_target(dg_refiner *r, int from, int to) {
  int32_t best = -1;
  double least = INFINITY;
  for (int32_t i = 0; i < r->in->n_rows; i++) {
    if (r->part[i] != from || !is_target(r, i)) continue;
    dg_refiner_look(r, i);
    dg_refiner_consider(r, to);
    const double cost = dg_refiner_halo_of_move(r, i, to);
    if (cost <= least) best = i, least = cost;
  }
  return best;
}

/* The last node that may leave a part; -1 where none may. */
static int32_t last_node(const dg_refiner *r, int from) {
  for (int32_t i = (int32_t)r->in->n_rows - 1; i >= 0; i--)
    if (r->part[i] == from && !dg_refiner_must_stay(r, i)) return i;
  return -1;
}

static void fill(dg_refiner *r, const int64_t *count, bool targets) {
  for (int p = 0; p < r->parts; p++) {
    if (count[p] > 0) continue;
    const int from = largest(count, r->parts);
    if (count[from] < 2) return;
    const int32_t node = targets ? cheapest_target(r, from, p) : last_node(r, from);
    if (node < 0) continue;
    dg_refiner_look(r, node);
    dg_refiner_consider(r, p);
    dg_refiner_move(r, node, p);
  }
}

dg_status dg_refiner_fill(dg_refiner *r) {
  if (r->step) fill(r, r->targets, true);
  fill(r, r->nodes, false);
  return dg_refiner_weigh(r);
}

/* ---- room ---- */

static dg_status allocate(dg_refiner *r) {
  dg_status status = DG_OK;
  const size_t parts = (size_t)r->parts;
  DG_TRY(dg_alloc(&r->load, parts, sizeof *r->load));
  DG_TRY(dg_alloc(&r->nodes, parts, sizeof *r->nodes));
  DG_TRY(dg_alloc(&r->targets, parts, sizeof *r->targets));
  DG_TRY(dg_alloc(&r->near, parts, sizeof *r->near));
  DG_TRY(dg_alloc(&r->near_part, parts, sizeof *r->near_part));
  DG_TRY(dg_alloc(&r->source_part, parts, sizeof *r->source_part));
cleanup:
  return status;
}

dg_status dg_refiner_create(dg_refiner *r, int32_t *part, const dg_csr *edges, const dg_partition_config *config) {
  dg_status status = DG_OK;
  bool symmetric;
  const bool step = config->balance == DG_BALANCE_STEP && config->step;
  *r = (dg_refiner){.in = edges,
                    .out = edges,
                    .step = step ? config->step : NULL,
                    .balance = config->balance == DG_BALANCE_STEP && !step ? DG_BALANCE_EDGES : config->balance,
                    .parts = config->parts,
                    .share = config->share,
                    .part = part};
  r->n_loads = dg_balance_count(r->balance);
  DG_TRY(dg_csr_find_symmetric(&symmetric, edges));
  if (!symmetric) DG_TRY(dg_csr_transpose(&r->own_out, edges));
  if (!symmetric) r->out = &r->own_out;
  DG_TRY(allocate(r));
  for (int32_t i = 0; i < edges->n_rows; i++) r->nodes[part[i]]++, r->targets[part[i]] += is_target(r, i);
  DG_TRY(dg_refiner_weigh(r));
cleanup:
  return status;
}

void dg_refiner_destroy(dg_refiner *r) {
  dg_csr_destroy(&r->own_out);
  dg_free(&r->load);
  dg_free(&r->nodes);
  dg_free(&r->targets);
  dg_free(&r->near);
  dg_free(&r->near_part);
  dg_free(&r->source_part);
}
