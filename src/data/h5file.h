#ifndef DISTGAT_DATA_H5FILE_H
#define DISTGAT_DATA_H5FILE_H

#include <hdf5.h>

#include <distgat/h5io.h>

#include "base/unfinished.h"
#include "data/h5walk.h"

struct dg_h5 {
  hid_t id;
  char *path;
  int lock;                 /* descriptor that holds a reader's lock, or -1 */
  const dg_h5texts *texts;  /* of its root attributes, NULL where they must be read; borrowed */
  char *temporary;          /* where a created file is written until it is committed; NULL when reading */
  int error;                /* errno of the first read or write that failed */
  bool guards;              /* see dg_h5_guard_data */
  dg_unfinished unfinished; /* while there is `temporary` */
};

/* After a call of the library that failed, before any other: whether it lacked memory rather than sense. */
bool dg_h5_lacked_memory(void);

/* Status of a call that reads: what seems absent or damaged may be whole where the system has failed to read the file,
   DG_IO. */
dg_status dg_h5_judge(const dg_h5 *file, dg_status status);

/* Says in the words of the system why a file cannot be written; gives DG_IO. */
dg_status dg_h5_cannot_write(const dg_h5 *file);

/* The same after a failure of the library, or of a write behind its back; else DG_OK. */
dg_status dg_h5_written(const dg_h5 *file, bool good);

#endif
