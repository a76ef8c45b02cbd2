#include "field/order.h"

#include <distgat/memory.h>

/* A cluster's rows, some hundred bytes each, fit the caches nearest to a core; fewer rows than a few clusters fit as
   they are. */
enum { MAX_CLUSTER = 4096, MIN_ROWS = 4 * MAX_CLUSTER, ROUNDS = 4 };

/* Workspace of label propagation. */
typedef struct clustering {
  int32_t *label; /* [n] cluster of each row, named by one of its first rows */
  int32_t *size;  /* [n] rows of a cluster */
  int32_t *count; /* [n] neighbours of the row at hand in a cluster; zero between rows */
  int32_t *seen;  /* [most neighbours of a row] clusters with a count */
} clustering;

/* The cluster that most owned neighbours of row i are in and that has room; the present one where none has more. */
static int32_t choose(clustering *c, const dg_csr *in, dg_row i) {
  int32_t n_seen = 0, best = c->label[i];
  for (int64_t t = in->indptr[i]; t < in->indptr[i + 1]; t++) {
    const dg_row j = in->indices[t];
    if (j < in->n_rows && c->count[c->label[j]]++ == 0) c->seen[n_seen++] = c->label[j];
  }
  for (dg_row s = 0; s < n_seen; s++)
    if (c->count[c->seen[s]] > c->count[best] && c->size[c->seen[s]] < MAX_CLUSTER) best = c->seen[s];
  for (dg_row s = 0; s < n_seen; s++) c->count[c->seen[s]] = 0;
  return best;
}

/* Label propagation (Raghavan, Albert and Kumara 2007) with bounded clusters, row after row. */
static void propagate(clustering *c, const dg_csr *in) {
  const int32_t n = (int32_t)in->n_rows;
  for (dg_row i = 0; i < n; i++) c->label[i] = i, c->size[i] = 1;
  for (int round = 0; round < ROUNDS; round++)
    for (dg_row i = 0; i < n; i++) {
      const int32_t best = choose(c, in, i);
      c->size[c->label[i]]--;
      c->size[best]++;
      c->label[i] = best;
    }
}

/* Clusters in the order of their first rows, rows of a cluster in their own order; count [n] is zero. */
static void sort_by_cluster(dg_row *order, clustering *c, int32_t n) {
  int32_t next = 0;
  for (dg_row i = 0; i < n; i++) {
    const int32_t l = c->label[i];
    if (c->count[l] == 0) c->count[l] = 1 + next, next += c->size[l]; /* one more than its next place */
    order[c->count[l]++ - 1] = i;
  }
}

dg_status dg_order_rows(dg_row *order, const dg_csr *in) {
  dg_status status = DG_OK;
  clustering c = {0};
  const int32_t n = (int32_t)in->n_rows;
  int64_t most = 0;
  for (dg_row i = 0; i < n; i++) {
    order[i] = i;
    if (in->indptr[i + 1] - in->indptr[i] > most) most = in->indptr[i + 1] - in->indptr[i];
  }
  if (n < MIN_ROWS) return DG_OK;
  DG_TRY(dg_alloc(&c.label, (size_t)n, sizeof *c.label));
  DG_TRY(dg_alloc(&c.size, (size_t)n, sizeof *c.size));
  DG_TRY(dg_alloc(&c.count, (size_t)n, sizeof *c.count));
  DG_TRY(dg_alloc(&c.seen, (size_t)most, sizeof *c.seen));
  propagate(&c, in);
  sort_by_cluster(order, &c, n);

cleanup:
  dg_free(&c.label);
  dg_free(&c.size);
  dg_free(&c.count);
  dg_free(&c.seen);
  return status;
}
