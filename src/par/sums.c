#include <distgat/sums.h>

#include <string.h>

#include <distgat/log.h>
#include <distgat/memory.h>

#include "par/node.h"
#include "par/reduce.h"

/* Ranges from this size on are worth a message of their own. */
enum { RANGE_BYTES = 256 << 10 };

enum { FEW_STRIPS = 16 }; /* that one thread adds as fast as several */

/* Blocks of memory that different ranks write begin at whole pages, shares at whole cache lines. */
enum { PAGE_BYTES = 4096, LINE = DG_ALIGN / sizeof(dg_real) };

static size_t whole_pages(int64_t count) {
  return ((size_t)count * sizeof(dg_real) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/* ---- shares ---- */

static int64_t share_begin(int64_t count, int share, int shares) {
  return share >= shares ? count : count / LINE * share / shares * LINE;
}

static void find_share(dg_sums *sums) {
  const dg_node *node = sums->node;
  sums->first = share_begin(sums->count, node->comm.rank, node->fewest);
  sums->n = share_begin(sums->count, node->comm.rank + 1, node->fewest) - sums->first;
  sums->left = sums->n + DG_TAIL;
}

/* ---- memory ---- */

/* The shared block holds the sums of the tail, the parameters, and the gradients of each rank. */
static dg_real *shared_gradient(const dg_sums *sums, int rank) {
  char *first = (char *)sums->value + whole_pages(sums->count);
  return (dg_real *)(first + (size_t)rank * whole_pages(sums->count + DG_TAIL));
}

static dg_status place_in_shared(dg_sums *sums) {
  dg_status status = DG_OK;
  dg_node *node = sums->node;
  const size_t ranks = (size_t)node->comm.size;
  char *block;
  DG_TRY(
      dg_node_share(node, &block, PAGE_BYTES + whole_pages(sums->count) + ranks * whole_pages(sums->count + DG_TAIL)));
  sums->tail = (dg_real *)block;
  sums->value = (dg_real *)(block + PAGE_BYTES);
  sums->grad = shared_gradient(sums, node->comm.rank);
  DG_TRY(dg_node_take(node, sums->tail, DG_TAIL * sizeof *sums->tail));
  if (sums->n > 0) DG_TRY(dg_node_take(node, sums->value + sums->first, (size_t)sums->n * sizeof *sums->value));
  DG_TRY(dg_node_take(node, sums->grad, ((size_t)sums->count + DG_TAIL) * sizeof *sums->grad));

cleanup:
  return status;
}

/* Ranks that cannot share memory are nodes of their own. */
static void share_if_possible(dg_sums *sums, const dg_comm *comm) {
  dg_node *node = sums->node;
  dg_node_create(node, comm);
  find_share(sums);
  if (node->most == 1) return;
  if (dg_comm_agree(comm, node->comm.size > 1 ? place_in_shared(sums) : DG_OK) == DG_OK) return;
  dg_log("warning: %s; gradients are summed by messages", dg_status_message());
  dg_status_clear();
  dg_node_destroy(node);
  dg_node_create_alone(node, comm);
  find_share(sums);
  sums->value = sums->grad = sums->tail = NULL;
}

/* What only this rank uses: all, where it is alone on its node. Sums that travel on must lie side by side. */
static dg_status place_own(dg_sums *sums) {
  dg_status status = DG_OK;
  const dg_node *node = sums->node;
  if (node->comm.size == 1) {
    DG_TRY(dg_alloc_whole(&sums->value, (size_t)sums->count, sizeof *sums->value));
    DG_TRY(dg_alloc_whole(&sums->grad, (size_t)sums->count + DG_TAIL, sizeof *sums->grad));
    sums->sum = sums->grad, sums->tail = sums->figures = sums->grad + sums->count;
  } else if (node->n_nodes > 1) {
    DG_TRY(dg_alloc(&sums->sum, (size_t)sums->n + DG_TAIL, sizeof *sums->sum));
    sums->figures = sums->sum + sums->n;
  } else {
    DG_TRY(dg_alloc(&sums->figures, DG_TAIL, sizeof *sums->figures));
  }

cleanup:
  return status;
}

/* Ranges of a step, and what is left with the tail. */
static dg_status connect(dg_sums *sums, const dg_comm *comm, int ranges) {
  dg_status status = DG_OK;
  dg_node *node = sums->node;
  if (node->n_nodes == 1) return DG_OK;
  dg_comm_split(&sums->leaders, comm, node->comm.rank < node->fewest ? node->comm.rank : -1);
  if (sums->leaders.size < 2) return DG_OK;
  DG_TRY(dg_alloc(&sums->reduce, 1, sizeof *sums->reduce));
  DG_TRY(dg_reduce_create(sums->reduce, &sums->leaders, sums->n + DG_TAIL, ranges + 1));

cleanup:
  return status;
}

dg_status dg_sums_create(dg_sums *sums, const dg_comm *comm, int64_t count, int ranges) {
  dg_status status = DG_OK;
  *sums = (dg_sums){.count = count};
  DG_TRY(dg_comm_agree(comm, dg_alloc(&sums->node, 1, sizeof *sums->node)));
  share_if_possible(sums, comm);
  DG_TRY(dg_comm_agree(comm, place_own(sums)));
  DG_TRY(dg_comm_agree(comm, connect(sums, comm, ranges)));
  sums->by_ranges = sums->node->most == 1;

cleanup:
  if (status != DG_OK) dg_sums_destroy(sums);
  return status;
}

void dg_sums_destroy(dg_sums *sums) {
  if (sums->node && sums->node->comm.size == 1) {
    dg_free(&sums->value);
    dg_free(&sums->grad);
  } else if (sums->sum) {
    dg_free(&sums->sum);
  } else {
    dg_free(&sums->figures);
  }
  if (sums->reduce) dg_reduce_destroy(sums->reduce);
  dg_free(&sums->reduce);
  dg_comm_destroy(&sums->leaders);
  if (sums->node) dg_node_destroy(sums->node);
  dg_free(&sums->node);
  *sums = (dg_sums){0};
}

/* ---- a step ---- */

void dg_sums_begin(dg_sums *sums, int64_t first) {
  const size_t n = (size_t)(sums->left - first);
  if (!sums->by_ranges || sums->leaders.size < 2 || first == 0 || n * sizeof *sums->sum < RANGE_BYTES) return;
  dg_reduce_begin(sums->reduce, sums->sum + first, (int64_t)n);
  sums->left = first;
}

/* out[n] = gradients [first, first + n) of all ranks of the node, in their order: whose they are decides no bit. */
static void add_strip(dg_real *restrict out, const dg_sums *sums, int64_t first, int64_t n) {
  memcpy(out, shared_gradient(sums, 0) + first, (size_t)n * sizeof *out);
  for (int r = 1; r < sums->node->comm.size; r++) {
    const dg_real *restrict in = shared_gradient(sums, r) + first;
    for (int64_t i = 0; i < n; i++) out[i] += in[i];
  }
}

static void add_share(const dg_sums *sums) {
  const int64_t n = sums->n;
#pragma omp parallel for schedule(static) if (n > FEW_STRIPS * DG_STRIP)
  for (int64_t at = 0; at < n; at += DG_STRIP)
    add_strip(sums->sum + at, sums, sums->first + at, n - at < DG_STRIP ? n - at : DG_STRIP);
}

void dg_sums_end(dg_sums *sums) {
  dg_node_meet(sums->node);
  if (sums->node->comm.size > 1) add_strip(sums->figures, sums, sums->count, DG_TAIL);
  if (sums->node->comm.size > 1 && sums->sum) add_share(sums);
  if (sums->leaders.size > 1) {
    dg_reduce_begin(sums->reduce, sums->sum, sums->left);
    dg_reduce_end(sums->reduce);
  }
  sums->left = sums->n + DG_TAIL;
}

const dg_real *dg_sums_strip(const dg_sums *sums, dg_real *room, int64_t begin, int64_t end) {
  if (sums->sum) return sums->sum + begin;
  add_strip(room, sums, sums->first + begin, end - begin);
  return room;
}

void dg_sums_settle(dg_sums *sums) {
  if (sums->node->comm.size > 1 && sums->node->comm.rank == 0)
    memcpy(sums->tail, sums->figures, DG_TAIL * sizeof *sums->tail);
  dg_node_meet(sums->node);
}

void dg_sums_meet(dg_sums *sums) {
  dg_node_meet(sums->node);
}

/* Puts the sums of the share in the place of this rank's gradients of it, which nobody else needs. */
static void keep_share(dg_sums *sums) {
  dg_real room[DG_STRIP];
  for (int64_t begin = 0; begin < sums->n; begin += DG_STRIP) {
    const int64_t end = begin + DG_STRIP < sums->n ? begin + DG_STRIP : sums->n;
    const dg_real *sum = dg_sums_strip(sums, room, begin, end);
    memcpy(sums->grad + sums->first + begin, sum, (size_t)(end - begin) * sizeof *sum);
  }
}

void dg_sums_collect(dg_sums *sums) {
  const dg_node *node = sums->node;
  if (node->comm.size == 1) return;
  keep_share(sums);
  dg_sums_meet(sums);
  for (int r = 0; r < node->fewest; r++) {
    const int64_t first = share_begin(sums->count, r, node->fewest),
                  end = share_begin(sums->count, r + 1, node->fewest);
    if (r != node->comm.rank)
      memcpy(sums->grad + first, shared_gradient(sums, r) + first, (size_t)(end - first) * sizeof *sums->grad);
  }
  dg_sums_meet(sums);
}

/* By the gradients' place in shared memory; a rank that never writes some of them has left zeros. */
void dg_sums_gather(dg_sums *sums, dg_real *all, const dg_real *share) {
  const dg_node *node = sums->node;
  const size_t bytes = (size_t)sums->n * sizeof *share;
  if (node->comm.size == 1) {
    if (all) memcpy(all, share, bytes);
    return;
  }
  memcpy(sums->grad + sums->first, share, bytes);
  dg_sums_meet(sums);
  for (int r = 0; all && r < node->fewest; r++) {
    const int64_t first = share_begin(sums->count, r, node->fewest),
                  end = share_begin(sums->count, r + 1, node->fewest);
    memcpy(all + first, shared_gradient(sums, r) + first, (size_t)(end - first) * sizeof *all);
  }
  dg_sums_meet(sums);
  memset(sums->grad + sums->first, 0, bytes);
}

int64_t dg_sums_bytes(const dg_sums *sums) {
  return sums->leaders.size > 1 ? (sums->n + DG_TAIL) * (int64_t)sizeof *sums->sum : 0;
}
