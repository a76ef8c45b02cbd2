#include <distgat/h5io.h>

#include <stdio.h>
#include <string.h>

#include <hdf5.h>

#include <distgat/memory.h>

#include "data/h5check.h"
#include "data/h5file.h"

/* Data sets are named in messages as h5ls names them. */
static const char *plain(const char *name) {
  return name + (name[0] == '/');
}

static hid_t memory_type(dg_h5_type type) {
  switch (type) {
  case DG_H5_F32:
    return H5T_NATIVE_FLOAT;
  case DG_H5_F64:
    return H5T_NATIVE_DOUBLE;
  case DG_H5_I32:
    return H5T_NATIVE_INT32;
  case DG_H5_I64:
    return H5T_NATIVE_INT64;
  case DG_H5_U8:
    return H5T_NATIVE_UINT8;
  }
  DG_CHECK(!"element type");
}

static hid_t file_type(dg_h5_type type) {
  switch (type) {
  case DG_H5_F32:
    return H5T_IEEE_F32LE;
  case DG_H5_F64:
    return H5T_IEEE_F64LE;
  case DG_H5_I32:
    return H5T_STD_I32LE;
  case DG_H5_I64:
    return H5T_STD_I64LE;
  case DG_H5_U8:
    return H5T_STD_U8LE;
  }
  DG_CHECK(!"element type");
}

size_t dg_h5_type_bytes(dg_h5_type type) {
  return type == DG_H5_F64 || type == DG_H5_I64 ? 8 : type == DG_H5_U8 ? 1 : 4;
}

/* ---- Names ---- */

static bool is_plain_link(hid_t file, const char *step) {
  H5L_info_t link;
  return H5Lexists(file, step, H5P_DEFAULT) > 0 && H5Lget_info(file, step, &link, H5P_DEFAULT) >= 0 &&
         link.type == H5L_TYPE_HARD && H5Oexists_by_name(file, step, H5P_DEFAULT) > 0;
}

/* The library demands that every step of a path is looked up by itself. */
bool dg_h5_exists(dg_h5 *file, const char *name) {
  char step[1024];
  size_t length = strlen(plain(name));
  if (length == 0) return true;
  if (length >= sizeof step) return false;
  memcpy(step, plain(name), length + 1);
  for (size_t i = 1; i <= length; i++) {
    if (step[i] != '/' && step[i] != '\0') continue;
    char kept = step[i];
    step[i] = '\0';
    if (!is_plain_link(file->id, step)) return file->error != 0;
    step[i] = kept;
  }
  return true;
}

/* The third form of this call came when the second changed its type. */
#if H5_VERSION_GE(1, 12, 0)
#define object_info H5Oget_info_by_name3
#else
#define object_info H5Oget_info_by_name2
#endif

typedef struct walk {
  H5O_type_t kind;
  dg_status (*visit)(const char *name, void *context);
  void *context;
  dg_status status;
} walk;

