#ifndef DISTGAT_PARTITION_MULTILEVEL_H
#define DISTGAT_PARTITION_MULTILEVEL_H

#include "level.h"

/* How a level is to be divided. */
typedef struct dg_multilevel_config {
  int parts;
  int constraints;     /* weights that METIS is told of, the first ones; moves regard all */
  const double *share; /* [parts] of all weight, NULL: equal */
  uint64_t seed;
} dg_multilevel_config;

/* Graphs of at most so many nodes, or so many a part, METIS divides as they are; 40,000 but in tests. */
extern int64_t dg_multilevel_nodes;
#define DG_MULTILEVEL_NODES_A_PART 100

/* So many nodes are few enough for rank 0. Local. */
int64_t dg_multilevel_wanted(int parts);

/* Divides a graph that no rank holds: clusters are contracted again and again, METIS divides what remains on rank 0,
   and on the way back rows move between parts, at last those near borders on rank 0, where they are few. part [n +
   n_halo] is the same on any number of ranks. Errors: DG_MEMORY, DG_RUNTIME. Collective. */
dg_status dg_multilevel_divide(int32_t *part, const dg_level *level, const dg_multilevel_config *config);

#endif
