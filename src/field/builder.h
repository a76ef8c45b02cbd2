#ifndef DG_FIELD_BUILDER_H
#define DG_FIELD_BUILDER_H

#include <distgat/field.h>

/* A field under construction. */
typedef struct dg_builder {
  const dg_local *local;
  dg_field_config config;
  dg_field *field;
  uint16_t *level; /* [n] one more than the last layer that needs an owned row as a source; 0: not needed */
  uint8_t *border; /* [n] has a halo in-neighbour, or other ranks need it */
  dg_row *number;  /* [n] field row of an owned local row */
  dg_row *order;   /* [n_rows] its inverse */
  dg_row *place;   /* [n_rows] where local->order has the row */
  dg_row *halo_at; /* [n_halo] place in the block's halo, or -1 */
  dg_row *count;   /* [n_layers + 2] rows of level k or above */
} dg_builder;

/* reach.c: which rows each layer needs. */

/* Finds level and border of all owned rows. Errors: DG_MEMORY. Collective. */
dg_status dg_reach_find(dg_builder *b);

/* Numbers owned rows: by level downwards, rows that have nothing to do with other ranks first, neighbours near each
   other. Local. */
void dg_reach_number(dg_builder *b);

/* Marks, in halo_at, the halo rows that targets of layer k need, and raises owned sources to level k. Local. */
void dg_reach_mark(dg_builder *b, int k);

/* block.c: the edges of one layer. */

/* Builds the block of layer `layer` (1 ...) into the field. Errors: DG_MEMORY. Collective. */
dg_status dg_block_create(dg_builder *b, int layer);
void dg_block_destroy(dg_block **block);

#endif
