#include "data/copies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/memory.h>

#include "data/fingerprint.h"
#include "data/h5file.h"
#include "data/h5guard.h"
#include "data/masks.h"
#include "par/same.h"

#define ADVICE "all ranks must read the same graph"

/* Which file a rank has opened. On a file system that hosts share, device numbers are each host's own, but inode, size
   and time of change are the file's: copies on disks of their own agree in all three only by wonder. */
typedef struct identity {
  char host[64];
  int64_t device, inode, size, seconds, nanoseconds;
} identity;

static identity identify(struct stat *st, const char *path) {
  identity id = {0};
  *st = (struct stat){0};
  stat(path, st);
  gethostname(id.host, sizeof id.host - 1);
  id.device = (int64_t)st->st_dev;
  id.inode = (int64_t)st->st_ino;
  id.size = (int64_t)st->st_size;
  id.seconds = (int64_t)st->st_mtim.tv_sec;
  id.nanoseconds = (int64_t)st->st_mtim.tv_nsec;
  return id;
}

static bool same_host(const identity *a, const identity *b) {
  return strncmp(a->host, b->host, sizeof a->host) == 0;
}

static bool same_file(const identity *a, const identity *b) {
  return a->inode == b->inode && a->size == b->size && a->seconds == b->seconds && a->nanoseconds == b->nanoseconds &&
         (!same_host(a, b) || a->device == b->device);
}

static bool same_file_here(const identity *a, const identity *b) {
  return same_host(a, b) && same_file(a, b);
}

/* Ranks whose files are the same in the eyes of `same` share a group, in the order of ranks. Collective. */
static dg_status group_create(dg_comm *group, const dg_comm *comm, const identity *mine,
                              bool (*same)(const identity *a, const identity *b)) {
  dg_status status = DG_OK;
  identity *all = NULL;
  int first = 0;
  *group = (dg_comm){0};
  DG_TRY(dg_comm_agree(comm, dg_alloc(&all, (size_t)comm->size, sizeof *all)));
  MPI_Allgather(mine, sizeof *mine, MPI_BYTE, all, sizeof *mine, MPI_BYTE, comm->mpi);
  while (!same(mine, &all[first])) first++;
  MPI_Comm_split(comm->mpi, first, comm->rank, &group->mpi);
  MPI_Comm_rank(group->mpi, &group->rank);
  MPI_Comm_size(group->mpi, &group->size);
cleanup:
  dg_free(&all);
  return status;
}

/* ---- Looking through a file ---- */

/* Tells what the first of a group has found in its file, which is that of the others too. A failure is of this rank
   alone. Collective over the group. */
static dg_status share_texts(const dg_comm *group, const dg_h5 *found, const struct stat *st) {
  dg_status status = DG_OK;
  char *bytes = NULL;
  const dg_h5texts *texts = found == NULL ? NULL : found->texts;
  int64_t n = texts == NULL ? -1 : (int64_t)texts->used;
  dg_comm_bcast(group, &n, sizeof n, 0);
  if (n < 0) return DG_OK;
  status = dg_alloc(&bytes, (size_t)n, 1);
  if (dg_comm_max_int64(group, status != DG_OK) > 0) goto cleanup;
  if (texts != NULL && n > 0) memcpy(bytes, texts->bytes, (size_t)n);
  dg_comm_bcast(group, bytes, (size_t)n, 0);
  if (group->rank > 0) status = dg_h5guard_trust(st, bytes, (size_t)n);
cleanup:
  dg_free(&bytes);
  return status;
}

dg_status dg_copies_examine(const dg_comm *comm, const char *path) {
  dg_status status = DG_OK;
  dg_comm group = {0};
  dg_h5 *file = NULL;
  struct stat st;
  const identity mine = identify(&st, path);
  if (comm->size == 1) return DG_OK;
  DG_TRY(group_create(&group, comm, &mine, same_file));
  DG_TRY(dg_comm_agree(comm, group.rank == 0 ? dg_h5_open(&file, path) : DG_OK));
  DG_TRY(dg_comm_agree(comm, share_texts(&group, file, &st)));
cleanup:
  dg_h5_close(&file);
  dg_comm_destroy(&group);
  return status;
}

