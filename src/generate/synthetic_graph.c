#include "generate/synthetic.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include <distgat/log.h>
#include <distgat/memory.h>
#include <distgat/rng.h>

/* Streams of random numbers. */
enum { KEY_TOPIC = 1, KEY_WEIGHT, KEY_STUBS, KEY_PARTNER };

enum { ATTEMPTS_NEAR = 4, ATTEMPTS_CLASS = 12, ATTEMPTS = 20 }; /* of a stub to find a partner, ever further away */

#define SHARE_TOPIC 0.75 /* of the citations inside a class: to the own topic */
#define SHARE_NEAR 0.98  /* and to this or topics near by; the others go anywhere */
#define SAMPLE_ROWS 200000
#define PROGRESS_NODES 65536

static double draw(const dg_synthetic *g, int stream, int64_t node, uint64_t counter) {
  return dg_rng_uniform(dg_rng_key(dg_rng_key(g->config->seed, (uint64_t)stream), (uint64_t)node), counter);
}

int32_t dg_synthetic_topic(const dg_synthetic *g, int64_t node) {
  return (int32_t)(draw(g, KEY_TOPIC, node, 0) * g->n_topics);
}

int32_t dg_synthetic_class(const dg_synthetic *g, int64_t node) {
  return dg_synthetic_topic(g, node) / g->class_topics;
}

/* Topics of 40 nodes, or more where nodes have many neighbours, as many in each class. */
static int32_t topics_per_class(const dg_generate_config *config) {
  double size = fmax(40, 8 * config->avg_degree);
  double topics = (double)config->n_nodes / size / config->n_classes;
  return topics < 1 ? 1 : (int32_t)topics;
}

/* Sorts nodes by topic and sums their weights, which follow a power law: (1 - u)^(-2/3) exceeds x with probability
   x^(-3/2), so that degrees fall off with exponent 2.5. */
static void fill_members(dg_synthetic *g) {
  int64_t n = g->config->n_nodes;
  for (int64_t i = 0; i < n; i++) g->start[dg_synthetic_topic(g, i) + 1]++;
  for (int32_t t = 0; t < g->n_topics; t++) g->start[t + 1] += g->start[t];
  for (int64_t i = 0; i < n; i++) g->member[g->start[dg_synthetic_topic(g, i)]++] = (int32_t)i;
  for (int32_t t = g->n_topics; t > 0; t--) g->start[t] = g->start[t - 1];
  g->start[0] = 0;
  for (int64_t k = 0; k < n; k++) g->weight[k + 1] = g->weight[k] + 1 / sqrt(1 - draw(g, KEY_WEIGHT, g->member[k], 0));
}

dg_status dg_synthetic_create(dg_synthetic *g, const dg_generate_config *config) {
  dg_status status = DG_OK;
  *g = (dg_synthetic){.config = config, .class_topics = topics_per_class(config), .stubs = config->avg_degree / 2};
  g->n_topics = g->class_topics * config->n_classes;
  DG_TRY(dg_alloc(&g->start, (size_t)g->n_topics + 1, sizeof *g->start));
  DG_TRY(dg_alloc(&g->member, (size_t)config->n_nodes, sizeof *g->member));
  DG_TRY(dg_alloc(&g->weight, (size_t)config->n_nodes + 1, sizeof *g->weight));
  fill_members(g);
cleanup:
  return status;
}

void dg_synthetic_destroy(dg_synthetic *g) {
  dg_free(&g->start);
  dg_free(&g->member);
  dg_free(&g->weight);
}

/* ---- Citations ---- */

/* The member at position x of the summed weights. */
static int32_t member_at(const dg_synthetic *g, double x, int64_t low, int64_t high) {
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    if (g->weight[middle] <= x)
      low = middle;
    else
      high = middle;
  }
  return g->member[low];
}

/* Draws among topics [first, last) by weight; -1 where they are empty. */
static int32_t pick_inside(const dg_synthetic *g, int32_t first, int32_t last, double u) {
  int64_t low = g->start[first], high = g->start[last];
  if (low == high) return -1;
  return member_at(g, g->weight[low] + u * (g->weight[high] - g->weight[low]), low, high);
}

