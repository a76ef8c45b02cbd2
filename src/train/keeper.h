#ifndef DG_TRAIN_KEEPER_H
#define DG_TRAIN_KEEPER_H

#include <sys/stat.h>

#include <distgat/trainer.h>

#include "train/checkpoint.h"

/* Writes a run down when that is due, ends it where a signal asks for that, and goes on with one that was written down.
   Where the configuration names no checkpoint all of this does nothing. */
typedef struct dg_keeper {
  const dg_comm *comm;         /* borrowed, as all pointers here */
  const dg_observer *observer; /* silent but on rank 0 */
  dg_checkpoint checkpoint;    /* config, run, kept and results are filled in by who makes it */
  dg_state state;              /* while it is written or read */
  dg_period period;
  dg_h5 *file;      /* open until it is read; on rank 0 */
  bool resumes;     /* there is something to be gone on with */
  int64_t index;    /* of the run that it is in; 0 where there is none */
  int64_t epochs;   /* since it was written last */
  double written;   /* dg_time() */
  bool lacking;     /* the last one could not be written; on rank 0 */
  struct stat last; /* the file as this run found or wrote it, zeros where there was none; on rank 0 */
  bool shared;      /* another run was seen to write it; on rank 0 */
} dg_keeper;

/* Looks for what is to be gone on with. `now` becomes the configuration, but with choices that were made when the run
   began and stay so on as many ranks. Errors: those of dg_checkpoint_open. Collective. */
dg_status dg_keeper_open(dg_keeper *keeper, dg_config *now);

/* Reads it, now that the graph is loaded; without anything found nothing changes. Errors: those of dg_checkpoint_read.
   Collective. */
dg_status dg_keeper_read(dg_keeper *keeper, const dg_trainer *trainer);

/* Closes the file. Local. */
void dg_keeper_close(dg_keeper *keeper);

/* From here on a signal waits for the end of an epoch; until then, and after dg_keeper_release, the program is left at
   once, for nothing would be lost. Local. */
void dg_keeper_hold(const dg_keeper *keeper);
void dg_keeper_release(const dg_keeper *keeper);

/* Before a step: what this rank wants of it. Local. */
void dg_keeper_ask(const dg_keeper *keeper, dg_trainer *trainer);

/* After an epoch that took so many seconds: writes the run down where that is due, the same on all ranks. A failure is
   warned of, and tried again. Errors: DG_STOPPED where a rank was told to stop and the run is written down; where it
   could not be, DG_IO or DG_MEMORY. Collective. */
dg_status dg_keeper_take(dg_keeper *keeper, const dg_trainer *trainer, double seconds);

#endif
