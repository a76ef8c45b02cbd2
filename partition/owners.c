#include <stdio.h>

#include <distgat/log.h>
#include <distgat/memory.h>
#include <distgat/partition.h>

#include "base/fault.h"
#include "methods.h"

static dg_status check_parts(const dg_part_reader *reader, int size) {
  if (reader->parts <= size) return DG_OK;
  return dg_fail(DG_INPUT, "%s has %d parts, the job %d rank%s; start as many ranks or partition again", reader->path,
                 reader->parts, size, size == 1 ? "" : "s");
}

/* Collective. */
static dg_status read_owners(dg_directory *owners, const dg_comm *comm, dg_part_reader *reader) {
  dg_status status = DG_OK;
  DG_TRY(dg_part_reader_spread(reader, comm, owners));
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? check_parts(reader, comm->size) : DG_OK));
cleanup:
  return status;
}

/* Divides the graph as it is read: with all that a step touches, or its edges alone. */
static dg_status divide(int32_t *owner, dg_h5 *graph, const dg_graph_info *info, const dg_owners_config *config,
                        dg_partition_config *wanted) {
  dg_status status = DG_OK;
  dg_outline outline = {0};
  dg_step_work step = {0};
  if (config->balance == DG_BALANCE_STEP) {
    DG_TRY(dg_outline_read(&outline, graph, info, config->split));
    DG_TRY(dg_step_work_create(&step, &outline, info->n_classes, &config->step));
    wanted->step = &step;
  } else {
    DG_TRY(dg_graph_read_edges(graph, info, &outline.in));
  }
  DG_TRY(dg_partition_compute(owner, &outline.in, wanted));
cleanup:
  dg_step_work_destroy(&step);
  dg_outline_destroy(&outline);
  return status;
}

/* Rank 0 divides the graph: *owner [n_nodes]. */
static dg_status compute_owners(int32_t **owner, dg_h5 *graph, const dg_graph_info *info, int size, const double *share,
                                const dg_owners_config *config) {
  dg_partition_config wanted = dg_partition_defaults(size);
  wanted.balance = config->balance, wanted.objective = config->objective;
  wanted.seed = config->seed;
  wanted.share = share;
  dg_memory_alone(true);
  dg_status status = dg_alloc(owner, (size_t)info->n_nodes, sizeof **owner);
  if (status == DG_OK) status = divide(*owner, graph, info, config, &wanted);
  dg_memory_alone(false);
  if (status != DG_MEMORY) return status;
  dg_status_clear();
  return dg_fail(
      status,
      "out of memory: rank 0 divides the whole graph of %lld nodes and %lld edges; run distgat partition where there "
      "is more (--method multilevel on more ranks needs less) and give its file as --partition",
      (long long)info->n_nodes, (long long)info->n_edges);
}

/* Each rank's share of all threads, share [size]; *equal where all have as many. Collective. */
static void share_by_threads(double *share, bool *equal, const dg_comm *comm, int threads) {
  double sum = 0;
  for (int r = 0; r < comm->size; r++) share[r] = r == comm->rank ? threads : 0;
  dg_comm_sum_double(comm, share, comm->size);
  *equal = true;
  for (int r = 0; r < comm->size; r++) sum += share[r], *equal &= share[r] == share[0];
  for (int r = 0; r < comm->size; r++) share[r] = sum > 0 ? share[r] / sum : 0;
}

/* ---- where rank 0 cannot hold the graph ---- */

bool dg_partition_exceeds_metis(int64_t n_nodes, int64_t n_edges, int parts) {
  return !dg_blocks_are_few(n_nodes, parts) && !dg_partition_metis_counts(n_nodes, 2 * n_edges);
}

bool dg_partition_needs_all(int64_t n_nodes, int64_t n_edges, int parts) {
  const bool scarce = dg_fault("partition.room", DG_MEMORY) != DG_OK;
  dg_status_clear();
  const size_t bytes = dg_partition_metis_bytes(n_nodes, n_edges), room = scarce ? 0 : dg_memory_free();
  const bool exceeds = dg_partition_exceeds_metis(n_nodes, n_edges, parts);
  if (dg_blocks_are_few(n_nodes, parts) || (!exceeds && bytes <= room)) return false;
  if (exceeds)
    dg_log("%lld nodes and %lld edges may be beyond the integers of METIS: all ranks divide the graph (multilevel)",
           (long long)n_nodes, (long long)n_edges);
  else
    dg_log("METIS would take some %zu MB of rank 0, which has %zu: all ranks divide the graph (multilevel)",
           bytes / 1000000, room / 1000000);
  return true;
}

