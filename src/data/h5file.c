#include "data/h5file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/files.h>
#include <distgat/memory.h>

#include "data/h5disk.h"
#include "data/h5guard.h"

/* A handle on `path`, with no file behind it yet. Messages are ours alone: the library's own stack is switched off. */
static dg_status handle_create(dg_h5 **file, const char *path) {
  dg_status status = DG_OK;
  dg_h5 *h = NULL;

  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  DG_TRY(dg_alloc(&h, 1, sizeof *h));
  h->id = H5I_INVALID_HID;
  h->lock = -1;
  DG_TRY(dg_alloc(&h->path, strlen(path) + 1, 1));
  strcpy(h->path, path);
cleanup:
  if (status != DG_OK) dg_free(&h);
  *file = h;
  return status;
}

void dg_h5_remove_unfinished(void) {
  dg_unfinished_remove();
}

static void handle_destroy(dg_h5 **file) {
  dg_unfinished_forget(&(*file)->unfinished);
  if ((*file)->lock >= 0) close((*file)->lock);
  dg_free(&(*file)->temporary);
  dg_free(&(*file)->path);
  dg_free(file);
}

const char *dg_h5_path(const dg_h5 *file) {
  return file->path;
}

/* Says in the words of the system why a file cannot be read; *fd stays open where it can. */
static dg_status open_plain(int *fd, struct stat *st, const char *path) {
  if (stat(path, st) != 0) return dg_file_cannot_read(path, errno);
  if (S_ISDIR(st->st_mode)) return dg_fail(DG_INPUT, "%s: is a directory, an HDF5 file is expected", path);
  if (!S_ISREG(st->st_mode)) return dg_fail(DG_INPUT, "%s: is not a regular file, as an HDF5 file must be", path);
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  if (*fd < 0 || fstat(*fd, st) != 0) return dg_file_cannot_read(path, errno);
  return DG_OK;
}

/* Where the library looks for it: at the beginning, or behind a block of the user of 512 bytes, 1024 and so on. */
static dg_status find_signature(const dg_h5 *file, const struct stat *st) {
  static const char signature[] = "\211HDF\r\n\032\n";
  char found[sizeof signature - 1];
  for (off_t at = 0; at < st->st_size; at = at == 0 ? 512 : 2 * at) {
    const ssize_t n = dg_h5disk_read(file->lock, found, sizeof found, at);
    if (n < 0) return dg_file_cannot_read(file->path, errno);
    if (n == (ssize_t)sizeof found && memcmp(found, signature, sizeof found) == 0) return DG_OK;
  }
  return dg_fail(DG_INPUT, "%s: is not an HDF5 file", file->path);
}

