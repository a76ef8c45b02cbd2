#ifndef DG_TRAIN_STOPPING_H
#define DG_TRAIN_STOPPING_H

#include <distgat/train.h>

/* Watches validation: when to stop, and which weights were best. */
typedef struct dg_stopping {
  dg_early_stop rule;
  dg_select select;
  int64_t patience, waited;
  double least_loss, most_acc; /* of the rule `gat` */
  double *recent;              /* [room] last losses, of the rule `gcn`: a ring once there are `patience` of them */
  int64_t room;                /* at most patience */
  int64_t seen;
  double best_loss, best_acc; /* of the selection */
} dg_stopping;

/* Nothing seen yet. Local. */
void dg_stopping_create(dg_stopping *stopping, const dg_config *config);
void dg_stopping_destroy(dg_stopping *stopping);

/* Whether room lacks for one more validation, as the rule needs it; makes it. Errors: DG_MEMORY. Local. */
bool dg_stopping_is_full(const dg_stopping *stopping);
dg_status dg_stopping_reserve(dg_stopping *stopping);

/* Takes a validation score; says whether its weights are the best so far: by loss, by accuracy and among
   equals by loss, or where both reach their best (Velickovic et al. 2018, their code). Local. */
bool dg_stopping_is_best(dg_stopping *stopping, dg_score val);

/* Says whether training ends after this epoch; the reason goes to `reason` [size]. Rule gat: neither loss nor accuracy
   reached its best for `patience` validations (Velickovic et al. 2018, their code). Rule gcn: the loss exceeds the mean
   of the `patience` before it (Kipf and Welling 2017, their code). Local. */
bool dg_stopping_is_over(dg_stopping *stopping, dg_score val, char *reason, size_t size);

#endif
