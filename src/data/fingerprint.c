#include "data/fingerprint.h"

#include <string.h>

#include <distgat/memory.h>

/* Columns that are summed before they are mixed. */
#define TILE 512

enum { EDGES = 1, FEATURES, COLUMNS, LABELS, SIZES, ATTRIBUTES };

/* Finalizer of SplitMix64 (Steele, Lea, Flood 2014). Not that of rng.h: fingerprints are stored, and must not change
   with the random numbers of training. */
static uint64_t mix(uint64_t key, uint64_t word) {
  uint64_t x = key + 0x9E3779B97F4A7C15u * (word + 1);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

/* One row's part: what it is, whose it is, what it says. */
static uint64_t mix_row(uint64_t what, int64_t node, uint64_t value) {
  return mix(mix(mix(0, what), (uint64_t)node), value);
}

static uint64_t value_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return value == 0 ? 0 : bits;
}

void dg_content_edges(dg_content *content, const dg_in_edges *edges, int64_t first) {
  for (int64_t i = 0; i < edges->n_rows; i++) {
    uint64_t row = 0;
    for (int64_t k = edges->indptr[i]; k < edges->indptr[i + 1]; k++) row += mix(EDGES, (uint64_t)edges->source[k]);
    content->edges += mix_row(EDGES, first + i, row);
  }
}

void dg_content_attributes(dg_content *content, const float *values, int dim, const dg_in_edges *edges, int64_t first) {
  for (int64_t i = 0; i < edges->n_rows; i++)
    for (int64_t k = edges->indptr[i]; k < edges->indptr[i + 1]; k++) {
      uint64_t edge = mix(ATTRIBUTES, (uint64_t)edges->source[k]);
      for (int c = 0; c < dim; c++) edge = mix(edge, value_bits(values[k * dim + c]));
      content->attributes += mix_row(ATTRIBUTES, first + i, edge);
    }
}

/* ---- Features: a tile of a row is the sum of its entries, each times the odd key of its column (multilinear hashing,
   Lemire and Kaser 2014); zeros of either sign add nothing, so that dense and sparse rows agree. */

static uint64_t column_key(int64_t column) {
  return mix(COLUMNS, (uint64_t)column) | 1;
}

static uint64_t mix_tile(int64_t node, int64_t tile, uint64_t sum) {
  return sum == 0 ? 0 : mix_row(mix(FEATURES, (uint64_t)tile), node, sum);
}

static void add_dense(dg_content *content, const dg_features *x, int64_t first) {
  uint64_t key[TILE];
  for (int64_t begin = 0; begin < x->n_cols; begin += TILE) {
    const int width = x->n_cols - begin < TILE ? (int)(x->n_cols - begin) : TILE;
    for (int c = 0; c < width; c++) key[c] = column_key(begin + c);
    for (int64_t i = 0; i < x->n_rows; i++) {
      const float *row = x->dense + i * x->n_cols + begin;
      uint64_t sum = 0;
      for (int c = 0; c < width; c++) sum += key[c] * value_bits(row[c]);
      content->features += mix_tile(first + i, begin / TILE, sum);
    }
  }
}

static void add_sparse(dg_content *content, const dg_features *x, int64_t first) {
  for (int64_t i = 0; i < x->n_rows; i++)
    for (int64_t k = x->indptr[i]; k < x->indptr[i + 1];) {
      const int64_t tile = x->indices[k] / TILE;
      uint64_t sum = 0;
      for (; k < x->indptr[i + 1] && x->indices[k] / TILE == tile; k++)
        sum += column_key(x->indices[k]) * value_bits(x->values[k]);
      content->features += mix_tile(first + i, tile, sum);
    }
}

void dg_content_features(dg_content *content, const dg_features *x, int64_t first) {
  x->sparse ? add_sparse(content, x, first) : add_dense(content, x, first);
}

/* ---- Labels ---- */

