#ifndef DG_DATA_SINK_H
#define DG_DATA_SINK_H

#include <stdbool.h>

#include <distgat/comm.h>
#include <distgat/h5io.h>

/* A contiguous data set that all ranks give rows of. The file is rank 0's, and so is all that the library writes there:
   the same bytes for any number of ranks. Where ranks see the same file and may write to it beside each other, each
   writes its rows itself, at the place that the library has set aside; elsewhere they go through rank 0. */
typedef struct dg_sink {
  const dg_comm *comm;
  dg_h5 *file; /* rank 0 only */
  const char *name;
  dg_h5_type type;
  size_t row_bytes;
  int fd;          /* of this rank, or -1: through rank 0 */
  int64_t address; /* of row 0 */
  char *path;      /* what messages call the file; NULL without fd */
} dg_sink;

/* Opens a data set of `file` (NULL above rank 0) that is there and not written yet; a row has so many columns. Errors:
   DG_IO, DG_MEMORY. Collective. */
dg_status dg_sink_open(dg_sink *sink, const dg_comm *comm, dg_h5 *file, const char *name, dg_h5_type type,
                       int64_t columns);

/* Whether every rank writes its own rows; else rank 0 alone writes all. Local. */
bool dg_sink_is_shared(const dg_sink *sink);

/* Writes rows [first, first + count). Errors: DG_IO. Local. */
dg_status dg_sink_write(const dg_sink *sink, int64_t first, int64_t count, const void *rows);

/* Ends the writing; what ranks of other hosts wrote is on disk then. Errors: DG_IO. Collective. */
dg_status dg_sink_close(dg_sink *sink);

#endif
