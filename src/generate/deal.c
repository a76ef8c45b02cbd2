#include "generate/deal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/graph.h>
#include <distgat/memory.h>
#include <distgat/rng.h>

/* A node at its place in the random order: by key, and by node where keys are the same. */
typedef struct ticket {
  uint64_t key;
  dg_id node;
} ticket;

static int compare_tickets(const void *a, const void *b) {
  const ticket *x = a, *y = b;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return (x->node > y->node) - (x->node < y->node);
}

/* ---- The first tickets of all ranks ---- */

/* Lists of tickets, each in order: list i is tickets [start[i], start[i + 1]) here, and its like on other ranks. */
typedef struct lists {
  int32_t n;
  int64_t *start;  /* [n + 1] */
  ticket *tickets; /* [start[n]] */
} lists;

/* Tickets of list i whose keys are at most `key`. */
static int64_t count_up_to(const lists *l, int32_t i, uint64_t key) {
  int64_t low = l->start[i], high = l->start[i + 1];
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (l->tickets[middle].key <= key)
      low = middle + 1;
    else
      high = middle;
  }
  return low - l->start[i];
}

/* Finds how many tickets of each list here, first [n], are among the `wanted` first of that list on all ranks. The key
   of the last of them is found bit by bit; of tickets with just this key, lower ranks have lower nodes. Collective. */
static dg_status find_first(int64_t *first, const dg_comm *comm, const lists *l, int64_t wanted) {
  const size_t n = (size_t)l->n;
  dg_status status = DG_OK;
  uint64_t *key = NULL; /* so many leading bits are known of the least key up to which there are enough tickets */
  int64_t *count = NULL, *before = NULL;
  status = dg_alloc(&key, n, sizeof *key);
  if (status == DG_OK) status = dg_alloc(&count, n, sizeof *count);
  if (status == DG_OK) status = dg_alloc(&before, n, sizeof *before);
  DG_TRY(dg_comm_agree(comm, status));
  for (int bit = 63; bit >= 0; bit--) {
    for (int32_t i = 0; i < l->n; i++) count[i] = count_up_to(l, i, key[i] | (((uint64_t)1 << bit) - 1));
    dg_comm_sum_int64(comm, count, n);
    for (int32_t i = 0; i < l->n; i++)
      if (count[i] < wanted) key[i] |= (uint64_t)1 << bit;
  }
  for (int32_t i = 0; i < l->n; i++) {
    first[i] = key[i] == 0 ? 0 : count_up_to(l, i, key[i] - 1);
    count[i] = first[i];
    before[i] = count_up_to(l, i, key[i]) - first[i];
  }
  dg_comm_sum_int64(comm, count, n);
  dg_comm_sum_below(comm, before, l->n);
  for (int32_t i = 0; i < l->n; i++) {
    const int64_t same = count_up_to(l, i, key[i]) - first[i];
    const int64_t left = wanted - count[i] - before[i];
    first[i] += left < 0 ? 0 : left < same ? left : same;
  }
cleanup:
  dg_free(&key);
  dg_free(&count);
  dg_free(&before);
  return status;
}

/* ---- Splits ---- */

/* Sizes asked for, scaled down where there are not enough nodes; something is left to train on. */
static void split_sizes(int64_t *per_class, int64_t *n_val, int64_t *n_test, const dg_generate_config *c) {
  double asked = (double)c->train_per_class * c->n_classes + (double)c->n_val + (double)c->n_test;
  double scale = asked > (double)c->n_nodes ? (double)c->n_nodes / asked : 1;
  *per_class = (int64_t)fmax(c->train_per_class * scale, c->train_per_class > 0);
  *n_val = (int64_t)((double)c->n_val * scale);
  *n_test = (int64_t)((double)c->n_test * scale);
}

static ticket ticket_of(const dg_synthetic *g, dg_id node) {
  return (ticket){dg_rng_key(dg_rng_key(g->config->seed, DG_KEY_SPLIT), (uint64_t)node), node};
}

static void sort_lists(lists *l) {
  for (int32_t i = 0; i < l->n; i++)
    qsort(l->tickets + l->start[i], (size_t)(l->start[i + 1] - l->start[i]), sizeof *l->tickets, compare_tickets);
}

/* One list a class. */
static void list_classes(lists *l, const dg_synthetic *g, const dg_directory *nodes) {
  l->n = g->config->n_classes;
  for (int64_t k = 0; k < nodes->n; k++) l->start[dg_synthetic_label(g, nodes->first + k) + 1]++;
  for (int32_t i = 0; i < l->n; i++) l->start[i + 1] += l->start[i];
  for (int64_t k = 0; k < nodes->n; k++)
    l->tickets[l->start[dg_synthetic_label(g, nodes->first + k)]++] = ticket_of(g, nodes->first + k);
  for (int32_t i = l->n; i > 0; i--) l->start[i] = l->start[i - 1];
  l->start[0] = 0;
  sort_lists(l);
}

/* One list of all nodes that are in no split yet. */
static void list_others(lists *l, const dg_synthetic *g, const dg_directory *nodes, const uint8_t *mask) {
  l->n = 1;
  l->start[0] = l->start[1] = 0;
  for (int64_t k = 0; k < nodes->n; k++)
    if (mask[k] == 0) l->tickets[l->start[1]++] = ticket_of(g, nodes->first + k);
  sort_lists(l);
}

/* Marks tickets [from, to) of a list. */
static void mark(uint8_t *mask, const dg_directory *nodes, const lists *l, int32_t i, int64_t from, int64_t to,
                 uint8_t split) {
  for (int64_t k = l->start[i] + from; k < l->start[i] + to; k++) mask[l->tickets[k].node - nodes->first] = split;
}

dg_status dg_deal(uint8_t *mask, const dg_comm *comm, const dg_synthetic *g, const dg_directory *nodes) {
  const size_t n_classes = (size_t)g->config->n_classes;
  int64_t per_class, n_val, n_test, val, both;
  dg_status status = DG_OK;
  lists l = {0};
  int64_t *first = NULL;
  split_sizes(&per_class, &n_val, &n_test, g->config);
  status = dg_alloc(&l.start, n_classes + 1, sizeof *l.start);
  if (status == DG_OK) status = dg_alloc(&l.tickets, (size_t)nodes->n, sizeof *l.tickets);
  if (status == DG_OK) status = dg_alloc(&first, n_classes, sizeof *first);
  DG_TRY(dg_comm_agree(comm, status));
  memset(mask, 0, (size_t)nodes->n);
  if (per_class > 0) {
    list_classes(&l, g, nodes);
    DG_TRY(find_first(first, comm, &l, per_class));
    for (int32_t i = 0; i < l.n; i++) mark(mask, nodes, &l, i, 0, first[i], DG_TRAIN);
  }
  list_others(&l, g, nodes, mask);
  DG_TRY(find_first(&val, comm, &l, n_val));
  DG_TRY(find_first(&both, comm, &l, n_val + n_test));
  mark(mask, nodes, &l, 0, 0, val, DG_VAL);
  mark(mask, nodes, &l, 0, val, both, DG_TEST);
  if (per_class == 0) mark(mask, nodes, &l, 0, both, l.start[1], DG_TRAIN);
cleanup:
  dg_free(&l.start);
  dg_free(&l.tickets);
  dg_free(&first);
  return status;
}
