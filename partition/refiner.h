#ifndef DISTGAT_PARTITION_REFINER_H
#define DISTGAT_PARTITION_REFINER_H

#include <math.h>

#include "methods.h"

/* What parts are balanced by: up to three quantities. */
enum { DG_MAX_LOADS = 3 };

/* What moving the node at hand to a part would save, against moving it to where no neighbour is. */
typedef struct dg_near {
  int64_t token;   /* of the look that it belongs to */
  double halo;     /* weighted rows */
  double nonzeros; /* stored features that the part projects anyway */
  int64_t source;  /* the source that the next two belong to */
  double needed;   /* largest weight of the part's other targets of that source */
  bool projects;   /* whether one of them is a target of the step */
} dg_near;

/* A partition of which single rows are moved. */
typedef struct dg_refiner {
  const dg_csr *in, *out;
  dg_csr own_out;           /* where out is not in */
  const dg_step_work *step; /* NULL: not asked for */
  dg_partition_balance balance;
  int parts, n_loads;
  const double *share; /* [parts] or NULL */
  int32_t *part;
  double total[DG_MAX_LOADS];
  double (*load)[DG_MAX_LOADS]; /* [parts] */
  int lightest[DG_MAX_LOADS];   /* the part with the least of each load, -1: to be looked for */
  int64_t *nodes, *targets;     /* [parts] rows; rows that the step aggregates */
  dg_near *near;                /* [parts] */
  int *near_part, *source_part; /* [parts] those with the present token, source */
  int n_near, n_source_parts;
  int64_t token, source;
  double nonzeros; /* that the node at hand needs */
} dg_refiner;

dg_status dg_refiner_create(dg_refiner *r, int32_t *part, const dg_csr *edges, const dg_partition_config *config);
void dg_refiner_destroy(dg_refiner *r);

/* Finds the loads anew: moves keep them, but for sources of very many targets. Errors: DG_MEMORY. Local. */
dg_status dg_refiner_weigh(dg_refiner *r);

/* Gives nodes to parts without any, and targets of the step, while others have two. */
dg_status dg_refiner_fill(dg_refiner *r);

/* Whether some other part has at least `pull` times as many in-neighbours of the node as its own: a cheap look. */
bool dg_refiner_is_drawn(dg_refiner *r, int32_t node, double pull);

/* Looks at the neighbourhood of a node: the next functions tell of it. Parts near to it are near_part [n_near]. */
void dg_refiner_look(dg_refiner *r, int32_t node);
/* Takes another part into the list. */
void dg_refiner_consider(dg_refiner *r, int part);
/* Change of the weighted halo, and of the excess of all parts. */
double dg_refiner_halo_of_move(const dg_refiner *r, int32_t node, int to);
double dg_refiner_excess_of_move(const dg_refiner *r, int32_t node, int to);
/* What of a load leaves with the node, in means, if its part has too much of it; else 0. */
double dg_refiner_burden(const dg_refiner *r, int32_t node, int which);
void dg_refiner_move(dg_refiner *r, int32_t node, int to);

/* The square of how much of a load is beyond a part's limit, in means; 0 within it. */
double dg_refiner_excess(const dg_refiner *r, int part, int which, double load);
/* Largest load of a part over its share. */
double dg_refiner_worst(const dg_refiner *r);
bool dg_refiner_has_load(const dg_refiner *r, int32_t node, int which);
/* Whether its part would be left without nodes or without targets. */
bool dg_refiner_must_stay(const dg_refiner *r, int32_t node);
/* The part with the least of a load for its share, of equal ones the first. */
int dg_refiner_lightest(dg_refiner *r, int which);

#endif
