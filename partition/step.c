#include <distgat/partition.h>

#include <distgat/memory.h>

#include "methods.h"

/* ---- Which rows a step needs ---- */

dg_step_config dg_step_defaults(void) {
  return (dg_step_config){.layers = 2, .edges = true, .width = 64, .out_heads = 1};
}

dg_step_work dg_step_work_begin(int n_classes, const dg_step_config *config) {
  return (dg_step_work){
      .layers = config->layers, .edges = config->edges, .last = (double)n_classes * config->out_heads / config->width};
}

uint16_t dg_step_own_level(const dg_step_config *config, uint8_t mask) {
  if (config->all || mask & DG_TRAIN) return (uint16_t)(config->layers + 1);
  return config->full ? (uint16_t)config->layers : 0;
}

dg_status dg_step_work_create(dg_step_work *work, const dg_outline *outline, int n_classes,
                              const dg_step_config *config) {
  const int64_t n = outline->in.n_rows;
  *work = dg_step_work_begin(n_classes, config);
  work->entries = outline->entries;
  dg_status status = dg_alloc(&work->level, (size_t)n, sizeof *work->level);
  for (int64_t i = 0; status == DG_OK && i < n; i++) work->level[i] = dg_step_own_level(config, outline->mask[i]);
  if (status == DG_OK && config->edges && !config->full)
    status = dg_levels_find(work->level, &outline->in, config->layers, 1);
  if (status != DG_OK) dg_step_work_destroy(work);
  return status;
}

void dg_step_work_destroy(dg_step_work *work) {
  dg_free(&work->level);
  work->entries = NULL;
}

double dg_step_edge_work(const dg_step_work *work, int64_t i, int64_t n_in) {
  const int layers = work->level[i] > 0 ? work->level[i] - 1 : 0; /* of which it is a target */
  const double all = layers < work->layers ? layers : layers - 1 + work->last;
  return all * (double)(work->edges ? n_in + 1 : 1);
}

/* ---- What it does in each part ---- */

/* Foreign sources of the part's targets, and the features that it projects: each source counts once a part, in as many
   layers as the last of its targets there. seen [n_nodes] says for which part and layer a node has been counted. */
static void count_sources(dg_step_part *one, const dg_csr *edges, const dg_step_work *work, const int32_t *part,
                          int64_t i, uint16_t *layers_seen, int32_t *part_seen) {
  const uint16_t layers = work->level[i] - 1;
  const int64_t first = edges->indptr[i], n = work->edges ? edges->indptr[i + 1] - first : 0;
  for (int64_t t = 0; t <= n; t++) {
    const int32_t j = t < n ? edges->indices[first + t] : (int32_t)i;
    if (part_seen[j] != part[i]) {
      part_seen[j] = part[i], layers_seen[j] = 0;
      one->nonzeros += work->entries[j];
    }
    if (layers_seen[j] >= layers) continue;
    if (part[j] != part[i]) one->halo_nodes += layers - layers_seen[j];
    layers_seen[j] = layers;
  }
}

dg_status dg_partition_measure_step(dg_step_part *each, const dg_csr *edges, const dg_step_work *work,
                                    const int32_t *part, int parts) {
  dg_status status = DG_OK;
  int32_t *order = NULL, *part_seen = NULL;
  uint16_t *layers_seen = NULL;
  DG_TRY(dg_alloc(&order, (size_t)edges->n_rows, sizeof *order));
  DG_TRY(dg_alloc(&part_seen, (size_t)edges->n_rows, sizeof *part_seen));
  DG_TRY(dg_alloc(&layers_seen, (size_t)edges->n_rows, sizeof *layers_seen));
  DG_TRY(dg_partition_group(order, part, edges->n_rows, parts));
  for (int p = 0; p < parts; p++) each[p] = (dg_step_part){0};
  for (int64_t i = 0; i < edges->n_rows; i++) part_seen[i] = -1;
  for (int64_t o = 0; o < edges->n_rows; o++) {
    const int32_t i = order[o];
    dg_step_part *one = &each[part[i]];
    if (work->level[i] < 2) continue;
    const int64_t n = work->edges ? edges->indptr[i + 1] - edges->indptr[i] + 1 : 1;
    one->outputs += work->level[i] > work->layers;
    one->targets++;
    one->first_edges += n;
    one->edges += n * (work->level[i] - 1);
    count_sources(one, edges, work, part, i, layers_seen, part_seen);
  }
cleanup:
  dg_free(&order);
  dg_free(&part_seen);
  dg_free(&layers_seen);
  return status;
}

/* Largest over mean of the field at `offset` of each part. */
static double imbalance(const dg_step_part *each, int parts, size_t offset) {
  int64_t largest = 0, sum = 0;
  for (int p = 0; p < parts; p++) {
    const int64_t value = *(const int64_t *)((const char *)&each[p] + offset);
    sum += value;
    if (value > largest) largest = value;
  }
  return sum == 0 ? 1.0 : (double)largest * parts / (double)sum;
}

dg_step_quality dg_step_quality_of(const dg_step_part *each, int parts) {
  dg_step_quality q = {.nonzero_imbalance = imbalance(each, parts, offsetof(dg_step_part, nonzeros)),
                       .first_edge_imbalance = imbalance(each, parts, offsetof(dg_step_part, first_edges)),
                       .edge_imbalance = imbalance(each, parts, offsetof(dg_step_part, edges))};
  for (int p = 0; p < parts; p++) {
    q.halo_nodes += each[p].halo_nodes;
    q.idle_parts += each[p].targets == 0;
  }
  return q;
}