static herr_t walk_step(hid_t group, const char *name, const H5L_info_t *link, void *data) {
  walk *w = data;
  H5O_info_t object;
  (void)link;
  if (H5Oexists_by_name(group, name, H5P_DEFAULT) <= 0) return 0;
  if (object_info(group, name, &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0) return -1;
  if (object.type != w->kind) return 0;
  w->status = w->visit(name, w->context);
  return w->status != DG_OK;
}

static dg_status each(dg_h5 *file, const char *group, walk *w) {
  if (!dg_h5_exists(file, group))
    return dg_h5_judge(file, dg_fail(DG_INPUT, "%s: group %s is missing", file->path, plain(group)));
  if (H5Literate_by_name(file->id, group, H5_INDEX_NAME, H5_ITER_INC, NULL, walk_step, w, H5P_DEFAULT) < 0)
    return dg_h5_judge(file, dg_fail(DG_INPUT, "%s: group %s cannot be read", file->path, plain(group)));
  return dg_h5_judge(file, w->status);
}

dg_status dg_h5_each(dg_h5 *file, const char *group, dg_status (*visit)(const char *name, void *context),
                     void *context) {
  return each(file, group, &(walk){.kind = H5O_TYPE_DATASET, .visit = visit, .context = context});
}

dg_status dg_h5_each_group(dg_h5 *file, const char *group, dg_status (*visit)(const char *name, void *context),
                           void *context) {
  return each(file, group, &(walk){.kind = H5O_TYPE_GROUP, .visit = visit, .context = context});
}

/* ---- Data sets ---- */

static dg_status open_set(hid_t *set, dg_h5 *file, const char *name) {
  *set = H5I_INVALID_HID;
  if (!dg_h5_exists(file, name)) return dg_fail(DG_INPUT, "%s: data set %s is missing", file->path, plain(name));
  *set = H5Dopen2(file->id, name, H5P_DEFAULT);
  if (*set < 0) return dg_fail(DG_INPUT, "%s: %s is not a data set", file->path, plain(name));
  return DG_OK;
}

static void close_set(hid_t set) {
  if (set >= 0) H5Dclose(set);
}

static void close_space(hid_t space) {
  if (space >= 0) H5Sclose(space);
}

/* Nearest of our types to a stored one. */
static bool nearest_type(dg_h5_type *type, hid_t stored) {
  H5T_class_t kind = H5Tget_class(stored);
  size_t bytes = H5Tget_size(stored);
  if (!dg_h5check_number(stored)) return false;
  if (kind == H5T_INTEGER && bytes == 1 && H5Tget_sign(stored) == H5T_SGN_NONE)
    *type = DG_H5_U8;
  else if (kind == H5T_INTEGER)
    *type = bytes < 4 || (bytes == 4 && H5Tget_sign(stored) != H5T_SGN_NONE) ? DG_H5_I32 : DG_H5_I64;
  else
    *type = bytes <= 4 ? DG_H5_F32 : DG_H5_F64;
  return true;
}

static dg_status set_type(dg_h5_type *type, dg_h5 *file, const char *name, hid_t set) {
  hid_t stored = H5Dget_type(set);
  bool numeric = stored >= 0 && nearest_type(type, stored), mask = stored >= 0 && H5Tget_class(stored) == H5T_ENUM;
  if (stored >= 0) H5Tclose(stored);
  if (numeric) return DG_OK;
  return dg_fail(DG_INPUT, "%s: data set %s must hold numbers%s", file->path, plain(name),
                 mask ? ", not truth values: of a mask, the ids where it is true" : "");
}

static dg_status set_shape(int *rank, int64_t extent[DG_H5_MAX_RANK], dg_h5 *file, const char *name, hid_t set) {
  hsize_t dims[DG_H5_MAX_RANK] = {0};
  hid_t space = H5Dget_space(set);
  int found = space < 0 || H5Sget_simple_extent_type(space) == H5S_NULL ? -1 : H5Sget_simple_extent_ndims(space);
  if (found >= 0 && found <= DG_H5_MAX_RANK) H5Sget_simple_extent_dims(space, dims, NULL);
  close_space(space);
  if (found < 0 || found > DG_H5_MAX_RANK)
    return dg_fail(DG_INPUT, "%s: data set %s must have at most %d dimensions", file->path, plain(name),
                   DG_H5_MAX_RANK);
  *rank = found;
  for (int i = 0; i < found; i++) {
    if (dims[i] > INT64_MAX)
      return dg_fail(DG_INPUT, "%s: data set %s has a dimension of %llu entries", file->path, plain(name),
                     (unsigned long long)dims[i]);
    extent[i] = (int64_t)dims[i];
  }
  return DG_OK;
}

dg_status dg_h5_shape(dg_h5 *file, const char *name, int *rank, int64_t extent[DG_H5_MAX_RANK]) {
  dg_status status = DG_OK;
  dg_h5_type type;
  hid_t set;
  DG_TRY(open_set(&set, file, name));
  DG_TRY(set_type(&type, file, name, set));
  DG_TRY(set_shape(rank, extent, file, name, set));
  DG_TRY(dg_h5check_storage(set, file->id, file->path, plain(name)));
cleanup:
  close_set(set);
  return dg_h5_judge(file, status);
}

dg_status dg_h5_type_of(dg_h5 *file, const char *name, dg_h5_type *type) {
  dg_status status = DG_OK;
  hid_t set;
  DG_TRY(open_set(&set, file, name));
  DG_TRY(set_type(type, file, name, set));
cleanup:
  close_set(set);
  return dg_h5_judge(file, status);
}

/* Selects rows [first, first + count) of a data set in *stored and makes *memory their dense counterpart. A data set
   without dimensions is one row. */
static dg_status select_rows(hid_t *stored, hid_t *memory, dg_status error, dg_h5 *file, const char *name, hid_t set,
                             int64_t first, int64_t count) {
  int rank;
  int64_t extent[DG_H5_MAX_RANK];
  hsize_t start[DG_H5_MAX_RANK] = {0}, size[DG_H5_MAX_RANK];
  dg_status status = set_shape(&rank, extent, file, name, set);
  if (status != DG_OK) return status;
  int64_t rows = rank == 0 ? 1 : extent[0];
  if (first < 0 || count < 0 || first > rows - count)
    return dg_fail(error, "%s: data set %s has %lld rows, %lld are needed", file->path, plain(name), (long long)rows,
                   (long long)(first + count));
  *stored = H5Dget_space(set);
  if (rank > 0) {
    start[0] = (hsize_t)first;
    size[0] = (hsize_t)count;
    for (int i = 1; i < rank; i++) size[i] = (hsize_t)extent[i];
    H5Sselect_hyperslab(*stored, H5S_SELECT_SET, start, NULL, size, NULL);
  }
  *memory = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, size, NULL);
  return *stored >= 0 && *memory >= 0 ? DG_OK : dg_fail(DG_MEMORY, "%s: out of memory", file->path);
}

