#include "train/model_file.h"

#include <stddef.h>
#include <stdio.h>

#include <distgat/memory.h>

#include "base/fault.h"

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

dg_status dg_model_save(const char *path, const dg_config *config, const dg_run *run, const char *result) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  DG_TRY(dg_h5_create(&file, path));
  DG_TRY(dg_h5_set_string(file, "format", "distgat-model"));
  DG_TRY(dg_h5_set_int64(file, "version", 1));
  DG_TRY(dg_config_save(file, config));
  if (result) DG_TRY(dg_h5_set_string(file, "result", result));
  DG_TRY(dg_params_write(run->params, run->best, file, "weights"));
  DG_TRY(dg_params_write(run->params, run->initial, file, "initial_weights"));
  DG_TRY(write_history(file, run->history, run->epoch));
  DG_TRY(dg_fault("model.save", DG_IO));
  DG_TRY(dg_h5_commit(&file));

cleanup:
  dg_h5_close(&file);
  return status;
}

dg_status dg_model_load_weights(dg_real *weights, const dg_model *model, const char *path, const char *group) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  DG_TRY(dg_h5_open(&file, path));
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