/* Programs that write HDF5 files hold a lock. File systems without locks (some of NFS and Lustre) are read without. */
static dg_status lock_for_reading(const dg_h5 *file) {
  const char *choice = getenv("HDF5_USE_FILE_LOCKING");
  if (choice != NULL && (strcmp(choice, "FALSE") == 0 || strcmp(choice, "0") == 0)) return DG_OK;
  if (flock(file->lock, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return DG_OK;
  return dg_fail(DG_INPUT,
                 "%s: another program holds its lock to write it; with HDF5_USE_FILE_LOCKING=FALSE it is read all the "
                 "same",
                 file->path);
}

static herr_t find_resource(unsigned n, const H5E_error2_t *error, void *found) {
  (void)n;
  if (error->maj_num == H5E_RESOURCE) *(bool *)found = true;
  return 0;
}

/* Without a limit memory lacks for absurd claims alone. */
bool dg_h5_lacked_memory(void) {
  bool found = false;
  if (dg_memory_limit() == 0) return false;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, find_resource, &found);
  return found || !dg_memory_fits(DG_MEMORY_RESERVE);
}

dg_status dg_h5_open(dg_h5 **file, const char *path) {
  dg_status status = DG_OK;
  struct stat st;
  *file = NULL;
  DG_TRY(dg_memory_check());
  DG_TRY(handle_create(file, path));
  DG_TRY(open_plain(&(*file)->lock, &st, path));
  DG_TRY(find_signature(*file, &st));
  DG_TRY(lock_for_reading(*file));
  DG_TRY(dg_h5guard_examine(&(*file)->texts, path, &st));
  (*file)->id = dg_h5disk_open(path, &(*file)->error);
  if ((*file)->id < 0 && (*file)->error != 0)
    status = dg_file_cannot_read(path, (*file)->error);
  else if ((*file)->id < 0 && dg_h5_lacked_memory())
    status = dg_fail(DG_MEMORY, "%s: out of memory", path);
  else if ((*file)->id < 0)
    status = dg_fail(DG_INPUT, "%s: is truncated or damaged", path);
cleanup:
  if (status != DG_OK) dg_h5_close(file);
  return status;
}

/* A target that exists must be a regular file, reached through its links: renaming would replace anything else. */
static dg_status resolve_target(dg_h5 *file) {
  struct stat st;
  if (stat(file->path, &st) != 0) return DG_OK;
  if (S_ISDIR(st.st_mode)) return dg_fail(DG_IO, "%s: cannot be written: is a directory", file->path);
  if (!S_ISREG(st.st_mode)) return dg_fail(DG_IO, "%s: cannot be written: is not a regular file", file->path);
  char *target = realpath(file->path, NULL);
  if (target == NULL) return DG_OK;
  dg_free(&file->path);
  dg_status status = dg_alloc(&file->path, strlen(target) + 1, 1);
  if (status == DG_OK) strcpy(file->path, target);
  free(target);
  return status;
}

dg_status dg_h5_judge(const dg_h5 *file, dg_status status) {
  if (file->error == 0 || (status != DG_OK && status != DG_INPUT)) return status;
  return file->temporary != NULL ? dg_h5_cannot_write(file) : dg_file_cannot_read(file->path, file->error);
}

dg_status dg_h5_cannot_write(const dg_h5 *file) {
  return dg_fail(DG_IO, "%s: cannot be written: %s", file->path, strerror(file->error != 0 ? file->error : EIO));
}

dg_status dg_h5_written(const dg_h5 *file, bool good) {
  return good && file->error == 0 ? DG_OK : dg_h5_cannot_write(file);
}

dg_status dg_h5_create(dg_h5 **file, const char *path) {
  dg_status status = DG_OK;
  *file = NULL;
  DG_TRY(handle_create(file, path));
  dg_h5 *h = *file;
  DG_TRY(resolve_target(h));
  size_t length = strlen(h->path) + 32;
  DG_TRY(dg_alloc(&h->temporary, length, 1));
  snprintf(h->temporary, length, "%s.tmp.%ld", h->path, (long)getpid());
  dg_unfinished_note(&h->unfinished, h->temporary);
  h->id = dg_h5disk_create(h->temporary, &h->error);
  if (h->id < 0) status = dg_h5_cannot_write(h);
cleanup:
  if (status != DG_OK) dg_h5_close(file);
  return status;
}

dg_status dg_h5_check_writable(const char *path) {
  dg_h5 *file = NULL;
  dg_status status = dg_h5_create(&file, path);
  dg_h5_close(&file);
  return status;
}

/* Makes the new name itself durable; a file system that cannot do so is not an error. */
static void sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
  int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
  free(folder);
}

/* A file system without hard links leaves the name free for a moment. */
static bool keep(const char *path, const char *previous) {
  if (unlink(previous) != 0 && errno != ENOENT) return false;
  return link(path, previous) == 0 || errno == ENOENT || rename(path, previous) == 0;
}

dg_status dg_h5_commit(dg_h5 **file) {
  return dg_h5_commit_keeping(file, NULL);
}

dg_status dg_h5_commit_keeping(dg_h5 **file, const char *previous) {
  dg_h5 *h = *file;
  dg_status status = DG_OK;
  DG_CHECK(h->temporary != NULL);
  herr_t closed = H5Fclose(h->id);
  h->id = H5I_INVALID_HID;
  if (closed >= 0 && h->error == 0 && previous && !keep(h->path, previous)) h->error = errno;
  if (closed >= 0 && h->error == 0 && rename(h->temporary, h->path) != 0) h->error = errno;
  if (closed < 0 || h->error != 0) {
    status = dg_h5_cannot_write(h);
  } else {
    sync_folder(h->path);
    dg_unfinished_forget(&h->unfinished);
    dg_free(&h->temporary);
  }
  dg_h5_close(file);
  return status;
}

void dg_h5_close(dg_h5 **file) {
  dg_h5 *h = *file;
  if (h == NULL) return;
  if (h->error == 0) h->error = ECANCELED; /* what is not committed need not reach the disk */
  if (h->id >= 0) H5Fclose(h->id);
  if (h->temporary != NULL) unlink(h->temporary);
  handle_destroy(file);
}
