#include "links.h"

#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>

#include "base/id_map.h"

typedef struct place {
  dg_id id;
  dg_row at;
} place;

static int compare_places(const void *a, const void *b) {
  const place *x = a, *y = b;
  return (x->id > y->id) - (x->id < y->id);
}

/* Numbers ids as they come: index [count], those of the own block before them if left out. Local. */
static dg_status number(dg_id_map *map, dg_row *index, const dg_directory *blocks, const dg_id *list, int64_t count,
                        bool others) {
  dg_status status = DG_OK;
  const dg_row inside = others ? (dg_row)blocks->n : 0;
  for (int64_t t = 0; t < count; t++) {
    if (others && dg_directory_here(blocks, list[t])) {
      index[t] = (dg_row)(list[t] - blocks->first);
      continue;
    }
    dg_row at = (dg_row)map->count;
    if (inside + (int64_t)map->count == INT32_MAX)
      return dg_fail(DG_MEMORY, "%d nodes and neighbours of them on one rank; start more ranks", INT32_MAX);
    DG_TRY(dg_id_map_add(map, list[t], &at));
    index[t] = inside + at;
  }
cleanup:
  return status;
}

/* Ids in ascending order, which the index follows. Local. */
static dg_status sort_names(dg_links *links, dg_row *index, dg_id_map *map, int64_t count, dg_row inside) {
  dg_status status = DG_OK;
  place *places = NULL;
  dg_row *order = NULL;
  links->n = (int64_t)map->count;
  DG_TRY(dg_alloc(&places, map->count, sizeof *places));
  for (size_t s = 0, k = 0; s < map->slots; s++)
    if (map->key[s] != 0) places[k++] = (place){map->key[s] - 1, map->row[s]};
  dg_id_map_destroy(map);
  qsort(places, (size_t)links->n, sizeof *places, compare_places);
  DG_TRY(dg_alloc(&order, (size_t)links->n, sizeof *order));
  DG_TRY(dg_alloc(&links->ids, (size_t)links->n, sizeof *links->ids));
  for (int64_t k = 0; k < links->n; k++) links->ids[k] = places[k].id, order[places[k].at] = (dg_row)k;
  for (int64_t t = 0; t < count; t++)
    if (index[t] >= inside) index[t] = inside + order[index[t] - inside];
cleanup:
  dg_free(&places);
  dg_free(&order);
  return status;
}

static dg_status collect(dg_links *links, dg_row *index, const dg_directory *blocks, const dg_id *list, int64_t count,
                         bool others) {
  dg_status status = DG_OK;
  dg_id_map map = {0};
  DG_TRY(dg_id_map_create(&map, 0));
  DG_TRY(number(&map, index, blocks, list, count, others));
  DG_TRY(sort_names(links, index, &map, count, others ? (dg_row)blocks->n : 0));
cleanup:
  dg_id_map_destroy(&map);
  return status;
}

dg_status dg_links_create(dg_links *links, dg_row *index, const dg_comm *comm, const dg_directory *blocks,
                          const dg_id *list, int64_t count, bool others) {
  dg_status status = DG_OK;
  int32_t *to = NULL;
  *links = (dg_links){.mail = {.comm = comm}};
  status = collect(links, index, blocks, list, count, others);
  if (status == DG_OK) status = dg_alloc(&to, (size_t)links->n, sizeof *to);
  DG_TRY(dg_comm_agree(comm, status));
  for (int64_t k = 0; k < links->n; k++) to[k] = dg_directory_rank(blocks, links->ids[k]);
  DG_TRY(dg_mail_send(&links->mail, links->ids, to, links->n, sizeof *links->ids));
  links->n_asked = links->mail.n_come;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&links->asked, (size_t)links->n_asked, sizeof *links->asked)));
  const dg_id *asked = links->mail.come;
  for (int64_t k = 0; k < links->n_asked; k++) links->asked[k] = (dg_row)(asked[k] - blocks->first);
  dg_free(&links->mail.come);
  dg_free(&links->mail.place); /* ids ascend, and so do their holders: they lie as they were given */
cleanup:
  dg_free(&to);
  if (status != DG_OK) dg_links_destroy(links);
  return status;
}

void dg_links_destroy(dg_links *links) {
  dg_mail_destroy(&links->mail);
  dg_free(&links->ids);
  dg_free(&links->asked);
}

dg_status dg_links_fetch(const dg_links *links, void *out, const void *value, size_t bytes) {
  dg_status status = DG_OK;
  char *answers = NULL;
  DG_TRY(dg_comm_agree(links->mail.comm, dg_alloc(&answers, (size_t)links->n_asked, bytes)));
  for (int64_t k = 0; k < links->n_asked; k++)
    memcpy(answers + (size_t)k * bytes, (const char *)value + (size_t)links->asked[k] * bytes, bytes);
  dg_comm_exchange(links->mail.comm, answers, links->mail.received, out, links->mail.sent, bytes);
cleanup:
  dg_free(&answers);
  return status;
}

void dg_links_send(const dg_links *links, void *out, const void *value, size_t bytes) {
  dg_comm_exchange(links->mail.comm, value, links->mail.sent, out, links->mail.received, bytes);
}
