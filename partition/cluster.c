#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "level.h"

/* Nodes without neighbours join others of so many nodes in a row. */
enum { LONELY = 64 };

/* A node that wants to join a cluster, on its way to the rank that holds the label. */
typedef struct request {
  dg_id label, node;
  int64_t strength; /* weight of its edges into the cluster */
  uint64_t luck;
  dg_weight weight;
} request;

/* What a round works with. */
typedef struct round_state {
  const dg_level *level;
  const dg_weight *limit;
  uint64_t key;      /* of the round */
  int64_t *strength; /* [links.n] of the node at hand to each cluster, 0 between nodes */
  request *wanted;   /* [n] */
  int32_t *to;       /* [n] who holds their labels */
  int64_t n_wanted;
} round_state;

static dg_status make_room(round_state *s, const dg_clusters *c) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&s->strength, (size_t)c->links.n, sizeof *s->strength));
  DG_TRY(dg_alloc(&s->wanted, (size_t)s->level->n, sizeof *s->wanted));
  DG_TRY(dg_alloc(&s->to, (size_t)s->level->n, sizeof *s->to));
cleanup:
  return status;
}

static void release_round(round_state *s) {
  dg_free(&s->strength);
  dg_free(&s->wanted);
  dg_free(&s->to);
}

static void release_names(dg_clusters *c) {
  dg_links_destroy(&c->links);
  dg_free(&c->load);
}

/* What travels to a holder of a label: what rows here weigh under it. */
typedef struct share {
  dg_weight weight;
  int64_t members;
} share;

/* Names the labels in use and finds what their clusters weigh. Collective. */
static dg_status weigh(dg_clusters *c, const dg_level *level) {
  dg_status status = DG_OK;
  share *here = NULL, *come = NULL;
  release_names(c);
  DG_TRY(dg_links_create(&c->links, c->index, level->comm, &level->nodes, c->label, (int64_t)level->n + level->n_halo,
                         false));
  status = dg_alloc(&here, (size_t)c->links.n, sizeof *here);
  if (status == DG_OK) status = dg_alloc(&come, (size_t)c->links.n_asked, sizeof *come);
  if (status == DG_OK) status = dg_alloc(&c->load, (size_t)c->links.n, sizeof *c->load);
  DG_TRY(dg_comm_agree(level->comm, status));
  for (dg_row i = 0; i < level->n; i++) {
    share *s = &here[c->index[i]];
    s->members++;
    dg_weight_add(&s->weight, &level->weight[i]);
  }
  dg_links_send(&c->links, come, here, sizeof *come);
  memset(c->held, 0, (size_t)level->n * sizeof *c->held);
  memset(c->members, 0, (size_t)level->n * sizeof *c->members);
  for (int64_t a = 0; a < c->links.n_asked; a++) {
    c->members[c->links.asked[a]] += come[a].members;
    dg_weight_add(&c->held[c->links.asked[a]], &come[a].weight);
  }
  DG_TRY(dg_links_fetch(&c->links, c->load, c->held, sizeof *c->load));
cleanup:
  dg_free(&here);
  dg_free(&come);
  return status;
}

/* The cluster that a row is most tied to, of those with room; its own where none ties it more. Of equal ones chance
   decides. */
static request choose(const round_state *s, const dg_clusters *c, dg_row i) {
  const dg_level *level = s->level;
  const dg_row own = c->index[i];
  const dg_id node = dg_level_id(level, i);
  request best = {.label = c->label[i], .node = node, .weight = level->weight[i]};
  const int64_t begin = level->indptr[i], end = level->indptr[i + 1];
  if (begin == end && c->label[i] == node) best.label = node - node % LONELY;
  for (int64_t t = begin; t < end; t++) s->strength[c->index[level->to[t]]] += dg_level_edge(level, i, t);
  best.strength = s->strength[own];
  for (int64_t t = begin; t < end; t++) {
    const dg_row k = c->index[level->to[t]];
    const int64_t strength = s->strength[k];
    s->strength[k] = 0;
    if (k == own || strength == 0 || strength < best.strength) continue;
    const uint64_t luck = dg_rng_key(s->key ^ (uint64_t)node, (uint64_t)c->links.ids[k]);
    if (strength == best.strength && (best.label == c->label[i] || luck > best.luck)) continue;
    if (!dg_weight_fits(&c->load[k], &best.weight, s->limit)) continue;
    best.label = c->links.ids[k], best.strength = strength, best.luck = luck;
  }
  best.luck = dg_rng_key(s->key, (uint64_t)node);
  return best;
}

static int compare_claims(const void *a, const void *b) {
  const request *x = *(request *const *)a, *y = *(request *const *)b;
  if (x->label != y->label) return (x->label > y->label) - (x->label < y->label);
  if (x->strength != y->strength) return (x->strength < y->strength) - (x->strength > y->strength);
  if (x->luck != y->luck) return (x->luck > y->luck) - (x->luck < y->luck);
  return (x->node > y->node) - (x->node < y->node);
}

/* The holder of labels lets in who fits, the strongest first: yes [n]. Local. */
static dg_status admit(uint8_t *yes, dg_clusters *c, const dg_level *level, request *come, int64_t n,
                       const dg_weight *limit) {
  request **order;
  const dg_status status = dg_alloc(&order, (size_t)n, sizeof *order);
  if (status != DG_OK) return status;
  for (int64_t k = 0; k < n; k++) order[k] = &come[k];
  qsort(order, (size_t)n, sizeof *order, compare_claims);
  for (int64_t k = 0; k < n; k++) {
    dg_weight *held = &c->held[order[k]->label - level->nodes.first];
    if (!dg_weight_fits(held, &order[k]->weight, limit)) continue;
    dg_weight_add(held, &order[k]->weight);
    yes[order[k] - come] = 1;
  }
  dg_free(&order);
  return DG_OK;
}

