#ifndef DG_TRAIN_WORK_SPREAD_H
#define DG_TRAIN_WORK_SPREAD_H

#include <distgat/trainer.h>

/* Counts what ranks do in a training step. Errors: DG_MEMORY. Collective. */
dg_status dg_work_spread_find(dg_work_spread *spread, const dg_trainer *trainer);

/* Says on standard error where the file `partition` divides the step unevenly. Errors: DG_MEMORY. Collective. */
dg_status dg_work_spread_note(const dg_trainer *trainer, const char *partition);

#endif
