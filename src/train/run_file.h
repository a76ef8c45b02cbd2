#ifndef DG_TRAIN_RUN_FILE_H
#define DG_TRAIN_RUN_FILE_H

#include "data/columns.h"
#include "train/run.h"

/* A run, and what runs have come to, in a file and on other ranks. */

/* Members of dg_run, dg_history and dg_result that are stored; the others are known by their names alone. */
extern const dg_columns dg_run_columns, dg_history_columns, dg_result_columns;

/* Writes a run as data sets of a group: figures, history, /best_weights, /initial_weights; not what `params` holds.
   Reads it back into one of dg_run_create, with the rules of `config`. Errors: DG_IO, DG_MEMORY; DG_INPUT. Local. */
dg_status dg_run_write(const dg_run *run, dg_h5 *file, const char *group);
dg_status dg_run_read(dg_run *run, const dg_config *config, dg_h5 *file, const char *group);

/* Gives every rank the run of rank 0, but for what `params` holds. Errors: DG_MEMORY. Collective. */
dg_status dg_run_share(dg_run *run, const dg_comm *comm);

/* Weights and moments of all ranks' shares, each [count], in the blocks of dg_params. */
typedef struct dg_state {
  dg_real *value, *first, *second;
} dg_state;

/* Makes room. Errors: DG_MEMORY. Local. */
dg_status dg_state_create(dg_state *state, const dg_params *params);
void dg_state_destroy(dg_state *state);

/* Brings together what ranks have, where there is room for it; and gives every rank what rank 0's holds. Collective. */
void dg_state_gather(dg_state *state, const dg_params *params);
void dg_state_share(dg_state *state, dg_params *params, const dg_comm *comm);

/* Writes it as /weights and /moments; reads it back. Errors: DG_IO, DG_MEMORY; DG_INPUT. Local. */
dg_status dg_state_write(const dg_state *state, const dg_params *params, dg_h5 *file);
dg_status dg_state_read(dg_state *state, const dg_params *params, dg_h5 *file);

#endif
