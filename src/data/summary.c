#include <distgat/summary.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "data/fingerprint.h"
#include "data/masks.h"
#include "data/slab.h"

/* A walk through a file, with what it has to remember of every node. */
typedef struct survey {
  dg_graph_summary *summary;
  dg_h5 *file;
  uint8_t *touched; /* [n_nodes] whether the node has an edge */
  dg_labels labels; /* of all nodes where each has one, else of a slab */
  dg_content content;
  uint64_t balance; /* sum over edges of a key of the pair, with the sign of their direction: 0 if undirected */
} survey;

static void note_edge(survey *s, int64_t from, int64_t to) {
  uint64_t low = (uint64_t)(from < to ? from : to), high = (uint64_t)(from < to ? to : from);
  uint64_t key = dg_rng_key(dg_rng_key(1, low), high);
  s->balance += from < to ? key : -key;
  s->touched[from] = s->touched[to] = 1;
}

static dg_status survey_edges(survey *s, int64_t first, int64_t n) {
  dg_in_edges edges;
  dg_graph_summary *sum = s->summary;
  dg_status status = dg_slab_edges(&edges, s->file, &sum->info, first, n);
  for (int64_t i = 0; i < n && status == DG_OK; i++) {
    int64_t degree = edges.indptr[i + 1] - edges.indptr[i];
    sum->degree_count[degree]++;
    if (degree > sum->max_degree) sum->max_degree = degree;
    for (int64_t k = edges.indptr[i]; k < edges.indptr[i + 1]; k++) note_edge(s, edges.source[k], first + i);
  }
  if (status == DG_OK) dg_content_edges(&s->content, &edges, first);
  for (int which = DG_EDGES_WEIGHT; which <= DG_EDGES_FEATURES && status == DG_OK; which++)
    status = dg_content_read_attributes(&s->content, s->file, &sum->info, (dg_edge_attributes)which, &edges, first);
  dg_in_edges_destroy(&edges);
  return status;
}

static dg_status survey_features(survey *s, int64_t first, int64_t n) {
  dg_features x;
  dg_status status = dg_slab_features(&x, s->file, &s->summary->info, first, n);
  if (status == DG_OK) {
    const float *values = x.sparse ? x.values : x.dense;
    int64_t n_values = x.sparse ? x.indptr[n] : n * x.n_cols;
    for (int64_t k = 0; k < n_values; k++) s->summary->n_nonzeros += values[k] != 0;
    dg_content_features(&s->content, &x, first);
  }
  dg_features_destroy(&x);
  return status;
}

/* Counts the classes of node i of the labels at hand; returns how many there are. */
static int64_t count_classes(survey *s, int64_t i) {
  const int n_classes = s->summary->info.n_classes;
  int64_t *count = s->summary->class_count, found = 0;
  if (s->labels.one && s->labels.one[i] >= 0) count[s->labels.one[i]]++, found++;
  for (int c = 0; s->labels.many && c < n_classes; c++)
    if (s->labels.many[i * n_classes + c]) count[c]++, found++;
  return found;
}

static dg_status survey_label_rows(survey *s, int64_t first, int64_t n) {
  dg_labels_destroy(&s->labels);
  const dg_graph_info *info = &s->summary->info;
  const dg_status status = dg_slab_labels(&s->labels, s->file, info, first, n);
  if (status != DG_OK) return status;
  for (int64_t i = 0; i < n; i++) {
    const int64_t found = count_classes(s, i);
    s->summary->n_labels += found;
    s->summary->unlabelled += found == 0;
  }
  dg_content_labels(&s->content, &s->labels, info->n_classes, first, n);
  return DG_OK;
}

/* Splits are checked by the labels of all nodes; several a node are checked slab by slab. */
static dg_status survey_labels(survey *s) {
  const dg_graph_info *info = &s->summary->info;
  const int64_t n = info->n_nodes, step = info->multilabel ? dg_slab_rows(info) : n;
  dg_status status = DG_OK;
  for (int64_t first = 0; first < n && status == DG_OK; first += step)
    status = survey_label_rows(s, first, step < n - first ? step : n - first);
  return status;
}

static dg_status count_split(const char *name, void *context) {
  (void)name;
  ++*(int *)context;
  return DG_OK;
}

static dg_status keep_split(const dg_split_summary *split, void *context) {
  dg_graph_summary *sum = context;
  sum->splits[sum->n_splits++] = *split;
  return DG_OK;
}

static dg_status survey_splits(survey *s) {
  dg_graph_summary *sum = s->summary;
  const dg_comm alone = {.mpi = MPI_COMM_SELF, .rank = 0, .size = 1};
  dg_status status = DG_OK;
  uint64_t sums[4];
  int n = 0;
  if (!dg_h5_exists(s->file, "splits")) return DG_OK;
  DG_TRY(dg_h5_each_group(s->file, "splits", count_split, &n));
  DG_TRY(dg_alloc(&sum->splits, (size_t)n, sizeof *sum->splits));
  DG_TRY(dg_splits_each(s->file, &sum->info, s->labels.one, keep_split, sum));
  DG_TRY(dg_masks_checksum(sums, s->file, &sum->info, NULL, &alone));
  sum->splits_fingerprint = sums[3];
cleanup:
  return status;
}

static dg_status survey_alloc(survey *s) {
  dg_graph_summary *sum = s->summary;
  size_t n = (size_t)sum->info.n_nodes;
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&s->touched, n, sizeof *s->touched));
  DG_TRY(dg_alloc(&sum->degree_count, n, sizeof *sum->degree_count));
  DG_TRY(dg_alloc(&sum->class_count, (size_t)sum->info.n_classes, sizeof *sum->class_count));
cleanup:
  return status;
}

dg_status dg_graph_summarize(dg_graph_summary *summary, const char *path) {
  dg_status status = DG_OK;
  survey s = {.summary = summary};
  *summary = (dg_graph_summary){0};
  DG_TRY(dg_graph_open(&s.file, &summary->info, path));
  DG_TRY(survey_alloc(&s));
  int64_t n = summary->info.n_nodes, step = dg_slab_rows(&summary->info);
  for (int64_t first = 0; first < n; first += step) {
    int64_t count = step < n - first ? step : n - first;
    DG_TRY(survey_edges(&s, first, count));
    DG_TRY(survey_features(&s, first, count));
  }
  DG_TRY(survey_labels(&s));
  DG_TRY(survey_splits(&s));
  summary->undirected = s.balance == 0;
  summary->fingerprint = dg_content_fingerprint(&s.content, &summary->info);
  for (int64_t i = 0; i < n; i++) summary->isolated += !s.touched[i];
cleanup:
  dg_free(&s.touched);
  dg_labels_destroy(&s.labels);
  dg_h5_close(&s.file);
  if (status != DG_OK) dg_graph_summary_destroy(summary);
  return status;
}

void dg_graph_summary_destroy(dg_graph_summary *summary) {
  dg_free(&summary->degree_count);
  dg_free(&summary->class_count);
  dg_free(&summary->splits);
  *summary = (dg_graph_summary){0};
}