void dg_content_labels(dg_content *content, const dg_labels *labels, int n_classes, int64_t first, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    uint64_t row = labels->one ? (uint64_t)labels->one[i] : mix(LABELS, (uint64_t)n_classes);
    for (int c = 0; labels->many && c < n_classes; c++) row += labels->many[i * n_classes + c] * column_key(c);
    content->labels += mix_row(LABELS, first + i, row);
  }
}

/* ---- Whole graphs ---- */

dg_status dg_content_read_attributes(dg_content *content, dg_h5 *file, const dg_graph_info *info,
                                     dg_edge_attributes which, const dg_in_edges *edges, int64_t first) {
  const int dim = dg_graph_edge_dim(info, which);
  float *values = NULL;
  if (dim == 0) return DG_OK;
  const dg_status status = dg_slab_attributes(&values, file, info, which, edges, first);
  if (status == DG_OK) dg_content_attributes(content, values, dim, edges, first);
  dg_free(&values);
  return status;
}

static dg_status read_slab(dg_content *content, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  dg_status status = DG_OK;
  dg_in_edges edges = {0};
  dg_features x = {0};
  dg_labels labels = {0};
  DG_TRY(dg_slab_edges(&edges, file, info, first, n));
  dg_content_edges(content, &edges, first);
  DG_TRY(dg_content_read_attributes(content, file, info, DG_EDGES_WEIGHT, &edges, first));
  DG_TRY(dg_content_read_attributes(content, file, info, DG_EDGES_FEATURES, &edges, first));
  DG_TRY(dg_slab_features(&x, file, info, first, n));
  dg_content_features(content, &x, first);
  DG_TRY(dg_slab_labels(&labels, file, info, first, n));
  dg_content_labels(content, &labels, info->n_classes, first, n);
cleanup:
  dg_labels_destroy(&labels);
  dg_features_destroy(&x);
  dg_in_edges_destroy(&edges);
  return status;
}

dg_status dg_content_read(dg_content *content, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  const int64_t step = dg_slab_rows(info), end = first + n;
  dg_status status = DG_OK;
  for (; first < end && status == DG_OK; first += step)
    status = read_slab(content, file, info, first, step < end - first ? step : end - first);
  return status;
}

void dg_content_sum(dg_content *content, MPI_Comm comm) {
  uint64_t sums[4] = {content->edges, content->features, content->labels, content->attributes};
  MPI_Allreduce(MPI_IN_PLACE, sums, 4, MPI_UINT64_T, MPI_SUM, comm);
  *content = (dg_content){sums[0], sums[1], sums[2], sums[3]};
}

uint64_t dg_content_fingerprint(const dg_content *content, const dg_graph_info *info) {
  const uint64_t words[] = {content->edges,           content->features,       content->labels,
                            (uint64_t)info->n_nodes,  (uint64_t)info->n_edges, (uint64_t)info->n_features,
                            (uint64_t)info->n_classes};
  uint64_t fingerprint = SIZES;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) fingerprint = mix(fingerprint, words[i]);
  return fingerprint == 0 ? 1 : fingerprint; /* 0 stands for none */
}

dg_status dg_graph_fingerprint(uint64_t *fingerprint, dg_h5 *file, const dg_graph_info *info) {
  dg_content content = {0};
  const dg_status status = dg_content_read(&content, file, info, 0, info->n_nodes);
  *fingerprint = dg_content_fingerprint(&content, info);
  return status;
}

dg_status dg_graph_fingerprint_together(uint64_t *fingerprint, const dg_comm *comm, const char *path) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  dg_graph_info info;
  dg_content content = {0};
  DG_TRY(dg_comm_agree(comm, dg_graph_open(&file, &info, path)));
  const dg_directory nodes = dg_directory_blocks(comm, info.n_nodes);
  DG_TRY(dg_comm_agree(comm, dg_content_read(&content, file, &info, nodes.first, nodes.n)));
  dg_content_sum(&content, comm->mpi);
  *fingerprint = dg_content_fingerprint(&content, &info);
cleanup:
  dg_h5_close(&file);
  return status;
}