/* Draws among all other topics by weight. */
static int32_t pick_outside(const dg_synthetic *g, int32_t first, int32_t last, double u) {
  int64_t low = g->start[first], high = g->start[last], n = g->config->n_nodes;
  if (high - low == n) return -1;
  double inside = g->weight[high] - g->weight[low], x = u * (g->weight[n] - inside);
  return x < g->weight[low] ? member_at(g, x, 0, low) : member_at(g, x + inside, high, n);
}

/* A step along the ring of a class' topics: d or more with probability 1 / d^2, either way. */
static int32_t step_from(int32_t position, int32_t length, double u, bool back) {
  double distance = floor(1 / sqrt(1 - u));
  int32_t step = (int32_t)fmod(distance, length);
  return (position + (back ? length - step : step)) % length;
}

/* One attempt to find whom a node of `topic` cites; -1 where there is nobody. Topics at the same place of their rings
   are near each other too, so that the graph can be cut well. */
static int32_t draw_partner(const dg_synthetic *g, int32_t topic, uint64_t key, int attempt) {
  int32_t n_classes = g->config->n_classes, length = g->class_topics, class = topic / length;
  int32_t first = class * length, last = first + length;
  double kind = dg_rng_uniform(key, 1), reach = dg_rng_uniform(key, 2), where = dg_rng_uniform(key, 3);
  double step = dg_rng_uniform(key, 4), u = dg_rng_uniform(key, 5);
  bool same_class = n_classes == 1 || kind < g->config->homophily;

  if (attempt >= ATTEMPTS_CLASS) return pick_inside(g, 0, g->n_topics, u);
  if (reach >= SHARE_NEAR || attempt >= ATTEMPTS_NEAR)
    return same_class ? pick_inside(g, first, last, u) : pick_outside(g, first, last, u);
  if (same_class && reach < SHARE_TOPIC) return pick_inside(g, topic, topic + 1, u);
  int32_t position = step_from(topic - first, length, step, where < 0.5);
  if (!same_class) {
    position = reach < SHARE_TOPIC ? topic - first : position;
    class = (class + 1 + (int32_t)(where * (n_classes - 1))) % n_classes;
  }
  return pick_inside(g, class * length + position, class * length + position + 1, u);
}

static bool contains(const int32_t *values, int32_t n, int32_t value) {
  for (int32_t k = 0; k < n; k++)
    if (values[k] == value) return true;
  return false;
}

/* Upper bound of the citations a node makes. */
static int32_t stubs_max(const dg_synthetic *g) {
  return (int32_t)fmin(2 * g->stubs + 1, (double)g->config->n_nodes - 1);
}

/* Whom a node cites, all different: partner [stubs_max]. Gives their number: around `stubs`, half of it at least. */
static int32_t draw_partners(int32_t *partner, const dg_synthetic *g, int32_t node) {
  double u = draw(g, KEY_STUBS, node, 0), wanted = g->stubs * (0.5 + 1.5 * u * u) + draw(g, KEY_STUBS, node, 1);
  int32_t topic = dg_synthetic_topic(g, node), n = 0, stubs = (int32_t)fmin(wanted, stubs_max(g));
  uint64_t key = dg_rng_key(dg_rng_key(g->config->seed, KEY_PARTNER), (uint64_t)node);
  for (int32_t k = 0; k < stubs; k++)
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      int32_t j = draw_partner(g, topic, dg_rng_key(key, (uint64_t)k * ATTEMPTS + (uint64_t)attempt), attempt);
      if (j < 0 || j == node || contains(partner, n, j)) continue;
      partner[n++] = j;
      break;
    }
  return n;
}

/* ---- Rows ---- */

typedef struct row_set {
  int64_t first, stride, n;
} row_set;

/* Number of a node among the rows wanted, or -1. */
static int64_t row_of(const row_set *rows, int64_t node) {
  int64_t offset = node - rows->first;
  if (offset < 0) return -1;
  if (rows->stride > 1 && offset % rows->stride != 0) return -1;
  offset /= rows->stride;
  return offset < rows->n ? offset : -1;
}

/* Counts the ends of all citations in the wanted rows, and stores them where indices is given; `at` [n] are the places
   of the next. */
