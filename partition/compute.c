#include <distgat/partition.h>
#include <distgat/rng.h>

#include "methods.h"

/* With fewer nodes a part than this METIS leaves parts empty; contiguous blocks do not. */
#define MIN_NODES_A_PART 4

dg_partition_config dg_partition_defaults(int parts) {
  return (dg_partition_config){
      .parts = parts, .method = DG_PART_METIS, .objective = DG_PART_AUTO, .balance = DG_BALANCE_STEP};
}

/* Share of the whole work that lies before node i, 0 to 1. */
static double work_before(const dg_csr *edges, int64_t i, dg_partition_balance balance) {
  const double n = (double)edges->n_rows;
  const double nodes = (double)i / n;
  const double work = (double)(edges->indptr[i] + i) / ((double)edges->indptr[edges->n_rows] + n);
  if (balance == DG_BALANCE_NODES) return nodes;
  return balance == DG_BALANCE_BOTH ? 0.5 * (nodes + work) : work;
}

/* Contiguous ids: the middle of a node's work says its part. No part is passed over, and enough nodes are kept for
   those that follow, so that parts are empty only where nodes are fewer than parts: then node i is part i. */
static void divide_blocks(int32_t *part, const dg_csr *edges, int parts, dg_partition_balance balance) {
  const int64_t n = edges->n_rows;
  int64_t last = -1;
  for (int64_t i = 0; i < n; i++) {
    double middle = 0.5 * (work_before(edges, i, balance) + work_before(edges, i + 1, balance));
    int64_t p = (int64_t)(middle * parts);
    if (p < parts - (n - i)) p = parts - (n - i);
    if (p > last + 1) p = last + 1;
    if (p > parts - 1) p = parts - 1;
    part[i] = (int32_t)(last = p);
  }
}

/* Equal numbers of nodes, shuffled (Fisher and Yates). */
static void divide_randomly(int32_t *part, const dg_csr *edges, int parts, uint64_t seed) {
  divide_blocks(part, edges, parts, DG_BALANCE_NODES);
  for (int64_t i = edges->n_rows - 1; i > 0; i--) {
    int64_t j = (int64_t)(dg_rng_uniform(dg_rng_key(seed, 2), (uint64_t)i) * (double)(i + 1));
    int32_t other = part[j];
    part[j] = part[i];
    part[i] = other;
  }
}

static dg_status take_from_file(int32_t *part, const dg_csr *edges, const dg_partition_config *config) {
  dg_status status = DG_OK;
  int parts;
  uint64_t made_for;
  if (!config->from) return dg_fail(DG_USAGE, "--method file needs --from FILE, a partition to read");
  DG_TRY(dg_partition_load(part, &parts, &made_for, config->from, edges->n_rows));
  DG_TRY(dg_partition_check_graph(config->from, made_for, config->fingerprint));
  if (parts > config->parts)
    return dg_fail(DG_INPUT, "%s has %d parts (numbers 0 to %d), not %d; say --parts %d", config->from, parts,
                   parts - 1, config->parts, parts);
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
  divide_blocks(part, edges, config.parts, config.balance);
  return config.balance == DG_BALANCE_STEP ? dg_partition_refine(part, edges, &config) : DG_OK;
}

dg_status dg_partition_compute(int32_t *part, const dg_csr *edges, const dg_partition_config *config) {
  if (config->parts < 1) return dg_fail(DG_USAGE, "%d parts; there must be at least 1", config->parts);
  switch (config->method) {
  case DG_PART_METIS:
  case DG_PART_MULTILEVEL: /* of a graph that one process holds */
    return divide_well(part, edges, config);
  case DG_PART_RANDOM:
    divide_randomly(part, edges, config->parts, config->seed);
    break;
  case DG_PART_FILE:
    return take_from_file(part, edges, config);
  case DG_PART_BLOCK:
    divide_blocks(part, edges, config->parts, config->balance);
    break;
  }
  return DG_OK;
}
