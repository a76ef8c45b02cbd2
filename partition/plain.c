#include <distgat/memory.h>
#include <distgat/rng.h>

#include "blocks.h"

/* ---- contiguous blocks ---- */

/* Share of the whole work that lies before the i-th node of the range, 0 to 1. */
static double work_before(const dg_node_range *r, int64_t i, dg_partition_balance balance) {
  const double n = (double)r->n_nodes;
  const double nodes = (double)(r->first + i) / n;
  const double work = (double)(r->edges_before + r->indptr[i] + r->first + i) / ((double)r->n_edges + n);
  if (balance == DG_BALANCE_NODES) return nodes;
  return balance == DG_BALANCE_BOTH ? 0.5 * (nodes + work) : work;
}

int64_t dg_partition_in_order(int32_t *part, const dg_node_range *r, int parts, dg_partition_balance balance,
                              int64_t last) {
  for (int64_t i = 0; i < r->n; i++) {
    const double middle = 0.5 * (work_before(r, i, balance) + work_before(r, i + 1, balance));
    int64_t p = (int64_t)(middle * parts);
    if (p > parts - 1) p = parts - 1;
    if (p < parts - (r->n_nodes - r->first - i)) p = parts - (r->n_nodes - r->first - i);
    if (p > last + 1) p = last + 1;
    last = p;
    if (part) part[i] = (int32_t)p;
  }
  return last;
}

/* The last part before this rank's nodes. A rank ends at most as many parts later as it has nodes, and never later than
   if no part before it had been passed over. Collective. */
static dg_status find_last(int64_t *last, const dg_comm *comm, const dg_node_range *r, int parts,
                           dg_partition_balance balance) {
  dg_status status = DG_OK;
  int64_t *nodes = NULL, *most = NULL; /* [size] */
  const size_t size = (size_t)comm->size;
  status = dg_alloc(&nodes, size, sizeof *nodes);
  if (status == DG_OK) status = dg_alloc(&most, size, sizeof *most);
  DG_TRY(dg_comm_agree(comm, status));
  nodes[comm->rank] = r->n;
  most[comm->rank] = dg_partition_in_order(NULL, r, parts, balance, parts);
  dg_comm_sum_int64(comm, nodes, size);
  dg_comm_sum_int64(comm, most, size);
  *last = -1;
  for (int k = 0; k < comm->rank; k++) *last = *last + nodes[k] < most[k] ? *last + nodes[k] : most[k];
cleanup:
  dg_free(&nodes);
  dg_free(&most);
  return status;
}

dg_status dg_blocks_in_order(int32_t *part, const dg_blocks *b, int parts, dg_partition_balance balance) {
  dg_status status = DG_OK;
  const dg_level *g = &b->level;
  int64_t *indptr = NULL, last;
  DG_TRY(dg_comm_agree(g->comm, dg_alloc(&indptr, (size_t)g->n + 1, sizeof *indptr)));
  for (dg_row i = 0; i < g->n; i++) indptr[i + 1] = indptr[i] + dg_blocks_degree(b, i);
  dg_node_range range = {.first = g->nodes.first,
                         .n = g->n,
                         .n_nodes = g->nodes.n_nodes,
                         .n_edges = indptr[g->n],
                         .edges_before = indptr[g->n],
                         .indptr = indptr};
  dg_comm_sum_below(g->comm, &range.edges_before, 1);
  dg_comm_sum_int64(g->comm, &range.n_edges, 1);
  DG_TRY(find_last(&last, g->comm, &range, parts, balance));
  dg_partition_in_order(part, &range, parts, balance, last);
cleanup:
  dg_free(&indptr);
  return status;
}

/* ---- random parts ---- */

/* A permutation of [0, 4^half): four rounds of a Feistel network (Luby and Rackoff 1988). */
static uint64_t shuffle_bits(uint64_t x, int half, uint64_t key) {
  const uint64_t mask = ((uint64_t)1 << half) - 1;
  uint64_t left = x >> half, right = x & mask;
  for (uint64_t round = 0; round < 4; round++) {
    const uint64_t next = left ^ (dg_rng_key(dg_rng_key(key, round), right) & mask);
    left = right, right = next;
  }
  return left << half | right;
}

/* Where node i of n stands when they are shuffled: on, until it is among them (cycle walking, Black and Rogaway 2002).
 */
static int64_t shuffled_place(int64_t i, int64_t n, uint64_t key) {
  int half = 1;
  while ((int64_t)1 << 2 * half < n) half++;
  uint64_t place = (uint64_t)i;
  do place = shuffle_bits(place, half, key);
  while (place >= (uint64_t)n);
  return (int64_t)place;
}

void dg_partition_shuffled(int32_t *part, int64_t first, int64_t n, int64_t n_nodes, int parts, uint64_t seed) {
  const int64_t least = n_nodes / parts, larger = n_nodes % parts; /* so many parts have one more */
  const int64_t in_larger = larger * (least + 1);
  const uint64_t key = dg_rng_key(seed, 2);
  for (int64_t i = 0; i < n; i++) {
    const int64_t place = shuffled_place(first + i, n_nodes, key);
    part[i] = (int32_t)(place < in_larger ? place / (least + 1) : larger + (place - in_larger) / least);
  }
}
