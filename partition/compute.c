#include <distgat/partition.h>

#include "methods.h"

/* With fewer nodes a part than this METIS leaves parts empty; contiguous blocks do not. */
#define MIN_NODES_A_PART 4

dg_partition_config dg_partition_defaults(int parts) {
  return (dg_partition_config){
      .parts = parts, .method = DG_PART_METIS, .objective = DG_PART_AUTO, .balance = DG_BALANCE_STEP};
}

static void divide_in_order(int32_t *part, const dg_csr *edges, int parts, dg_partition_balance balance) {
  const dg_node_range all = {
      .n = edges->n_rows, .n_nodes = edges->n_rows, .n_edges = edges->indptr[edges->n_rows], .indptr = edges->indptr};
  dg_partition_in_order(part, &all, parts, balance, -1);
}

static dg_status take_from_file(int32_t *part, const dg_csr *edges, const dg_partition_config *config) {
  dg_status status = DG_OK;
  int parts;
  uint64_t made_for;
  if (!config->from) return dg_fail(DG_USAGE, "--method file needs --from FILE, a partition to read");
  DG_TRY(dg_partition_load(part, &parts, &made_for, config->from, edges->n_rows));
  DG_TRY(dg_partition_check_file(config, parts, made_for));
cleanup:
  return status;
}

static bool has_targets(const dg_step_work *step, int64_t n) {
  for (int64_t i = 0; step && i < n; i++)
    if (dg_step_is_target(step, i)) return true;
  return false;
}

/* METIS, or where it would leave parts empty blocks, mended likewise. */
static dg_status divide_well(int32_t *part, const dg_csr *edges, const dg_partition_config *wanted) {
  dg_partition_config config = *wanted;
  if (config.balance == DG_BALANCE_STEP && !has_targets(config.step, edges->n_rows)) config.balance = DG_BALANCE_EDGES;
  if (config.parts > 1 && edges->n_rows / MIN_NODES_A_PART >= config.parts)
    return dg_partition_metis(part, edges, &config);
  divide_in_order(part, edges, config.parts, config.balance);
  return config.balance == DG_BALANCE_STEP ? dg_partition_refine(part, edges, &config) : DG_OK;
}

dg_status dg_partition_compute(int32_t *part, const dg_csr *edges, const dg_partition_config *config) {
  if (config->parts < 1) return dg_fail(DG_USAGE, "%d parts; there must be at least 1", config->parts);
  switch (config->method) {
  case DG_PART_METIS:
  case DG_PART_MULTILEVEL: /* of a graph that one process holds */
    return divide_well(part, edges, config);
  case DG_PART_RANDOM:
    dg_partition_shuffled(part, 0, edges->n_rows, edges->n_rows, config->parts, config->seed);
    break;
  case DG_PART_FILE:
    return take_from_file(part, edges, config);
  case DG_PART_BLOCK:
    divide_in_order(part, edges, config->parts, config->balance);
    break;
  }
  return DG_OK;
}
