#ifndef DISTGAT_H5IO_H
#define DISTGAT_H5IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <distgat/api.h>
#include <distgat/status.h>

DG_API_BEGIN

/* HDF5 files as this program reads and writes them; every call is Local (no MPI-IO: works on any file system). */

typedef struct dg_h5 dg_h5; /* an open file, opaque */

typedef enum dg_h5_type { DG_H5_F32, DG_H5_F64, DG_H5_I32, DG_H5_I64, DG_H5_U8 } dg_h5_type;

/* Bytes of an element. */
size_t dg_h5_type_bytes(dg_h5_type type);

#define DG_H5_MAX_RANK 4

/* Opens for reading. Errors: DG_INPUT where it is missing, not HDF5 or truncated; here and below DG_IO where the system
   fails to read what is there. */
dg_status dg_h5_open(dg_h5 **file, const char *path);

/* Opens `path` for writing under a temporary name beside it. Errors: DG_IO. */
dg_status dg_h5_create(dg_h5 **file, const char *path);

/* Fails at once where dg_h5_create would later; what is there stays, and nothing new. Errors: DG_IO. */
dg_status dg_h5_check_writable(const char *path);

/* Completes a file of dg_h5_create: flush, close, fsync, rename to its name; *file becomes NULL, also on failure, which
   leaves nothing behind. Errors: DG_IO. */
dg_status dg_h5_commit(dg_h5 **file);

/* The same, and what had the name before is kept as `previous`. At every moment the name, once there, stands for a
   complete file. Errors: DG_IO. */
dg_status dg_h5_commit_keeping(dg_h5 **file, const char *previous);

/* Data sets written from now on carry checksums: bits that change on the disk show when they are read. */
void dg_h5_guard_data(dg_h5 *file);

/* Reads every data set, so that damage shows. Errors: DG_INPUT, DG_IO, DG_MEMORY. */
dg_status dg_h5_verify(dg_h5 *file);

/* Closes; a created file that was not committed is removed. A NULL inside is fine. */
void dg_h5_close(dg_h5 **file);

/* Removes what dg_h5_create began and nobody committed or closed, and texts that are not complete, for a program that
   dies: may be called in a handler of signals. */
void dg_h5_remove_unfinished(void);

/* Path of the file, for messages; owned by the file. */
const char *dg_h5_path(const dg_h5 *file);

/* Whether a data set, group or root attribute of that name exists; true where the system fails to read that, so that
   what follows fails as well. */
bool dg_h5_exists(dg_h5 *file, const char *name);
bool dg_h5_attribute_exists(dg_h5 *file, const char *name);

/* Number of dimensions and extents of a data set. Errors: DG_INPUT where it is missing or no numeric data set. */
dg_status dg_h5_shape(dg_h5 *file, const char *name, int *rank, int64_t extent[DG_H5_MAX_RANK]);

/* Stored element type of a data set, to the nearest of ours. Errors: DG_INPUT. */
dg_status dg_h5_type_of(dg_h5 *file, const char *name, dg_h5_type *type);

/* Reads rows [first, first + count) along the first dimension, converted to `type`. Errors: DG_INPUT. */
dg_status dg_h5_read(dg_h5 *file, const char *name, dg_h5_type type, int64_t first, int64_t count, void *out);

/* Creates a data set (and the groups above it) and writes it whole; data may be NULL: rows then follow by
   dg_h5_write_rows. Contiguous, without time stamps: the same content gives the same bytes. Errors: DG_IO. */
dg_status dg_h5_write(dg_h5 *file, const char *name, dg_h5_type type, int rank, const int64_t *extent,
                      const void *data);
dg_status dg_h5_write_rows(dg_h5 *file, const char *name, dg_h5_type type, int64_t first, int64_t count,
                           const void *data);

/* Root attributes. Reading a missing one: DG_INPUT. Strings are allocated with malloc; the caller frees. */
dg_status dg_h5_get_string(dg_h5 *file, const char *name, char **value);
dg_status dg_h5_get_int64(dg_h5 *file, const char *name, int64_t *value);
dg_status dg_h5_get_double(dg_h5 *file, const char *name, double *value);
dg_status dg_h5_set_string(dg_h5 *file, const char *name, const char *value);
dg_status dg_h5_set_int64(dg_h5 *file, const char *name, int64_t value);
dg_status dg_h5_set_double(dg_h5 *file, const char *name, double value);

/* Calls visit(name, context) for each data set directly in a group, in order of names, until it returns not DG_OK. */
dg_status dg_h5_each(dg_h5 *file, const char *group, dg_status (*visit)(const char *name, void *context),
                     void *context);

/* The same for each group directly in a group. */
dg_status dg_h5_each_group(dg_h5 *file, const char *group, dg_status (*visit)(const char *name, void *context),
                           void *context);

DG_API_END

#endif
