#ifndef DISTGAT_DATA_H5NAMES_H
#define DISTGAT_DATA_H5NAMES_H

#include <stdint.h>

#include <distgat/h5io.h>

/* Copies what a graph file calls its nodes and classes, where it does: /nodes/id [n_nodes] and /classes/name
   [n_classes], integers or strings of one fixed length, as they are stored. Strings of variable length, whose addresses
   the library does not check, are left out and warned of. Local. Errors: DG_INPUT where they are of another type or
   number, DG_IO, DG_MEMORY. */
dg_status dg_h5names_copy(dg_h5 *to, dg_h5 *graph, int64_t n_nodes, int64_t n_classes);

#endif
