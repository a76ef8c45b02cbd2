#include "train/stopping.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>

enum { FIRST_ROOM = 64 };

void dg_stopping_create(dg_stopping *stopping, const dg_config *config) {
  *stopping = (dg_stopping){.rule = config->early_stop,
                            .select = config->select,
                            .patience = config->patience,
                            .least_loss = INFINITY,
                            .most_acc = -INFINITY,
                            .best_loss = INFINITY,
                            .best_acc = -INFINITY};
}

void dg_stopping_destroy(dg_stopping *stopping) {
  dg_free(&stopping->recent);
}

bool dg_stopping_is_full(const dg_stopping *s) {
  return s->rule == DG_STOP_GCN && s->seen == s->room && s->room < s->patience;
}

dg_status dg_stopping_reserve(dg_stopping *s) {
  double *longer = NULL;
  if (!dg_stopping_is_full(s)) return DG_OK;
  const int64_t twice = s->room > 0 ? 2 * s->room : FIRST_ROOM, room = twice < s->patience ? twice : s->patience;
  const dg_status status = dg_alloc(&longer, (size_t)room, sizeof *longer);
  if (status != DG_OK) return status;
  if (s->room > 0) memcpy(longer, s->recent, (size_t)s->room * sizeof *longer);
  dg_free(&s->recent);
  s->recent = longer, s->room = room;
  return DG_OK;
}

bool dg_stopping_is_best(dg_stopping *s, dg_score val) {
  const bool both = s->select == DG_SELECT_BEST_VAL_BOTH;
  bool best = false;
  if (s->select == DG_SELECT_BEST_VAL_LOSS) best = val.loss < s->best_loss;
  if (s->select == DG_SELECT_BEST_VAL_ACC)
    best = val.acc > s->best_acc || (val.acc == s->best_acc && val.loss < s->best_loss);
  if (both) best = val.acc >= s->best_acc && val.loss <= s->best_loss;
  if (both ? val.loss < s->best_loss : best) s->best_loss = val.loss;
  if (both ? val.acc > s->best_acc : best) s->best_acc = val.acc;
  return best;
}

static bool gat_is_over(dg_stopping *s, dg_score val, char *reason, size_t size) {
  const bool better = val.loss <= s->least_loss || val.acc >= s->most_acc;
  if (val.loss < s->least_loss) s->least_loss = val.loss;
  if (val.acc > s->most_acc) s->most_acc = val.acc;
  s->waited = better ? 0 : s->waited + 1;
  if (s->waited < s->patience) return false;
  snprintf(reason, size, "neither validation loss (best %.4f) nor accuracy (best %.2f %%) improved in %lld validations",
           s->least_loss, 100 * s->most_acc, (long long)s->patience);
  return true;
}

static bool gcn_is_over(dg_stopping *s, dg_score val, char *reason, size_t size) {
  const bool enough = s->seen > s->patience;
  double mean = 0;
  for (int64_t i = 0; enough && i < s->patience; i++) mean += s->recent[i] / (double)s->patience;
  s->recent[s->seen++ % s->patience] = val.loss;
  if (!enough || !(val.loss > mean)) return false;
  snprintf(reason, size, "validation loss %.4f exceeds the mean %.4f of the %lld validations before", val.loss, mean,
           (long long)s->patience);
  return true;
}

bool dg_stopping_is_over(dg_stopping *s, dg_score val, char *reason, size_t size) {
  if (s->rule == DG_STOP_GAT) return gat_is_over(s, val, reason, size);
  if (s->rule == DG_STOP_GCN) return gcn_is_over(s, val, reason, size);
  return false;
}
