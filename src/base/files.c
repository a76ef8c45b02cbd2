#include <distgat/files.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a file that does not exist yet would be made, links followed: glibc leaves in `place` how far it came. */
static bool resolve_new(char place[PATH_MAX], const char *path) {
  return realpath(path, place) == NULL && errno == ENOENT;
}

/* Devices and pipes are not destroyed by being used twice. */
static bool is_same(const char *a, const char *b) {
  struct stat x, y;
  char place_x[PATH_MAX], place_y[PATH_MAX];
  const bool exists = stat(a, &x) == 0;
  if (exists != (stat(b, &y) == 0)) return false;
  if (exists) return S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
  return resolve_new(place_x, a) && resolve_new(place_y, b) && strcmp(place_x, place_y) == 0;
}

dg_status dg_files_check_distinct(const dg_named_file *files, int n) {
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n; k++) {
      const dg_named_file *out = &files[i], *other = &files[k];
      if (i == k || !out->written || !out->path || !other->path || !is_same(out->path, other->path)) continue;
      return dg_fail(DG_USAGE, "%s %s would replace %s, which is the same file; give it another name", out->what,
                     out->path, other->what);
    }
  return DG_OK;
}

dg_status dg_file_cannot_read(const char *path, int error) {
  static const int of_paths[] = {ENOTDIR, EISDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG, ENXIO, ENODEV};
  dg_status status = DG_IO;
  if (error == ENOENT) return dg_fail(DG_INPUT, "%s: no such file", path);
  for (size_t i = 0; i < sizeof of_paths / sizeof of_paths[0]; i++)
    if (error == of_paths[i]) status = DG_INPUT;
  return dg_fail(status, "%s: cannot be read: %s", path, strerror(error));
}

dg_status dg_file_check_writable(const char *path) {
  struct stat info;
  char place[PATH_MAX];
  int error = 0, fd;
  if (stat(path, &info) == 0) {
    if (S_ISDIR(info.st_mode))
      error = EISDIR;
    else if (access(path, W_OK) != 0) /* not opened: a reader of a pipe would take the closing for the end */
      error = errno;
  } else if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666)) < 0) {
    error = errno;
  } else {
    close(fd);
    if (realpath(path, place) != NULL) unlink(place); /* the file, not a link that leads to it */
  }
  return error ? dg_fail(DG_IO, "%s: cannot be written: %s", path, strerror(error)) : DG_OK;
}