/* What a filter lacks, newer HDF5 libraries do not tell. Deflate holds the chunk as stored, and doubles its room for
   the other until that has it, for a moment beside the room before. */
static bool filter_lacked_memory(hid_t set, hid_t layout) {
  hsize_t extent[DG_H5_MAX_RANK];
  const hid_t type = H5Dget_type(set);
  const int rank = layout < 0 || H5Pget_nfilters(layout) <= 0 ? -1 : H5Pget_chunk(layout, DG_H5_MAX_RANK, extent);
  size_t bytes = type < 0 ? 0 : H5Tget_size(type);
  for (int i = 0; i < rank && i < DG_H5_MAX_RANK; i++) bytes *= extent[i]; /* below 4 GiB in all */
  if (type >= 0) H5Tclose(type);
  return rank > 0 && !dg_memory_fits(4 * bytes + DG_MEMORY_RESERVE);
}

/* Says why data could not be read. */
static dg_status cannot_read(dg_h5 *file, const char *name, hid_t set) {
  const char *why = "is truncated or damaged";
  char text[64];
  bool lacked = dg_h5_lacked_memory();
  hid_t layout = H5Dget_create_plist(set);
  lacked = lacked || filter_lacked_memory(set, layout);
  for (int k = 0; layout >= 0 && k < H5Pget_nfilters(layout); k++) {
    size_t values = 0;
    unsigned flags;
    H5Z_filter_t filter = H5Pget_filter2(layout, (unsigned)k, &flags, &values, NULL, 0, NULL, NULL);
    if (filter < 0 || H5Zfilter_avail(filter) != 0) continue;
    snprintf(text, sizeof text, "needs HDF5 filter %d, which is not installed", (int)filter);
    why = text;
  }
  if (layout >= 0) H5Pclose(layout);
  if (lacked) return dg_fail(DG_MEMORY, "%s: out of memory for data set %s", file->path, plain(name));
  return dg_fail(DG_INPUT, "%s: data set %s %s", file->path, plain(name), why);
}

dg_status dg_h5_read(dg_h5 *file, const char *name, dg_h5_type type, int64_t first, int64_t count, void *out) {
  dg_status status = DG_OK;
  dg_h5_type stored_type;
  hid_t set = H5I_INVALID_HID, stored = H5I_INVALID_HID, memory = H5I_INVALID_HID;
  DG_TRY(dg_memory_check());
  DG_TRY(open_set(&set, file, name));
  DG_TRY(set_type(&stored_type, file, name, set));
  DG_TRY(select_rows(&stored, &memory, DG_INPUT, file, name, set, first, count));
  if (H5Sget_simple_extent_npoints(memory) > 0 && H5Dread(set, memory_type(type), memory, stored, H5P_DEFAULT, out) < 0)
    status = cannot_read(file, name, set);
cleanup:
  close_space(memory);
  close_space(stored);
  close_set(set);
  return dg_h5_judge(file, status);
}

