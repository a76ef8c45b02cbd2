#include "train/model_file.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/log.h>
#include <distgat/memory.h>

#include "base/fault.h"
#include "data/h5kind.h"
#include "data/text.h"

static dg_status write_column(dg_h5 *file, const char *name, const dg_history *history, int64_t n, size_t offset) {
  dg_status status = DG_OK;
  double *column = NULL;
  char path[64];
  DG_TRY(dg_alloc(&column, (size_t)n, sizeof *column));
  for (int64_t i = 0; i < n; i++) column[i] = *(const double *)((const char *)&history[i] + offset);
  snprintf(path, sizeof path, "history/%s", name);
  DG_TRY(dg_h5_write(file, path, DG_H5_F64, 1, &n, column));

cleanup:
  dg_free(&column);
  return status;
}

static dg_status write_history(dg_h5 *file, const dg_history *history, int64_t n) {
  dg_status status = DG_OK;
  int64_t *epoch = NULL;
  DG_TRY(dg_alloc(&epoch, (size_t)n, sizeof *epoch));
  for (int64_t i = 0; i < n; i++) epoch[i] = i + 1;
  DG_TRY(dg_h5_write(file, "history/epoch", DG_H5_I64, 1, &n, epoch));
  DG_TRY(write_column(file, "train_loss", history, n, offsetof(dg_history, train_loss)));
  DG_TRY(write_column(file, "train_acc", history, n, offsetof(dg_history, train_acc)));
  DG_TRY(write_column(file, "val_loss", history, n, offsetof(dg_history, val_loss)));
  DG_TRY(write_column(file, "val_acc", history, n, offsetof(dg_history, val_acc)));
  DG_TRY(write_column(file, "seconds", history, n, offsetof(dg_history, seconds)));

cleanup:
  dg_free(&epoch);
  return status;
}

/* Raised whenever the file becomes another. */
enum { VERSION = 1 };

static const char *const task_names[] = {"", "multiclass", "multilabel"};

dg_status dg_model_read_task(dg_model_task *task, dg_h5 *file) {
  char *text = NULL;
  *task = DG_TASK_UNKNOWN;
  if (!dg_h5_attribute_exists(file, "task")) return DG_OK;
  const dg_status status = dg_h5_get_string(file, "task", &text);
  for (int k = DG_TASK_MULTICLASS; status == DG_OK && k <= DG_TASK_MULTILABEL; k++)
    if (strcmp(text, task_names[k]) == 0) *task = (dg_model_task)k;
  free(text);
  return status;
}

static dg_status write_origin(dg_h5 *file, const dg_model_origin *origin) {
  dg_status status = DG_OK;
  char fingerprint[32];
  snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, origin->fingerprint);
  DG_TRY(dg_h5_set_string(file, "graph", origin->graph));
  DG_TRY(dg_h5_set_string(file, "graph_fingerprint", fingerprint));
  DG_TRY(dg_h5_set_string(file, "split", origin->split));
  DG_TRY(dg_h5_set_int64(file, "num_features", origin->n_features));
  DG_TRY(dg_h5_set_int64(file, "num_classes", origin->n_classes));
  DG_TRY(dg_h5_set_string(file, "task", task_names[origin->multilabel ? DG_TASK_MULTILABEL : DG_TASK_MULTICLASS]));
  if (origin->result) DG_TRY(dg_h5_set_string(file, "result", origin->result));

cleanup:
  return status;
}

dg_status dg_model_save(const char *path, const dg_config *config, const dg_run *run, const dg_model_origin *origin) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  DG_TRY(dg_h5_create(&file, path));
  DG_TRY(dg_h5_set_string(file, "format", "distgat-model"));
  DG_TRY(dg_h5_set_int64(file, "version", VERSION));
  DG_TRY(dg_config_save(file, config));
  DG_TRY(write_origin(file, origin));
  DG_TRY(dg_params_write(run->params, run->best, file, "weights"));
  DG_TRY(dg_params_write(run->params, run->initial, file, "initial_weights"));
  DG_TRY(write_history(file, run->history, run->epoch));
  DG_TRY(dg_fault("model.save", DG_IO));
  DG_TRY(dg_h5_commit(&file));

cleanup:
  dg_h5_close(&file);
  return status;
}

