#ifndef DISTGAT_DATA_H5FILE_H
#define DISTGAT_DATA_H5FILE_H

#include <hdf5.h>

#include <distgat/h5io.h>

struct dg_h5 {
  hid_t id;
  char *path;
  char *temporary; /* where a created file is written until it is committed; NULL when reading */
  int error;       /* errno of the first write that failed */
  dg_h5 *next;     /* in the list of unfinished files */
};

/* Says in the words of the system why a file cannot be written; gives DG_IO. */
dg_status dg_h5_cannot_write(const dg_h5 *file);

#endif
