#ifndef DG_TRAIN_MODEL_FILE_H
#define DG_TRAIN_MODEL_FILE_H

#include <distgat/config.h>
#include <distgat/model.h>

#include "train/run.h"

/* What a saved model was trained on, and what that gave. */
typedef struct dg_model_origin {
  const char *graph, *split;
  uint64_t fingerprint; /* of the graph */
  int n_features, n_classes;
  bool multilabel;    /* it predicts any number of classes a node */
  const char *result; /* text of the attribute, or NULL */
} dg_model_origin;

/* Writes what a run has come to: options and origin as root attributes, /weights, /initial_weights, /history. Errors:
   DG_IO, DG_MEMORY. Local. */
dg_status dg_model_save(const char *path, const dg_config *config, const dg_run *run, const dg_model_origin *origin);

/* What a model predicts, by its file. */
typedef enum dg_model_task { DG_TASK_UNKNOWN, DG_TASK_MULTICLASS, DG_TASK_MULTILABEL } dg_model_task;

/* Errors: DG_INPUT. Local. */
dg_status dg_model_read_task(dg_model_task *task, dg_h5 *file);

/* Refuses what holds no weights, by what it is, and models of later versions. Errors: DG_INPUT. Local. */
dg_status dg_model_check_kind(dg_h5 *file);

/* Reads /weights (or another group) of a file that holds a model like this one into weights [params.count]. One of
   another graph is told by that graph, where the file says it. Errors: DG_INPUT, DG_MEMORY. Local. */
dg_status dg_model_load_weights(dg_real *weights, const dg_model *model, const char *path, const char *group);

/* The same on every rank, of which rank 0 alone reads: copies of the file cannot differ. Collective. */
dg_status dg_model_share_weights(dg_real *weights, const dg_model *model, const dg_comm *comm, const char *path,
                                 const char *group);

/* Warns, by one line, of weights in the file that the model has no place for; torch's count of batches is none. Local.
 */
void dg_model_warn_left_out(const dg_model *model, const char *path);

/* Writes one block of the parameters as group/NAME. Errors: DG_IO, DG_MEMORY. Local. */
dg_status dg_model_save_block(const char *path, const dg_model *model, const dg_real *block, const char *group);

#endif
