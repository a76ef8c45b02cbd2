#include "data/copies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/memory.h>

#include "data/fingerprint.h"
#include "par/same.h"

#define ADVICE "all ranks must read the same graph"

/* Which file a rank has opened. On a file system that hosts share, device numbers are each host's own, but inode, size
   and time of change are the file's: copies on disks of their own agree in all three only by wonder. */
typedef struct identity {
  char host[64];
  int64_t device, inode, size, seconds, nanoseconds;
} identity;

static identity identify(const dg_h5 *file) {
  struct stat st = {0};
  identity id = {0};
  stat(dg_h5_path(file), &st);
  gethostname(id.host, sizeof id.host - 1);
  id.device = (int64_t)st.st_dev;
  id.inode = (int64_t)st.st_ino;
  id.size = (int64_t)st.st_size;
  id.seconds = (int64_t)st.st_mtim.tv_sec;
  id.nanoseconds = (int64_t)st.st_mtim.tv_nsec;
  return id;
}

static bool same_host(const identity *a, const identity *b) {
  return strncmp(a->host, b->host, sizeof a->host) == 0;
}

static bool same_file(const identity *a, const identity *b) {
  return a->inode == b->inode && a->size == b->size && a->seconds == b->seconds && a->nanoseconds == b->nanoseconds &&
         (!same_host(a, b) || a->device == b->device);
}

/* The ranks of one host that have opened one file there, which share the reading. Collective. */
static dg_status group_readers(MPI_Comm *readers, const dg_comm *comm, const identity *mine) {
  dg_status status = DG_OK;
  identity *all = NULL;
  int first = 0;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&all, (size_t)comm->size, sizeof *all)));
  MPI_Allgather(mine, sizeof *mine, MPI_BYTE, all, sizeof *mine, MPI_BYTE, comm->mpi);
  while (!same_host(mine, &all[first]) || !same_file(mine, &all[first])) first++;
  MPI_Comm_split(comm->mpi, first, comm->rank, readers);
cleanup:
  dg_free(&all);
  return status;
}

static dg_status read_copy(dg_content *content, const dg_comm *comm, MPI_Comm readers, dg_h5 *file,
                           const dg_graph_info *info) {
  int rank, size;
  MPI_Comm_rank(readers, &rank);
  MPI_Comm_size(readers, &size);
  const int64_t first = info->n_nodes * rank / size, end = info->n_nodes * (rank + 1) / size;
  const dg_status status = dg_comm_agree(comm, dg_content_read(content, file, info, first, end - first));
  if (status == DG_OK) dg_content_sum(content, readers);
  return status;
}

static dg_status compare_contents(const dg_comm *comm, dg_h5 *file, const dg_graph_info *info, const identity *mine) {
  dg_status status = DG_OK;
  MPI_Comm readers = MPI_COMM_NULL;
  dg_content content = {0};
  char facts[256];
  DG_TRY(group_readers(&readers, comm, mine));
  DG_TRY(read_copy(&content, comm, readers, file, info));
  snprintf(facts, sizeof facts,
           "edges of checksum %016" PRIx64 "\nfeatures of checksum %016" PRIx64 "\nlabels of checksum %016" PRIx64 "\n",
           content.edges, content.features, content.labels);
  DG_TRY(dg_same_facts(comm, DG_INPUT, dg_h5_path(file), facts, ADVICE));
cleanup:
  if (readers != MPI_COMM_NULL) MPI_Comm_free(&readers);
  return status;
}

dg_status dg_copies_compare(const dg_comm *comm, dg_h5 *file, const dg_graph_info *info, const char *split) {
  dg_status status = DG_OK;
  const identity mine = identify(file);
  identity first = mine;
  char facts[512];
  snprintf(facts, sizeof facts,
           "%" PRId64 " nodes\n%" PRId64 " edges\n%d features\n%d classes\n%s features\nsplit %s\n", info->n_nodes,
           info->n_edges, info->n_features, info->n_classes, info->sparse ? "sparse" : "dense",
           split == NULL ? "none" : split);
  DG_TRY(dg_same_facts(comm, DG_INPUT, dg_h5_path(file), facts, ADVICE));
  dg_comm_bcast(comm, &first, sizeof first, 0);
  if (dg_comm_max_int64(comm, !same_file(&mine, &first)) == 0) return DG_OK;
  DG_TRY(compare_contents(comm, file, info, &mine));
cleanup:
  return status;
}
