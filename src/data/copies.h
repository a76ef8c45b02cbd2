#ifndef DISTGAT_DATA_COPIES_H
#define DISTGAT_DATA_COPIES_H

#include <distgat/graph.h>

/* Before ranks open a graph: of those that see one and the same file the lowest alone looks through it (data/h5guard.h)
   and tells the others, so that a file that all share is looked at by rank 0, and a copy on a disk of its own by one
   rank there. Errors: DG_INPUT, DG_MEMORY. Collective. */
dg_status dg_copies_examine(const dg_comm *comm, const char *path);

/* Whether all ranks have opened the same graph and chosen the same split of it (NULL: none): sizes and the way of
   storing are compared always. Where not all have opened one and the same file, but copies of it, each copy is read
   whole by the ranks that opened it and the contents are compared: every rank would read another part of it, so that
   one that is stale could not show by itself. Errors: DG_INPUT, DG_MEMORY. Collective. */
dg_status dg_copies_compare(const dg_comm *comm, dg_h5 *file, const dg_graph_info *info, const char *split);

#endif
