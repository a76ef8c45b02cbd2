#ifndef DISTGAT_PAR_MAIL_H
#define DISTGAT_PAR_MAIL_H

#include <distgat/comm.h>

/* Items on their way to ranks that were chosen for each, and answers on their way back. */
typedef struct dg_mail {
  const dg_comm *comm;
  size_t *sent, *received; /* [size] items to and from each rank */
  int64_t n, n_come;
  int64_t *place; /* [n] where each item was put among those sent */
  void *come;     /* [n_come] what came: in the order of ranks, and of one rank in the order it was given */
} dg_mail;

/* Sends items [n] of `bytes` bytes to the ranks `to` [n]; what came stays until the next sending. Errors: DG_MEMORY.
   Collective. */
dg_status dg_mail_send(dg_mail *mail, const void *items, const int32_t *to, int64_t n, size_t bytes);

/* Sends answers [n_come] of `bytes` bytes back: answer [n] is in the order in which the items were given. Errors:
   DG_MEMORY. Collective. */
dg_status dg_mail_return(const dg_mail *mail, void *answer, const void *answers, size_t bytes);
void dg_mail_destroy(dg_mail *mail);

#endif
