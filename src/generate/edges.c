#include "generate/edges.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/log.h>
#include <distgat/memory.h>

#include "par/mail.h"

#define SAMPLE_ROWS 200000
#define PIECE_ENDS ((int64_t)1 << 20) /* that travel at a time */

enum { SHORT_ROW = 24 }; /* sorted without calls */

void dg_synthetic_edges_destroy(dg_synthetic_edges *edges) {
  dg_directory_destroy(&edges->rows);
  dg_free(&edges->indptr);
  dg_free(&edges->indices);
}

/* ---- Ends of citations travel to their rows ---- */

/* A row, counted among those wanted, and a neighbour of it. */
typedef struct end {
  int64_t row;
  dg_id neighbour;
} end;

/* Citations of some members, as ends. */
typedef struct parcel {
  int64_t n;
  end *ends;   /* [n] */
  int32_t *to; /* [n] ranks of their rows */
} parcel;

static void add_end(parcel *p, const dg_synthetic_edges *e, dg_id node, dg_id neighbour) {
  const int64_t row = e->stride == 1 ? node : node / e->stride;
  if (row * e->stride != node) return;
  p->ends[p->n] = (end){row, neighbour};
  p->to[p->n++] = dg_directory_rank(&e->rows, row);
}

static void pack(parcel *p, const dg_synthetic_edges *e, const dg_citations *c, int64_t first, int64_t last) {
  p->n = 0;
  for (int64_t i = first; i < last; i++) {
    const dg_id node = c->topics->member[i];
    for (int32_t k = 0; k < c->count[i]; k++) {
      const dg_id other = c->partner[c->start[i] + k];
      add_end(p, e, node, other);
      add_end(p, e, other, node);
    }
  }
}

/* Counts ends [n] in indptr, two places after their rows; or stores them, in a second pass, which moves the counts one
   place after. */
static void take_ends(dg_synthetic_edges *e, const end *ends, int64_t n) {
  int64_t *at = e->indptr + 1;
  const int64_t first = e->rows.first;
  if (e->indices == NULL)
    for (int64_t k = 0; k < n; k++) at[ends[k].row - first + 1]++;
  else
    for (int64_t k = 0; k < n; k++) e->indices[at[ends[k].row - first]++] = ends[k].neighbour;
}

/* Sends all ends to the ranks of their rows, piece by piece. Collective. */
static dg_status deliver(dg_synthetic_edges *e, const dg_citations *c) {
  const dg_comm *comm = c->topics->comm;
  const int64_t n = c->topics->n, all = dg_comm_max_int64(comm, n), most = 2 * (int64_t)dg_citations_most(c);
  const int64_t step = most < PIECE_ENDS ? PIECE_ENDS / (most + 1) + 1 : 1, room = step < n ? step : n;
  dg_status status = DG_OK;
  parcel p = {0};
  dg_mail mail = {.comm = comm};
  status = dg_alloc(&p.ends, (size_t)(room * most), sizeof *p.ends);
  if (status == DG_OK) status = dg_alloc(&p.to, (size_t)(room * most), sizeof *p.to);
  DG_TRY(dg_comm_agree(comm, status));
  for (int64_t first = 0; first < all; first += step) {
    pack(&p, e, c, first < n ? first : n, first + step < n ? first + step : n);
    DG_TRY(dg_mail_send(&mail, p.ends, p.to, p.n, sizeof *p.ends));
    take_ends(e, mail.come, mail.n_come);
    dg_progress(e->indices == NULL ? "generate: counting" : "generate: edges", (long)first, (long)all, "");
  }
cleanup:
  dg_free(&p.ends);
  dg_free(&p.to);
  dg_mail_destroy(&mail);
  return status;
}

/* ---- Rows ---- */

static int compare_ids(const void *a, const void *b) {
  const dg_id x = *(const dg_id *)a, y = *(const dg_id *)b;
  return (x > y) - (x < y);
}

static void sort_row(dg_id *row, int64_t n) {
  if (n > SHORT_ROW) {
    qsort(row, (size_t)n, sizeof *row, compare_ids);
    return;
  }
  for (int64_t k = 1; k < n; k++) {
    const dg_id value = row[k];
    int64_t at = k;
    for (; at > 0 && row[at - 1] > value; at--) row[at] = row[at - 1];
    row[at] = value;
  }
}

