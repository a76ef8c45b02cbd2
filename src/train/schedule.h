#ifndef DG_TRAIN_SCHEDULE_H
#define DG_TRAIN_SCHEDULE_H

#include <distgat/config.h>

/* The optimizer of an epoch, from 1: its rate grows linearly over the warm-up, so that the last epoch of it has --lr,
   and then stays, or falls along a cosine towards zero behind the last epoch (Loshchilov and Hutter 2017, eq. 5,
   without restarts). Local. */
dg_optimizer dg_schedule_optimizer(const dg_config *config, int64_t epoch);

#endif
