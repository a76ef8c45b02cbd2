#include "blocks.h"

#include <math.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "multilevel.h"

/* Corrections of what parts project, until the largest is so near the mean. */
enum { CORRECTIONS = 6 };
#define WELL_BALANCED 1.035

/* What of the halo it is worth that no part has twice its share. */
#define DEAR 5

static dg_status load(dg_blocks *b, dg_outline_block *o, const dg_comm *comm, const char *path, const char *split,
                      const dg_step_config *step) {
  dg_status status = DG_OK;
  DG_TRY(dg_outline_block_load(o, comm, path, split));
  b->entries = o->entries, o->entries = NULL;
  DG_TRY(dg_level_create(&b->level, comm, o->blocks.n_nodes, &o->in));
  dg_in_edges_destroy(&o->in);
  if (step) DG_TRY(dg_blocks_find_step(b, o->mask, o->n_classes, step));
  if (!dg_level_is_symmetric(&b->level)) DG_TRY(dg_level_symmetrise(&b->level));
  if (step) DG_TRY(dg_blocks_pull_step(b));
cleanup:
  return status;
}

dg_status dg_blocks_load(dg_blocks **blocks, const dg_comm *comm, const char *path, const char *split,
                         const dg_step_config *step) {
  dg_status status = DG_OK;
  dg_outline_block outline = {0};
  DG_TRY(dg_comm_agree(comm, dg_alloc(blocks, 1, sizeof **blocks)));
  DG_TRY(load(*blocks, &outline, comm, path, split, step));
cleanup:
  dg_outline_block_destroy(&outline);
  if (status != DG_OK) dg_blocks_destroy(blocks);
  return status;
}

void dg_blocks_destroy(dg_blocks **blocks) {
  dg_blocks *b = *blocks;
  if (b == NULL) return;
  dg_level_destroy(&b->level);
  dg_step_work_destroy(&b->step);
  dg_free(&b->entries);
  dg_free(&b->nonzeros);
  dg_free(blocks);
}

const dg_directory *dg_blocks_nodes(const dg_blocks *blocks) {
  return &blocks->level.nodes;
}

/* ---- what is balanced ---- */

/* Edges that a step goes over, in 1/1024 of one of a layer before the last. */
static int64_t step_edges(const dg_blocks *b, dg_row i) {
  return llround(1024 * dg_step_edge_work(&b->step, i, dg_blocks_degree(b, i)));
}

/* Where they stand among the weights of a node. */
enum { NONZEROS = 2 };

static dg_weight weigh_node(const dg_blocks *b, dg_row i, dg_partition_balance balance) {
  const int64_t edges = dg_blocks_degree(b, i) + 1;
  switch (balance) {
  case DG_BALANCE_STEP:
    return (dg_weight){{edges, step_edges(b, i), b->nonzeros[i]}};
  case DG_BALANCE_EDGES:
    return (dg_weight){{edges}};
  case DG_BALANCE_NODES:
    return (dg_weight){{1}};
  case DG_BALANCE_BOTH:
    return (dg_weight){{edges, 1}};
  }
  return (dg_weight){{0}};
}

/* Marks the rows whose edges a step needs most. Local. */
static dg_status mark_hot(dg_level *level, const dg_step_work *step) {
  const size_t n = (size_t)level->n + (size_t)level->n_halo;
  const dg_status status = dg_alloc(&level->hot, n, sizeof *level->hot);
  for (size_t i = 0; status == DG_OK && i < n; i++) level->hot[i] = dg_step_is_target(step, (int64_t)i);
  return status;
}

/* What is needed to correct the shares of non-zeros. */
typedef struct correction {
  dg_partition_part *each;
  dg_step_part *step;
  int64_t *shares; /* [parts] sums of b->nonzeros */
} correction;

static dg_status create_correction(correction *c, int parts) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&c->each, (size_t)parts, sizeof *c->each));
  DG_TRY(dg_alloc(&c->step, (size_t)parts, sizeof *c->step));
  DG_TRY(dg_alloc(&c->shares, (size_t)parts, sizeof *c->shares));
cleanup:
  return status;
}

static void destroy_correction(correction *c) {
  dg_free(&c->each);
  dg_free(&c->step);
  dg_free(&c->shares);
}

