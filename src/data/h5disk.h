#ifndef DISTGAT_DATA_H5DISK_H
#define DISTGAT_DATA_H5DISK_H

#include <sys/types.h>

#include <distgat/status.h>

#include <hdf5.h>

/* Creates an HDF5 file whose writes never fail in the eyes of the library, which crashes at its end where it could not
   write what it holds. The first error (an errno) is stored in *error instead, and nothing is written any more; the
   caller looks there, and sets it to have the rest of the file thrown away. Closing synchronises with the disk. error
   lives as long as the file. Gives H5I_INVALID_HID on failure. Local. */
hid_t dg_h5disk_create(const char *path, int *error);

/* Opens an HDF5 file for reading, without a lock: those who need one take it. The first error of the system, opening
   included, is stored in *error and noted as dg_file_cannot_read says it; error lives as long as the file. Gives
   H5I_INVALID_HID on failure. Local. */
hid_t dg_h5disk_open(const char *path, int *error);

/* Reads [at, at + n), as much of it as there is. Gives the number of bytes, or -1 with errno. Local. */
ssize_t dg_h5disk_read(int fd, void *to, size_t n, off_t at);

#endif
