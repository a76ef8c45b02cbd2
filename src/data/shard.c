#include <distgat/graph.h>

#include <string.h>

#include <distgat/memory.h>

#include "base/id_map.h"
#include "data/copies.h"
#include "data/fingerprint.h"
#include "data/masks.h"
#include "data/normalize.h"
#include "data/route.h"
#include "data/slab.h"
#include "data/text.h"

const char dg_no_split[] = "";

/* A shard under construction. */
typedef struct loading {
  const dg_comm *comm;
  dg_shard *shard;
  dg_h5 *file;
  char split[DG_SPLIT_NAME];
  dg_route route;
  dg_id_map rows;     /* of owned nodes and of in-neighbours met so far, where there are other ranks */
  dg_content content; /* of the block that is read here */
  dg_edge_attributes attributes;
} loading;

static dg_status open_graph(loading *l, const char *path, const dg_shard_config *config) {
  dg_status status = DG_OK;
  dg_graph_info *info = &l->shard->info;
  DG_TRY(dg_graph_open(&l->file, info, path));
  l->attributes = config->edge_attributes;
  l->shard->edge_dim = dg_graph_edge_dim(info, l->attributes);
  DG_TRY(dg_graph_check_attributes(info, path, l->attributes));
  if (config->split != dg_no_split) DG_TRY(dg_graph_choose_split(l->file, config->split, l->split));
cleanup:
  return status;
}

/* Fixes who owns what. Collective. */
static dg_status prepare(loading *l, dg_directory *owners) {
  dg_status status = DG_OK;
  dg_shard *s = l->shard;
  const dg_directory *d = &s->owners;
  s->owners = owners != NULL ? *owners : dg_directory_blocks(l->comm, s->info.n_nodes);
  if (owners != NULL) *owners = (dg_directory){0};
  DG_CHECK(d->n_nodes == s->info.n_nodes);
  for (int64_t i = 0; d->owner && i < d->n; i++) DG_CHECK(d->owner[i] >= 0 && d->owner[i] < l->comm->size);
  DG_TRY(dg_route_create(&l->route, l->comm, &s->owners));
  s->n = (dg_row)l->route.n_own;
cleanup:
  return status;
}

/* Goes to the whole block. Collective. */
static dg_status turn_to_block(loading *l) {
  return dg_route_turn(&l->route, 0, l->shard->owners.block);
}

/* Pieces that a block, of which the first is the largest, is read in. */
static int64_t count_pieces(const loading *l, int64_t rows) {
  return (l->shard->owners.block + rows - 1) / rows;
}

/* Owned ids, of which the rows are known from here on. */
static dg_status load_ids(loading *l) {
  dg_status status = DG_OK;
  dg_shard *s = l->shard;
  const dg_directory *d = &s->owners;
  dg_id *ids = NULL;
  status = dg_alloc(&ids, (size_t)d->n, sizeof *ids);
  if (status == DG_OK) status = dg_alloc(&s->ids, (size_t)s->n, sizeof *s->ids);
  DG_TRY(dg_comm_agree(l->comm, status));
  for (int64_t i = 0; i < d->n; i++) ids[i] = d->first + i;
  DG_TRY(dg_route_rows(&l->route, s->ids, ids, sizeof *ids));
  if (l->comm->size > 1) status = dg_id_map_create(&l->rows, (size_t)s->n);
  for (dg_row i = 0; i < s->n && l->comm->size > 1 && status == DG_OK; i++) {
    dg_row row = i;
    status = dg_id_map_add(&l->rows, s->ids[i], &row);
  }
  DG_TRY(dg_comm_agree(l->comm, status));
cleanup:
  dg_free(&ids);
  return status;
}

/* Finds where ragged rows begin here, *indptr [n + 1], from where `starts` says that they do in the file. Collective.
 */
static dg_status load_indptr(loading *l, int64_t **indptr,
                             dg_status (*starts)(int64_t *indptr, dg_h5 *file, const dg_graph_info *info, int64_t first,
                                                 int64_t n)) {
  dg_status status = DG_OK;
  const dg_directory *d = &l->shard->owners;
  int64_t *block = NULL;
  status = dg_alloc(&block, (size_t)d->n + 1, sizeof *block);
  if (status == DG_OK) status = dg_alloc(indptr, (size_t)l->shard->n + 1, sizeof **indptr);
  if (status == DG_OK) status = starts(block, l->file, &l->shard->info, d->first, d->n);
  DG_TRY(dg_comm_agree(l->comm, status));
  for (int64_t i = 0; i < d->n; i++) block[i] = block[i + 1] - block[i];
  DG_TRY(dg_route_rows(&l->route, *indptr + 1, block, sizeof *block));
  for (dg_row i = 0; i < l->shard->n; i++) (*indptr)[i + 1] += (*indptr)[i];
cleanup:
  dg_free(&block);
  return status;
}

