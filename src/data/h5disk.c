#include "data/h5disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

/* A file driver of the library: its own of POSIX calls, but for the errors. Members before `fd` are the library's. */
typedef struct disk {
  H5FD_t base;
  int fd;
  int *error;
  haddr_t eoa, eof; /* end of what is allocated, and of what is written */
} disk;

static H5FD_t *disk_open(const char *name, unsigned flags, hid_t access, haddr_t max_address) {
  int *const *error = H5Pget_driver_info(access);
  disk *d = calloc(1, sizeof *d);
  (void)flags;
  (void)max_address;
  if (d == NULL) return NULL;
  d->error = *error;
  d->fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (d->fd >= 0) return &d->base;
  *d->error = errno;
  free(d);
  return NULL;
}

static herr_t disk_close(H5FD_t *file) {
  disk *d = (disk *)file;
  if (*d->error == 0 && fsync(d->fd) != 0) *d->error = errno;
  if (close(d->fd) != 0 && *d->error == 0) *d->error = errno;
  free(d);
  return 0;
}

static herr_t disk_query(const H5FD_t *file, unsigned long *flags) {
  (void)file;
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

static haddr_t disk_eoa(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const disk *)file)->eoa;
}

static herr_t disk_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t address) {
  (void)type;
  ((disk *)file)->eoa = address;
  return 0;
}

static haddr_t disk_eof(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const disk *)file)->eof;
}

/* What was never written reads as zero. */
static herr_t disk_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size, void *buffer) {
  (void)type;
  (void)transfer;
  char *to = buffer;
  while (size > 0) {
    ssize_t n = pread(((disk *)file)->fd, to, size, (off_t)address);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    to += n;
    address += (haddr_t)n;
    size -= (size_t)n;
  }
  memset(to, 0, size);
  return 0;
}

static herr_t disk_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
                         const void *buffer) {
  disk *d = (disk *)file;
  (void)type;
  (void)transfer;
  const char *from = buffer;
  if (address + size > d->eof) d->eof = address + size;
  while (size > 0 && *d->error == 0) {
    ssize_t n = pwrite(d->fd, from, size, (off_t)address);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      *d->error = n < 0 ? errno : ENOSPC;
      break;
    }
    from += n;
    address += (haddr_t)n;
    size -= (size_t)n;
  }
  return 0;
}

static herr_t disk_truncate(H5FD_t *file, hid_t transfer, hbool_t closing) {
  disk *d = (disk *)file;
  (void)transfer;
  (void)closing;
  if (*d->error == 0 && d->eoa != d->eof && ftruncate(d->fd, (off_t)d->eoa) != 0) *d->error = errno;
  d->eof = d->eoa;
  return 0;
}

static const H5FD_class_t disk_class = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = 600,
#endif
    .name = "distgat",
    .maxaddr = HADDR_MAX >> 1,
    .fc_degree = H5F_CLOSE_WEAK,
    .fapl_size = sizeof(int *),
    .open = disk_open,
    .close = disk_close,
    .query = disk_query,
    .get_eoa = disk_eoa,
    .set_eoa = disk_set_eoa,
    .get_eof = disk_eof,
    .read = disk_read,
    .write = disk_write,
    .truncate = disk_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t dg_h5disk_create(const char *path, int *error) {
  hid_t driver = H5FDregister(&disk_class), access = H5Pcreate(H5P_FILE_ACCESS), file = H5I_INVALID_HID;
  *error = 0;
  if (driver >= 0 && access >= 0 && H5Pset_driver(access, driver, &error) >= 0)
    file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  if (access >= 0) H5Pclose(access);
  if (driver >= 0) H5FDunregister(driver);
  return file;
}
