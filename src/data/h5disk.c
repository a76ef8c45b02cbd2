#include "data/h5disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/files.h>

#include "base/sync.h"

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

/* Two file drivers of the library, for writing and for reading: its own of POSIX calls, but for the errors, and without
   locks, which some network file systems lack. Members before `fd` are the library's. */
typedef struct disk {
  H5FD_t base;
  int fd;
  char *path; /* allocated with malloc */
  bool writes;
  int *error;
  haddr_t eoa, eof; /* end of what is allocated, and of what is written */
} disk;

static H5FD_t *open_disk(const char *name, int flags, hid_t access) {
  int *const *error = H5Pget_driver_info(access);
  struct stat st = {0};
  disk *d = calloc(1, sizeof *d);
  if (d == NULL || (d->path = strdup(name)) == NULL) {
    **error = ENOMEM;
    free(d);
    return NULL;
  }
  d->error = *error;
  d->writes = flags != O_RDONLY;
  d->fd = open(name, flags | O_CLOEXEC, 0666);
  if (d->fd >= 0 && fstat(d->fd, &st) == 0) {
    d->eof = (haddr_t)st.st_size;
    return &d->base;
  }
  *d->error = errno;
  if (d->fd >= 0) close(d->fd);
  free(d->path);
  free(d);
  return NULL;
}

static H5FD_t *disk_open(const char *name, unsigned flags, hid_t access, haddr_t max_address) {
  (void)flags;
  (void)max_address;
  return open_disk(name, O_RDWR | O_CREAT | O_TRUNC, access);
}

static H5FD_t *disk_open_reading(const char *name, unsigned flags, hid_t access, haddr_t max_address) {
  (void)flags;
  (void)max_address;
  return open_disk(name, O_RDONLY, access);
}

static herr_t disk_close(H5FD_t *file) {
  disk *d = (disk *)file;
  if (d->writes && *d->error == 0 && dg_sync(d->fd) != 0) *d->error = errno;
  if (dg_close(d->fd) != 0 && d->writes && *d->error == 0) *d->error = errno;
  free(d->path);
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

ssize_t dg_h5disk_read(int fd, void *to, size_t n, off_t at) {
  size_t done = 0;
  while (done < n) {
    const ssize_t more = pread(fd, (char *)to + done, n - done, at + (off_t)done);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return -1;
    if (more == 0) break;
    done += (size_t)more;
  }
  return (ssize_t)done;
}

/* What is being written reads as zero until it is; a file that is read has nothing behind its end. Noted at once: the
   library takes what it cannot read for something that is not there, and its callers for damage. */
static herr_t disk_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size, void *buffer) {
  (void)type;
  (void)transfer;
  const disk *d = (disk *)file;
  const ssize_t n = dg_h5disk_read(d->fd, buffer, size, (off_t)address);
  if (n < 0) {
    if (*d->error == 0) *d->error = errno;
    if (!d->writes) (void)dg_file_cannot_read(d->path, errno);
    return -1;
  }
  if ((size_t)n < size && !d->writes) return -1;
  memset((char *)buffer + n, 0, size - (size_t)n);
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

#if H5_VERSION_GE(1, 13, 0)
#define NUMBERED(number) .version = H5FD_CLASS_VERSION, .value = (number),
#else
#define NUMBERED(number)
#endif
#define DRIVER(number, title, opens)                                                                                   \
  {                                                                                                                    \
    NUMBERED(number).name = (title), .maxaddr = HADDR_MAX >> 1, .fc_degree = H5F_CLOSE_WEAK,                           \
    .fapl_size = sizeof(int *), .open = (opens), .close = disk_close, .query = disk_query, .get_eoa = disk_eoa,        \
    .set_eoa = disk_set_eoa, .get_eof = disk_eof, .read = disk_read, .write = disk_write, .truncate = disk_truncate,   \
    .fl_map = H5FD_FLMAP_DICHOTOMY,                                                                                    \
  }

typedef struct driver {
  const H5FD_class_t class;
  hid_t id;
} driver;

static driver writing = {DRIVER(600, "distgat", disk_open), H5I_INVALID_HID};
static driver reading = {DRIVER(601, "distgat-read", disk_open_reading), H5I_INVALID_HID};

/* Registered once and for good: the library frees a driver with its last file, and only then calls its close. */
static hid_t driver_id(driver *d) {
  if (H5Iget_type(d->id) != H5I_VFL) d->id = H5FDregister(&d->class);
  return d->id;
}

/* Access by a driver that notes errors in *error; H5I_INVALID_HID where the library has no memory. */
static hid_t access_by(driver *d, int *error) {
  const hid_t id = driver_id(d), access = H5Pcreate(H5P_FILE_ACCESS);
  *error = 0;
  if (access >= 0 && (id < 0 || H5Pset_driver(access, id, &error) < 0)) {
    H5Pclose(access);
    return H5I_INVALID_HID;
  }
  return access;
}

hid_t dg_h5disk_create(const char *path, int *error) {
  const hid_t access = access_by(&writing, error);
  if (access < 0) return H5I_INVALID_HID;
  const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  H5Pclose(access);
  return file;
}

hid_t dg_h5disk_open(const char *path, int *error) {
  const hid_t access = access_by(&reading, error);
  if (access < 0) return H5I_INVALID_HID;
  const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
  H5Pclose(access);
  return file;
}
