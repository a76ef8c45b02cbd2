#ifndef DG_TRAIN_RUN_H
#define DG_TRAIN_RUN_H

#include <distgat/params.h>
#include <distgat/train.h>

#include "train/stopping.h"

/* All that a run of training is between two epochs: what a checkpoint holds, see run_file.h. */
typedef struct dg_run {
  int64_t index; /* 0 first */
  uint64_t seed;
  int64_t epoch;         /* steps done */
  double began;          /* dg_time() */
  dg_params *params;     /* weights and moments of Adam; borrowed */
  dg_real *initial;      /* [params->count] weights before the first step */
  bool initial_given;    /* by a file, the same for every run; else drawn by the seed */
  dg_real *best;         /* [params->count] weights of the best epoch so far; at the end those that are reported */
  int64_t best_epoch;    /* whose weights `best` holds, 0: before the first step */
  dg_stopping stopping;  /* what validation has shown */
  dg_history *history;   /* [epoch] */
  int64_t capacity;      /* of history */
  char stop_reason[200]; /* "" while it goes on */
  bool all_done;         /* stopped because no more epochs were asked for, and for no other reason */
  bool diverged;         /* a loss or a weight was not finite */
} dg_run;

/* Makes room for runs of a model; `params` is borrowed. Errors: DG_MEMORY. Local. */
dg_status dg_run_create(dg_run *run, dg_params *params);
void dg_run_destroy(dg_run *run);

/* Gives `a` what `b` holds, and the reverse; both are of the same model and start with the same weights. Local. */
void dg_run_swap(dg_run *a, dg_run *b);

/* The seed of run `index`; every split has the same seeds. Local. */
uint64_t dg_run_seed(const dg_config *config, int64_t index);

/* Begins run `index`: its seed, its weights, nothing seen. Collective. */
void dg_run_start(dg_run *run, const dg_config *config, int64_t index);

/* Whether room lacks for one more epoch, the same on all ranks; makes it. Errors: DG_MEMORY. Local. */
bool dg_run_is_full(const dg_run *run);
dg_status dg_run_reserve(dg_run *run);

/* Takes the figures of the next epoch, the same on all ranks: keeps the weights where they are the best so far, and
   finds whether training is over. Local. */
void dg_run_take(dg_run *run, const dg_config *config, const dg_history *figures);
bool dg_run_is_over(const dg_run *run);

/* Goes on with a run that was read from a file: where it had done all its epochs, with those that are asked for now.
   Local. */
void dg_run_continue(dg_run *run, const dg_config *config);

/* Goes back to the first step, with the history as it is. Collective. */
void dg_run_rewind(dg_run *run);

/* Where the weights of `params` are finite, makes them those that are reported, as of `epoch`; else returns false.
 * Local.
 */
bool dg_run_keep(dg_run *run, int64_t epoch);

/* Ends a run that came to its end: the weights that are to be reported, selected or the last, are those of `params` and
   of `best`. Where they are not finite the run has diverged. Collective. */
void dg_run_select(dg_run *run, const dg_config *config);

#endif
