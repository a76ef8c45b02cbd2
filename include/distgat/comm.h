#ifndef DISTGAT_COMM_H
#define DISTGAT_COMM_H

/* Old C++ bindings of MPI would have to be linked; who needs them includes mpi.h before. */
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

#include <distgat/api.h>
#include <distgat/real.h>
#include <distgat/status.h>

DG_API_BEGIN

/* The ranks of one job, on a communicator of our own so that tags cannot meet others'. */
typedef struct dg_comm {
  MPI_Comm mpi;
  int rank, size;
  char host[128];       /* of this rank; "" where all ranks are on one host */
  size_t message_bytes; /* rows of a step travel in messages no longer than this, the same on all ranks */
} dg_comm;

/* Duplicates `parent`. Collective. */
dg_status dg_comm_create(dg_comm *comm, MPI_Comm parent);
void dg_comm_destroy(dg_comm *comm);

/* The ranks of `parent` that give the same `group`, in its order; those that give a negative one get no communicator,
   size 0. Collective. */
void dg_comm_split(dg_comm *comm, const dg_comm *parent, int group);

/* Sets comm->host to `name`, or to "" where all ranks give the same, and the length of messages that suits such hosts;
   dg_comm_create does so by the hosts' own names. Collective. */
void dg_comm_name_host(dg_comm *comm, const char *name);

/* Agrees on a local result: DG_OK if it is DG_OK on every rank, else status and message of the lowest failing rank, on
   every rank; a rank above 0 is named in it with its host where there are several. One all-reduce of a word where
   nothing failed. Collective. */
dg_status dg_comm_agree(const dg_comm *comm, dg_status local);

/* Sends `bytes` bytes of root to all; any size. Collective. */
void dg_comm_bcast(const dg_comm *comm, void *data, size_t bytes, int root);

/* In-place sums, and the largest, over ranks. Collective. */
void dg_comm_sum_real(const dg_comm *comm, dg_real *values, size_t count);

/* Lets messages under way move on, as MPI does only while it is called. From the main thread. Local. */
void dg_comm_progress(const dg_comm *comm);

void dg_comm_sum_double(const dg_comm *comm, double *values, size_t count);
void dg_comm_sum_int64(const dg_comm *comm, int64_t *values, size_t count);
/* Each value becomes the sum of what the ranks below give, on rank 0 none. Collective. */
void dg_comm_sum_below(const dg_comm *comm, int64_t *values, int count);
int64_t dg_comm_max_int64(const dg_comm *comm, int64_t value);
double dg_comm_max_double(const dg_comm *comm, double value);
void dg_comm_max_doubles(const dg_comm *comm, double *values, size_t count);

/* Exchanges blocks of elements of `size` bytes: rank r gets send_count[r] elements from `send`, where the blocks lie in
   the order of ranks; `recv` gets the blocks in the order of ranks. Counts are elements and may be of any size; send
   and recv do not overlap. [size] counts each. Collective. */
void dg_comm_exchange(const dg_comm *comm, const void *send, const size_t *send_count, void *recv,
                      const size_t *recv_count, size_t size);

/* Tells every rank how many elements it will receive: recv_count[r] becomes rank r's send_count[here]. Collective. */
void dg_comm_exchange_counts(const dg_comm *comm, const size_t *send_count, size_t *recv_count);

DG_API_END

#endif