/* Largest over its share of what parts project, of edges that the step goes over first, and of all edges. */
static double find_imbalance(const correction *c, const double *share, int parts) {
  double sum[3] = {0}, worst = 1;
  for (int pass = 0; pass < 2; pass++)
    for (int p = 0; p < parts; p++) {
      const double load[3] = {(double)c->step[p].nonzeros, (double)c->step[p].first_edges, (double)c->each[p].edges};
      for (int k = 0; k < 3; k++) {
        if (pass == 0) sum[k] += load[k];
        if (pass == 1 && sum[k] > 0) worst = fmax(worst, load[k] / (sum[k] * (share ? share[p] : 1.0 / parts)));
      }
    }
  return worst;
}

/* Sets the third weight of each row to its share of what its part really projects; says how uneven parts are, and what
   they cost by that and by their halo. Collective. */
static dg_status correct_weights(double *imbalance, double *cost, dg_level *level, const dg_blocks *b, correction *c,
                                 const int32_t *part, const dg_multilevel_config *how) {
  dg_status status = DG_OK;
  dg_partition_quality quality;
  DG_TRY(dg_blocks_measure(&quality, c->each, c->step, b, part, how->parts));
  *imbalance = find_imbalance(c, how->share, how->parts);
  *cost = (double)quality.halo_nodes * (1 + DEAR * fmax(0, *imbalance - WELL_BALANCED));
  for (int p = 0; p < how->parts; p++) c->shares[p] = 0;
  for (dg_row i = 0; i < level->n; i++) c->shares[part[i]] += b->nonzeros[i];
  dg_comm_sum_int64(level->comm, c->shares, (size_t)how->parts);
  for (dg_row i = 0; i < level->n; i++) {
    const int p = part[i];
    const double scale = c->shares[p] > 0 ? 65536.0 * (double)c->step[p].nonzeros / (double)c->shares[p] : 0;
    level->weight[i].of[NONZEROS] = llround(scale * (double)b->nonzeros[i]);
  }
  dg_level_weigh(level);
cleanup:
  return status;
}

/* A part projects a source once, however many of its targets have it; the shares take it for as many times as targets
   anywhere. So what parts project is measured, and rows move by that, while it pays: rows that leave their neighbours
   make more rows halo, and all project more. Collective. */
static dg_status balance_nonzeros(int32_t *rows, dg_level *level, const dg_blocks *b, const dg_multilevel_config *how) {
  dg_status status = DG_OK;
  correction c = {0};
  double imbalance, cost, least = INFINITY, cheapest = INFINITY;
  const size_t bytes = (size_t)level->n * sizeof *rows;
  int32_t *best = NULL;
  status = create_correction(&c, how->parts);
  if (status == DG_OK) status = dg_alloc(&best, (size_t)level->n, sizeof *best);
  DG_TRY(dg_comm_agree(level->comm, status));
  for (uint64_t k = 0; k <= CORRECTIONS; k++) {
    const uint64_t key = dg_rng_key(dg_rng_key(how->seed, 0), k);
    const dg_spread_config spread = {.parts = how->parts, .rounds = 4, .share = how->share, .seed = key};
    DG_TRY(correct_weights(&imbalance, &cost, level, b, &c, rows, how));
    if (cost < cheapest) memcpy(best, rows, bytes), cheapest = cost;
    if (k == CORRECTIONS || imbalance <= WELL_BALANCED || imbalance >= least) break;
    least = imbalance;
    DG_TRY(dg_level_polish(rows, level, how->parts, how->share, dg_multilevel_wanted(how->parts), key));
    DG_TRY(dg_level_spread(rows, level, &spread));
  }
  memcpy(rows, best, bytes);
cleanup:
  dg_free(&best);
  destroy_correction(&c);
  return status;
}

/* Rows of each part, and the sum of their ids. */
typedef struct crowd {
  int64_t rows, ids;
} crowd;

/* Gives a part without rows the upper half, by ids, of the rows of the part that has most; *filled says whether there
   was one, and enough rows. crowds [parts]. Collective. */