static void scatter_ends(int64_t *at, int32_t *indices, const dg_synthetic *g, const row_set *rows, int32_t *partner) {
  for (int32_t i = 0; i < g->config->n_nodes; i++) {
    int64_t row = row_of(rows, i);
    int32_t n = draw_partners(partner, g, i);
    for (int32_t k = 0; k < n; k++) {
      int64_t other = row_of(rows, partner[k]);
      if (indices != NULL && row >= 0) indices[at[row]] = partner[k];
      if (indices != NULL && other >= 0) indices[at[other]] = i;
      if (row >= 0) at[row]++;
      if (other >= 0) at[other]++;
    }
    if (i % PROGRESS_NODES == 0) dg_progress("generate: edges", i, (long)g->config->n_nodes, "");
  }
  dg_progress("generate: edges", (long)g->config->n_nodes, (long)g->config->n_nodes, "");
}

static int compare_ids(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

/* Sorts every row, drops what is there twice, and closes the gaps. */
static void tidy_rows(dg_csr *edges) {
  int64_t kept = 0, start = 0;
  for (int64_t i = 0; i < edges->n_rows; i++) {
    int64_t end = edges->indptr[i + 1];
    int32_t last = -1;
    qsort(edges->indices + start, (size_t)(end - start), sizeof *edges->indices, compare_ids);
    for (int64_t k = start; k < end; k++) {
      if (edges->indices[k] == last) continue;
      last = edges->indices[k];
      edges->indices[kept++] = last;
    }
    start = end;
    edges->indptr[i + 1] = kept;
  }
}

dg_status dg_synthetic_edges(dg_csr *edges, const dg_synthetic *g, int64_t first, int64_t stride, int64_t n) {
  dg_status status = DG_OK;
  row_set rows = {first, stride, n};
  int32_t *partner = NULL;
  int64_t *at = NULL;
  *edges = (dg_csr){.n_rows = n};
  DG_TRY(dg_alloc(&partner, (size_t)stubs_max(g), sizeof *partner));
  DG_TRY(dg_alloc(&at, (size_t)n, sizeof *at));
  DG_TRY(dg_alloc(&edges->indptr, (size_t)n + 1, sizeof *edges->indptr));
  scatter_ends(at, NULL, g, &rows, partner);
  for (int64_t i = 0; i < n; i++) {
    edges->indptr[i + 1] = edges->indptr[i] + at[i];
    at[i] = edges->indptr[i];
  }
  DG_TRY(dg_alloc(&edges->indices, (size_t)edges->indptr[n], sizeof *edges->indices));
  scatter_ends(at, edges->indices, g, &rows, partner);
  tidy_rows(edges);
cleanup:
  dg_free(&at);
  dg_free(&partner);
  if (status != DG_OK) dg_csr_destroy(edges);
  return status;
}

/* Edges that all rows have at the present number of stubs, from a sample of them. */
static dg_status estimate_edges(double *n_edges, const dg_synthetic *g) {
  int64_t n = g->config->n_nodes, stride = (n + SAMPLE_ROWS - 1) / SAMPLE_ROWS, rows = (n + stride - 1) / stride;
  dg_csr edges;
  dg_status status = dg_synthetic_edges(&edges, g, 0, stride, rows);
  if (status == DG_OK) *n_edges = (double)edges.indptr[rows] * (double)n / (double)rows;
  dg_csr_destroy(&edges);
  return status;
}

dg_status dg_synthetic_calibrate(dg_synthetic *g) {
  double wanted = (double)g->config->n_nodes * g->config->avg_degree, best = g->stubs, best_error = INFINITY;
  double limit = (double)g->config->n_nodes;
  dg_status status = DG_OK;
  for (int round = 0; round < 6 && best_error > 0.005 * wanted; round++) {
    double found = 0;
    DG_TRY(estimate_edges(&found, g));
    if (fabs(found - wanted) < best_error) {
      best_error = fabs(found - wanted);
      best = g->stubs;
    }
    g->stubs = found > 0 ? fmin(g->stubs * wanted / found, limit) : 2 * g->stubs;
  }
cleanup:
  g->stubs = best;
  return status;
}
