#include "generate/citations.h"

#include <math.h>

#include <distgat/log.h>
#include <distgat/memory.h>
#include <distgat/rng.h>

#include "par/mail.h"

enum { ATTEMPTS_NEAR = 4, ATTEMPTS_CLASS = 12, ATTEMPTS = 20 }; /* of a stub to find a partner, ever further away */

#define SHARE_TOPIC 0.75               /* of the citations inside a class: to the own topic */
#define SHARE_NEAR 0.98                /* and to this or topics near by; the others go anywhere */
#define PIECE_STUBS ((int64_t)1 << 19) /* drawn before questions about them travel */

void dg_citations_destroy(dg_citations *citations) {
  dg_free(&citations->start);
  dg_free(&citations->count);
  dg_free(&citations->partner);
}

int32_t dg_citations_most(const dg_citations *c) {
  return (int32_t)fmin(fmin(2 * c->stubs + 1, (double)c->topics->graph->config->n_nodes - 1), INT32_MAX);
}

/* Citations a node tries to make: around `stubs`, half of it at least. */
static int32_t count_stubs(const dg_citations *c, dg_id node) {
  const dg_synthetic *g = c->topics->graph;
  const double u = dg_synthetic_draw(g, DG_KEY_STUBS, node, 0);
  const double wanted = c->stubs * (0.5 + 1.5 * u * u) + dg_synthetic_draw(g, DG_KEY_STUBS, node, 1);
  return (int32_t)fmin(wanted, dg_citations_most(c));
}

/* ---- One attempt ---- */

/* A step along the ring of a class' topics: d or more with probability 1 / d^2, either way. */
static int64_t step_from(int64_t position, int64_t length, double u, bool back) {
  const double distance = floor(1 / sqrt(1 - u));
  const int64_t step = (int64_t)fmod(distance, (double)length);
  return (position + (back ? length - step : step)) % length;
}

/* Among whom a node of `topic` seeks a partner; false where there is nobody. Topics at the same place of their rings
   are near each other too, so that the graph can be cut well. */
static bool choose(dg_pick *pick, const dg_topics *t, int64_t topic, uint64_t key, int attempt) {
  const int64_t length = t->graph->field_topics;
  const int32_t n_classes = t->graph->config->n_classes;
  int32_t class = (int32_t)(topic / length);
  const double kind = dg_rng_uniform(key, 1), reach = dg_rng_uniform(key, 2), where = dg_rng_uniform(key, 3);
  const double step = dg_rng_uniform(key, 4), u = dg_rng_uniform(key, 5);
  const bool same_class = n_classes == 1 || kind < t->graph->config->homophily;

  if (attempt >= ATTEMPTS_CLASS) return dg_topics_pick_inside(pick, t, 0, n_classes, u);
  if (reach >= SHARE_NEAR || attempt >= ATTEMPTS_NEAR)
    return same_class ? dg_topics_pick_inside(pick, t, class, class + 1, u)
                      : dg_topics_pick_outside(pick, t, class, class + 1, u);
  int64_t position = topic - class * length;
  if (reach >= SHARE_TOPIC) position = step_from(position, length, step, where < 0.5);
  if (!same_class) class = (class + 1 + (int32_t)(where * (n_classes - 1))) % n_classes;
  *pick = dg_topics_pick_topic(class * length + position, u);
  return true;
}

/* ---- A piece of members ---- */

/* How far a member has come. */
typedef struct progress {
  int32_t stub, stubs; /* the one at hand, of so many */
  int32_t attempt;
} progress;

/* Members [first, first + n) on their way, and the questions that other ranks are to answer. */
typedef struct drawing {
  dg_citations *c;
  int64_t first, n;
  progress *at; /* [n] */
  int64_t n_waiting;
  int64_t *waiting; /* [n] members that cannot go on */
  int64_t n_asked;
  int64_t *slot; /* [room of all] where the answers go; and the questions, and whom they go to */
  dg_pick *asked;
  int32_t *to;
} drawing;

static void drawing_destroy(drawing *d) {
  dg_free(&d->at);
  dg_free(&d->waiting);
  dg_free(&d->slot);
  dg_free(&d->asked);
  dg_free(&d->to);
}

static dg_status drawing_alloc(drawing *d, int64_t nodes, int64_t stubs) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&d->at, (size_t)nodes, sizeof *d->at));
  DG_TRY(dg_alloc(&d->waiting, (size_t)nodes, sizeof *d->waiting));
  DG_TRY(dg_alloc(&d->slot, (size_t)stubs, sizeof *d->slot));
  DG_TRY(dg_alloc(&d->asked, (size_t)stubs, sizeof *d->asked));
  DG_TRY(dg_alloc(&d->to, (size_t)stubs, sizeof *d->to));
cleanup:
  return status;
}

/* Makes an attempt for a stub of member i: its candidate, or -1, lies in the stub's slot; false where a rank has to be
   asked first. */
static bool attempt(drawing *d, int64_t i, int64_t topic, int32_t stub, int32_t number) {
  const dg_topics *t = d->c->topics;
  const dg_id node = t->member[i];
  const int64_t slot = d->c->start[i] + stub;
  const uint64_t key = dg_rng_key(dg_rng_key(t->graph->config->seed, DG_KEY_PARTNER), (uint64_t)node);
  dg_pick pick;
  d->c->partner[slot] = -1;
  if (!choose(&pick, t, topic, dg_rng_key(key, (uint64_t)stub * ATTEMPTS + (uint64_t)number), number)) return true;
  const int rank = dg_topics_rank(t, pick);
  if (rank == t->comm->rank) {
    d->c->partner[slot] = dg_topics_resolve(t, pick);
    return true;
  }
  d->slot[d->n_asked] = slot;
  d->asked[d->n_asked] = pick;
  d->to[d->n_asked++] = rank;
  return false;
}

