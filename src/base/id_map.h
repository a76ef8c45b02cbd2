#ifndef DISTGAT_BASE_ID_MAP_H
#define DISTGAT_BASE_ID_MAP_H

#include <stddef.h>

#include <distgat/ids.h>
#include <distgat/status.h>

/* Rows of ids: a table with open addressing and linear probing (Knuth, The Art of Computer Programming, 6.4, algorithm
   L). All Local. */
typedef struct dg_id_map {
  dg_id *key; /* [slots] one more than the id, 0 where free */
  dg_row *row;
  size_t slots, count;
  int shift; /* slots are 2^(64 - shift) */
} dg_id_map;

/* An empty map with room for so many ids; it grows where there are more. Errors: DG_MEMORY. */
dg_status dg_id_map_create(dg_id_map *map, size_t expected);
void dg_id_map_destroy(dg_id_map *map);

/* The row of an id >= 0, -1 where it has none. */
dg_row dg_id_map_find(const dg_id_map *map, dg_id id);

/* The row of an id, which becomes *row where it has none yet. Errors: DG_MEMORY. */
dg_status dg_id_map_add(dg_id_map *map, dg_id id, dg_row *row);

#endif
