#include <string.h>

#include <distgat/memory.h>

#include "blocks.h"

static const int64_t one = 65536; /* of a stored feature, in nonzeros */

/* Tells owners the levels that their rows have got here, and takes what others tell. Collective. */
static dg_status push_levels(uint16_t *level, const dg_level *g) {
  dg_status status = DG_OK;
  uint16_t *come = NULL;
  DG_TRY(dg_comm_agree(g->comm, dg_alloc(&come, (size_t)g->halo.n_asked, sizeof *come)));
  dg_links_send(&g->halo, come, level + g->n, sizeof *come);
  for (int64_t k = 0; k < g->halo.n_asked; k++)
    if (level[g->halo.asked[k]] < come[k]) level[g->halo.asked[k]] = come[k];
cleanup:
  dg_free(&come);
  return status;
}

/* The levels of dg_levels_find: level [n + n_halo]. Collective. */
static dg_status find_levels(uint16_t *level, const dg_level *g, int layers) {
  dg_status status = DG_OK;
  for (int k = layers; k >= 1; k--) {
    for (dg_row i = 0; i < g->n; i++)
      for (int64_t t = g->indptr[i]; level[i] > k && t < g->indptr[i + 1]; t++)
        if (level[g->to[t]] < k) level[g->to[t]] = (uint16_t)k;
    DG_TRY(push_levels(level, g));
  }
cleanup:
  return status;
}

/* Targets of each row, itself included where it is one: targets [n + n_halo]. Collective. */
static dg_status count_targets(int64_t *targets, const dg_level *g, const dg_step_work *step) {
  dg_status status = DG_OK;
  int64_t *come = NULL;
  DG_TRY(dg_comm_agree(g->comm, dg_alloc(&come, (size_t)g->halo.n_asked, sizeof *come)));
  for (dg_row i = 0; i < g->n; i++) {
    if (!dg_step_is_target(step, i)) continue;
    targets[i]++;
    for (int64_t t = g->indptr[i]; step->edges && t < g->indptr[i + 1]; t++) targets[g->to[t]]++;
  }
  dg_links_send(&g->halo, come, targets + g->n, sizeof *come);
  for (int64_t k = 0; k < g->halo.n_asked; k++) targets[g->halo.asked[k]] += come[k];
cleanup:
  dg_free(&come);
  return status;
}

/* Collective. */
static dg_status share_nonzeros(dg_blocks *b) {
  dg_status status = DG_OK;
  const dg_level *g = &b->level;
  int64_t *share = NULL; /* of a row's features, that one target has */
  DG_TRY(dg_comm_agree(g->comm, dg_alloc(&share, (size_t)g->n + (size_t)g->n_halo, sizeof *share)));
  DG_TRY(count_targets(share, g, &b->step));
  for (dg_row i = 0; i < g->n; i++) share[i] = share[i] > 0 ? one * b->entries[i] / share[i] : 0;
  DG_TRY(dg_level_pull(g, share, sizeof *share));
  for (dg_row i = 0; i < g->n; i++) {
    if (!dg_step_is_target(&b->step, i)) continue;
    b->nonzeros[i] = share[i];
    for (int64_t t = g->indptr[i]; b->step.edges && t < g->indptr[i + 1]; t++) b->nonzeros[i] += share[g->to[t]];
  }
cleanup:
  dg_free(&share);
  return status;
}

dg_status dg_blocks_find_step(dg_blocks *b, const uint8_t *mask, int n_classes, const dg_step_config *config) {
  dg_status status = DG_OK;
  const dg_level *g = &b->level;
  b->has_step = true;
  b->step = dg_step_work_begin(n_classes, config);
  b->step.entries = b->entries;
  status = dg_alloc(&b->step.level, (size_t)g->n + (size_t)g->n_halo, sizeof *b->step.level);
  if (status == DG_OK) status = dg_alloc(&b->nonzeros, (size_t)g->n, sizeof *b->nonzeros);
  DG_TRY(dg_comm_agree(g->comm, status));
  for (dg_row i = 0; i < g->n; i++) b->step.level[i] = dg_step_own_level(config, mask[i]);
  if (config->edges) DG_TRY(find_levels(b->step.level, g, config->layers));
  for (dg_row i = 0; i < g->n; i++) b->n_targets += dg_step_is_target(&b->step, i);
  dg_comm_sum_int64(g->comm, &b->n_targets, 1);
  DG_TRY(share_nonzeros(b));
cleanup:
  return status;
}

dg_status dg_blocks_pull_step(dg_blocks *b) {
  dg_status status = DG_OK;
  const dg_level *g = &b->level;
  uint16_t *level = NULL;
  DG_TRY(dg_comm_agree(g->comm, dg_alloc(&level, (size_t)g->n + (size_t)g->n_halo, sizeof *level)));
  memcpy(level, b->step.level, (size_t)g->n * sizeof *level);
  DG_TRY(dg_level_pull(g, level, sizeof *level));
  dg_free(&b->step.level);
  b->step.level = level, level = NULL;
cleanup:
  dg_free(&level);
  return status;
}
