#ifndef DG_TRAIN_MACHINE_H
#define DG_TRAIN_MACHINE_H

#include <stdbool.h>

#include <distgat/comm.h>

/* What this rank can do while all ranks work, with its threads. */
typedef struct dg_machine {
  double bytes_per_second;         /* of the triad a = b + s c, counting 12 bytes an element */
  double flops_per_second;         /* of independent fused multiply-adds */
  double product_flops_per_second; /* of what products of wide matrices are made of */
  double cache_bytes;              /* second-level cache of a core */
  bool busy;                       /* other work took part of the cores meanwhile: the rates are too low */
} dg_machine;

/* Measures the machine, all ranks at once. Errors: DG_MEMORY. Collective. */
dg_status dg_machine_measure(dg_machine *machine, const dg_comm *comm);

#endif