/* Turns sources into rows: owned ones into their places, foreign ones into rows n, n + 1 ... as they are met. One rank
   alone owns all, and ids are rows. */
static dg_status name_sources(int64_t first, const void *entries, int64_t n, void *context) {
  loading *l = context;
  dg_shard *s = l->shard;
  const dg_id *source = entries;
  for (int64_t k = 0; k < n; k++) {
    const int64_t next = (int64_t)s->n + s->n_halo;
    dg_row row = (dg_row)(l->comm->size == 1 ? source[k] : next);
    if (next == INT32_MAX)
      return dg_fail(DG_MEMORY, "%d rows and rows of other ranks on one rank; start more ranks", INT32_MAX);
    const dg_status status = l->comm->size == 1 ? DG_OK : dg_id_map_add(&l->rows, source[k], &row);
    if (status != DG_OK) return status;
    s->n_halo += row == next;
    s->in.indices[first + k] = row;
  }
  return DG_OK;
}

/* Puts the ids of foreign rows behind the others. */
static dg_status list_ids(loading *l) {
  dg_status status = DG_OK;
  dg_shard *s = l->shard;
  dg_id *ids = NULL;
  if (s->n_halo == 0) return DG_OK;
  DG_TRY(dg_alloc(&ids, l->rows.count, sizeof *ids));
  for (size_t slot = 0; slot < l->rows.slots; slot++)
    if (l->rows.key[slot] != 0) ids[l->rows.row[slot]] = l->rows.key[slot] - 1;
  dg_free(&s->ids);
  s->ids = ids;
cleanup:
  return status;
}

static dg_status take_attributes(int64_t first, const void *entries, int64_t n, void *context) {
  const loading *l = context;
  const size_t dim = (size_t)l->shard->edge_dim;
  if (n > 0) memcpy(l->shard->edge_attributes + (size_t)first * dim, entries, (size_t)n * dim * sizeof(float));
  return DG_OK;
}

/* Gives the attributes of a piece's edges to the owners of these. Collective. */
static dg_status load_attributes(loading *l, const dg_in_edges *piece) {
  dg_status status = DG_OK;
  const dg_shard *s = l->shard;
  float *values = NULL;
  if (s->edge_dim == 0) return DG_OK;
  status = dg_slab_attributes(&values, l->file, &s->info, l->attributes, piece, l->route.first);
  DG_TRY(dg_comm_agree(l->comm, status));
  dg_content_attributes(&l->content, values, s->edge_dim, piece, l->route.first);
  const dg_ragged rows = {values, piece->indptr, (size_t)s->edge_dim * sizeof *values};
  DG_TRY(dg_route_entries(&l->route, s->in.indptr, rows, take_attributes, l));
cleanup:
  dg_free(&values);
  return status;
}

static dg_status alloc_edges(dg_shard *s) {
  const size_t n = (size_t)s->in.indptr[s->in.n_rows];
  dg_status status = dg_alloc(&s->in.indices, n, sizeof *s->in.indices);
  if (status == DG_OK && s->edge_dim > 0)
    status = dg_alloc(&s->edge_attributes, n * (size_t)s->edge_dim, sizeof *s->edge_attributes);
  return status;
}

static dg_status load_edges(loading *l) {
  dg_status status = DG_OK;
  dg_csr *in = &l->shard->in;
  dg_in_edges piece = {0};
  const int64_t rows = dg_slab_rows(&l->shard->info), n_pieces = count_pieces(l, rows);
  DG_TRY(load_indptr(l, &in->indptr, dg_slab_starts));
  in->n_rows = l->shard->n;
  DG_TRY(dg_comm_agree(l->comm, alloc_edges(l->shard)));
  for (int64_t k = 0; k < n_pieces; k++) {
    DG_TRY(dg_route_turn(&l->route, k, rows));
    DG_TRY(dg_comm_agree(l->comm, dg_slab_edges(&piece, l->file, &l->shard->info, l->route.first, l->route.n)));
    dg_content_edges(&l->content, &piece, l->route.first);
    const dg_ragged sources = {piece.source, piece.indptr, sizeof *piece.source};
    DG_TRY(dg_route_entries(&l->route, in->indptr, sources, name_sources, l));
    DG_TRY(load_attributes(l, &piece));
    dg_in_edges_destroy(&piece);
  }
  DG_TRY(dg_comm_agree(l->comm, list_ids(l)));
  dg_id_map_destroy(&l->rows);
cleanup:
  dg_in_edges_destroy(&piece);
  return status;
}

