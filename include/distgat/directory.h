#ifndef DISTGAT_DIRECTORY_H
#define DISTGAT_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

#include <distgat/api.h>
#include <distgat/comm.h>
#include <distgat/ids.h>

DG_API_BEGIN

/* Who owns which node, told of by blocks: rank r knows the owners of nodes [r * block, (r + 1) * block) and of no
   others, so that no rank holds a list of all nodes. */
typedef struct dg_directory {
  int64_t n_nodes, block;
  int64_t first, n; /* the nodes told of here, [first, first + n) */
  int32_t *owner;   /* [n] rank that owns each; NULL: every rank owns its block */
} dg_directory;

/* The blocks of so many nodes on the ranks of `comm`, each owned by its rank. Local. */
dg_directory dg_directory_blocks(const dg_comm *comm, int64_t n_nodes);
void dg_directory_destroy(dg_directory *directory);

/* The rank that tells of a node. Local. */
static inline int dg_directory_rank(const dg_directory *directory, dg_id node) {
  return (int)(node / directory->block);
}

/* Whether this rank tells of a node. Local. */
static inline bool dg_directory_here(const dg_directory *directory, dg_id node) {
  return node >= directory->first && node < directory->first + directory->n;
}

/* The owner of a node that is told of here. Local. */
static inline int32_t dg_directory_owner(const dg_directory *directory, dg_id node) {
  return directory->owner ? directory->owner[node - directory->first] : dg_directory_rank(directory, node);
}

/* Gives the ranks that tell of them the owners of nodes [at, at + n), which rank 0 holds in `owner` [n]; the directory
   has room for its own. Errors: DG_MEMORY. Collective. */
dg_status dg_directory_spread(dg_directory *directory, const dg_comm *comm, const int32_t *owner, int64_t at,
                              int64_t n);

/* Finds the owners of nodes, in any order: owner [n] of ids [n]. Errors: DG_MEMORY. Collective. */
dg_status dg_directory_find(int32_t *owner, const dg_directory *directory, const dg_comm *comm, const dg_id *ids,
                            int64_t n);

DG_API_END

#endif
