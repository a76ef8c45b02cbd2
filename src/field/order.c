#include "field/order.h"

#include <stdbool.h>

#include <distgat/memory.h>

#include "base/queue.h"

/* A cluster's rows, some hundred bytes each, fit the caches nearest to a core; fewer rows than a few clusters fit as
   they are. */
enum { MAX_CLUSTER = 4096, MIN_ROWS = 4 * MAX_CLUSTER, ROUNDS = 4 };

/* Rows that a cache shared by cores holds: a cluster follows those of this window that it is tied to most. Weak ties
   do not count. */
enum { WINDOW = 1 << 17, MAX_TIES = 512 };

/* Workspace of label propagation. */
typedef struct clustering {
  int32_t *label; /* [n] cluster of each row, named by one of its first rows; once numbered, by its number */
  int32_t *size;  /* [n] rows of a cluster */
  int32_t *count; /* [n] neighbours in a cluster of the row, or of the cluster, at hand; else zero */
  int32_t *seen;  /* [n] clusters with a count */
} clustering;

/* Clusters, in the order of their first rows, and how they are tied. */
typedef struct clusters {
  int32_t n;
  dg_row *row;     /* [n_rows] rows of cluster k, in their own order: row[begin[k]] ... */
  int32_t *begin;  /* [n + 1] */
  int64_t *indptr; /* [n + 1] ties of cluster k: indptr[k] ... */
  int32_t *to;     /* clusters that its rows gather from */
  int32_t *weight; /* by so many edges */
} clusters;

/* ---- Clusters ---- */

/* Counts one more neighbour in cluster l. */
static void meet(clustering *c, int32_t *n_seen, int32_t l) {
  if (c->count[l]++ == 0) c->seen[(*n_seen)++] = l;
}

/* The cluster that most owned neighbours of row i are in and that has room; the present one where none has more. */
static int32_t choose(clustering *c, const dg_csr *in, dg_row i) {
  int32_t n_seen = 0, best = c->label[i];
  for (int64_t t = in->indptr[i]; t < in->indptr[i + 1]; t++)
    if (in->indices[t] < in->n_rows) meet(c, &n_seen, c->label[in->indices[t]]);
  for (int32_t s = 0; s < n_seen; s++)
    if (c->count[c->seen[s]] > c->count[best] && c->size[c->seen[s]] < MAX_CLUSTER) best = c->seen[s];
  for (int32_t s = 0; s < n_seen; s++) c->count[c->seen[s]] = 0;
  return best;
}

/* Label propagation (Raghavan, Albert and Kumara 2007) with bounded clusters, row after row, until few move. */
static void propagate(clustering *c, const dg_csr *in) {
  const int32_t n = (int32_t)in->n_rows;
  int32_t moved = n;
  for (dg_row i = 0; i < n; i++) c->label[i] = i, c->size[i] = 1;
  for (int round = 0; round < ROUNDS && moved > n / 64; round++) {
    moved = 0;
    for (dg_row i = 0; i < n; i++) {
      const int32_t best = choose(c, in, i);
      moved += best != c->label[i];
      c->size[c->label[i]]--;
      c->size[best]++;
      c->label[i] = best;
    }
  }
}

/* Numbers clusters in the order of their first rows, and lists their rows. */
static dg_status list_rows(clusters *k, clustering *c, int32_t n) {
  dg_status status = DG_OK;
  for (dg_row i = 0; i < n; i++) {
    const int32_t l = c->label[i];
    if (c->count[l] == 0) c->count[l] = ++k->n;
    c->label[i] = c->count[l] - 1;
  }
  for (dg_row i = 0; i < n; i++) c->count[i] = 0;
  DG_TRY(dg_alloc(&k->row, (size_t)n, sizeof *k->row));
  DG_TRY(dg_alloc(&k->begin, (size_t)k->n + 2, sizeof *k->begin));
  int32_t *next = k->begin + 1; /* becomes the end of each cluster while it is filled */
  for (dg_row i = 0; i < n; i++) next[c->label[i] + 1]++;
  for (int32_t a = 0; a < k->n; a++) next[a + 1] += next[a];
  for (dg_row i = 0; i < n; i++) k->row[next[c->label[i]]++] = i;

cleanup:
  return status;
}

static int32_t rows_of(const clusters *k, int32_t a) {
  return k->begin[a + 1] - k->begin[a];
}

/* ---- Ties ---- */

/* Ties that hold 1 / MAX_TIES of a cluster's edges to others, or more. */
static void tie(clusters *k, clustering *c, const dg_csr *in, int32_t a) {
  int32_t n_seen = 0;
  int64_t edges = 0, at = k->indptr[a];
  for (int32_t s = k->begin[a]; s < k->begin[a + 1]; s++)
    for (int64_t t = in->indptr[k->row[s]]; t < in->indptr[k->row[s] + 1]; t++) {
      const dg_row j = in->indices[t];
      if (j < in->n_rows && c->label[j] != a) meet(c, &n_seen, c->label[j]), edges++;
    }
  for (int32_t s = 0; s < n_seen; s++) {
    const int32_t b = c->seen[s], weight = c->count[b];
    c->count[b] = 0;
    if ((int64_t)weight * MAX_TIES >= edges) k->to[at] = b, k->weight[at++] = weight;
  }
  k->indptr[a + 1] = at;
}

