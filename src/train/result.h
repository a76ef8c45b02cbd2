#ifndef DG_TRAIN_RESULT_H
#define DG_TRAIN_RESULT_H

#include <distgat/train.h>

/* Median time of n steps in milliseconds, NaN where there was none. Errors: DG_MEMORY. Local. */
dg_status dg_history_median_ms(double *median, const dg_history *history, int64_t n);

#endif
