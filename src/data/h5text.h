#ifndef DISTGAT_DATA_H5TEXT_H
#define DISTGAT_DATA_H5TEXT_H

#include <hdf5.h>
#include <stdbool.h>

/* More than any string that this program reads. */
#define DG_H5_LONGEST_TEXT ((size_t)1 << 20)

/* Whether a type is that of strings of variable length: the library finds their bytes by addresses in the file, which
   it does not check. Local. */
bool dg_h5text_varies(hid_t type);

/* Reads the one string of an attribute, whose type is `type`, up to its first NUL. Allocated with malloc; NULL where it
   cannot be read or is too long, with errno ENOMEM where memory lacks. Local. */
char *dg_h5text_read(hid_t attribute, hid_t type);

#endif
