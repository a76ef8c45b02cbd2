#include <distgat/directory.h>

#include <distgat/memory.h>

#include "par/mail.h"

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

dg_directory dg_directory_blocks(const dg_comm *comm, int64_t n_nodes) {
  const int64_t block = (n_nodes + comm->size - 1) / comm->size;
  const int64_t first = clamp(block * comm->rank, 0, n_nodes), end = clamp(block * (comm->rank + 1), 0, n_nodes);
  return (dg_directory){.n_nodes = n_nodes, .block = block > 0 ? block : 1, .first = first, .n = end - first};
}

void dg_directory_destroy(dg_directory *directory) {
  dg_free(&directory->owner);
  *directory = (dg_directory){0};
}

/* Nodes of [at, at + n) that rank r tells of. */
static int64_t overlap(const dg_directory *d, int r, int64_t at, int64_t n) {
  return clamp(at + n, d->block * r, d->block * (r + 1)) - clamp(at, d->block * r, d->block * (r + 1));
}

dg_status dg_directory_spread(dg_directory *directory, const dg_comm *comm, const int32_t *owner, int64_t at,
                              int64_t n) {
  dg_status status = DG_OK;
  size_t *send = NULL, *recv;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&send, 2 * (size_t)comm->size, sizeof *send)));
  recv = send + comm->size;
  for (int r = 0; comm->rank == 0 && r < comm->size; r++) send[r] = (size_t)overlap(directory, r, at, n);
  recv[0] = (size_t)overlap(directory, comm->rank, at, n);
  const int64_t from = clamp(at, directory->first, directory->first + directory->n);
  dg_comm_exchange(comm, owner, send, directory->owner + (from - directory->first), recv, sizeof *owner);
cleanup:
  dg_free(&send);
  return status;
}

dg_status dg_directory_find(int32_t *owner, const dg_directory *directory, const dg_comm *comm, const dg_id *ids,
                            int64_t n) {
  dg_status status = DG_OK;
  dg_mail mail = {.comm = comm};
  int32_t *to = NULL, *told = NULL;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&to, (size_t)n, sizeof *to)));
  for (int64_t i = 0; i < n; i++) {
    DG_CHECK(ids[i] >= 0 && ids[i] < directory->n_nodes);
    to[i] = dg_directory_rank(directory, ids[i]);
  }
  DG_TRY(dg_mail_send(&mail, ids, to, n, sizeof *ids));
  const dg_id *asked = mail.come;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&told, (size_t)mail.n_come, sizeof *told)));
  for (int64_t i = 0; i < mail.n_come; i++) told[i] = dg_directory_owner(directory, asked[i]);
  DG_TRY(dg_mail_return(&mail, owner, told, sizeof *owner));
cleanup:
  dg_mail_destroy(&mail);
  dg_free(&to);
  dg_free(&told);
  return status;
}
