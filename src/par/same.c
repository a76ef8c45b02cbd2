#define _GNU_SOURCE
#include "par/same.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/memory.h>

/* What rank 0 sends ahead of its facts. Ranks of different versions meet here first: this layout stays. */
typedef struct heading {
  int64_t bytes; /* of the facts, with the final zero */
  char host[128];
} heading;

static const char *next_line(const char *line) {
  const char *end = strchr(line, '\n');
  return end == NULL ? line + strlen(line) : end + 1;
}

static int line_length(const char *line) {
  return (int)strcspn(line, "\n");
}

static bool same_line(const char *a, const char *b) {
  const int length = line_length(a);
  return length == line_length(b) && memcmp(a, b, (size_t)length) == 0;
}

static const char *or_nothing(const char *line) {
  return *line == '\0' ? "nothing more" : line;
}

/* Moves both to the first line that differs. Gives whether there is one. */
static bool find_difference(const char **mine, const char **theirs) {
  while (**mine != '\0' && **theirs != '\0' && same_line(*mine, *theirs))
    *mine = next_line(*mine), *theirs = next_line(*theirs);
  return **mine != '\0' || **theirs != '\0';
}

dg_status dg_same_facts(const dg_comm *comm, dg_status failure, const char *what, const char *facts,
                        const char *advice) {
  dg_status status = DG_OK;
  char *first = NULL, host[128] = "?";
  heading head = {.bytes = (int64_t)strlen(facts) + 1};
  if (comm->host[0] != '\0')
    snprintf(host, sizeof host, "%s", comm->host);
  else
    gethostname(host, sizeof host - 1);
  memcpy(head.host, host, sizeof host);
  dg_comm_bcast(comm, &head, sizeof head, 0);
  DG_TRY(dg_comm_agree(comm, dg_alloc(&first, (size_t)head.bytes, 1)));
  if (comm->rank == 0) memcpy(first, facts, (size_t)head.bytes);
  dg_comm_bcast(comm, first, (size_t)head.bytes, 0);

  const char *mine = facts, *theirs = first;
  dg_comm plain = *comm;
  plain.host[0] = '\0'; /* the line names rank and host itself */
  if (find_difference(&mine, &theirs)) {
    mine = or_nothing(mine), theirs = or_nothing(theirs);
    status = dg_fail(failure, "%s: rank %d on %s has %.*s, rank 0 on %s has %.*s; %s", what, comm->rank, host,
                     line_length(mine), mine, head.host, line_length(theirs), theirs, advice);
  }
  status = dg_comm_agree(&plain, status);
cleanup:
  dg_free(&first);
  return status;
}

dg_status dg_same_options(const dg_comm *comm, const char *advice, const char *format, ...) {
  dg_status status = DG_OK;
  char *facts = NULL;
  va_list arguments;
  va_start(arguments, format);
  if (vasprintf(&facts, format, arguments) < 0) {
    facts = NULL;
    status = dg_fail(DG_MEMORY, "out of memory for the options");
  }
  va_end(arguments);
  DG_TRY(dg_comm_agree(comm, status));
  DG_TRY(dg_same_facts(comm, DG_USAGE, "options", facts, advice));

cleanup:
  free(facts);
  return status;
}
