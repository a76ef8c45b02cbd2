#include <distgat/directory.h>

#include <distgat/memory.h>

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

/* Questions to the ranks that can answer, and theirs to this one. */
typedef struct questions {
  size_t *send, *recv, *at; /* [size] to and from each rank; where the next of each lies among those sent */
  dg_id *sent, *asked;
  int32_t *answer, *answered;
} questions;

static void destroy_questions(questions *q) {
  dg_free(&q->send);
  dg_free(&q->sent);
  dg_free(&q->asked);
  dg_free(&q->answer);
  dg_free(&q->answered);
}

static void rewind_questions(questions *q, int size) {
  q->at[0] = 0;
  for (int r = 1; r < size; r++) q->at[r] = q->at[r - 1] + q->send[r - 1];
}

static dg_status sort_questions(questions *q, const dg_directory *d, int size, const dg_id *ids, int64_t n) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&q->send, 3 * (size_t)size, sizeof *q->send));
  q->recv = q->send + size, q->at = q->recv + size;
  DG_TRY(dg_alloc(&q->sent, (size_t)n, sizeof *q->sent));
  DG_TRY(dg_alloc(&q->answer, (size_t)n, sizeof *q->answer));
  for (int64_t i = 0; i < n; i++) {
    DG_CHECK(ids[i] >= 0 && ids[i] < d->n_nodes);
    q->send[dg_directory_rank(d, ids[i])]++;
  }
  rewind_questions(q, size);
  for (int64_t i = 0; i < n; i++) q->sent[q->at[dg_directory_rank(d, ids[i])]++] = ids[i];
cleanup:
  return status;
}

dg_status dg_directory_find(int32_t *owner, const dg_directory *directory, const dg_comm *comm, const dg_id *ids,
                            int64_t n) {
  dg_status status = DG_OK;
  questions q = {0};
  size_t n_asked = 0;
  DG_TRY(dg_comm_agree(comm, sort_questions(&q, directory, comm->size, ids, n)));
  dg_comm_exchange_counts(comm, q.send, q.recv);
  for (int r = 0; r < comm->size; r++) n_asked += q.recv[r];
  status = dg_alloc(&q.asked, n_asked, sizeof *q.asked);
  if (status == DG_OK) status = dg_alloc(&q.answered, n_asked, sizeof *q.answered);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_exchange(comm, q.sent, q.send, q.asked, q.recv, sizeof *q.asked);
  for (size_t i = 0; i < n_asked; i++) q.answered[i] = dg_directory_owner(directory, q.asked[i]);
  dg_comm_exchange(comm, q.answered, q.recv, q.answer, q.send, sizeof *q.answer);
  rewind_questions(&q, comm->size);
  for (int64_t i = 0; i < n; i++) owner[i] = q.answer[q.at[dg_directory_rank(directory, ids[i])]++];
cleanup:
  destroy_questions(&q);
  return status;
}
