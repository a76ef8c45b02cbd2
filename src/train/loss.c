#include "train/loss.h"

#include <distgat/memory.h>

bool dg_loss_is_plain(const dg_config *config) {
  return config->loss == DG_LOSS_CE && config->label_smoothing == 0 && !config->balance_classes;
}

static void count_classes(int64_t *count, const dg_local *local) {
  const dg_shard *s = &local->shard;
  for (dg_row i = 0; i < local->n; i++)
    if (s->mask[i] & DG_TRAIN) count[s->labels[i]]++;
}

/* Collective. */
static dg_status balance(double *weight, const dg_local *local) {
  dg_status status = DG_OK;
  const int n_classes = local->shard.info.n_classes;
  int64_t *count = NULL;
  DG_TRY(dg_comm_agree(&local->comm, dg_alloc(&count, (size_t)n_classes, sizeof *count)));
  count_classes(count, local);
  dg_comm_sum_int64(&local->comm, count, (size_t)n_classes);
  for (int c = 0; c < n_classes; c++)
    weight[c] = count[c] > 0 ? (double)local->shard.n_train / n_classes / (double)count[c] : 0;

cleanup:
  dg_free(&count);
  return status;
}

/* Collective. */
static double sum_weights(const double *class_weight, const dg_local *local) {
  double sum = 0;
  for (dg_row i = 0; i < local->n; i++)
    if (local->shard.mask[i] & DG_TRAIN) sum += class_weight[local->shard.labels[i]];
  dg_comm_sum_double(&local->comm, &sum, 1);
  return sum;
}

dg_status dg_loss_prepare(dg_loss *loss, double **class_weight, const dg_local *local, const dg_config *config) {
  dg_status status = DG_OK;
  *class_weight = NULL;
  *loss = (dg_loss){
      .kind = config->loss, .smoothing = config->label_smoothing, .train_weight = (double)local->shard.n_train};
  if (!config->balance_classes) return DG_OK;
  DG_TRY(
      dg_comm_agree(&local->comm, dg_alloc(class_weight, (size_t)local->shard.info.n_classes, sizeof **class_weight)));
  DG_TRY(balance(*class_weight, local));
  loss->class_weight = *class_weight;
  loss->train_weight = sum_weights(*class_weight, local);

cleanup:
  return status;
}
