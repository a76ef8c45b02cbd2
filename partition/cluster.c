#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "level.h"

/* Nodes without neighbours join others of so many in a row. */
enum { LONELY = 64 };

/* A node that wants to join a cluster, on its way to the rank that holds the label. */
typedef struct request {
  dg_id label, node;
  dg_weight weight;
} request;

/* What a round works with. */
typedef struct round_state {
  const dg_level *level;
  const dg_weight *limit;
  uint64_t key;      /* of the round */
  int64_t *strength; /* [links.n] of the node at hand to each cluster, 0 between nodes */
  request *wanted;   /* [n_wanted] */
  int32_t *to;       /* [n_wanted] who holds their labels */
  int64_t n_wanted;
} round_state;

static dg_status make_room(round_state *s, const dg_clusters *c, int64_t n) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&s->strength, (size_t)c->links.n, sizeof *s->strength));
  DG_TRY(dg_alloc(&s->wanted, (size_t)n, sizeof *s->wanted));
  DG_TRY(dg_alloc(&s->to, (size_t)n, sizeof *s->to));
cleanup:
  return status;
}

static void release_round(round_state *s) {
  dg_free(&s->strength);
  dg_free(&s->wanted);
  dg_free(&s->to);
}

/* How much of its limit a weight is, in 255ths, not more than 255: what others learn of a cluster. */
static uint8_t fullness(const dg_weight *weight, const dg_weight *limit) {
  double most = 0;
  for (int k = 0; k < DG_MAX_WEIGHTS; k++) {
    const double share = limit->of[k] > 0 ? (double)weight->of[k] / (double)limit->of[k] : 0;
    if (share > most) most = share;
  }
  return most < 1 ? (uint8_t)(255 * most) : 255;
}

/* Names the labels in use, those of all rows [n + n_halo], and learns how full their clusters are. Collective. */
static dg_status learn(dg_clusters *c, const dg_level *level, const dg_weight *limit, const dg_id *label) {
  dg_status status = DG_OK;
  uint8_t *held = NULL;
  dg_links_destroy(&c->links);
  dg_free(&c->full);
  DG_TRY(dg_links_create(&c->links, c->index, level->comm, &level->nodes, label, (int64_t)level->n + level->n_halo,
                         false));
  status = dg_alloc(&held, (size_t)level->n, 1);
  if (status == DG_OK) status = dg_alloc(&c->full, (size_t)c->links.n, 1);
  DG_TRY(dg_comm_agree(level->comm, status));
  for (dg_row i = 0; i < level->n; i++) held[i] = fullness(&c->held[i], limit);
  DG_TRY(dg_links_fetch(&c->links, c->full, held, 1));
cleanup:
  dg_free(&held);
  return status;
}

/* ---- rounds ---- */

/* The cluster that a row is most tied to, of those with room; its own where none ties it more. Of equal ones chance
   decides. */
static dg_id choose(const round_state *s, const dg_clusters *c, dg_row i) {
  const dg_level *level = s->level;
  const dg_row own = c->index[i];
  const dg_id node = dg_level_id(level, i);
  const int64_t begin = level->indptr[i], end = level->indptr[i + 1];
  const int own_share = fullness(&level->weight[i], s->limit);
  for (int64_t t = begin; t < end; t++) s->strength[c->index[level->to[t]]] += dg_level_edge(level, i, t);
  dg_row best = own;
  int64_t most = s->strength[own];
  uint64_t luck = 0;
  for (int64_t t = begin; t < end; t++) {
    const dg_row k = c->index[level->to[t]];
    const int64_t strength = s->strength[k];
    s->strength[k] = 0;
    if (k == own || strength == 0 || strength < most || c->full[k] + own_share >= 255) continue;
    const uint64_t drawn = dg_rng_key(s->key ^ (uint64_t)node, (uint64_t)c->links.ids[k]);
    if (strength == most && (best == own || drawn > luck)) continue;
    best = k, most = strength, luck = drawn;
  }
  return c->links.ids[best];
}

