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

/* Units of work of a training step by phase, each proportional to what the phase takes: multiply-adds of projections,
   channels of edges, classes of outputs, parameters; 0 for phases that wait. Local. */
void dg_cost_units(double units[DG_PHASES], const dg_model *model, const dg_counts *counts);

/* Whether the first layer's halo rows, n_halo on the rank that has most of them, should come projected from their
   owners in every step, rather than be projected from features that are fetched once: where projecting them all takes
   more than twice as long. Local; dg_cost_exchange_pays is the same for ranks that each know their own, Collective. */
bool dg_cost_exchange_pays_for(const dg_model *model, const dg_graph_info *info, int64_t n_halo, bool one_node);
bool dg_cost_exchange_pays(const dg_comm *comm, const dg_model *model, const dg_graph_info *info, int64_t n_halo);

#endif
