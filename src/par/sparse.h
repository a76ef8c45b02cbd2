#ifndef DISTGAT_PAR_SPARSE_H
#define DISTGAT_PAR_SPARSE_H

#include <distgat/comm.h>

/* recv_count[r] becomes rank r's send_count[here], by messages to those ranks alone that get something, and a barrier
   that the ranks enter while theirs are under way (non-blocking consensus of Hoefler, Siebert and Lumsdaine 2010). All
   ranks have met since an earlier call. [size] counts each. Collective. */
void dg_sparse_counts(const dg_comm *comm, const size_t *send_count, size_t *recv_count);

#endif