/* The holder of labels lets in who fits, by ascending nodes: yes [n]. Local. */
static void admit(uint8_t *yes, dg_clusters *c, const dg_level *level, const request *come, int64_t n,
                  const dg_weight *limit) {
  for (int64_t k = 0; k < n; k++) {
    const int64_t at = come[k].label - level->nodes.first;
    if (!dg_weight_fits(&c->held[at], &come[k].weight, limit)) continue;
    dg_weight_add(&c->held[at], &come[k].weight);
    c->members[at]++;
    yes[k] = 1;
  }
}

/* A node that has left a cluster, on its way to the rank that holds the label. */
typedef struct leaving {
  dg_id label;
  dg_weight weight;
} leaving;

/* Labels of all rows once those that wanted to move have moved to `moved` [n_wanted], where this is not negative:
   *label [n + n_halo], owned by the caller. Tells the holders of the old ones. Collective. */
static dg_status change(dg_id **label, const round_state *s, dg_clusters *c, const dg_id *moved) {
  dg_status status = DG_OK;
  const dg_level *level = s->level;
  dg_mail mail = {.comm = level->comm};
  leaving *left = NULL;
  int64_t n = 0;
  status = dg_alloc(&left, (size_t)s->n_wanted, sizeof *left);
  if (status == DG_OK) status = dg_alloc(label, (size_t)level->n + (size_t)level->n_halo, sizeof **label);
  DG_TRY(dg_comm_agree(level->comm, status));
  for (dg_row i = 0; i < level->n; i++) (*label)[i] = dg_clusters_label(c, i);
  for (int64_t k = 0; k < s->n_wanted; k++) {
    const dg_row i = (dg_row)(s->wanted[k].node - level->nodes.first);
    if (moved[k] < 0) continue;
    s->to[n] = dg_directory_rank(&level->nodes, (*label)[i]);
    left[n++] = (leaving){(*label)[i], level->weight[i]};
    (*label)[i] = moved[k];
  }
  DG_TRY(dg_mail_send(&mail, left, s->to, n, sizeof *left));
  const leaving *gone = mail.come;
  for (int64_t k = 0; k < mail.n_come; k++) {
    const int64_t at = gone[k].label - level->nodes.first;
    for (int w = 0; w < DG_MAX_WEIGHTS; w++) c->held[at].of[w] -= gone[k].weight.of[w];
    c->members[at]--;
  }
  DG_TRY(dg_level_pull(level, *label, sizeof **label));
cleanup:
  dg_mail_destroy(&mail);
  dg_free(&left);
  return status;
}

/* Asks the holders of labels, and moves those whom they let in: see change(). Collective. */
static dg_status ask(dg_id **label, const round_state *s, dg_clusters *c) {
  dg_status status = DG_OK;
  const dg_level *level = s->level;
  dg_mail mail = {.comm = level->comm};
  uint8_t *yes = NULL, *answer = NULL;
  dg_id *moved = NULL;
  DG_TRY(dg_mail_send(&mail, s->wanted, s->to, s->n_wanted, sizeof *s->wanted));
  status = dg_alloc(&yes, (size_t)mail.n_come, 1);
  if (status == DG_OK) status = dg_alloc(&answer, (size_t)s->n_wanted, 1);
  if (status == DG_OK) status = dg_alloc(&moved, (size_t)s->n_wanted, sizeof *moved);
  DG_TRY(dg_comm_agree(level->comm, status));
  admit(yes, c, level, mail.come, mail.n_come, s->limit);
  DG_TRY(dg_mail_return(&mail, answer, yes, 1));
  dg_mail_destroy(&mail);
  for (int64_t k = 0; k < s->n_wanted; k++) moved[k] = answer[k] ? s->wanted[k].label : -1;
  DG_TRY(change(label, s, c, moved));
cleanup:
  dg_mail_destroy(&mail);
  dg_free(&yes);
  dg_free(&answer);
  dg_free(&moved);
  return status;
}

static bool takes_part(uint64_t key, const dg_level *level, dg_row i) {
  return dg_rng_key(key ^ 1, (uint64_t)dg_level_id(level, i)) & 1;
}

