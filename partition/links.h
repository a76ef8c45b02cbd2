#ifndef DISTGAT_PARTITION_LINKS_H
#define DISTGAT_PARTITION_LINKS_H

#include <distgat/comm.h>
#include <distgat/ids.h>

/* Things numbered from 0 lie in blocks: rank r holds [r * rows, (r + 1) * rows). Links join what a rank names to those
   who hold it. */
typedef struct dg_links {
  const dg_comm *comm;
  size_t n;       /* names here */
  dg_id *ids;     /* [n] ascending */
  size_t n_asked; /* names of all ranks that this rank holds */
  dg_row *asked;  /* [n_asked] their places in the block here, rank after rank */
  size_t *named;  /* [size] of n, by the rank that holds them */
  size_t *asking; /* [size] of n_asked, by the rank that names them */
} dg_links;

/* Collects the distinct ids of a list that lie outside [first, end), which becomes links->ids: index [count] of each
   entry is its place among them plus end - first, or id - first where it lies inside. Errors: DG_MEMORY. Collective. */
dg_status dg_links_create(dg_links *links, dg_row *index, const dg_comm *comm, int64_t rows, const dg_id *list,
                          size_t count, dg_id first, dg_id end);
void dg_links_destroy(dg_links *links);

/* Fetches what is named: out [n] of the holders' value [block], elements of `size` bytes. Errors: DG_MEMORY.
   Collective. */
dg_status dg_links_fetch(const dg_links *links, void *out, const void *value, size_t size);

/* Sends to the holders: out [n_asked], in the order of links->asked, of value [n]. Collective. */
void dg_links_send(const dg_links *links, void *out, const void *value, size_t size);

#endif
