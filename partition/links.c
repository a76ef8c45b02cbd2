#include "links.h"

#include <string.h>

#include <distgat/memory.h>

#include "base/id_set.h"

/* Whether an entry of the list is to be a row of the own block. */
static bool is_left_out(const dg_directory *blocks, dg_id id, bool others) {
  return others && dg_directory_here(blocks, id);
}

/* Names the distinct ids of a list: index [count]. Local. */
static dg_status collect(dg_links *links, dg_row *index, const dg_directory *blocks, const dg_id *list, int64_t count,
                         bool others) {
  dg_status status = DG_OK;
  const int64_t inside = others ? blocks->n : 0;
  dg_id_set names = {0};
  DG_TRY(dg_id_set_create(&names));
  for (int64_t t = 0; t < count; t++)
    if (!is_left_out(blocks, list[t], others)) DG_TRY(dg_id_set_add(&names, &index[t], list[t]));
  DG_TRY(dg_id_set_list(&links->ids, &links->n, &names));
  if (inside + links->n > INT32_MAX)
    DG_TRY(dg_fail(DG_MEMORY, "%d nodes and neighbours of them on one rank; start more ranks", INT32_MAX));
  for (int64_t t = 0; t < count; t++) {
    const bool left_out = is_left_out(blocks, list[t], others);
    index[t] = (dg_row)(left_out ? list[t] - blocks->first : inside + dg_id_set_place(&names, index[t], list[t]));
  }
cleanup:
  dg_id_set_destroy(&names);
  return status;
}

dg_status dg_links_create(dg_links *links, dg_row *index, const dg_comm *comm, const dg_directory *blocks,
                          const dg_id *list, int64_t count, bool others) {
  dg_status status = DG_OK;
  int32_t *to = NULL;
  *links = (dg_links){.mail = {.comm = comm}};
  status = collect(links, index, blocks, list, count, others);
  if (status == DG_OK) status = dg_alloc(&to, (size_t)links->n, sizeof *to);
  DG_TRY(dg_comm_agree(comm, status));
  for (int64_t k = 0; k < links->n; k++) to[k] = dg_directory_rank(blocks, links->ids[k]);
  DG_TRY(dg_mail_send(&links->mail, links->ids, to, links->n, sizeof *links->ids));
  links->n_asked = links->mail.n_come;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&links->asked, (size_t)links->n_asked, sizeof *links->asked)));
  const dg_id *asked = links->mail.come;
  for (int64_t k = 0; k < links->n_asked; k++) links->asked[k] = (dg_row)(asked[k] - blocks->first);
  dg_free(&links->mail.come);
  dg_free(&links->mail.place); /* ids ascend, and so do their holders: they lie as they were given */
cleanup:
  dg_free(&to);
  if (status != DG_OK) dg_links_destroy(links);
  return status;
}

void dg_links_destroy(dg_links *links) {
  dg_mail_destroy(&links->mail);
  dg_free(&links->ids);
  dg_free(&links->asked);
}

dg_status dg_links_fetch(const dg_links *links, void *out, const void *value, size_t bytes) {
  dg_status status = DG_OK;
  char *answers = NULL;
  DG_TRY(dg_comm_agree(links->mail.comm, dg_alloc(&answers, (size_t)links->n_asked, bytes)));
  for (int64_t k = 0; k < links->n_asked; k++)
    memcpy(answers + (size_t)k * bytes, (const char *)value + (size_t)links->asked[k] * bytes, bytes);
  dg_comm_exchange(links->mail.comm, answers, links->mail.received, out, links->mail.sent, bytes);
cleanup:
  dg_free(&answers);
  return status;
}

void dg_links_send(const dg_links *links, void *out, const void *value, size_t bytes) {
  dg_comm_exchange(links->mail.comm, value, links->mail.sent, out, links->mail.received, bytes);
}