static dg_status read_through(dg_h5 *file, const char *name) {
  dg_status status = DG_OK;
  char *data = NULL;
  int rank;
  int64_t extent[DG_H5_MAX_RANK], entries = 1;
  DG_TRY(dg_h5_shape(file, name, &rank, extent));
  for (int i = 0; i < rank; i++) entries *= extent[i];
  DG_TRY(dg_alloc(&data, (size_t)entries, sizeof(double)));
  DG_TRY(dg_h5_read(file, name, DG_H5_F64, 0, rank == 0 ? 1 : extent[0], data));

cleanup:
  dg_free(&data);
  return status;
}

static herr_t read_link(hid_t root, const char *name, const H5L_info_t *link, void *data) {
  walk *w = data;
  (void)link;
  const hid_t object = H5Oopen(root, name, H5P_DEFAULT);
  const bool is_set = object >= 0 && H5Iget_type(object) == H5I_DATASET;
  if (object >= 0) H5Oclose(object);
  if (is_set) w->status = read_through(w->context, name);
  return w->status != DG_OK;
}

dg_status dg_h5_verify(dg_h5 *file) {
  walk w = {.context = file};
  if (H5Lvisit(file->id, H5_INDEX_NAME, H5_ITER_NATIVE, read_link, &w) < 0)
    return dg_fail(DG_INPUT, "%s: is truncated or damaged", file->path);
  return w.status;
}

void dg_h5_guard_data(dg_h5 *file) {
  file->guards = true;
}

/* Only chunks have checksums, and a chunk is less than 4 GiB: larger data sets go without. */
static void add_checksum(hid_t layout, dg_h5_type type, int rank, const hsize_t *dims) {
  hsize_t bytes = H5Tget_size(memory_type(type));
  for (int i = 0; i < rank; i++) bytes *= dims[i];
  if (rank == 0 || bytes == 0 || bytes >= (hsize_t)1 << 32) return;
  H5Pset_chunk(layout, rank, dims);
  H5Pset_fletcher32(layout);
}

dg_status dg_h5_write(dg_h5 *file, const char *name, dg_h5_type type, int rank, const int64_t *extent,
                      const void *data) {
  hsize_t dims[DG_H5_MAX_RANK];
  DG_CHECK(rank >= 0 && rank <= DG_H5_MAX_RANK);
  for (int i = 0; i < rank; i++) dims[i] = (hsize_t)extent[i];
  hid_t space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, dims, NULL);
  hid_t links = H5Pcreate(H5P_LINK_CREATE), layout = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Pset_obj_track_times(layout, false);
  if (file->guards) add_checksum(layout, type, rank, dims);
  hid_t set = H5Dcreate2(file->id, name, file_type(type), space, links, layout, H5P_DEFAULT);
  bool good = set >= 0 && (data == NULL || H5Sget_simple_extent_npoints(space) == 0 ||
                           H5Dwrite(set, memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  if (set >= 0 && H5Dclose(set) < 0) good = false;
  H5Pclose(layout);
  H5Pclose(links);
  close_space(space);
  return dg_h5_written(file, good);
}

dg_status dg_h5_write_rows(dg_h5 *file, const char *name, dg_h5_type type, int64_t first, int64_t count,
                           const void *data) {
  dg_status status = DG_OK;
  hid_t set, stored = H5I_INVALID_HID, memory = H5I_INVALID_HID;
  DG_TRY(open_set(&set, file, name));
  DG_TRY(select_rows(&stored, &memory, DG_IO, file, name, set, first, count));
  DG_TRY(dg_h5_written(file, H5Sget_simple_extent_npoints(memory) == 0 ||
                                 H5Dwrite(set, memory_type(type), memory, stored, H5P_DEFAULT, data) >= 0));
cleanup:
  close_space(memory);
  close_space(stored);
  close_set(set);
  return status;
}
