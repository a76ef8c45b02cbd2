#include "base/id_map.h"

#include <distgat/memory.h>

/* Above this the runs of taken slots grow long. */
static size_t most(size_t slots) {
  return slots / 4 * 3;
}

/* The slot of an id, or the free one where it would be. Ids that follow each other lie far apart: multiplication by
   the golden ratio's share of 2^64, of which the upper bits are taken. */
static size_t slot_of(const dg_id_map *map, dg_id id) {
  size_t slot = (size_t)((uint64_t)id * 0x9E3779B97F4A7C15u >> map->shift);
  while (map->key[slot] != 0 && map->key[slot] != id + 1) slot = (slot + 1) & (map->slots - 1);
  return slot;
}

dg_status dg_id_map_create(dg_id_map *map, size_t expected) {
  dg_status status = DG_OK;
  *map = (dg_id_map){.slots = 16, .shift = 60};
  while (most(map->slots) < expected) map->slots *= 2, map->shift--;
  DG_TRY(dg_alloc(&map->key, map->slots, sizeof *map->key));
  DG_TRY(dg_alloc(&map->row, map->slots, sizeof *map->row));

cleanup:
  if (status != DG_OK) dg_id_map_destroy(map);
  return status;
}

void dg_id_map_destroy(dg_id_map *map) {
  dg_free(&map->key);
  dg_free(&map->row);
  *map = (dg_id_map){0};
}

static dg_status grow(dg_id_map *map) {
  dg_id_map bigger;
  const dg_status status = dg_id_map_create(&bigger, map->count + 1 + map->slots / 4);
  if (status != DG_OK) return status;
  for (size_t i = 0; i < map->slots; i++) {
    if (map->key[i] == 0) continue;
    const size_t slot = slot_of(&bigger, map->key[i] - 1);
    bigger.key[slot] = map->key[i], bigger.row[slot] = map->row[i];
  }
  bigger.count = map->count;
  dg_id_map_destroy(map);
  *map = bigger;
  return DG_OK;
}

dg_row dg_id_map_find(const dg_id_map *map, dg_id id) {
  const size_t slot = slot_of(map, id);
  return map->key[slot] == 0 ? -1 : map->row[slot];
}

dg_status dg_id_map_add(dg_id_map *map, dg_id id, dg_row *row) {
  size_t slot = slot_of(map, id);
  if (map->key[slot] != 0) {
    *row = map->row[slot];
    return DG_OK;
  }
  if (map->count == most(map->slots)) {
    const dg_status status = grow(map);
    if (status != DG_OK) return status;
    slot = slot_of(map, id);
  }
  map->key[slot] = id + 1, map->row[slot] = *row;
  map->count++;
  return DG_OK;
}
