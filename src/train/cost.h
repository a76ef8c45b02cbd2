#ifndef DG_TRAIN_COST_H
#define DG_TRAIN_COST_H

#include <distgat/counts.h>
#include <distgat/model.h>

#include "train/machine.h"

/* Seconds from counts and rates alone. */

/* Least seconds of a training step on this rank, whose training field has such counts and features, sparse or not:
   summed over phases, the larger of flops over the measured rate and compulsory bytes over the measured bandwidth.
   Compulsory bytes count each array once, and one row an edge and pass where the gathered table does not fit the
   second-level cache. Local. */
double dg_cost_step_bound(const dg_model *model, const dg_counts *counts, bool sparse, const dg_machine *machine);

/* Whether the first layer's halo rows, n_halo on this rank, should come projected from their owners in every step,
   rather than be projected here from features that are fetched once: where projecting all halo rows of the rank that
   has most of them takes more than twice as long. Collective. */
bool dg_cost_exchange_pays(const dg_comm *comm, const dg_model *model, const dg_graph_info *info, int64_t n_halo);

#endif
