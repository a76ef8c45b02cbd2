#include "par/mail.h"

#include <string.h>

#include <distgat/memory.h>

void dg_mail_destroy(dg_mail *mail) {
  dg_free(&mail->sent);
  dg_free(&mail->received);
  dg_free(&mail->place);
  dg_free(&mail->come);
}

/* Finds the places of items grouped by rank. Local. */
static dg_status sort_out(dg_mail *m, const int32_t *to, int64_t n) {
  const size_t size = (size_t)m->comm->size;
  dg_status status = DG_OK;
  int64_t *next = NULL;
  dg_mail_destroy(m);
  m->n = n;
  DG_TRY(dg_alloc(&m->sent, size, sizeof *m->sent));
  DG_TRY(dg_alloc(&m->received, size, sizeof *m->received));
  DG_TRY(dg_alloc(&m->place, (size_t)n, sizeof *m->place));
  DG_TRY(dg_alloc(&next, size + 1, sizeof *next));
  for (int64_t i = 0; i < n; i++) m->sent[to[i]]++;
  for (size_t r = 0; r < size; r++) next[r + 1] = next[r] + (int64_t)m->sent[r];
  for (int64_t i = 0; i < n; i++) m->place[i] = next[to[i]]++;
cleanup:
  dg_free(&next);
  return status;
}

/* Copies n elements of a size that is known to the compiler where it is a usual one. */
static void scatter(char *to, const char *from, const int64_t *place, int64_t n, size_t bytes) {
  if (bytes == sizeof(int64_t))
    for (int64_t i = 0; i < n; i++) memcpy(to + place[i] * 8, from + i * 8, 8);
  else
    for (int64_t i = 0; i < n; i++) memcpy(to + (size_t)place[i] * bytes, from + (size_t)i * bytes, bytes);
}

dg_status dg_mail_send(dg_mail *mail, const void *items, const int32_t *to, int64_t n, size_t bytes) {
  dg_status status = DG_OK;
  void *packed = NULL;
  status = sort_out(mail, to, n);
  if (status == DG_OK) status = dg_alloc(&packed, (size_t)n, bytes);
  DG_TRY(dg_comm_agree(mail->comm, status));
  dg_comm_exchange_counts(mail->comm, mail->sent, mail->received);
  mail->n_come = 0;
  for (int r = 0; r < mail->comm->size; r++) mail->n_come += (int64_t)mail->received[r];
  DG_TRY(dg_comm_agree(mail->comm, dg_alloc(&mail->come, (size_t)mail->n_come, bytes)));
  scatter(packed, items, mail->place, n, bytes);
  dg_comm_exchange(mail->comm, packed, mail->sent, mail->come, mail->received, bytes);
cleanup:
  dg_free(&packed);
  return status;
}

dg_status dg_mail_return(const dg_mail *mail, void *answer, const void *answers, size_t bytes) {
  dg_status status = DG_OK;
  char *packed = NULL;
  DG_TRY(dg_comm_agree(mail->comm, dg_alloc(&packed, (size_t)mail->n, bytes)));
  dg_comm_exchange(mail->comm, answers, mail->received, packed, mail->sent, bytes);
  for (int64_t i = 0; i < mail->n; i++)
    memcpy((char *)answer + (size_t)i * bytes, packed + (size_t)mail->place[i] * bytes, bytes);
cleanup:
  dg_free(&packed);
  return status;
}
