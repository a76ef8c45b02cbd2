#include "data/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <distgat/memory.h>

#include "base/sync.h"
#include "data/h5file.h"

/* What rank 0 tells of the file. */
typedef struct place {
  int64_t address; /* negative: not to be shared */
  int64_t inode;
  char path[PATH_MAX], temporary[PATH_MAX];
} place;

/* Has storage set aside by writing the first element: the library does so then, and no earlier. *address is negative
   where rows do not follow each other in the file. */
static dg_status find_address(int64_t *address, const dg_sink *s) {
  static const char zeros[8];
  const hsize_t one[DG_H5_MAX_RANK] = {1, 1}, origin[DG_H5_MAX_RANK] = {0};
  const hid_t set = H5Dopen2(s->file->id, s->name, H5P_DEFAULT), stored = H5Dget_space(set), type = H5Dget_type(set);
  const hid_t memory = H5Screate_simple(1, one, NULL);
  bool good = H5Sget_simple_extent_npoints(stored) == 0;
  if (!good)
    good = H5Sselect_hyperslab(stored, H5S_SELECT_SET, origin, NULL, one, NULL) >= 0 &&
           H5Dwrite(set, type, memory, stored, H5P_DEFAULT, zeros) >= 0;
  const haddr_t found = H5Dget_offset(set);
  *address = found == HADDR_UNDEF || found > INT64_MAX ? -1 : (int64_t)found;
  H5Sclose(memory);
  H5Tclose(type);
  H5Sclose(stored);
  H5Dclose(set);
  return dg_h5_written(s->file, good);
}

/* Whether a file system lets hosts write to parts of a file beside each other, and each part becomes what was written:
   Lustre, GPFS, BeeGFS, Ceph, PanFS, OrangeFS. NFS does not promise this. */
static bool is_parallel(const char *path) {
  static const unsigned long known[] = {0x0BD00BD0, 0x47504653, 0x19830326, 0x00C36400, 0xAAD7AAEA, 0x20030528};
  struct statfs found;
  if (statfs(path, &found) != 0) return false;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (((unsigned long)found.f_type & 0xFFFFFFFF) == known[i]) return true;
  return false;
}

/* DISTGAT_WRITERS, one or all, overrides the rule. Files are little-endian. */
static bool may_share(const dg_comm *comm, const char *path) {
  if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) return false;
  const char *choice = getenv("DISTGAT_WRITERS");
  if (choice != NULL && strcmp(choice, "one") == 0) return false;
  if (choice != NULL && strcmp(choice, "all") == 0) return true;
  return comm->host[0] == '\0' || is_parallel(path);
}

static dg_status describe(place *p, const dg_sink *s) {
  const dg_h5 *file = s->file;
  struct stat st;
  if (strlen(file->path) >= sizeof p->path || strlen(file->temporary) >= sizeof p->temporary) return DG_OK;
  if (!may_share(s->comm, file->temporary) || stat(file->temporary, &st) != 0) return DG_OK;
  p->inode = (int64_t)st.st_ino;
  strcpy(p->path, file->path);
  strcpy(p->temporary, file->temporary);
  return find_address(&p->address, s);
}

/* Opens the file here, unless it is another one under the same name. */
static void open_here(dg_sink *s, const place *p) {
  struct stat st;
  s->fd = open(p->temporary, O_WRONLY | O_CLOEXEC);
  if (s->fd < 0 || (fstat(s->fd, &st) == 0 && (int64_t)st.st_ino == p->inode)) return;
  close(s->fd);
  s->fd = -1;
}

/* Leaves the file to rank 0. */
static void give_up(dg_sink *s) {
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
  dg_free(&s->path);
}

dg_status dg_sink_open(dg_sink *sink, const dg_comm *comm, dg_h5 *file, const char *name, dg_h5_type type,
                       int64_t columns) {
  dg_status status = DG_OK;
  place *p = NULL;
  *sink = (dg_sink){.comm = comm, .file = file, .name = name, .type = type, .fd = -1};
  sink->row_bytes = dg_h5_type_bytes(type) * (size_t)columns;
  if (comm->size == 1) return DG_OK;
  status = dg_alloc(&p, 1, sizeof *p);
  if (status == DG_OK) p->address = -1;
  if (status == DG_OK && comm->rank == 0) status = describe(p, sink);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_bcast(comm, p, sizeof *p, 0);
  if (p->address < 0) goto cleanup;
  open_here(sink, p);
  if (dg_comm_max_int64(comm, sink->fd < 0)) {
    give_up(sink);
  } else {
    sink->address = p->address;
    DG_TRY(dg_comm_agree(comm, dg_alloc(&sink->path, strlen(p->path) + 1, 1)));
    strcpy(sink->path, p->path);
  }
cleanup:
  if (status != DG_OK) give_up(sink);
  dg_free(&p);
  return status;
}

bool dg_sink_is_shared(const dg_sink *sink) {
  return sink->fd >= 0;
}

static dg_status cannot_write(const dg_sink *s, int error) {
  if (s->file != NULL) s->file->error = error;
  return dg_fail(DG_IO, "%s: cannot be written: %s", s->path, strerror(error));
}

dg_status dg_sink_write(const dg_sink *sink, int64_t first, int64_t count, const void *rows) {
  if (sink->fd < 0) return dg_h5_write_rows(sink->file, sink->name, sink->type, first, count, rows);
  const char *from = rows;
  off_t at = (off_t)(sink->address + first * (int64_t)sink->row_bytes);
  for (size_t left = (size_t)count * sink->row_bytes; left > 0;) {
    const ssize_t n = pwrite(sink->fd, from, left, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return cannot_write(sink, n < 0 ? errno : ENOSPC);
    from += n;
    at += n;
    left -= (size_t)n;
  }
  return DG_OK;
}

dg_status dg_sink_close(dg_sink *sink) {
  dg_status status = DG_OK;
  if (sink->fd >= 0) {
    if (sink->comm->host[0] != '\0' && dg_sync(sink->fd) != 0) status = cannot_write(sink, errno);
    if (dg_close(sink->fd) != 0 && status == DG_OK) status = cannot_write(sink, errno);
  }
  dg_free(&sink->path);
  return sink->comm->size == 1 ? status : dg_comm_agree(sink->comm, status);
}
