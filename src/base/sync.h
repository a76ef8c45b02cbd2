#ifndef DG_BASE_SYNC_H
#define DG_BASE_SYNC_H

#include <errno.h>
#include <unistd.h>

/* fsync to its end, whatever signals come. Local. */
static inline int dg_sync(int fd) {
  int done;
  do done = fsync(fd);
  while (done != 0 && errno == EINTR);
  return done;
}

/* close, which a signal may interrupt but not undo. Local. */
static inline int dg_close(int fd) {
  const int done = close(fd);
  return done != 0 && errno == EINTR ? 0 : done;
}

#endif