/* The first attempt of every stub, at once. */
static void begin(drawing *d) {
  d->n_waiting = d->n;
  d->n_asked = 0;
  for (int64_t k = 0; k < d->n; k++) {
    const int64_t i = d->first + k, topic = dg_synthetic_topic(d->c->topics->graph, d->c->topics->member[i]);
    d->at[k] = (progress){.stubs = (int32_t)(d->c->start[i + 1] - d->c->start[i])};
    d->waiting[k] = i;
    for (int32_t s = 0; s < d->at[k].stubs; s++) attempt(d, i, topic, s, 0);
  }
}

static bool contains(const dg_id *values, int32_t n, dg_id value) {
  for (int32_t k = 0; k < n; k++)
    if (values[k] == value) return true;
  return false;
}

/* Takes the candidates of member i one after the other, and makes further attempts where one will not do; false where
   it waits for an answer. Those taken move to the front. */
static bool go_on(drawing *d, int64_t i) {
  const dg_id node = d->c->topics->member[i];
  const int64_t topic = dg_synthetic_topic(d->c->topics->graph, node);
  progress *p = &d->at[i - d->first];
  int32_t *taken = &d->c->count[i];
  dg_id *partner = d->c->partner + d->c->start[i];
  while (p->stub < p->stubs) {
    const dg_id j = partner[p->stub];
    const bool good = j >= 0 && j != node && !contains(partner, *taken, j);
    if (good) partner[(*taken)++] = j;
    if (good || ++p->attempt == ATTEMPTS) {
      p->stub++;
      p->attempt = 0;
    } else if (!attempt(d, i, topic, p->stub, p->attempt)) {
      return false;
    }
  }
  return true;
}

/* Asks what there is to ask. Collective. */
static dg_status ask(drawing *d, dg_mail *mail) {
  dg_status status = DG_OK;
  dg_id *told = NULL, *answer = NULL;
  DG_TRY(dg_mail_send(mail, d->asked, d->to, d->n_asked, sizeof *d->asked));
  const dg_pick *come = mail->come;
  status = dg_alloc(&told, (size_t)mail->n_come, sizeof *told);
  if (status == DG_OK) status = dg_alloc(&answer, (size_t)d->n_asked, sizeof *answer);
  DG_TRY(dg_comm_agree(mail->comm, status));
  for (int64_t k = 0; k < mail->n_come; k++) told[k] = dg_topics_resolve(d->c->topics, come[k]);
  DG_TRY(dg_mail_return(mail, answer, told, sizeof *answer));
  for (int64_t k = 0; k < d->n_asked; k++) d->c->partner[d->slot[k]] = answer[k];
cleanup:
  dg_free(&told);
  dg_free(&answer);
  return status;
}

/* Members [first, first + n), in rounds of questions until no rank has any. Collective. */
static dg_status draw_piece(drawing *d, dg_mail *mail) {
  dg_status status = DG_OK;
  begin(d);
  do {
    DG_TRY(ask(d, mail));
    const int64_t n = d->n_waiting;
    d->n_waiting = d->n_asked = 0;
    for (int64_t k = 0; k < n; k++)
      if (!go_on(d, d->waiting[k])) d->waiting[d->n_waiting++] = d->waiting[k];
  } while (dg_comm_max_int64(mail->comm, d->n_asked) > 0);
cleanup:
  return status;
}

/* ---- All ---- */

static dg_status alloc_citations(dg_citations *c) {
  const int64_t n = c->topics->n;
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&c->start, (size_t)n + 1, sizeof *c->start));
  DG_TRY(dg_alloc(&c->count, (size_t)n, sizeof *c->count));
  for (int64_t i = 0; i < n; i++) c->start[i + 1] = c->start[i] + count_stubs(c, c->topics->member[i]);
  DG_TRY(dg_alloc(&c->partner, (size_t)c->start[n], sizeof *c->partner));
cleanup:
  return status;
}

dg_status dg_citations_draw(dg_citations *citations, const dg_topics *topics, double stubs) {
  const dg_comm *comm = topics->comm;
  dg_status status = DG_OK;
  drawing d = {.c = citations};
  dg_mail mail = {.comm = comm};
  dg_citations_destroy(citations);
  *citations = (dg_citations){.topics = topics, .stubs = stubs};
  const int64_t most = dg_citations_most(citations), step = most < PIECE_STUBS ? PIECE_STUBS / (most + 1) + 1 : 1,
                room = step < topics->n ? step : topics->n;
  status = alloc_citations(citations);
  if (status == DG_OK) status = drawing_alloc(&d, room, room * most);
  DG_TRY(dg_comm_agree(comm, status));
  const int64_t all = dg_comm_max_int64(comm, topics->n);
  for (int64_t first = 0; first < all; first += step) {
    d.first = first < topics->n ? first : topics->n;
    d.n = step < topics->n - d.first ? step : topics->n - d.first;
    DG_TRY(draw_piece(&d, &mail));
    dg_progress("generate: citations", (long)(d.first + d.n), (long)all, "");
  }
cleanup:
  drawing_destroy(&d);
  dg_mail_destroy(&mail);
  return status;
}
