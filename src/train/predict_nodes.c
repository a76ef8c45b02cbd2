#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>

#include "data/h5names.h"
#include "train/predictor.h"

/* ---- by rows ---- */

/* An id at *text, which goes on behind it; -1 where there is none. */
static int64_t take_id(const char **text) {
  char *end;
  if (!isdigit((unsigned char)**text)) return -1;
  const long long id = strtoll(*text, &end, 10);
  *text = end;
  return id;
}

static void ask_between(dg_predictor *p, int64_t first, int64_t last) {
  for (int32_t i = 0; i < p->local.n; i++)
    if (p->local.ids[i] >= first && p->local.ids[i] <= last) p->asked[i] = 1;
}

dg_status dg_predictor_ask(dg_predictor *p) {
  const int64_t n_nodes = p->local.shard.info.n_nodes;
  for (const char *text = p->config->nodes;; text++) {
    const int64_t first = take_id(&text);
    int64_t last = first;
    if (*text == '-') text++, last = take_id(&text);
    if (first < 0 || last < first || (*text != ',' && *text != '\0'))
      return dg_fail(DG_USAGE,
                     "--nodes %s: wanted are numbers of nodes, from 0, and ranges of them, such as 3,17,100-120",
                     p->config->nodes);
    if (last >= n_nodes)
      return dg_fail(DG_USAGE, "--nodes %s: the graph has nodes 0 to %lld", p->config->nodes, (long long)n_nodes - 1);
    ask_between(p, first, last);
    if (*text == '\0') return DG_OK;
  }
}

/* ---- by the ids of the file ---- */

/* Words of a list between commas, each once and ascending, and the rows that have them; on rank 0. */
typedef struct wanted {
  char *text;
  const char **word; /* [n] in text */
  bool *found;       /* [n] */
  size_t n;
  int64_t *row; /* [n_rows] */
  size_t n_rows, room;
} wanted;

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static dg_status split_list(wanted *w, const char *list) {
  dg_status status = DG_OK;
  size_t words = 1, n = 0;
  const size_t length = strlen(list);
  for (const char *c = list; *c; c++) words += *c == ',';
  DG_TRY(dg_alloc(&w->text, length + 1, 1));
  DG_TRY(dg_alloc(&w->word, words, sizeof *w->word));
  DG_TRY(dg_alloc(&w->found, words, sizeof *w->found));
  memcpy(w->text, list, length + 1);
  char *rest = w->text;
  for (char *word; (word = strsep(&rest, ",")) != NULL;) w->word[n++] = word;
  qsort(w->word, n, sizeof *w->word, by_text);
  for (size_t i = 0; i < n; i++)
    if (i == 0 || strcmp(w->word[i], w->word[i - 1]) != 0) w->word[w->n++] = w->word[i];

cleanup:
  return status;
}

static dg_status add_row(wanted *w, int64_t row) {
  if (w->n_rows == w->room) {
    int64_t *longer = NULL;
    const size_t room = 2 * w->room + w->n;
    const dg_status status = dg_alloc(&longer, room, sizeof *longer);
    if (status != DG_OK) return status;
    if (w->n_rows > 0) memcpy(longer, w->row, w->n_rows * sizeof *longer);
    dg_free(&w->row);
    w->row = longer, w->room = room;
  }
  w->row[w->n_rows++] = row;
  return DG_OK;
}

static dg_status search_portion(wanted *w, dg_h5 *file, int64_t first, int64_t count) {
  dg_status status = DG_OK;
  dg_texts names = {0};
  DG_TRY(dg_h5names_read(&names, file, "nodes/id", first, count));
  for (int64_t i = 0; i < count; i++) {
    const char *name = names.text + (size_t)i * names.width;
    const char **word = bsearch(&name, w->word, w->n, sizeof *w->word, by_text);
    if (!word) continue;
    w->found[word - w->word] = true;
    DG_TRY(add_row(w, first + i));
  }

cleanup:
  dg_texts_destroy(&names);
  return status;
}

/* Rank 0. */
static dg_status search(wanted *w, const dg_predictor *p) {
  dg_status status = DG_OK;
  int64_t portion;
  const int64_t n_nodes = p->local.shard.info.n_nodes;
  if (!dg_h5_exists(p->out, "nodes/id"))
    DG_TRY(
        dg_fail(DG_USAGE, "--ids: the graph gives its nodes no ids (data set nodes/id); --nodes takes rows, from 0"));
  DG_TRY(split_list(w, p->config->ids));
  DG_TRY(dg_h5names_portion(&portion, p->out, "nodes/id"));
  for (int64_t first = 0; first < n_nodes; first += portion)
    DG_TRY(search_portion(w, p->out, first, n_nodes - first < portion ? n_nodes - first : portion));
  for (size_t i = 0; i < w->n; i++)
    if (!w->found[i]) DG_TRY(dg_fail(DG_USAGE, "--ids: the graph has no node of id '%s'", w->word[i]));

cleanup:
  return status;
}

static int by_number(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

dg_status dg_predictor_ask_ids(dg_predictor *p) {
  dg_status status = DG_OK;
  wanted w = {0};
  const bool searches = p->comm->rank == 0;
  DG_TRY(dg_comm_agree(p->comm, searches ? search(&w, p) : DG_OK));
  dg_comm_bcast(p->comm, &w.n_rows, sizeof w.n_rows, 0);
  DG_TRY(dg_comm_agree(p->comm, searches ? DG_OK : dg_alloc(&w.row, w.n_rows, sizeof *w.row)));
  dg_comm_bcast(p->comm, w.row, w.n_rows * sizeof *w.row, 0); /* ascending */
  for (int32_t i = 0; i < p->local.n; i++)
    if (bsearch(&p->local.ids[i], w.row, w.n_rows, sizeof *w.row, by_number)) p->asked[i] = 1;

cleanup:
  dg_free(&w.text);
  dg_free(&w.word);
  dg_free(&w.found);
  dg_free(&w.row);
  return status;
}
