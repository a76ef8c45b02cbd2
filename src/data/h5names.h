#ifndef DISTGAT_DATA_H5NAMES_H
#define DISTGAT_DATA_H5NAMES_H

#include <stddef.h>
#include <stdint.h>

#include <distgat/h5io.h>

/* Copies what a graph file calls its nodes and classes, where it does: /nodes/id [n_nodes] and /classes/name
   [n_classes], integers or strings of one fixed length, as they are stored. Strings of variable length, whose addresses
   the library does not check, are left out and warned of. Local. Errors: DG_INPUT where they are of another type or
   number, DG_IO, DG_MEMORY. */
dg_status dg_h5names_copy(dg_h5 *to, dg_h5 *graph, int64_t n_nodes, int64_t n_classes);

/* Texts of one length. */
typedef struct dg_texts {
  char *text;   /* [n, width] each ended by a NUL; NULL: there are none */
  size_t width; /* bytes of one, its NUL included */
} dg_texts;

void dg_texts_destroy(dg_texts *texts);

/* Reads entries [first, first + count) of a list of integers or of strings of one fixed length as texts; no texts where
   there is no such list. Errors: DG_INPUT, DG_MEMORY. Local. */
dg_status dg_h5names_read(dg_texts *texts, dg_h5 *file, const char *name, int64_t first, int64_t count);

/* How many entries of such a list, which is not empty, are best read at a time: those of any length take little memory.
   Errors: those of dg_h5names_read. Local. */
dg_status dg_h5names_portion(int64_t *count, dg_h5 *file, const char *name);

#endif
