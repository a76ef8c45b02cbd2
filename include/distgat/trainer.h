#ifndef DISTGAT_TRAINER_H
#define DISTGAT_TRAINER_H

#include <distgat/api.h>
#include <distgat/config.h>
#include <distgat/field.h>
#include <distgat/model.h>
#include <distgat/partition.h>
#include <distgat/sums.h>
#include <distgat/timer.h>
#include <distgat/train.h>

DG_API_BEGIN

/* A graph, a model and what training needs of both, on one rank. It stays where it was made. */
typedef struct dg_trainer {
  const dg_comm *comm;     /* that of `local` */
  const dg_config *config; /* borrowed */
  dg_local local;
  dg_model model;
  dg_field *train_field, *val_field, *final_field;
  dg_pass train, val, final;
  dg_loss loss;         /* what is made small, unless it is plain cross-entropy */
  double *class_weight; /* [n_classes], NULL: all 1 */
  dg_sums sums;         /* of the gradients, loss and counts */
  dg_timer timer;
  int threads;
  bool exchange_first; /* see dg_field_config */
  /* Before a step what holds for this rank, after it whether it does for any; the same on all ranks. */
  bool failed; /* it cannot go on */
  bool stop;   /* it was told to stop */
  bool keep;   /* it wants the run to be written down */
} dg_trainer;

/* Loads what of the graph `config` takes, its rows where `owners` puts them, and finds its halo. Errors: DG_INPUT,
   DG_MEMORY. Collective. */
dg_status dg_load_graph(dg_local *local, const dg_comm *comm, const char *path, const dg_shard_config *config,
                        const dg_owners_config *owners);

/* Takes over the contents of `local` and makes model and training pass, weights zero, for as many threads as OpenMP
   starts in this process; the training split must not be empty. Errors: DG_INPUT, DG_USAGE (a layer too wide),
   DG_MEMORY. Collective. */
dg_status dg_trainer_create(dg_trainer *trainer, dg_local *local, const dg_config *config);
void dg_trainer_destroy(dg_trainer *trainer);

/* The same for a graph file, loaded as the configuration says. Errors: any. Collective. */
dg_status dg_trainer_open(dg_trainer *trainer, const dg_comm *comm, const dg_config *config, const char *graph_path);

/* One training step: forward, loss, backward, sums over ranks, the optimizer unless the loss is not finite. epoch
   counts from 1. Collective. */
dg_score dg_trainer_step(dg_trainer *trainer, uint64_t seed, int64_t epoch);

/* Makes the pass of validation, or of the final evaluation of all splits, where it is not there yet. Errors: DG_MEMORY.
   Collective. */
dg_status dg_trainer_prepare_val(dg_trainer *trainer);
dg_status dg_trainer_prepare_final(dg_trainer *trainer);

/* Frees the buffers of training and validation. Local. */
void dg_trainer_release_steps(dg_trainer *trainer);

/* Evaluates a pass without dropout. Without a finite loss there is no accuracy either, but where all nodes are of
   classes that weigh nothing: then there is no loss alone. Collective. */
dg_score dg_trainer_evaluate(dg_trainer *trainer, dg_pass *pass, int split);
/* Scores another split of the last evaluation. Collective. */
dg_score dg_trainer_score(dg_trainer *trainer, const dg_pass *pass, int split);

/* Bytes exchanged in one training step, summed over ranks. Collective. */
int64_t dg_trainer_halo_bytes(const dg_trainer *trainer);

DG_API_END

#endif