/* Asks the holders of labels, and changes those of whom they let in. Collective. */
static dg_status ask(round_state *s, dg_clusters *c) {
  dg_status status = DG_OK;
  const dg_level *level = s->level;
  dg_mail mail = {.comm = level->comm};
  uint8_t *yes = NULL, *answer = NULL;
  DG_TRY(dg_mail_send(&mail, s->wanted, s->to, s->n_wanted, sizeof *s->wanted));
  status = dg_alloc(&yes, (size_t)mail.n_come, 1);
  if (status == DG_OK) status = dg_alloc(&answer, (size_t)s->n_wanted, 1);
  if (status == DG_OK) status = admit(yes, c, level, mail.come, mail.n_come, s->limit);
  DG_TRY(dg_comm_agree(level->comm, status));
  DG_TRY(dg_mail_return(&mail, answer, yes, 1));
  for (int64_t k = 0; k < s->n_wanted; k++)
    if (answer[k]) c->label[s->wanted[k].node - level->nodes.first] = s->wanted[k].label;
  DG_TRY(dg_level_pull(level, c->label, sizeof *c->label));
cleanup:
  dg_mail_destroy(&mail);
  dg_free(&yes);
  dg_free(&answer);
  return status;
}

/* One round, in which half of the nodes may move: where all did, neighbours would change places. Collective. */
static dg_status propagate(dg_clusters *c, const dg_level *level, const dg_weight *limit, uint64_t key) {
  dg_status status = DG_OK;
  round_state s = {.level = level, .limit = limit, .key = key};
  DG_TRY(dg_comm_agree(level->comm, make_room(&s, c)));
  for (dg_row i = 0; i < level->n; i++) {
    if (dg_rng_key(key ^ 1, (uint64_t)dg_level_id(level, i)) & 1) continue;
    const request wish = choose(&s, c, i);
    if (wish.label == c->label[i]) continue;
    s.to[s.n_wanted] = dg_directory_rank(&level->nodes, wish.label);
    s.wanted[s.n_wanted++] = wish;
  }
  DG_TRY(ask(&s, c));
  DG_TRY(weigh(c, level));
cleanup:
  release_round(&s);
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

/* Nodes that are still alone, since the cluster of their neighbours is full, as the leaves of a star are, join each
   other. Collective. */
static dg_status join_the_lonely(dg_clusters *c, const dg_level *level, const dg_weight *limit) {
  dg_status status = DG_OK;
  round_state s = {.level = level};
  dg_mail mail = {.comm = level->comm};
  dg_id *leader = NULL, *answer = NULL;
  DG_TRY(dg_comm_agree(level->comm, make_room(&s, c)));
  for (dg_row i = 0; i < level->n; i++) {
    const dg_id node = dg_level_id(level, i);
    const dg_row k = c->label[i] == node && c->members[i] == 1 ? favourite(s.strength, c, level, i) : -1;
    if (k < 0) continue;
    s.to[s.n_wanted] = dg_directory_rank(&level->nodes, c->links.ids[k]);
    s.wanted[s.n_wanted++] = (request){.label = c->links.ids[k], .node = node, .weight = level->weight[i]};
  }
  DG_TRY(dg_mail_send(&mail, s.wanted, s.to, s.n_wanted, sizeof *s.wanted));
  status = dg_alloc(&leader, (size_t)mail.n_come, sizeof *leader);
  if (status == DG_OK) status = dg_alloc(&answer, (size_t)s.n_wanted, sizeof *answer);
  if (status == DG_OK) status = group(leader, mail.come, mail.n_come, limit);
  DG_TRY(dg_comm_agree(level->comm, status));
  DG_TRY(dg_mail_return(&mail, answer, leader, sizeof *answer));
  for (int64_t k = 0; k < s.n_wanted; k++) c->label[s.wanted[k].node - level->nodes.first] = answer[k];
  DG_TRY(dg_level_pull(level, c->label, sizeof *c->label));
  DG_TRY(weigh(c, level));
cleanup:
  release_round(&s);
  dg_mail_destroy(&mail);
  dg_free(&leader);
  dg_free(&answer);
  return status;
}

static dg_status allocate(dg_clusters *c, const dg_level *level) {
  dg_status status = DG_OK;
  const size_t n = (size_t)level->n, all = n + (size_t)level->n_halo;
  DG_TRY(dg_alloc(&c->label, all, sizeof *c->label));
  DG_TRY(dg_alloc(&c->index, all, sizeof *c->index));
  DG_TRY(dg_alloc(&c->held, n, sizeof *c->held));
  DG_TRY(dg_alloc(&c->members, n, sizeof *c->members));
cleanup:
  return status;
}

dg_status dg_clusters_find(dg_clusters *clusters, const dg_level *level, const dg_weight *limit, int rounds,
                           uint64_t seed) {
  dg_status status = DG_OK;
  *clusters = (dg_clusters){0};
  DG_TRY(dg_comm_agree(level->comm, allocate(clusters, level)));
  for (dg_row i = 0; i < level->n + level->n_halo; i++) clusters->label[i] = dg_level_id(level, i);
  DG_TRY(weigh(clusters, level));
  for (int r = 0; r < rounds; r++)
    DG_TRY(propagate(clusters, level, limit, dg_rng_key(dg_rng_key(seed, 3), (uint64_t)r)));
  DG_TRY(join_the_lonely(clusters, level, limit));
cleanup:
  if (status != DG_OK) dg_clusters_destroy(clusters);
  return status;
}

void dg_clusters_destroy(dg_clusters *c) {
  release_names(c);
  dg_free(&c->label);
  dg_free(&c->index);
  dg_free(&c->held);
  dg_free(&c->members);
}
