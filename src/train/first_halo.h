#ifndef DG_TRAIN_FIRST_HALO_H
#define DG_TRAIN_FIRST_HALO_H

#include <distgat/trainer.h>

/* Whether the first layer's halo rows are exchanged, projected by their owners, rather than projected here from
   features that are fetched once: as the configuration says, or where it leaves it open by a cost model, exchange where
   projecting all halo rows of the rank that has most of them takes more than twice as long. Collective. */
bool dg_exchange_pays(const dg_trainer *trainer);

#endif