static dg_status alloc_features(dg_features *x) {
  dg_status status = DG_OK;
  if (!x->sparse) return dg_alloc(&x->dense, (size_t)x->n_rows * (size_t)x->n_cols, sizeof *x->dense);
  DG_TRY(dg_alloc(&x->indices, (size_t)x->indptr[x->n_rows], sizeof *x->indices));
  DG_TRY(dg_alloc(&x->values, (size_t)x->indptr[x->n_rows], sizeof *x->values));
cleanup:
  return status;
}

static dg_status take_columns(int64_t first, const void *entries, int64_t n, void *context) {
  const loading *l = context;
  if (n > 0) memcpy(l->shard->features.indices + first, entries, (size_t)n * sizeof(int32_t));
  return DG_OK;
}

static dg_status take_values(int64_t first, const void *entries, int64_t n, void *context) {
  const loading *l = context;
  if (n > 0) memcpy(l->shard->features.values + first, entries, (size_t)n * sizeof(float));
  return DG_OK;
}

/* Collective. */
static dg_status route_features(loading *l, const dg_features *piece) {
  dg_status status = DG_OK;
  dg_features *x = &l->shard->features;
  if (!x->sparse) return dg_route_rows(&l->route, x->dense, piece->dense, (size_t)x->n_cols * sizeof *x->dense);
  const dg_ragged columns = {piece->indices, piece->indptr, sizeof *piece->indices};
  const dg_ragged values = {piece->values, piece->indptr, sizeof *piece->values};
  DG_TRY(dg_route_entries(&l->route, x->indptr, columns, take_columns, l));
  DG_TRY(dg_route_entries(&l->route, x->indptr, values, take_values, l));
cleanup:
  return status;
}

static dg_status load_features(loading *l) {
  dg_status status = DG_OK;
  const dg_graph_info *info = &l->shard->info;
  const int64_t rows = dg_slab_rows(info), n_pieces = count_pieces(l, rows);
  dg_features *x = &l->shard->features, piece = {0};
  *x = (dg_features){.sparse = info->sparse, .n_rows = l->shard->n, .n_cols = info->n_features};
  DG_TRY(turn_to_block(l));
  if (x->sparse) DG_TRY(load_indptr(l, &x->indptr, dg_slab_entries));
  DG_TRY(dg_comm_agree(l->comm, alloc_features(x)));
  for (int64_t k = 0; k < n_pieces; k++) {
    DG_TRY(dg_route_turn(&l->route, k, rows));
    DG_TRY(dg_comm_agree(l->comm, dg_slab_features(&piece, l->file, info, l->route.first, l->route.n)));
    dg_content_features(&l->content, &piece, l->route.first);
    DG_TRY(route_features(l, &piece));
    dg_features_destroy(&piece);
  }
cleanup:
  dg_features_destroy(&piece);
  return status;
}

/* The classes of nodes that have several, a piece at a time. */
static dg_status load_classes(loading *l) {
  dg_status status = DG_OK;
  dg_shard *s = l->shard;
  const size_t row = (size_t)s->info.n_classes;
  const int64_t rows = dg_slab_rows(&s->info), n_pieces = count_pieces(l, rows);
  dg_labels piece = {0};
  DG_TRY(dg_comm_agree(l->comm, dg_alloc(&s->classes, (size_t)s->n * row, 1)));
  for (int64_t k = 0; k < n_pieces; k++) {
    DG_TRY(dg_route_turn(&l->route, k, rows));
    DG_TRY(dg_comm_agree(l->comm, dg_slab_labels(&piece, l->file, &s->info, l->route.first, l->route.n)));
    dg_content_labels(&l->content, &piece, s->info.n_classes, l->route.first, l->route.n);
    DG_TRY(dg_route_rows(&l->route, s->classes, piece.many, row));
    dg_labels_destroy(&piece);
  }
cleanup:
  dg_labels_destroy(&piece);
  return status;
}

