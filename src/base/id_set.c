#include "base/id_set.h"

#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>

enum { LEAST_ROOM = 16 };

dg_status dg_id_set_create(dg_id_set *set) {
  dg_status status = DG_OK;
  *set = (dg_id_set){.room = LEAST_ROOM};
  DG_TRY(dg_id_map_create(&set->words, 0));
  DG_TRY(dg_alloc(&set->bits, set->room, sizeof *set->bits));
cleanup:
  if (status != DG_OK) dg_id_set_destroy(set);
  return status;
}

void dg_id_set_destroy(dg_id_set *set) {
  dg_id_map_destroy(&set->words);
  dg_free(&set->bits);
  dg_free(&set->before);
  *set = (dg_id_set){0};
}

static dg_status grow(dg_id_set *set) {
  uint64_t *bits;
  if (set->room > INT32_MAX) return dg_fail(DG_MEMORY, "%d words of ids on one rank; start more ranks", INT32_MAX);
  const dg_status status = dg_alloc(&bits, 2 * set->room, sizeof *bits);
  if (status != DG_OK) return status;
  memcpy(bits, set->bits, set->room * sizeof *bits);
  dg_free(&set->bits);
  set->bits = bits;
  set->room *= 2;
  return DG_OK;
}

dg_status dg_id_set_add(dg_id_set *set, dg_row *word, dg_id id) {
  dg_status status = DG_OK;
  if (set->words.count == set->room) DG_TRY(grow(set));
  *word = (dg_row)set->words.count;
  DG_TRY(dg_id_map_add(&set->words, id >> 6, word));
  set->bits[*word] |= (uint64_t)1 << (id & 63);
cleanup:
  return status;
}

/* ---- in order ---- */

typedef struct place {
  dg_id word;
  dg_row at;
} place;

static int compare_places(const void *a, const void *b) {
  const place *x = a, *y = b;
  return (x->word > y->word) - (x->word < y->word);
}

/* The words by ascending ids: places [words.count]. */
static void sort_words(place *places, const dg_id_set *set) {
  const dg_id_map *map = &set->words;
  for (size_t s = 0, k = 0; s < map->slots; s++)
    if (map->key[s] != 0) places[k++] = (place){map->key[s] - 1, map->row[s]};
  qsort(places, map->count, sizeof *places, compare_places);
}

dg_status dg_id_set_list(dg_id **ids, int64_t *count, dg_id_set *set) {
  dg_status status = DG_OK;
  const size_t n_words = set->words.count;
  place *places = NULL;
  *ids = NULL, *count = 0;
  DG_TRY(dg_alloc(&places, n_words, sizeof *places));
  sort_words(places, set);
  dg_id_map_destroy(&set->words);
  DG_TRY(dg_alloc(&set->before, n_words, sizeof *set->before));
  for (size_t k = 0; k < n_words; k++) {
    set->before[places[k].at] = *count;
    *count += __builtin_popcountll(set->bits[places[k].at]);
  }
  DG_TRY(dg_alloc(ids, (size_t)*count, sizeof **ids));
  dg_id *next = *ids;
  for (size_t k = 0; k < n_words; k++)
    for (uint64_t left = set->bits[places[k].at]; left != 0; left &= left - 1)
      *next++ = 64 * places[k].word + __builtin_ctzll(left);
cleanup:
  dg_free(&places);
  return status;
}
