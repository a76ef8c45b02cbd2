#include "train/first_halo.h"

#include "nn/conv.h"

/* Assumed rates of one rank, of which the order of magnitude counts: sparse and dense projections in flops a second,
   messages inside a node and between nodes in bytes a second, and the seconds that one more exchange costs in waiting.
 */
static const double sparse_rate = 4e10, dense_rate = 1e11, node_rate = 4e9, network_rate = 1e9, waiting = 1e-4;

static bool all_on_one_node(const dg_comm *comm) {
  MPI_Comm node;
  int ranks = 1;
  MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &node);
  MPI_Comm_size(node, &ranks);
  MPI_Comm_free(&node);
  return dg_comm_max_int64(comm, ranks != comm->size) == 0;
}

bool dg_exchange_pays(const dg_trainer *trainer) {
  const dg_comm *comm = trainer->comm;
  const dg_graph_info *info = &trainer->local.shard.info;
  const dg_layer *l = &trainer->model.layer[0];
  if (comm->size == 1 || !l->conv->edges) return false;
  if (trainer->config->first_halo != DG_FIRST_AUTO) return trainer->config->first_halo == DG_FIRST_EXCHANGE;

  const double rows = (double)dg_comm_max_int64(comm, trainer->local.n_halo), width = (double)l->heads * l->dim;
  const double nonzeros = (double)info->n_nonzeros / (double)info->n_nodes; /* of a row */
  const double flops = 4 * nonzeros * width;                                /* forward and for the weight gradient */
  const double bytes = 2 * width * sizeof(dg_real);                         /* forward and back */
  const double project = rows * flops / (info->sparse ? sparse_rate : dense_rate);
  const double exchange = rows * bytes / (all_on_one_node(comm) ? node_rate : network_rate);
  return project > 2 * exchange + waiting;
}