/* One round, in which half of the nodes may move: where all did, neighbours would change places. Collective. */
static dg_status propagate(dg_clusters *c, const dg_level *level, const dg_weight *limit, uint64_t key) {
  dg_status status = DG_OK;
  round_state s = {.level = level, .limit = limit, .key = key};
  dg_id *label = NULL;
  int64_t n = 0;
  for (dg_row i = 0; i < level->n; i++) n += takes_part(key, level, i);
  DG_TRY(dg_comm_agree(level->comm, make_room(&s, c, n)));
  for (dg_row i = 0; i < level->n; i++) {
    if (!takes_part(key, level, i)) continue;
    const dg_id wanted = choose(&s, c, i);
    if (wanted == dg_clusters_label(c, i)) continue;
    s.to[s.n_wanted] = dg_directory_rank(&level->nodes, wanted);
    s.wanted[s.n_wanted++] = (request){wanted, dg_level_id(level, i), level->weight[i]};
  }
  dg_free(&s.strength);
  DG_TRY(ask(&label, &s, c));
  release_round(&s);
  DG_TRY(learn(c, level, limit, label));
cleanup:
  release_round(&s);
  dg_free(&label);
  return status;
}

/* ---- those left alone ---- */

/* The cluster that a row is most tied to, whether it has room or not; -1: there is none. */
static dg_row favourite(int64_t *strength, const dg_clusters *c, const dg_level *level, dg_row i) {
  const int64_t begin = level->indptr[i], end = level->indptr[i + 1];
  dg_row best = -1;
  int64_t most = 0;
  for (int64_t t = begin; t < end; t++) strength[c->index[level->to[t]]] += dg_level_edge(level, i, t);
  for (int64_t t = begin; t < end; t++) {
    const dg_row k = c->index[level->to[t]];
    if (k != c->index[i] && strength[k] > most) best = k, most = strength[k];
    strength[k] = 0;
  }
  return best;
}

static int compare_nodes(const void *a, const void *b) {
  const request *x = *(request *const *)a, *y = *(request *const *)b;
  if (x->label != y->label) return (x->label > y->label) - (x->label < y->label);
  return (x->node > y->node) - (x->node < y->node);
}

/* Groups of nodes that would all join one cluster, each within the limit: leader [n], whose label they get. Local. */
static dg_status group(dg_id *leader, request *come, int64_t n, const dg_weight *limit) {
  request **order;
  dg_weight load = {{0}};
  const dg_status status = dg_alloc(&order, (size_t)n, sizeof *order);
  if (status != DG_OK) return status;
  for (int64_t k = 0; k < n; k++) order[k] = &come[k];
  qsort(order, (size_t)n, sizeof *order, compare_nodes);
  for (int64_t k = 0; k < n; k++) {
    const bool follows = k > 0 && order[k]->label == order[k - 1]->label;
    const bool joins = follows && dg_weight_fits(&load, &order[k]->weight, limit);
    leader[order[k] - come] = joins ? leader[order[k - 1] - come] : order[k]->node;
    if (!joins) load = (dg_weight){{0}};
    dg_weight_add(&load, &order[k]->weight);
  }
  dg_free(&order);
  return DG_OK;
}

/* Gives nodes the labels of their leaders, whose holders count them: see change(). Collective. */
static dg_status follow(dg_id **label, const round_state *s, dg_clusters *c, const dg_id *leader) {
  dg_status status = DG_OK;
  const dg_level *level = s->level;
  dg_mail mail = {.comm = level->comm};
  for (int64_t k = 0; k < s->n_wanted; k++) {
    s->wanted[k].label = leader[k];
    s->to[k] = dg_directory_rank(&level->nodes, leader[k]);
  }
  DG_TRY(dg_mail_send(&mail, s->wanted, s->to, s->n_wanted, sizeof *s->wanted));
  const request *come = mail.come;
  for (int64_t k = 0; k < mail.n_come; k++) {
    dg_weight_add(&c->held[come[k].label - level->nodes.first], &come[k].weight);
    c->members[come[k].label - level->nodes.first]++;
  }
  DG_TRY(change(label, s, c, leader));
cleanup:
  dg_mail_destroy(&mail);
  return status;
}

static bool is_alone(const dg_clusters *c, const dg_level *level, dg_row i) {
  return dg_clusters_label(c, i) == dg_level_id(level, i) && c->members[i] == 1;
}

