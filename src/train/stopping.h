#ifndef DG_TRAIN_STOPPING_H
#define DG_TRAIN_STOPPING_H

#include <distgat/train.h>

/* Watches validation: when to stop, and which weights were best. */
typedef struct dg_stopping {
  dg_early_stop rule;
  dg_select select;
  int64_t patience, waited;
  double least_loss, most_acc; /* of the rule `gat` */
  double *recent;              /* [patience] last losses, ring, of the rule `gcn` */
  int64_t seen;
  double best_loss, best_acc; /* of the selection */
  int64_t best_epoch;
} dg_stopping;

/* Errors: DG_MEMORY. Local. */
dg_status dg_stopping_create(dg_stopping *stopping, const dg_config *config);
void dg_stopping_destroy(dg_stopping *stopping);

/* Takes the validation score of an epoch; says whether its weights are the best so far: by loss, by accuracy and among
   equals by loss, or where both reach their best (Velickovic et al. 2018, their code). Local. */
bool dg_stopping_is_best(dg_stopping *stopping, dg_score val, int64_t epoch);

/* Says whether training ends after this epoch; the reason goes to `reason` [size]. Rule gat: neither loss nor accuracy
   reached its best for `patience` validations (Velickovic et al. 2018, their code). Rule gcn: the loss exceeds the mean
   of the `patience` before it (Kipf and Welling 2017, their code). Local. */
bool dg_stopping_is_over(dg_stopping *stopping, dg_score val, char *reason, size_t size);

#endif
