#include <distgat/graph.h>

#include <stdio.h>

#include <distgat/memory.h>

#include "data/copies.h"
#include "data/masks.h"
#include "data/slab.h"

/* Stored features of nodes [first, first + n). */
static dg_status read_entries(int64_t *entries, dg_h5 *file, const dg_graph_info *info, int64_t first, int64_t n) {
  dg_status status = DG_OK;
  int64_t *indptr = NULL;
  for (int64_t i = 0; i < n; i++) entries[i] = info->n_features;
  if (!info->sparse) return DG_OK;
  DG_TRY(dg_alloc(&indptr, (size_t)n + 1, sizeof *indptr));
  DG_TRY(dg_slab_entries(indptr, file, info, first, n));
  for (int64_t i = 0; i < n; i++) entries[i] = indptr[i + 1] - indptr[i];

cleanup:
  dg_free(&indptr);
  return status;
}

typedef struct marking {
  uint8_t *mask;
  uint8_t bit;
} marking;

static dg_status mark(dg_id node, void *context) {
  const marking *m = context;
  m->mask[node] |= m->bit;
  return DG_OK;
}

static dg_status read_mask(uint8_t *mask, dg_h5 *file, const dg_graph_info *info, const char *wanted) {
  dg_status status = DG_OK;
  char split[DG_SPLIT_NAME];
  DG_TRY(dg_graph_choose_split(file, wanted, split));
  for (int k = 0; k < 3; k++) {
    marking m = {mask, (uint8_t)(DG_TRAIN << k)};
    DG_TRY(dg_split_each(file, info, split, dg_split_lists[k], mark, &m));
  }

cleanup:
  return status;
}

dg_status dg_outline_read(dg_outline *outline, dg_h5 *file, const dg_graph_info *info, const char *split) {
  dg_status status = DG_OK;
  *outline = (dg_outline){0};
  DG_TRY(dg_graph_read_edges(file, info, &outline->in));
  DG_TRY(dg_alloc(&outline->entries, (size_t)info->n_nodes, sizeof *outline->entries));
  DG_TRY(dg_alloc(&outline->mask, (size_t)info->n_nodes, sizeof *outline->mask));
  DG_TRY(read_entries(outline->entries, file, info, 0, info->n_nodes));
  DG_TRY(read_mask(outline->mask, file, info, split));

cleanup:
  if (status != DG_OK) dg_outline_destroy(outline);
  return status;
}

void dg_outline_destroy(dg_outline *outline) {
  dg_csr_destroy(&outline->in);
  dg_free(&outline->entries);
  dg_free(&outline->mask);
  *outline = (dg_outline){0};
}

/* ---- blocks ---- */

/* All but the mask; labels [blocks.n] are for its check. Local. */
static dg_status read_block(dg_outline_block *b, dg_labels *labels, dg_h5 *file, const dg_graph_info *info) {
  dg_status status = DG_OK;
  const int64_t first = b->blocks.first, n = b->blocks.n;
  DG_TRY(dg_slab_edges(&b->in, file, info, first, n));
  DG_TRY(dg_alloc(&b->entries, (size_t)n, sizeof *b->entries));
  DG_TRY(read_entries(b->entries, file, info, first, n));
  DG_TRY(dg_slab_labels(labels, file, info, first, n));
  DG_TRY(dg_alloc(&b->mask, (size_t)n, sizeof *b->mask));

cleanup:
  return status;
}

dg_status dg_outline_block_load(dg_outline_block *block, const dg_comm *comm, const char *path, const char *split) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  dg_graph_info info;
  dg_labels labels = {0};
  char chosen[DG_SPLIT_NAME] = "";
  *block = (dg_outline_block){0};
  DG_TRY(dg_copies_examine(comm, path));
  status = dg_graph_open(&file, &info, path);
  if (status == DG_OK && split != dg_no_split) status = dg_graph_choose_split(file, split, chosen);
  DG_TRY(dg_comm_agree(comm, status));
  DG_TRY(dg_copies_compare(comm, file, &info, split == dg_no_split ? NULL : chosen));
  block->n_classes = info.n_classes;
  block->blocks = dg_directory_blocks(comm, info.n_nodes);
  DG_TRY(dg_comm_agree(comm, read_block(block, &labels, file, &info)));
  DG_TRY(dg_masks_load(block->mask, comm, &block->blocks, file, &info, labels.one, chosen));

cleanup:
  dg_labels_destroy(&labels);
  dg_h5_close(&file);
  if (status != DG_OK) dg_outline_block_destroy(block);
  return status;
}

void dg_outline_block_destroy(dg_outline_block *block) {
  dg_in_edges_destroy(&block->in);
  dg_free(&block->entries);
  dg_free(&block->mask);
  *block = (dg_outline_block){0};
}

/* ---- levels ---- */

/* Raises in-neighbours of the `n` nodes of `front` to level k where they are below; those that had none go to its end.
   Returns their number. */
static int64_t raise_neighbours(uint16_t *level, const dg_csr *in, int32_t *front, int64_t n, int k) {
  int64_t end = n;
  for (int64_t f = 0; f < n; f++)
    for (int64_t t = in->indptr[front[f]]; t < in->indptr[front[f] + 1]; t++) {
      const int32_t j = in->indices[t];
      if (level[j] == 0) front[end++] = j;
      if (level[j] < k) level[j] = (uint16_t)k;
    }
  return end - n;
}

dg_status dg_levels_find(uint16_t *level, const dg_csr *in, int last, int first) {
  int32_t *front, *at;
  int64_t n = 0;
  const dg_status status = dg_alloc(&front, (size_t)in->n_rows, sizeof *front);
  if (status != DG_OK) return status;
  for (int64_t i = 0; i < in->n_rows; i++)
    if (level[i] > 0) front[n++] = (int32_t)i;
  at = front;
  for (int k = last; k >= first && n > 0; k--) {
    const int64_t more = raise_neighbours(level, in, at, n, k);
    at += n, n = more;
  }
  dg_free(&front);
  return DG_OK;
}
