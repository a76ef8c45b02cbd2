#include "train/schedule.h"

#include <math.h>

static double find_factor(const dg_config *config, int64_t epoch) {
  const double warmup = (double)config->warmup, rest = (double)config->epochs - warmup, pi = acos(-1);
  if ((double)epoch < warmup) return (double)epoch / warmup;
  if (config->lr_schedule == DG_LR_CONSTANT || rest <= 0 || (double)epoch <= warmup) return 1;
  return 0.5 * (1 + cos(pi * ((double)epoch - 1 - warmup) / rest));
}

dg_optimizer dg_schedule_optimizer(const dg_config *config, int64_t epoch) {
  return (dg_optimizer){.kind = config->optimizer,
                        .lr = config->lr * find_factor(config, epoch),
                        .weight_decay = config->weight_decay,
                        .scale = 1};
}
