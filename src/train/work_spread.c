#include "train/work_spread.h"

#include <distgat/counts.h>
#include <distgat/log.h>

/* A step is called unbalanced where some rank has so many times the mean. */
static const double UNBALANCED = 1.1;

static int64_t count_edges(const dg_counts *counts) {
  int64_t edges = 0;
  for (int k = 0; k < counts->n_layers; k++) edges += counts->layer[k].n_edges;
  return edges;
}

dg_status dg_work_spread_find(dg_work_spread *spread, const dg_trainer *trainer) {
  dg_status status = DG_OK;
  const dg_comm *comm = trainer->comm;
  const dg_local *local = &trainer->local;
  dg_counts counts = {0};
  int64_t idle;
  DG_TRY(dg_comm_agree(comm, dg_counts_create(&counts, local, trainer->train_field)));
  spread->nonzeros = dg_spread_of(comm, (double)counts.layer[0].entries);
  spread->first_edges = dg_spread_of(comm, (double)counts.layer[0].n_edges);
  spread->edges = dg_spread_of(comm, (double)count_edges(&counts));
  spread->graph_edges = dg_spread_of(comm, (double)(local->in.indptr[local->n] + local->n));
  idle = counts.layer[0].n_dst == 0;
  dg_comm_sum_int64(comm, &idle, 1);
  spread->idle_ranks = (int)idle;
cleanup:
  dg_counts_destroy(&counts);
  return status;
}

static double imbalance(dg_spread s) {
  return s.mean > 0 ? s.max / s.mean : 1;
}

dg_status dg_work_spread_note(const dg_trainer *trainer, const char *partition) {
  dg_work_spread spread;
  const dg_status status = dg_work_spread_find(&spread, trainer);
  if (status != DG_OK) return status;
  const double nonzeros = imbalance(spread.nonzeros), edges = imbalance(spread.edges);
  if (nonzeros > UNBALANCED || edges > UNBALANCED)
    dg_log("note: %s divides this training step unevenly: some rank projects %.2f times the mean of non-zeros, some "
           "goes over %.2f times the mean of edges; distgat partition takes --split and --layers",
           partition, nonzeros, edges);
  return DG_OK;
}
