#include "par/sparse.h"

#include <stdbool.h>
#include <string.h>

enum { TAG_COUNT = 5 };

/* Messages of this rank under way: those to ranks below `next` have begun. A few at a time need no memory that could
   lack. */
typedef struct sending {
  int next, n;
  MPI_Request request[4];
} sending;

/* Starts further messages once those under way have been received; whether there are none left. Local. */
static bool have_come(sending *s, const dg_comm *comm, const size_t *send_count) {
  int all;
  MPI_Testall(s->n, s->request, &all, MPI_STATUSES_IGNORE);
  if (!all) return false;
  s->n = 0;
  for (; s->next < comm->size && s->n < (int)(sizeof s->request / sizeof *s->request); s->next++)
    if (send_count[s->next] > 0)
      MPI_Issend(&send_count[s->next], 1, MPI_UINT64_T, s->next, TAG_COUNT, comm->mpi, &s->request[s->n++]);
  return s->n == 0;
}

static void take_one(const dg_comm *comm, size_t *recv_count) {
  int there;
  MPI_Status from;
  MPI_Iprobe(MPI_ANY_SOURCE, TAG_COUNT, comm->mpi, &there, &from);
  if (there)
    MPI_Recv(&recv_count[from.MPI_SOURCE], 1, MPI_UINT64_T, from.MPI_SOURCE, TAG_COUNT, comm->mpi, MPI_STATUS_IGNORE);
}

void dg_sparse_counts(const dg_comm *comm, const size_t *send_count, size_t *recv_count) {
  sending mine = {.next = 0};
  MPI_Request barrier = MPI_REQUEST_NULL;
  memset(recv_count, 0, (size_t)comm->size * sizeof *recv_count);
  for (int over = 0; !over;) {
    take_one(comm, recv_count);
    if (barrier != MPI_REQUEST_NULL)
      MPI_Test(&barrier, &over, MPI_STATUS_IGNORE);
    else if (have_come(&mine, comm, send_count))
      MPI_Ibarrier(comm->mpi, &barrier);
  }
}
