#ifndef DISTGAT_PARTITION_LINKS_H
#define DISTGAT_PARTITION_LINKS_H

#include <distgat/directory.h>

#include "par/mail.h"

/* Things numbered from 0 lie in the blocks of a directory, one a rank. Links join what a rank names to those that hold
   it. */
typedef struct dg_links {
  dg_mail mail;    /* the names, to their holders */
  int64_t n;       /* names here */
  dg_id *ids;      /* [n] ascending */
  int64_t n_asked; /* names of all ranks that this rank holds */
  dg_row *asked;   /* [n_asked] their places in the block here, rank after rank */
} dg_links;

/* Collects the distinct ids of a list, but for those of the own block where `others` asks for others alone; they become
   links->ids. index [count] of each entry is its place among them behind those of the own block, if left out. Errors:
   DG_MEMORY. Collective. */
dg_status dg_links_create(dg_links *links, dg_row *index, const dg_comm *comm, const dg_directory *blocks,
                          const dg_id *list, int64_t count, bool others);
void dg_links_destroy(dg_links *links);

/* Fetches what is named: out [n] of the holders' value [block], elements of `bytes` bytes. Errors: DG_MEMORY.
   Collective. */
dg_status dg_links_fetch(const dg_links *links, void *out, const void *value, size_t bytes);

/* Sends to the holders: out [n_asked], in the order of links->asked, of value [n]. Collective. */
void dg_links_send(const dg_links *links, void *out, const void *value, size_t bytes);

#endif