/* The masks of nodes that splits name, and labels where each node has one. */
static dg_status load_labels(loading *l) {
  dg_status status = DG_OK;
  dg_shard *s = l->shard;
  const dg_directory *d = &s->owners;
  const bool one = !s->info.multilabel;
  dg_labels labels = {0};
  uint8_t *mask = NULL;
  status = dg_alloc(&mask, (size_t)d->n, sizeof *mask);
  if (status == DG_OK) status = dg_alloc(&s->mask, (size_t)s->n, sizeof *s->mask);
  if (status == DG_OK && one) status = dg_alloc(&s->labels, (size_t)s->n, sizeof *s->labels);
  if (status == DG_OK && one) status = dg_slab_labels(&labels, l->file, &s->info, d->first, d->n);
  DG_TRY(dg_comm_agree(l->comm, status));
  if (one) dg_content_labels(&l->content, &labels, s->info.n_classes, d->first, d->n);
  DG_TRY(dg_masks_load(mask, l->comm, d, l->file, &s->info, labels.one, l->split));
  DG_TRY(turn_to_block(l));
  if (one) DG_TRY(dg_route_rows(&l->route, s->labels, labels.one, sizeof *labels.one));
  DG_TRY(dg_route_rows(&l->route, s->mask, mask, sizeof *mask));
  if (!one) DG_TRY(load_classes(l));
cleanup:
  dg_labels_destroy(&labels);
  dg_free(&mask);
  return status;
}

/* Counts the split at hand, and warns where its lists overlap. Collective. */
static void count_split(dg_shard *shard, const dg_comm *comm, const char *path, const char *split) {
  dg_overlap here = {0};
  int64_t count[6] = {0};
  for (int32_t i = 0; i < shard->n; i++) {
    for (int k = 0; k < 3; k++) count[k] += shard->mask[i] >> k & 1;
    dg_overlap_note(&here, shard->mask[i]);
  }
  count[3] = here.train_val, count[4] = here.train_test, count[5] = here.val_test;
  dg_comm_sum_int64(comm, count, 6);
  shard->n_train = count[0], shard->n_val = count[1], shard->n_test = count[2];
  if (comm->rank == 0) dg_overlap_warn(&(dg_overlap){count[3], count[4], count[5]}, path, split);
}

dg_status dg_shard_load(dg_shard *shard, const dg_comm *comm, const char *path, dg_directory *owners,
                        const dg_shard_config *config) {
  dg_status status = DG_OK;
  loading l = {.comm = comm, .shard = shard};
  *shard = (dg_shard){0};
  DG_TRY(dg_copies_examine(comm, path));
  DG_TRY(dg_comm_agree(comm, open_graph(&l, path, config)));
  DG_TRY(dg_copies_compare(comm, l.file, &shard->info, config->split == dg_no_split ? NULL : l.split));
  DG_TRY(prepare(&l, owners));
  DG_TRY(load_ids(&l));
  DG_TRY(load_edges(&l));
  DG_TRY(load_features(&l));
  DG_TRY(load_labels(&l));
  dg_content_sum(&l.content, comm->mpi);
  shard->fingerprint = dg_content_fingerprint(&l.content, &shard->info);
  shard->edge_checksum = l.content.attributes;
  count_split(shard, comm, path, l.split);
  dg_text_copy(shard->split, sizeof shard->split, l.split);
  if (config->normalize == DG_NORMALIZE_ROW) DG_TRY(dg_normalize_rows(&shard->features, comm, path));
  if (config->normalize == DG_NORMALIZE_STANDARDIZE)
    DG_TRY(dg_standardize_columns(&shard->features, shard->info.n_nodes, comm, path));
cleanup:
  if (owners != NULL) dg_directory_destroy(owners);
  if (status != DG_OK) dg_shard_destroy(shard);
  dg_route_destroy(&l.route);
  dg_id_map_destroy(&l.rows);
  dg_h5_close(&l.file);
  return status;
}

void dg_shard_destroy(dg_shard *shard) {
  dg_csr_destroy(&shard->in);
  dg_features_destroy(&shard->features);
  dg_directory_destroy(&shard->owners);
  dg_free(&shard->ids);
  dg_free(&shard->edge_attributes);
  dg_free(&shard->labels);
  dg_free(&shard->classes);
  dg_free(&shard->mask);
  *shard = (dg_shard){0};
}
