#ifndef DISTGAT_DATA_H5GUARD_H
#define DISTGAT_DATA_H5GUARD_H

#include <sys/stat.h>

#include "data/h5walk.h"

/* The HDF5 library believes what it reads: a damaged or hostile file makes it loop for ever, run over its heap or die.
   A child process therefore walks through a file first; what happens to it does not happen to us. Files that were found
   good are remembered, by their inode and the time of the last change. *texts: their strings of variable length, which
   none but the child reads; NULL where no child could be started. Owned by this module. Errors: DG_INPUT, DG_IO,
   DG_MEMORY. Local. */
dg_status dg_h5guard_examine(const dg_h5texts **texts, const char *path, const struct stat *identity);

/* Remembers a file as good, with the bytes of its texts, on the word of another rank that has examined it. Errors:
   DG_MEMORY. Local. */
dg_status dg_h5guard_trust(const struct stat *identity, const char *texts, size_t n);

#endif
