#include <distgat/status.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char first_message[1024];
static bool failed;

dg_status dg_fail(dg_status status, const char *format, ...) {
  if (failed) return status;
  failed = true;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(first_message, sizeof first_message, format, arguments);
  va_end(arguments);
  return status;
}

const char *dg_status_message(void) {
  return first_message;
}

void dg_status_clear(void) {
  failed = false;
  first_message[0] = '\0';
}

int dg_status_exit_code(dg_status status) {
  switch (status) {
#define X(name, exit_code, text)                                                                                       \
  case name:                                                                                                           \
    return exit_code;
    DG_STATUS_LIST(X)
#undef X
  }
  return 1;
}

/* The launcher tells the rank by environment: a panic must not depend on the state of MPI. */
static const char *rank_text(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *value = getenv(names[i]);
    if (value != NULL) return value;
  }
  return "0";
}

void dg_panic(const char *condition, const char *file, int line) {
  char host[128] = "";
  gethostname(host, sizeof host - 1);
  fprintf(stderr, "distgat: bug: rank %s on %s: %s:%d: expected %s\n", rank_text(), host, file, line, condition);
  fflush(NULL);
  abort();
}
