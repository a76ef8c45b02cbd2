#ifndef DISTGAT_PARTITION_METHODS_H
#define DISTGAT_PARTITION_METHODS_H

#include <distgat/partition.h>

/* METIS k-way; parts >= 2 and several nodes a part, which METIS takes for granted. Errors: DG_INPUT where the graph is
   beyond METIS's integers, DG_MEMORY, DG_RUNTIME. Local. */
dg_status dg_partition_metis(int32_t *part, const dg_csr *edges, const dg_partition_config *config);

#endif