static dg_status check_version(dg_h5 *file) {
  int64_t version;
  const dg_status status = dg_h5_get_int64(file, "version", &version);
  if (status != DG_OK || version == VERSION) return status;
  return dg_fail(DG_INPUT, "%s: model of version %lld, this program reads version %d", dg_h5_path(file),
                 (long long)version, VERSION);
}

dg_status dg_model_check_kind(dg_h5 *file) {
  static const char *const others[] = {"a graph", "a prediction", "a partition"};
  const char *kind = dg_h5kind(file);
  for (size_t i = 0; kind && i < sizeof others / sizeof *others; i++)
    if (strcmp(kind, others[i]) == 0)
      return dg_fail(DG_INPUT, "%s: is %s, not a model; a model is what distgat train --save writes", dg_h5_path(file),
                     kind);
  return kind && strcmp(kind, "a model") == 0 ? check_version(file) : DG_OK;
}

/* Weights of another library may not say what they were trained on: then shapes of tensors tell. */
static dg_status check_data(const dg_model *model, dg_h5 *file) {
  dg_status status = DG_OK;
  int64_t features, classes;
  char *graph = NULL;
  if (!dg_h5_attribute_exists(file, "num_features") || !dg_h5_attribute_exists(file, "num_classes") ||
      !dg_h5_attribute_exists(file, "graph"))
    return DG_OK;
  DG_TRY(dg_h5_get_int64(file, "num_features", &features));
  DG_TRY(dg_h5_get_int64(file, "num_classes", &classes));
  DG_TRY(dg_h5_get_string(file, "graph", &graph));
  if (features != model->n_features || classes != model->n_classes)
    status =
        dg_fail(DG_INPUT,
                "%s: was trained on another graph, %s, which has %lld features and %lld classes; this one has %d "
                "features and %d classes",
                dg_h5_path(file), graph, (long long)features, (long long)classes, model->n_features, model->n_classes);

cleanup:
  free(graph);
  return status;
}

dg_status dg_model_load_weights(dg_real *weights, const dg_model *model, const char *path, const char *group) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  DG_TRY(dg_h5_open(&file, path));
  DG_TRY(dg_model_check_kind(file));
  DG_TRY(check_data(model, file));
  DG_TRY(dg_params_read(&model->params, weights, file, group));
  DG_TRY(dg_fault("model.load", DG_INPUT));

cleanup:
  dg_h5_close(&file);
  return status;
}

dg_status dg_model_share_weights(dg_real *weights, const dg_model *model, const dg_comm *comm, const char *path,
                                 const char *group) {
  const dg_status status =
      dg_comm_agree(comm, comm->rank == 0 ? dg_model_load_weights(weights, model, path, group) : DG_OK);
  if (status == DG_OK) dg_comm_bcast(comm, weights, (size_t)model->params.count * sizeof *weights, 0);
  return status;
}

typedef struct left_out {
  const dg_params *params;
  int n;
  char first[128];
} left_out;

static dg_status note_left_out(const char *name, void *context) {
  left_out *l = context;
  const char *tensor = strrchr(name, '.');
  if (dg_params_find(l->params, name) || (tensor && strcmp(tensor, ".num_batches_tracked") == 0)) return DG_OK;
  if (l->n++ == 0) dg_text_copy(l->first, sizeof l->first, name);
  return DG_OK;
}

void dg_model_warn_left_out(const dg_model *model, const char *path) {
  dg_h5 *file = NULL;
  left_out l = {.params = &model->params};
  dg_status status = dg_h5_open(&file, path);
  if (status == DG_OK) status = dg_h5_each(file, "weights", note_left_out, &l);
  if (status != DG_OK) dg_status_clear(); /* the weights themselves have been read */
  dg_h5_close(&file);
  if (l.n == 0) return;
  dg_warn(
      "warning: %s: weights/%s%s left out, which this model has not; a model is trained on with the options of its own",
      path, l.first, l.n > 1 ? " and others are" : " is");
}

dg_status dg_model_save_block(const char *path, const dg_model *model, const dg_real *block, const char *group) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  DG_TRY(dg_h5_create(&file, path));
  DG_TRY(dg_params_write(&model->params, block, file, group));
  DG_TRY(dg_fault("model.gradients", DG_IO));
  DG_TRY(dg_h5_commit(&file));

cleanup:
  dg_h5_close(&file);
  return status;
}
