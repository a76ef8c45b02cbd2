#ifndef DISTGAT_PARTITION_BLOCKS_H
#define DISTGAT_PARTITION_BLOCKS_H

#include "level.h"

/* Of the arrays of `step` each rank has those of its rows: level [n + n_halo], entries [n]. */
struct dg_blocks {
  dg_level level; /* its weights are those of the division at hand */
  bool has_step;
  dg_step_work step;
  int64_t *entries;  /* [n] */
  int64_t *nonzeros; /* [n] of a step, where the targets of a source share its own; in 1/65536 */
  int64_t n_targets; /* rows of all ranks that the step aggregates */
};

/* ---- block_step.c ---- */

/* Finds what a step does with the rows of a graph whose edges are in-edges alone; entries [n] and mask [n] of its
   features and split. Errors: DG_MEMORY. Collective. */
dg_status dg_blocks_find_step(dg_blocks *blocks, const uint8_t *mask, int n_classes, const dg_step_config *config);

/* Fetches what the halo's rows are in the step, once edges go both ways. Errors: DG_MEMORY. Collective. */
dg_status dg_blocks_pull_step(dg_blocks *blocks);

/* ---- plain.c ---- */

/* dg_partition_in_order of the nodes of all ranks: part [n] of this rank's. Errors: DG_MEMORY. Collective. */
dg_status dg_blocks_in_order(int32_t *part, const dg_blocks *blocks, int parts, dg_partition_balance balance);

/* ---- block_quality.c ---- */

/* In-edges of row i. Local. */
int64_t dg_blocks_degree(const dg_blocks *blocks, dg_row i);

#endif
