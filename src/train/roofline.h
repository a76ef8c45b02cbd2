#ifndef DG_TRAIN_ROOFLINE_H
#define DG_TRAIN_ROOFLINE_H

#include <distgat/counts.h>
#include <distgat/model.h>

/* What this rank can do while all ranks work, with its threads. */
typedef struct dg_machine {
  double bytes_per_second; /* of the triad a = b + s c, counting 12 bytes an element */
  double flops_per_second; /* of independent fused multiply-adds */
  double cache_bytes;      /* second-level cache of a core */
  bool busy;               /* other work took part of the cores meanwhile: the rates are too low */
} dg_machine;

/* Measures the machine, all ranks at once. Errors: DG_MEMORY. Collective. */
dg_status dg_machine_measure(dg_machine *machine, const dg_comm *comm);

/* Least seconds of a training step on this rank, whose training field has such counts and features, sparse or not:
   summed over phases, the larger of flops over the measured rate and compulsory bytes over the measured bandwidth.
   Compulsory bytes count each array once, and one row an edge and pass where the gathered table does not fit the
   second-level cache. Local. */
double dg_step_bound(const dg_model *model, const dg_counts *counts, bool sparse, const dg_machine *machine);

#endif