/* Nodes that are still alone, since the cluster of their neighbours is full, as the leaves of a star are, or since they
   have no neighbours, join each other. Collective. */
static dg_status join_the_lonely(dg_clusters *c, const dg_level *level, const dg_weight *limit) {
  dg_status status = DG_OK;
  round_state s = {.level = level};
  dg_mail mail = {.comm = level->comm};
  dg_id *leader = NULL, *answer = NULL, *label = NULL;
  int64_t n = 0;
  for (dg_row i = 0; i < level->n; i++) n += is_alone(c, level, i);
  DG_TRY(dg_comm_agree(level->comm, make_room(&s, c, n)));
  for (dg_row i = 0; i < level->n; i++) {
    if (!is_alone(c, level, i)) continue;
    const dg_id node = dg_level_id(level, i);
    const dg_row k = favourite(s.strength, c, level, i);
    if (k < 0 && level->indptr[i] < level->indptr[i + 1]) continue;
    const dg_id name = k < 0 ? node - node % LONELY : c->links.ids[k];
    s.to[s.n_wanted] = dg_directory_rank(&level->nodes, name);
    s.wanted[s.n_wanted++] = (request){name, node, level->weight[i]};
  }
  DG_TRY(dg_mail_send(&mail, s.wanted, s.to, s.n_wanted, sizeof *s.wanted));
  status = dg_alloc(&leader, (size_t)mail.n_come, sizeof *leader);
  if (status == DG_OK) status = dg_alloc(&answer, (size_t)s.n_wanted, sizeof *answer);
  if (status == DG_OK) status = group(leader, mail.come, mail.n_come, limit);
  DG_TRY(dg_comm_agree(level->comm, status));
  DG_TRY(dg_mail_return(&mail, answer, leader, sizeof *answer));
  DG_TRY(follow(&label, &s, c, answer));
  DG_TRY(learn(c, level, limit, label));
cleanup:
  release_round(&s);
  dg_mail_destroy(&mail);
  dg_free(&label);
  dg_free(&leader);
  dg_free(&answer);
  return status;
}

static dg_status allocate(dg_clusters *c, dg_id **label, const dg_level *level) {
  dg_status status = DG_OK;
  const size_t n = (size_t)level->n, all = n + (size_t)level->n_halo;
  DG_TRY(dg_alloc(label, all, sizeof **label));
  DG_TRY(dg_alloc(&c->index, all, sizeof *c->index));
  DG_TRY(dg_alloc(&c->held, n, sizeof *c->held));
  DG_TRY(dg_alloc(&c->members, n, sizeof *c->members));
cleanup:
  return status;
}

/* Each node is a cluster. Collective. */
static dg_status begin_alone(dg_clusters *c, const dg_level *level, const dg_weight *limit) {
  dg_status status = DG_OK;
  dg_id *label = NULL;
  *c = (dg_clusters){0};
  DG_TRY(dg_comm_agree(level->comm, allocate(c, &label, level)));
  for (dg_row i = 0; i < level->n + level->n_halo; i++) label[i] = dg_level_id(level, i);
  for (dg_row i = 0; i < level->n; i++) c->held[i] = level->weight[i], c->members[i] = 1;
  DG_TRY(learn(c, level, limit, label));
cleanup:
  dg_free(&label);
  return status;
}

dg_status dg_clusters_find(dg_clusters *clusters, const dg_level *level, const dg_weight *limit, int rounds,
                           uint64_t seed) {
  dg_status status = DG_OK;
  DG_TRY(begin_alone(clusters, level, limit));
  for (int r = 0; r < rounds; r++)
    DG_TRY(propagate(clusters, level, limit, dg_rng_key(dg_rng_key(seed, 3), (uint64_t)r)));
  DG_TRY(join_the_lonely(clusters, level, limit));
cleanup:
  if (status != DG_OK) dg_clusters_destroy(clusters);
  return status;
}

void dg_clusters_destroy(dg_clusters *c) {
  dg_links_destroy(&c->links);
  dg_free(&c->full);
  dg_free(&c->index);
  dg_free(&c->held);
  dg_free(&c->members);
}
