#include "train/loss.h"

#include <distgat/memory.h>

dg_status dg_loss_check(const dg_config *config, const dg_graph_info *info, const char *path) {
  const dg_loss_kind kind = config->loss;
  const char *name = kind == DG_LOSS_CE ? "ce" : "log-ce";
  if (info->multilabel && (kind == DG_LOSS_CE || kind == DG_LOSS_LOG_CE))
    return dg_fail(DG_USAGE, "--loss %s is for one label a node, and in %s nodes have several; they want bce", name,
                   path);
  if (!info->multilabel && kind == DG_LOSS_BCE)
    return dg_fail(DG_USAGE, "--loss bce is for several labels a node, and in %s a node has one; it wants ce or log-ce",
                   path);
  if (info->multilabel && config->label_smoothing > 0)
    return dg_fail(DG_USAGE, "--label-smoothing is for one label a node, and in %s nodes have several", path);
  return DG_OK;
}

bool dg_loss_is_plain(const dg_config *config, const dg_graph_info *info) {
  const bool ce = config->loss == DG_LOSS_CE || config->loss == DG_LOSS_AUTO;
  return ce && !info->multilabel && config->label_smoothing == 0 && !config->balance_classes;
}

static bool trains(const dg_local *local, dg_row i) {
  return local->shard.mask[i] & DG_TRAIN;
}

/* Training nodes of each class. Collective. */
static void count_classes(int64_t *count, const dg_local *local) {
  const dg_shard *s = &local->shard;
  const int n_classes = s->info.n_classes;
  for (dg_row i = 0; i < local->n; i++) {
    if (trains(local, i) && s->labels) count[s->labels[i]]++;
    for (int c = 0; trains(local, i) && s->classes && c < n_classes; c++)
      count[c] += s->classes[(size_t)i * (size_t)n_classes + c];
  }
  dg_comm_sum_int64(&local->comm, count, (size_t)n_classes);
}

static void balance(double *weight, const int64_t *count, const dg_local *local) {
  const int n_classes = local->shard.info.n_classes;
  const int64_t n = local->shard.n_train;
  for (int c = 0; c < n_classes; c++) {
    const double share = local->shard.classes ? (double)(n - count[c]) : (double)n / n_classes;
    weight[c] = count[c] > 0 ? share / (double)count[c] : 0;
  }
}

double dg_loss_sum_weights(const dg_loss *loss, const dg_local *local, int split) {
  const dg_shard *s = &local->shard;
  double sum = 0;
  if (loss->class_weight == NULL || s->classes) return (double)dg_shard_count(s, split);
  for (dg_row i = 0; i < local->n; i++)
    if (s->mask[i] & split) sum += loss->class_weight[s->labels[i]];
  dg_comm_sum_double(&local->comm, &sum, 1);
  return sum;
}

/* What the training nodes of all ranks weigh, class by class, and how many labels they have. Local. */
static void weigh(dg_loss *loss, const int64_t *count, const dg_local *local) {
  const int n_classes = local->shard.info.n_classes;
  const bool plain = loss->class_weight == NULL || local->shard.classes;
  loss->train_labels = loss->train_weight = (double)local->shard.n_train;
  if (!plain) loss->train_weight = 0;
  for (int c = 0; !plain && c < n_classes; c++) loss->train_weight += (double)count[c] * loss->class_weight[c];
  if (loss->kind != DG_LOSS_BCE) return;
  loss->train_weight *= n_classes;
  loss->train_labels = 0;
  for (int c = 0; c < n_classes; c++) loss->train_labels += (double)count[c];
}

dg_status dg_loss_prepare(dg_loss *loss, double **class_weight, const dg_local *local, const dg_config *config) {
  dg_status status = DG_OK;
  const dg_graph_info *info = &local->shard.info;
  const size_t n_classes = (size_t)info->n_classes;
  int64_t *count = NULL;
  *class_weight = NULL;
  *loss = (dg_loss){.kind = config->loss, .smoothing = config->label_smoothing};
  if (config->loss == DG_LOSS_AUTO) loss->kind = info->multilabel ? DG_LOSS_BCE : DG_LOSS_CE;
  status = dg_alloc(&count, n_classes, sizeof *count);
  if (status == DG_OK && config->balance_classes) status = dg_alloc(class_weight, n_classes, sizeof **class_weight);
  DG_TRY(dg_comm_agree(&local->comm, status));
  count_classes(count, local);
  if (config->balance_classes) balance(*class_weight, count, local);
  loss->class_weight = *class_weight;
  weigh(loss, count, local);

cleanup:
  dg_free(&count);
  return status;
}
