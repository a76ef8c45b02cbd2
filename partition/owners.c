#include <distgat/memory.h>
#include <distgat/partition.h>

static dg_status load_owners(int32_t *owner, uint64_t *made_for, int64_t n_nodes, const char *path, int size) {
  dg_status status = DG_OK;
  int parts;
  DG_TRY(dg_partition_load(owner, &parts, made_for, path, n_nodes));
  if (parts > size)
    return dg_fail(DG_INPUT, "%s has %d parts, the job %d rank%s; start as many ranks or partition again", path, parts,
                   size, size == 1 ? "" : "s");
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

static dg_status compute_owners(int32_t *owner, dg_h5 *graph, const dg_graph_info *info, int size, const double *share,
                                const dg_owners_config *config) {
  dg_partition_config wanted = dg_partition_defaults(size);
  wanted.balance = config->balance, wanted.objective = config->objective;
  wanted.seed = config->seed;
  wanted.share = share;
  dg_memory_alone(true);
  const dg_status status = divide(owner, graph, info, config, &wanted);
  dg_memory_alone(false);
  if (status != DG_MEMORY) return status;
  dg_status_clear();
  return dg_fail(
      status,
      "out of memory: rank 0 divides the whole graph of %lld nodes and %lld edges; run distgat partition where there "
      "is more (--method block needs least) and give its file as --partition",
      (long long)info->n_nodes, (long long)info->n_edges);
}

/* What all ranks are told of a partition beside the owners. */
typedef struct heading {
  int64_t n_nodes;
  uint64_t made_for;
} heading;

/* What rank 0 does. */
static dg_status choose_owners(int32_t **owner, heading *about, const char *graph_path, int size, const double *share,
                               const dg_owners_config *config) {
  dg_status status = DG_OK;
  dg_h5 *graph = NULL;
  dg_graph_info info;
  DG_TRY(dg_graph_open(&graph, &info, graph_path));
  DG_TRY(dg_graph_check_splits(graph, &info));
  about->n_nodes = info.n_nodes;
  DG_TRY(dg_alloc_whole(owner, (size_t)info.n_nodes, sizeof **owner)); /* zeroed: all on rank 0 */
  if (config->path)
    DG_TRY(load_owners(*owner, &about->made_for, info.n_nodes, config->path, size));
  else if (size > 1)
    DG_TRY(compute_owners(*owner, graph, &info, size, share, config));
cleanup:
  dg_h5_close(&graph);
  return status;
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

dg_status dg_partition_owners(int32_t **owner, uint64_t *made_for, const dg_comm *comm, const char *graph_path,
                              const dg_owners_config *config) {
  dg_status status = DG_OK;
  heading about = {0};
  double *share = NULL;
  bool equal;
  *owner = NULL;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&share, (size_t)comm->size, sizeof *share)));
  share_by_threads(share, &equal, comm, config->threads);
  if (comm->rank == 0) status = choose_owners(owner, &about, graph_path, comm->size, equal ? NULL : share, config);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_bcast(comm, &about, sizeof about, 0);
  *made_for = about.made_for;
  if (comm->rank != 0) status = dg_alloc_whole(owner, (size_t)about.n_nodes, sizeof **owner);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_bcast(comm, *owner, (size_t)about.n_nodes * sizeof **owner, 0);
cleanup:
  dg_free(&share);
  if (status != DG_OK) dg_free(owner);
  return status;
}