/* ---- Comparing ---- */

/* What a file holds, beside its sizes. */
typedef struct contents {
  dg_content graph;
  uint64_t split[4]; /* lists of the one that is read, and all splits */
} contents;

static dg_status read_part(contents *c, const dg_comm *readers, dg_h5 *file, const dg_graph_info *info,
                           const char *split) {
  dg_status status = DG_OK;
  const dg_directory mine = dg_directory_blocks(readers, info->n_nodes);
  DG_TRY(dg_content_read(&c->graph, file, info, mine.first, mine.n));
  DG_TRY(dg_masks_checksum(c->split, file, info, split, readers));
cleanup:
  return status;
}

static dg_status read_copy(contents *c, const dg_comm *comm, const dg_comm *readers, dg_h5 *file,
                           const dg_graph_info *info, const char *split) {
  const dg_status status = dg_comm_agree(comm, read_part(c, readers, file, info, split));
  if (status != DG_OK) return status;
  dg_content_sum(&c->graph, readers->mpi);
  MPI_Allreduce(MPI_IN_PLACE, c->split, 4, MPI_UINT64_T, MPI_SUM, readers->mpi);
  return DG_OK;
}

/* The ranks of one host that have opened one file there share the reading. */
static dg_status compare_contents(const dg_comm *comm, dg_h5 *file, const dg_graph_info *info, const char *split,
                                  const identity *mine) {
  dg_status status = DG_OK;
  dg_comm readers = {0};
  contents c = {0};
  char facts[512];
  DG_TRY(group_create(&readers, comm, mine, same_file_here));
  DG_TRY(read_copy(&c, comm, &readers, file, info, split));
  snprintf(facts, sizeof facts,
           "edges of checksum %016" PRIx64 "\nattributes of edges of checksum %016" PRIx64
           "\nfeatures of checksum %016" PRIx64 "\nlabels of checksum %016" PRIx64
           "\ntrain nodes of checksum %016" PRIx64 "\nval nodes of checksum %016" PRIx64
           "\ntest nodes of checksum %016" PRIx64 "\nsplits of checksum %016" PRIx64 "\n",
           c.graph.edges, c.graph.attributes, c.graph.features, c.graph.labels, c.split[0], c.split[1], c.split[2],
           c.split[3]);
  DG_TRY(dg_same_facts(comm, DG_INPUT, dg_h5_path(file), facts, ADVICE));
cleanup:
  dg_comm_destroy(&readers);
  return status;
}

dg_status dg_copies_compare(const dg_comm *comm, dg_h5 *file, const dg_graph_info *info, const char *split) {
  dg_status status = DG_OK;
  struct stat st;
  const identity mine = identify(&st, dg_h5_path(file));
  identity first = mine;
  char facts[512];
  snprintf(facts, sizeof facts,
           "%" PRId64 " nodes\n%" PRId64 " edges\n%d features\n%d classes\n%s features\n%d weights of an edge\n%d "
           "features of an edge\nsplit %s\n",
           info->n_nodes, info->n_edges, info->n_features, info->n_classes, info->sparse ? "sparse" : "dense",
           info->edge_weights, info->edge_features, split == NULL ? "none" : split);
  DG_TRY(dg_same_facts(comm, DG_INPUT, dg_h5_path(file), facts, ADVICE));
  dg_comm_bcast(comm, &first, sizeof first, 0);
  if (dg_comm_max_int64(comm, !same_file(&mine, &first)) == 0) return DG_OK;
  DG_TRY(compare_contents(comm, file, info, split, &mine));
cleanup:
  return status;
}
