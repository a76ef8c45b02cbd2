#ifndef DISTGAT_BASE_ID_SET_H
#define DISTGAT_BASE_ID_SET_H

#include "base/id_map.h"

/* A set of ids, as bits of the words that hold any: ids that lie close take few bytes, those that lie apart some forty.
   All Local. */
typedef struct dg_id_set {
  dg_id_map words; /* rows of words, which are ids / 64 */
  uint64_t *bits;  /* [room] of which words.count are taken */
  size_t room;
  int64_t *before; /* [words.count] ids in lower words, once they are counted */
} dg_id_set;

/* An empty set. Errors: DG_MEMORY. */
dg_status dg_id_set_create(dg_id_set *set);
void dg_id_set_destroy(dg_id_set *set);

/* Adds an id >= 0; *word is the row of its word. Errors: DG_MEMORY. */
dg_status dg_id_set_add(dg_id_set *set, dg_row *word, dg_id id);

/* Counts the ids and lists them in ascending order: *ids [*count], owned by the caller. None is added after that.
   Errors: DG_MEMORY. */
dg_status dg_id_set_list(dg_id **ids, int64_t *count, dg_id_set *set);

/* The place among the listed ids of one of them, whose word has this row. */
static inline int64_t dg_id_set_place(const dg_id_set *set, dg_row word, dg_id id) {
  const uint64_t lower = ((uint64_t)1 << (id & 63)) - 1;
  return set->before[word] + __builtin_popcountll(set->bits[word] & lower);
}

#endif
