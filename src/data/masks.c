#include "data/masks.h"

#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "data/slab.h"
#include "par/mail.h"

/* Entries of a list that a rank reads at a time, which travel as ids and lie here twice. */
static int64_t piece_length(void) {
  return dg_slab_bytes / 32 + 1;
}

/* ---- marks ---- */

typedef struct marker {
  const dg_comm *comm;
  const dg_directory *blocks;
  dg_h5 *file;
  const dg_graph_info *info;
  const int32_t *labels; /* [blocks->n], or NULL */
  uint8_t *mask, *now;   /* [blocks->n] of the split wanted, and of the one at hand */
  const char *wanted;
  dg_id *read; /* [piece_length()] or fewer, and the ranks of their blocks */
  int32_t *to;
  dg_mail mail;
} marker;

/* Marks ids that have come to the rank of their block. */
static dg_status mark(marker *m, const char *split, int list, bool as_long) {
  const uint8_t bit = (uint8_t)(DG_TRAIN << list);
  const dg_id *come = m->mail.come;
  for (int64_t k = 0; k < m->mail.n_come; k++) {
    const int64_t i = come[k] - m->blocks->first;
    if (m->now[i] & bit) return dg_split_twice(m->file, split, dg_split_lists[list], come[k], as_long);
    m->now[i] |= bit;
    if (m->labels && m->labels[i] < 0) return dg_split_unlabelled(m->file, split, dg_split_lists[list], come[k]);
  }
  return DG_OK;
}

/* Reads a piece here and marks what comes from all ranks. Collective. */
static dg_status mark_piece(marker *m, int list, dg_list_part part, bool as_long) {
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(m->comm, dg_split_read(m->read, m->file, m->info, part)));
  for (int64_t k = 0; k < part.n; k++) m->to[k] = dg_directory_rank(m->blocks, m->read[k]);
  DG_TRY(dg_mail_send(&m->mail, m->read, m->to, part.n, sizeof *m->read));
  DG_TRY(dg_comm_agree(m->comm, mark(m, part.split, list, as_long)));
cleanup:
  return status;
}

static dg_status mark_list(marker *m, const char *split, int list) {
  dg_status status = DG_OK;
  int64_t length = 0;
  DG_TRY(dg_comm_agree(m->comm, dg_split_length(&length, m->file, split, dg_split_lists[list])));
  const dg_directory mine = dg_directory_blocks(m->comm, length);
  const int64_t room = mine.block < piece_length() ? mine.block : piece_length();
  status = dg_alloc(&m->read, (size_t)room, sizeof *m->read);
  if (status == DG_OK) status = dg_alloc(&m->to, (size_t)room, sizeof *m->to);
  DG_TRY(dg_comm_agree(m->comm, status));
  for (int64_t done = 0; done < mine.block; done += room) {
    const int64_t at = done < mine.n ? done : mine.n, n = room < mine.n - at ? room : mine.n - at;
    DG_TRY(mark_piece(m, list, (dg_list_part){split, dg_split_lists[list], mine.first + at, n},
                      length == m->info->n_nodes));
  }
cleanup:
  dg_free(&m->read);
  dg_free(&m->to);
  return status;
}

static dg_status mark_split(const char *name, void *context) {
  marker *m = context;
  dg_status status = DG_OK;
  if (strlen(name) >= DG_SPLIT_NAME)
    return dg_comm_agree(m->comm, dg_fail(DG_INPUT, "%s: the name of a split has %zu bytes, it may have %d",
                                          dg_h5_path(m->file), strlen(name), DG_SPLIT_NAME - 1));
  memset(m->now, 0, (size_t)m->blocks->n);
  for (int list = 0; list < 3; list++) DG_TRY(mark_list(m, name, list));
  if (strcmp(name, m->wanted) == 0) memcpy(m->mask, m->now, (size_t)m->blocks->n);
cleanup:
  return status;
}

dg_status dg_masks_load(uint8_t *mask, const dg_comm *comm, const dg_directory *blocks, dg_h5 *file,
                        const dg_graph_info *info, const int32_t *labels, const char *wanted) {
  marker m = {.comm = comm,
              .blocks = blocks,
              .file = file,
              .info = info,
              .labels = labels,
              .mask = mask,
              .wanted = wanted,
              .mail = {.comm = comm}};
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&m.now, (size_t)blocks->n, sizeof *m.now)));
  if (dg_h5_exists(file, "splits")) DG_TRY(dg_h5_each_group(file, "splits", mark_split, &m));
cleanup:
  dg_mail_destroy(&m.mail);
  dg_free(&m.now);
  return status;
}

/* ---- checksums ---- */

typedef struct tally {
  uint64_t *sums; /* [4] */
  dg_h5 *file;
  const dg_graph_info *info;
  const char *chosen;
  const dg_comm *readers;
  uint64_t key; /* of the split at hand: its name */
} tally;

static dg_status add_list(tally *t, const char *split, int list) {
  dg_status status = DG_OK;
  int64_t length;
  dg_id *ids = NULL;
  DG_TRY(dg_split_length(&length, t->file, split, dg_split_lists[list]));
  const dg_directory mine = dg_directory_blocks(t->readers, length);
  const int64_t end = mine.first + mine.n, room = piece_length();
  const uint64_t key = dg_rng_key(t->key, (uint64_t)list);
  if (t->readers->rank == 0) t->sums[3] += dg_rng_key(key, ~(uint64_t)length);
  DG_TRY(dg_alloc(&ids, (size_t)room, sizeof *ids));
  for (int64_t at = mine.first; at < end; at += room) {
    const int64_t n = room < end - at ? room : end - at;
    DG_TRY(dg_split_read(ids, t->file, t->info, (dg_list_part){split, dg_split_lists[list], at, n}));
    for (int64_t k = 0; k < n; k++) {
      t->sums[3] += dg_rng_key(key, (uint64_t)ids[k]);
      if (t->chosen && strcmp(split, t->chosen) == 0) t->sums[list] += dg_rng_key(0, (uint64_t)ids[k]);
    }
  }
cleanup:
  dg_free(&ids);
  return status;
}

static dg_status add_split(const char *name, void *context) {
  tally *t = context;
  dg_status status = DG_OK;
  t->key = 0;
  for (const char *c = name; *c; c++) t->key = dg_rng_key(t->key, (uint64_t)(unsigned char)*c);
  for (int list = 0; list < 3; list++) DG_TRY(add_list(t, name, list));
cleanup:
  return status;
}

dg_status dg_masks_checksum(uint64_t sums[4], dg_h5 *file, const dg_graph_info *info, const char *chosen,
                            const dg_comm *readers) {
  tally t = {.sums = sums, .file = file, .info = info, .chosen = chosen, .readers = readers};
  memset(sums, 0, 4 * sizeof *sums);
  return dg_h5_exists(file, "splits") ? dg_h5_each_group(file, "splits", add_split, &t) : DG_OK;
}
