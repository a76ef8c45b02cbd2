#ifndef DISTGAT_TESTS_OWNERS_H
#define DISTGAT_TESTS_OWNERS_H

#include <distgat/directory.h>

/* The blocks of a list of the owners of all nodes, owner [n_nodes]. Errors: DG_MEMORY. Local. */
dg_status directory_from(dg_directory *directory, const dg_comm *comm, const int32_t *owner, int64_t n_nodes);

/* The list of the owners of all nodes, owner [n_nodes]. Errors: DG_MEMORY. Collective. */
dg_status directory_list(int32_t *owner, const dg_directory *directory, const dg_comm *comm);

#endif