/* Sorts every row, drops what is there twice, and closes the gaps. */
static void tidy_rows(dg_synthetic_edges *e) {
  int64_t kept = 0, start = 0;
  for (int64_t i = 0; i < e->rows.n; i++) {
    const int64_t stop = e->indptr[i + 1];
    dg_id last = -1;
    sort_row(e->indices + start, stop - start);
    for (int64_t k = start; k < stop; k++) {
      if (e->indices[k] == last) continue;
      last = e->indices[k];
      e->indices[kept++] = last;
    }
    start = stop;
    e->indptr[i + 1] = kept;
  }
}

dg_status dg_synthetic_edges_create(dg_synthetic_edges *edges, const dg_citations *c, int64_t stride) {
  const dg_comm *comm = c->topics->comm;
  dg_status status = DG_OK;
  *edges = (dg_synthetic_edges){.stride = stride};
  edges->rows = dg_directory_blocks(comm, (c->topics->graph->config->n_nodes + stride - 1) / stride);
  const int64_t n = edges->rows.n;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&edges->indptr, (size_t)n + 2, sizeof *edges->indptr)));
  DG_TRY(deliver(edges, c));
  for (int64_t i = 0; i < n; i++) edges->indptr[i + 2] += edges->indptr[i + 1];
  DG_TRY(dg_comm_agree(comm, dg_alloc(&edges->indices, (size_t)edges->indptr[n + 1], sizeof *edges->indices)));
  DG_TRY(deliver(edges, c));
  tidy_rows(edges);
cleanup:
  if (status != DG_OK) dg_synthetic_edges_destroy(edges);
  return status;
}

/* ---- Calibration ---- */

/* Edges that all rows have, from a sample of them. Collective. */
static dg_status estimate_edges(double *n_edges, const dg_citations *c) {
  const int64_t n = c->topics->graph->config->n_nodes, stride = (n + SAMPLE_ROWS - 1) / SAMPLE_ROWS;
  dg_synthetic_edges edges;
  dg_status status = dg_synthetic_edges_create(&edges, c, stride);
  if (status != DG_OK) return status;
  int64_t found = edges.indptr[edges.rows.n];
  dg_comm_sum_int64(c->topics->comm, &found, 1);
  *n_edges = (double)found * (double)n / (double)edges.rows.n_nodes;
  dg_synthetic_edges_destroy(&edges);
  return DG_OK;
}

dg_status dg_synthetic_edges_calibrate(dg_citations *citations, const dg_topics *topics) {
  const dg_generate_config *config = topics->graph->config;
  const double n_nodes = (double)config->n_nodes, wanted = n_nodes * config->avg_degree;
  double stubs = config->avg_degree / 2, best = stubs, best_error = INFINITY;
  dg_status status = DG_OK;
  DG_TRY(dg_citations_draw(citations, topics, stubs));
  for (int round = 0; round < 6 && best_error > 0.005 * wanted; round++) {
    double found = 0;
    if (round > 0) DG_TRY(dg_citations_draw(citations, topics, stubs));
    DG_TRY(estimate_edges(&found, citations));
    if (fabs(found - wanted) < best_error) {
      best_error = fabs(found - wanted);
      best = stubs;
    }
    stubs = found > 0 ? fmin(stubs * wanted / found, n_nodes) : 2 * stubs;
  }
  if (citations->stubs != best) DG_TRY(dg_citations_draw(citations, topics, best));
cleanup:
  return status;
}

dg_status dg_synthetic_edges_make(dg_synthetic_edges *edges, const dg_comm *comm, const dg_synthetic *graph) {
  dg_status status = DG_OK;
  dg_topics topics;
  dg_citations citations = {0};
  DG_TRY(dg_topics_create(&topics, comm, graph));
  DG_TRY(dg_synthetic_edges_calibrate(&citations, &topics));
  DG_TRY(dg_synthetic_edges_create(edges, &citations, 1));
cleanup:
  dg_citations_destroy(&citations);
  dg_topics_destroy(&topics);
  return status;
}
