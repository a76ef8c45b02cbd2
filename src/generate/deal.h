#ifndef DG_GENERATE_DEAL_H
#define DG_GENERATE_DEAL_H

#include "generate/synthetic.h"

#include <distgat/comm.h>
#include <distgat/directory.h>

/* Deals all nodes in random order: mask [nodes.n] gets the split of each node of this rank's block. The first so many
   of each class are trained on (or, where these are 0, all that are left), the next validate, then test. Errors:
   DG_MEMORY. Collective. */
dg_status dg_deal(uint8_t *mask, const dg_comm *comm, const dg_synthetic *graph, const dg_directory *nodes);

#endif
