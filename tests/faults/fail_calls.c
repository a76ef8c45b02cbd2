/* To be loaded before a program: the COUNT-th call of NAME (open, pread, pwrite, fsync, close or rename) on files whose
   path ends in END fails with errno ERROR, or, where that is 0, moves half of the bytes, as is asked for by
   FAIL_CALL=NAME:COUNT:ERROR:END. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char wanted[16], end[64];
static int count, error;

__attribute__((constructor)) static void start(void) {
  const char *text = getenv("FAIL_CALL");
  if (text == NULL || sscanf(text, "%15[^:]:%d:%d:%63s", wanted, &count, &error, end) != 4) count = 0;
}

static int is_meant(const char *name, const char *path) {
  const size_t length = strlen(path), n = strlen(end);
  return count > 0 && strcmp(name, wanted) == 0 && length >= n && strcmp(path + length - n, end) == 0 && --count == 0;
}

static int is_meant_file(const char *name, int fd) {
  char link[64], path[4096];
  if (count <= 0 || strcmp(name, wanted) != 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  path[length > 0 ? length : 0] = '\0';
  char *temporary = strstr(path, ".tmp.");
  if (temporary != NULL) *temporary = '\0';
  return is_meant(name, path);
}

#define REAL(name, type, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))
#define TRANSFER(name, bytes)                                                                                          \
  ssize_t name(int fd, bytes *buffer, size_t n, off_t at) {                                                            \
    const int meant = is_meant_file(#name, fd);                                                                        \
    if (meant && error != 0) return errno = error, -1;                                                                 \
    return REAL(#name, ssize_t, int, bytes *, size_t, off_t)(fd, buffer, meant && n > 1 ? n / 2 : n, at);              \
  }
TRANSFER(pread, void)
TRANSFER(pwrite, const void)

int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (is_meant("open", path)) return errno = error, -1;
  return REAL("open", int, const char *, int, ...)(path, flags, mode);
}

int fsync(int fd) {
  if (is_meant_file("fsync", fd)) return errno = error, -1;
  return REAL("fsync", int, int)(fd);
}

int close(int fd) {
  const int meant = is_meant_file("close", fd), done = REAL("close", int, int)(fd);
  return meant ? errno = error, -1 : done;
}

int rename(const char *from, const char *to) {
  if (is_meant("rename", to)) return errno = error, -1;
  return REAL("rename", int, const char *, const char *)(from, to);
}