static dg_status tie_all(clusters *k, clustering *c, const dg_csr *in) {
  dg_status status = DG_OK;
  int64_t most = 0;
  for (int32_t a = 0; a < k->n; a++) {
    int64_t edges = 0;
    for (int32_t s = k->begin[a]; s < k->begin[a + 1]; s++) edges += in->indptr[k->row[s] + 1] - in->indptr[k->row[s]];
    most += edges < MAX_TIES ? edges : MAX_TIES;
  }
  DG_TRY(dg_alloc(&k->indptr, (size_t)k->n + 1, sizeof *k->indptr));
  DG_TRY(dg_alloc(&k->to, (size_t)most, sizeof *k->to));
  DG_TRY(dg_alloc(&k->weight, (size_t)most, sizeof *k->weight));
  for (int32_t a = 0; a < k->n; a++) tie(k, c, in, a);

cleanup:
  return status;
}

/* ---- Arrangement ---- */

/* Clusters that have no place yet: the one that is most tied to those in the window, for its size, is first. */
typedef struct waiting {
  const clusters *k;
  int64_t *score; /* [k->n] edges to the window */
  dg_queue queue;
} waiting;

/* Cluster a enters the window, sign 1, or leaves it, -1. */
static void pull(waiting *w, int32_t a, int sign) {
  for (int64_t t = w->k->indptr[a]; t < w->k->indptr[a + 1]; t++) {
    const int32_t b = w->k->to[t];
    w->score[b] += sign * w->k->weight[t];
    if (dg_queue_has(&w->queue, b)) dg_queue_put(&w->queue, b, (double)w->score[b] / (double)rows_of(w->k, b));
  }
}

/* Lists the clusters so that each is the one most tied to those shortly before it: sequence [k->n]. As Gorder does with
   nodes (Wei, Yu, Lu and Lin 2016). */
static dg_status arrange(int32_t *sequence, const clusters *k) {
  dg_status status = DG_OK;
  waiting w = {.k = k};
  int64_t rows = 0;
  DG_TRY(dg_alloc(&w.score, (size_t)k->n, sizeof *w.score));
  DG_TRY(dg_queue_create(&w.queue, k->n));
  for (int32_t a = 0; a < k->n; a++) dg_queue_put(&w.queue, a, 0);
  for (int32_t s = 0, oldest = 0; s < k->n; s++) {
    sequence[s] = dg_queue_take(&w.queue);
    rows += rows_of(k, sequence[s]);
    pull(&w, sequence[s], 1);
    for (; rows > WINDOW; oldest++) {
      rows -= rows_of(k, sequence[oldest]);
      pull(&w, sequence[oldest], -1);
    }
  }

cleanup:
  dg_free(&w.score);
  dg_queue_destroy(&w.queue);
  return status;
}

/* ---- Order ---- */

/* Rows of a cluster in their own order, clusters in that of their first rows or, where they are many, of arrange. */
static dg_status order_clusters(dg_row *order, clustering *c, const dg_csr *in) {
  dg_status status = DG_OK;
  clusters k = {0};
  int32_t *sequence = NULL;
  dg_row at = 0;
  DG_TRY(list_rows(&k, c, (int32_t)in->n_rows));
  DG_TRY(dg_alloc(&sequence, (size_t)k.n, sizeof *sequence));
  for (int32_t a = 0; a < k.n; a++) sequence[a] = a;
  if (in->n_rows >= DG_ARRANGED_ROWS) {
    DG_TRY(tie_all(&k, c, in));
    DG_TRY(arrange(sequence, &k));
  }
  for (int32_t s = 0; s < k.n; s++)
    for (int32_t r = k.begin[sequence[s]]; r < k.begin[sequence[s] + 1]; r++) order[at++] = k.row[r];

cleanup:
  dg_free(&k.row);
  dg_free(&k.begin);
  dg_free(&k.indptr);
  dg_free(&k.to);
  dg_free(&k.weight);
  dg_free(&sequence);
  return status;
}

dg_status dg_order_rows(dg_row *order, const dg_csr *in) {
  dg_status status = DG_OK;
  clustering c = {0};
  const size_t n = (size_t)in->n_rows;
  for (dg_row i = 0; i < in->n_rows; i++) order[i] = i;
  if (in->n_rows < MIN_ROWS) return DG_OK;
  DG_TRY(dg_alloc(&c.label, n, sizeof *c.label));
  DG_TRY(dg_alloc(&c.size, n, sizeof *c.size));
  DG_TRY(dg_alloc(&c.count, n, sizeof *c.count));
  DG_TRY(dg_alloc(&c.seen, n, sizeof *c.seen));
  propagate(&c, in);
  DG_TRY(order_clusters(order, &c, in));

cleanup:
  dg_free(&c.label);
  dg_free(&c.size);
  dg_free(&c.count);
  dg_free(&c.seen);
  return status;
}
