#ifndef DISTGAT_STATUS_H
#define DISTGAT_STATUS_H

#include <distgat/api.h>

DG_API_BEGIN

/* Every expected failure: name, exit code of the program, meaning. */
#define DG_STATUS_LIST(X)                                                                                              \
  X(DG_OK, 0, "success")                                                                                               \
  X(DG_USAGE, 2, "bad usage")                                                                                          \
  X(DG_INPUT, 2, "bad input")                                                                                          \
  X(DG_IO, 3, "input or output failed")                                                                                \
  X(DG_MEMORY, 3, "out of memory")                                                                                     \
  X(DG_RUNTIME, 3, "failure at run time")                                                                              \
  X(DG_STOPPED, 75, "stopped by a signal")

typedef enum dg_status {
#define X(name, exit_code, text) name,
  DG_STATUS_LIST(X)
#undef X
} dg_status;

/* Notes a failure and returns its status; the first message since dg_status_clear is kept, later ones are dropped.
   The message is one line without a final newline: what, where, what would be right. Local; call from one thread. */
dg_status dg_fail(dg_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Text of the first failure of this process, or "" where there is none. Local. */
const char *dg_status_message(void);

/* Forgets the noted failure. Local. */
void dg_status_clear(void);

/* Exit code of the program for a status. Local. */
int dg_status_exit_code(dg_status status);

/* Leaves the calling function through its label `cleanup`, with `status` set, when a call fails. */
#define DG_TRY(call)                                                                                                   \
  do {                                                                                                                 \
    status = (call);                                                                                                   \
    if (status != DG_OK) goto cleanup;                                                                                 \
  } while (0)

/* Stops the whole job with rank, host, file and line when an invariant is broken: a bug, never bad input. */
#define DG_CHECK(condition) ((condition) ? (void)0 : dg_panic(#condition, __FILE__, __LINE__))
DG_NORETURN void dg_panic(const char *condition, const char *file, int line);

DG_API_END

#endif
