#ifndef DG_TRAIN_CHECKPOINT_H
#define DG_TRAIN_CHECKPOINT_H

#include <distgat/field.h>

#include "train/run_file.h"

/* A run on disk, to be gone on with: all of it, and what it belongs to. The file is complete at every moment, and the
   one before it is kept beside it as FILE.previous. */

/* What a run belongs to, the same on every rank; 64-bit numbers stand for contents. */
typedef struct dg_origin {
  uint64_t graph, split; /* edges, features and labels; which nodes are in which list of the split */
  uint64_t partition;    /* which rank owns which node */
  int ranks;
  bool exchange_first; /* see dg_field_config */
} dg_origin;

/* The origin of a run on a graph. Collective. */
dg_origin dg_origin_of(const dg_local *local, bool exchange_first);

/* All that goes into a checkpoint, or comes out. */
typedef struct dg_checkpoint {
  const dg_config *config; /* borrowed, as all here */
  dg_origin origin;
  dg_state *state; /* weights and moments */
  dg_run *run;
  int64_t n_runs;     /* that are asked for, of all splits */
  dg_run *kept;       /* of several runs the best before this one, or NULL */
  dg_result *results; /* [run->index] of the runs before this one */
} dg_checkpoint;

/* Writes config->checkpoint. Errors: DG_IO, DG_MEMORY; what was there is there still. Local. */
dg_status dg_checkpoint_write(const dg_checkpoint *checkpoint);

/* Opens config->checkpoint, or where that is missing or damaged, which is then said, the one before; *file is NULL
   where there is neither. Checks that its run is one of these options and gives its origin. Errors: DG_INPUT where it
   is of another version, or all that there is is damaged; DG_USAGE where options differ, by the first of them;
   DG_MEMORY. Local. */
dg_status dg_checkpoint_open(dg_h5 **file, dg_origin *origin, const dg_config *config);

/* The run that an opened file is to go on with, 0 first. Errors: DG_INPUT. Local. */
dg_status dg_checkpoint_index(int64_t *index, dg_h5 *file);

/* Reads what an opened file holds: checkpoint->origin is that of the graph at hand, which must be the file's. Errors:
   DG_INPUT, DG_MEMORY. Local. */
dg_status dg_checkpoint_read(const dg_checkpoint *checkpoint, dg_h5 *file);

/* Gives every rank what rank 0 has read, weights and moments in the place where training has them. Errors: DG_MEMORY.
   Collective. */
dg_status dg_checkpoint_share(const dg_checkpoint *checkpoint, const dg_comm *comm);

#endif