/* One line of how well it went. */
static void say_quality(const dg_partition_quality *q, const dg_partition_config *config) {
  char step[64] = "";
  if (config->balance == DG_BALANCE_STEP)
    snprintf(step, sizeof step, ", of the step's %.3f and its non-zeros %.3f", q->step.first_edge_imbalance,
             q->step.nonzero_imbalance);
  dg_log("divided into %d parts: %lld of %lld edges cut, %lld halo rows, largest part over mean: edges %.3f%s",
         q->parts, (long long)q->edge_cut, (long long)q->edge_pairs, (long long)q->halo_nodes, q->edge_imbalance, step);
}

/* Collective. */
static dg_status divide_together(dg_directory *owners, const dg_comm *comm, const char *graph_path, const double *share,
                                 const dg_owners_config *config) {
  dg_status status = DG_OK;
  dg_blocks *blocks = NULL;
  dg_partition_quality quality;
  dg_partition_part *each = NULL;
  dg_step_part *step = NULL;
  const bool by_step = config->balance == DG_BALANCE_STEP;
  dg_partition_config wanted = dg_partition_defaults(comm->size);
  wanted.method = DG_PART_MULTILEVEL, wanted.balance = config->balance;
  wanted.share = share, wanted.seed = config->seed;
  DG_TRY(
      dg_blocks_load(&blocks, comm, graph_path, by_step ? config->split : dg_no_split, by_step ? &config->step : NULL));
  status = dg_alloc(&each, (size_t)comm->size, sizeof *each);
  if (status == DG_OK && by_step) status = dg_alloc(&step, (size_t)comm->size, sizeof *step);
  DG_TRY(dg_comm_agree(comm, status));
  DG_TRY(dg_blocks_divide(owners->owner, blocks, &wanted));
  DG_TRY(dg_blocks_measure(&quality, each, step, blocks, owners->owner, comm->size));
  if (comm->rank == 0) say_quality(&quality, &wanted);
cleanup:
  dg_free(&each);
  dg_free(&step);
  dg_blocks_destroy(&blocks);
  return status;
}

/* ---- all together ---- */

/* What rank 0 opens, and tells all of. */
typedef struct source {
  dg_h5 *graph;
  dg_graph_info info;
  dg_part_reader reader;
  int32_t *owner; /* [n_nodes] where rank 0 has divided */
} source;

static void close_source(source *s) {
  dg_h5_close(&s->graph);
  dg_part_reader_close(&s->reader);
  dg_free(&s->owner);
}

static dg_status open_source(source *s, const char *graph_path, const dg_owners_config *config) {
  dg_status status = DG_OK;
  DG_TRY(dg_graph_open(&s->graph, &s->info, graph_path));
  if (config->path) DG_TRY(dg_part_reader_open(&s->reader, config->path, s->info.n_nodes));
cleanup:
  return status;
}

/* Rank 0 divides and the others are told, or all do. Collective. */
static dg_status divide_owners(dg_directory *owners, const dg_comm *comm, source *s, const char *graph_path,
                               const dg_owners_config *config) {
  dg_status status = DG_OK;
  double *share = NULL;
  bool equal, together = config->multilevel;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&share, (size_t)comm->size, sizeof *share)));
  share_by_threads(share, &equal, comm, config->threads);
  if (comm->rank == 0 && !together) together = dg_partition_needs_all(s->info.n_nodes, s->info.n_edges, comm->size);
  dg_comm_bcast(comm, &together, sizeof together, 0);
  if (together) {
    dg_h5_close(&s->graph);
    DG_TRY(divide_together(owners, comm, graph_path, equal ? NULL : share, config));
    goto cleanup;
  }
  if (comm->rank == 0) status = compute_owners(&s->owner, s->graph, &s->info, comm->size, equal ? NULL : share, config);
  DG_TRY(dg_comm_agree(comm, status));
  DG_TRY(dg_directory_spread(owners, comm, s->owner, 0, owners->n_nodes));
cleanup:
  dg_free(&share);
  dg_memory_trim(); /* METIS's many small blocks */
  return status;
}

dg_status dg_partition_owners(dg_directory *owners, uint64_t *made_for, const dg_comm *comm, const char *graph_path,
                              const dg_owners_config *config) {
  dg_status status = DG_OK;
  source s = {0};
  *owners = (dg_directory){0};
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? open_source(&s, graph_path, config) : DG_OK));
  dg_comm_bcast(comm, &s.info.n_nodes, sizeof s.info.n_nodes, 0);
  dg_comm_bcast(comm, &s.reader.made_for, sizeof s.reader.made_for, 0);
  *made_for = s.reader.made_for;
  *owners = dg_directory_blocks(comm, s.info.n_nodes);
  DG_TRY(dg_comm_agree(comm, dg_alloc(&owners->owner, (size_t)owners->n, sizeof *owners->owner)));
  if (config->path)
    DG_TRY(read_owners(owners, comm, &s.reader));
  else if (comm->size > 1)
    DG_TRY(divide_owners(owners, comm, &s, graph_path, config));
cleanup:
  close_source(&s);
  if (status != DG_OK) dg_directory_destroy(owners);
  return status;
}
