#ifndef DG_GENERATE_CITATIONS_H
#define DG_GENERATE_CITATIONS_H

#include "generate/topics.h"

/* Whom the members of this rank's topics cite: each different nodes, not itself. */
typedef struct dg_citations {
  const dg_topics *topics; /* borrowed */
  double stubs;            /* citations a node is to make, on average */
  int64_t *start;          /* [n + 1] room of each member */
  int32_t *count;          /* [n] its citations */
  dg_id *partner;          /* [start[n]] those cited */
} dg_citations;

/* Upper bound of the citations a node makes. Local. */
int32_t dg_citations_most(const dg_citations *citations);

/* Draws them; what is there is replaced. Errors: DG_MEMORY. Collective. */
dg_status dg_citations_draw(dg_citations *citations, const dg_topics *topics, double stubs);
void dg_citations_destroy(dg_citations *citations);

#endif
