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

static dg_status compute_owners(int32_t *owner, dg_h5 *graph, const dg_graph_info *info, int size, uint64_t seed) {
  dg_status status = DG_OK;
  dg_csr edges = {0};
  dg_partition_config config = dg_partition_defaults(size);
  config.seed = seed;
  dg_memory_alone(true);
  DG_TRY(dg_graph_read_edges(graph, info, &edges));
  DG_TRY(dg_partition_compute(owner, &edges, &config));
cleanup:
  dg_memory_alone(false);
  if (status == DG_MEMORY) {
    dg_status_clear();
    dg_fail(
        status,
        "out of memory: rank 0 divides the whole graph of %lld nodes and %lld edges; run distgat partition where there "
        "is more (--method block needs least) and give its file as --partition",
        (long long)info->n_nodes, (long long)info->n_edges);
  }
  dg_csr_destroy(&edges);
  return status;
}

/* What all ranks are told of a partition beside the owners. */
typedef struct heading {
  int64_t n_nodes;
  uint64_t made_for;
} heading;

/* What rank 0 does. */
static dg_status choose_owners(int32_t **owner, heading *about, const char *graph_path, const char *path, int size,
                               uint64_t seed) {
  dg_status status = DG_OK;
  dg_h5 *graph = NULL;
  dg_graph_info info;
  DG_TRY(dg_graph_open(&graph, &info, graph_path));
  DG_TRY(dg_graph_check_splits(graph, &info));
  about->n_nodes = info.n_nodes;
  DG_TRY(dg_alloc_whole(owner, (size_t)info.n_nodes, sizeof **owner)); /* zeroed: all on rank 0 */
  if (path)
    DG_TRY(load_owners(*owner, &about->made_for, info.n_nodes, path, size));
  else if (size > 1)
    DG_TRY(compute_owners(*owner, graph, &info, size, seed));
cleanup:
  dg_h5_close(&graph);
  return status;
}

dg_status dg_partition_owners(int32_t **owner, uint64_t *made_for, const dg_comm *comm, const char *graph_path,
                              const char *path, uint64_t seed) {
  dg_status status = DG_OK;
  heading about = {0};
  *owner = NULL;
  if (comm->rank == 0) status = choose_owners(owner, &about, graph_path, path, comm->size, seed);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_bcast(comm, &about, sizeof about, 0);
  *made_for = about.made_for;
  if (comm->rank != 0) status = dg_alloc_whole(owner, (size_t)about.n_nodes, sizeof **owner);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_bcast(comm, *owner, (size_t)about.n_nodes * sizeof **owner, 0);
cleanup:
  if (status != DG_OK) dg_free(owner);
  return status;
}