static void fill_one(bool *filled, int32_t *rows, crowd *crowds, const dg_level *level, int parts) {
  int empty = -1, most = 0;
  memset(crowds, 0, (size_t)parts * sizeof *crowds);
  for (dg_row i = 0; i < level->n; i++) crowds[rows[i]].rows++, crowds[rows[i]].ids += dg_level_id(level, i);
  dg_comm_sum_int64(level->comm, (int64_t *)crowds, 2 * (size_t)parts);
  for (int p = 0; p < parts; p++) {
    if (crowds[p].rows == 0) empty = p;
    if (crowds[p].rows > crowds[most].rows) most = p;
  }
  *filled = empty >= 0 && crowds[most].rows > 1;
  if (!*filled) return;
  const int64_t middle = crowds[most].ids / crowds[most].rows;
  for (dg_row i = 0; i < level->n; i++)
    if (rows[i] == most && dg_level_id(level, i) > middle) rows[i] = empty;
}

/* No part stays empty while rows last: METIS, and what parts may weigh, leave some so where few nodes weigh most.
   Collective. */
static dg_status fill_parts(int32_t *rows, const dg_level *level, int parts) {
  crowd *crowds = NULL;
  const dg_status status = dg_comm_agree(level->comm, dg_alloc(&crowds, (size_t)parts, sizeof *crowds));
  for (bool filled = status == DG_OK; filled;) fill_one(&filled, rows, crowds, level, parts);
  dg_free(&crowds);
  return status;
}

/* Collective. */
static dg_status divide_by_levels(int32_t *part, const dg_blocks *b, const dg_partition_config *config) {
  dg_status status = DG_OK;
  dg_level level = b->level; /* lent, but for what is hot */
  int32_t *rows = NULL;
  dg_partition_balance balance = config->balance;
  if (balance == DG_BALANCE_STEP && (!b->has_step || b->n_targets == 0)) balance = DG_BALANCE_EDGES;
  const bool by_step = balance == DG_BALANCE_STEP;
  const bool covered = by_step && dg_step_covers(&b->step, b->n_targets, level.nodes.n_nodes);
  status = dg_alloc(&rows, (size_t)level.n + (size_t)level.n_halo, sizeof *rows);
  if (status == DG_OK && by_step && !covered && b->step.edges) status = mark_hot(&level, &b->step);
  DG_TRY(dg_comm_agree(level.comm, status));
  for (dg_row i = 0; i < level.n; i++) level.weight[i] = weigh_node(b, i, balance);
  dg_level_weigh(&level);
  const dg_multilevel_config how = {.parts = config->parts,
                                    .constraints = covered ? 1 : dg_balance_count(balance),
                                    .share = config->share,
                                    .seed = config->seed};
  DG_TRY(dg_multilevel_divide(rows, &level, &how));
  if (by_step) DG_TRY(balance_nonzeros(rows, &level, b, &how));
  DG_TRY(fill_parts(rows, &level, config->parts));
  for (dg_row i = 0; i < level.n; i++) part[i] = rows[i];
cleanup:
  dg_free(&rows);
  dg_free(&level.hot);
  return status;
}

/* Rank 0 reads. Collective. */
static dg_status take_from_file(int32_t *part, const dg_blocks *b, const dg_partition_config *config) {
  dg_status status = DG_OK;
  const dg_comm *comm = b->level.comm;
  dg_part_reader reader = {0};
  dg_directory nodes = b->level.nodes; /* lent, but for the parts */
  nodes.owner = part;
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? dg_part_reader_open(&reader, config->from, nodes.n_nodes) : DG_OK));
  DG_TRY(dg_part_reader_spread(&reader, comm, &nodes));
  status = comm->rank == 0 ? dg_partition_check_file(config, reader.parts, reader.made_for) : DG_OK;
  DG_TRY(dg_comm_agree(comm, status));
cleanup:
  dg_part_reader_close(&reader);
  return status;
}

dg_status dg_blocks_divide(int32_t *part, const dg_blocks *b, const dg_partition_config *config) {
  const dg_directory *nodes = &b->level.nodes;
  switch (config->method) {
  case DG_PART_METIS:
  case DG_PART_MULTILEVEL:
    return divide_by_levels(part, b, config);
  case DG_PART_RANDOM:
    dg_partition_shuffled(part, nodes->first, nodes->n, nodes->n_nodes, config->parts, config->seed);
    break;
  case DG_PART_FILE:
    return take_from_file(part, b, config);
  case DG_PART_BLOCK:
    return dg_blocks_in_order(part, b, config->parts, config->balance);
  }
  return DG_OK;
}
