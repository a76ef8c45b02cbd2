#ifndef DG_TRAIN_QUALITY_H
#define DG_TRAIN_QUALITY_H

#include <distgat/model.h>
#include <distgat/train.h>

/* How well the logits of a pass say the classes of a split's nodes, see dg_quality. A class's scores lie on one rank at
   a time, classes dealt over ranks. Errors: DG_MEMORY. Collective. */
dg_status dg_quality_find(dg_quality *quality, const dg_pass *pass, int split);

#endif
