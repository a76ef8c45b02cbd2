#include "support/owners.h"

#include <string.h>

#include <distgat/memory.h>

dg_status directory_from(dg_directory *directory, const dg_comm *comm, const int32_t *owner, int64_t n_nodes) {
  *directory = dg_directory_blocks(comm, n_nodes);
  const dg_status status = dg_alloc(&directory->owner, (size_t)directory->n, sizeof *directory->owner);
  if (status == DG_OK && directory->n > 0)
    memcpy(directory->owner, owner + directory->first, (size_t)directory->n * sizeof *owner);
  return status;
}

dg_status directory_list(int32_t *owner, const dg_directory *directory, const dg_comm *comm) {
  dg_id *ids = NULL;
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&ids, (size_t)directory->n_nodes, sizeof *ids)));
  for (int64_t i = 0; i < directory->n_nodes; i++) ids[i] = i;
  DG_TRY(dg_directory_find(owner, directory, comm, ids, directory->n_nodes));
cleanup:
  dg_free(&ids);
  return status;
}
