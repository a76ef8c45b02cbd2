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

/* Numbers ids as they come, then in ascending order. Local. */
static dg_status collect(dg_links *links, dg_row *index, const dg_id *list, size_t count, dg_id first, dg_id end) {
  dg_status status = DG_OK;
  dg_id_map map = {0};
  place *places = NULL;
  dg_row *order = NULL, n = 0;
  const dg_row inside = (dg_row)(end - first);
  DG_TRY(dg_id_map_create(&map, 0));
  for (size_t t = 0; t < count; t++) {
    dg_row at = n;
    if (list[t] < first || list[t] >= end) {
      DG_TRY(dg_id_map_add(&map, list[t], &at));
      n += at == n;
      index[t] = inside + at;
    } else {
      index[t] = (dg_row)(list[t] - first);
    }
  }
  links->n = (size_t)n;
  DG_TRY(dg_alloc(&places, links->n, sizeof *places));
  DG_TRY(dg_alloc(&order, links->n, sizeof *order));
  DG_TRY(dg_alloc(&links->ids, links->n, sizeof *links->ids));
  for (size_t s = 0, k = 0; s < map.slots; s++)
    if (map.key[s] != 0) places[k++] = (place){map.key[s] - 1, map.row[s]};
  qsort(places, links->n, sizeof *places, compare_places);
  for (size_t k = 0; k < links->n; k++) links->ids[k] = places[k].id, order[places[k].at] = (dg_row)k;
  for (size_t t = 0; t < count; t++)
    if (index[t] >= inside) index[t] = inside + order[index[t] - inside];
cleanup:
  dg_id_map_destroy(&map);
  dg_free(&places);
  dg_free(&order);
  return status;
}

static dg_status count_names(dg_links *links, int64_t rows) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&links->named, (size_t)links->comm->size, sizeof *links->named));
  DG_TRY(dg_alloc(&links->asking, (size_t)links->comm->size, sizeof *links->asking));
  for (size_t k = 0; k < links->n; k++) links->named[links->ids[k] / rows]++;
cleanup:
  return status;
}

dg_status dg_links_create(dg_links *links, dg_row *index, const dg_comm *comm, int64_t rows, const dg_id *list,
                          size_t count, dg_id first, dg_id end) {
  dg_status status = DG_OK;
  dg_id *asked = NULL;
  *links = (dg_links){.comm = comm};
  status = collect(links, index, list, count, first, end);
  if (status == DG_OK) status = count_names(links, rows);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_exchange_counts(comm, links->named, links->asking);
  for (int r = 0; r < comm->size; r++) links->n_asked += links->asking[r];
  status = dg_alloc(&asked, links->n_asked, sizeof *asked);
  if (status == DG_OK) status = dg_alloc(&links->asked, links->n_asked, sizeof *links->asked);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_exchange(comm, links->ids, links->named, asked, links->asking, sizeof *asked);
  for (size_t k = 0; k < links->n_asked; k++) links->asked[k] = (dg_row)(asked[k] - comm->rank * rows);
cleanup:
  dg_free(&asked);
  if (status != DG_OK) dg_links_destroy(links);
  return status;
}

void dg_links_destroy(dg_links *links) {
  dg_free(&links->ids);
  dg_free(&links->asked);
  dg_free(&links->named);
  dg_free(&links->asking);
}

dg_status dg_links_fetch(const dg_links *links, void *out, const void *value, size_t size) {
  dg_status status = DG_OK;
  char *answers = NULL;
  DG_TRY(dg_comm_agree(links->comm, dg_alloc(&answers, links->n_asked, size)));
  for (size_t k = 0; k < links->n_asked; k++)
    memcpy(answers + k * size, (const char *)value + (size_t)links->asked[k] * size, size);
  dg_comm_exchange(links->comm, answers, links->asking, out, links->named, size);
cleanup:
  dg_free(&answers);
  return status;
}

void dg_links_send(const dg_links *links, void *out, const void *value, size_t size) {
  dg_comm_exchange(links->comm, value, links->named, out, links->asking, size);
}
