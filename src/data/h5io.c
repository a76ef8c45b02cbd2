#include <distgat/h5io.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hdf5.h>

#include <distgat/memory.h>

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
  }
  DG_CHECK(!"element type");
}

/* ---- Names ---- */

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
    if (H5Lexists(file->id, step, H5P_DEFAULT) <= 0 || H5Oexists_by_name(file->id, step, H5P_DEFAULT) <= 0)
      return false;
    step[i] = kept;
  }
  return true;
}

bool dg_h5_attribute_exists(dg_h5 *file, const char *name) {
  return H5Aexists(file->id, name) > 0;
}

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
  if (H5Oget_info_by_name2(group, name, &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0) return -1;
  if (object.type != w->kind) return 0;
  w->status = w->visit(name, w->context);
  return w->status != DG_OK;
}

static dg_status each(dg_h5 *file, const char *group, walk *w) {
  if (!dg_h5_exists(file, group)) return dg_fail(DG_INPUT, "%s: group %s is missing", file->path, plain(group));
  if (H5Literate_by_name(file->id, group, H5_INDEX_NAME, H5_ITER_INC, NULL, walk_step, w, H5P_DEFAULT) < 0)
    return dg_fail(DG_INPUT, "%s: group %s cannot be read", file->path, plain(group));
  return w->status;
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
  if (kind == H5T_INTEGER)
    *type = bytes < 4 || (bytes == 4 && H5Tget_sign(stored) != H5T_SGN_NONE) ? DG_H5_I32 : DG_H5_I64;
  else if (kind == H5T_FLOAT)
    *type = bytes <= 4 ? DG_H5_F32 : DG_H5_F64;
  else
    return false;
  return true;
}

static dg_status set_type(dg_h5_type *type, dg_h5 *file, const char *name, hid_t set) {
  hid_t stored = H5Dget_type(set);
  bool numeric = stored >= 0 && nearest_type(type, stored);
  if (stored >= 0) H5Tclose(stored);
  return numeric ? DG_OK : dg_fail(DG_INPUT, "%s: data set %s must hold numbers", file->path, plain(name));
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
  for (int i = 0; i < found; i++) extent[i] = (int64_t)dims[i];
  return DG_OK;
}

dg_status dg_h5_shape(dg_h5 *file, const char *name, int *rank, int64_t extent[DG_H5_MAX_RANK]) {
  dg_status status = DG_OK;
  dg_h5_type type;
  hid_t set;
  DG_TRY(open_set(&set, file, name));
  DG_TRY(set_type(&type, file, name, set));
  DG_TRY(set_shape(rank, extent, file, name, set));
cleanup:
  close_set(set);
  return status;
}

dg_status dg_h5_type_of(dg_h5 *file, const char *name, dg_h5_type *type) {
  dg_status status = DG_OK;
  hid_t set;
  DG_TRY(open_set(&set, file, name));
  DG_TRY(set_type(type, file, name, set));
cleanup:
  close_set(set);
  return status;
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

/* Says why data could not be read. */
static dg_status cannot_read(dg_h5 *file, const char *name, hid_t set) {
  const char *why = "is truncated or damaged";
  char text[64];
  hid_t layout = H5Dget_create_plist(set);
  for (int k = 0; layout >= 0 && k < H5Pget_nfilters(layout); k++) {
    size_t values = 0;
    unsigned flags;
    H5Z_filter_t filter = H5Pget_filter2(layout, (unsigned)k, &flags, &values, NULL, 0, NULL, NULL);
    if (filter < 0 || H5Zfilter_avail(filter) != 0) continue;
    snprintf(text, sizeof text, "needs HDF5 filter %d, which is not installed", (int)filter);
    why = text;
  }
  if (layout >= 0) H5Pclose(layout);
  return dg_fail(DG_INPUT, "%s: data set %s %s", file->path, plain(name), why);
}

dg_status dg_h5_read(dg_h5 *file, const char *name, dg_h5_type type, int64_t first, int64_t count, void *out) {
  dg_status status = DG_OK;
  dg_h5_type stored_type;
  hid_t set, stored = H5I_INVALID_HID, memory = H5I_INVALID_HID;
  DG_TRY(open_set(&set, file, name));
  DG_TRY(set_type(&stored_type, file, name, set));
  DG_TRY(select_rows(&stored, &memory, DG_INPUT, file, name, set, first, count));
  if (H5Sget_simple_extent_npoints(memory) > 0 && H5Dread(set, memory_type(type), memory, stored, H5P_DEFAULT, out) < 0)
    status = cannot_read(file, name, set);
cleanup:
  close_space(memory);
  close_space(stored);
  close_set(set);
  return status;
}

/* A failure of the library, or of a write behind its back. */
static dg_status written(const dg_h5 *file, bool good) {
  return good && file->error == 0 ? DG_OK : dg_h5_cannot_write(file);
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
  hid_t set = H5Dcreate2(file->id, name, file_type(type), space, links, layout, H5P_DEFAULT);
  bool good = set >= 0 && (data == NULL || H5Sget_simple_extent_npoints(space) == 0 ||
                           H5Dwrite(set, memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  if (set >= 0 && H5Dclose(set) < 0) good = false;
  H5Pclose(layout);
  H5Pclose(links);
  close_space(space);
  return written(file, good);
}

dg_status dg_h5_write_rows(dg_h5 *file, const char *name, dg_h5_type type, int64_t first, int64_t count,
                           const void *data) {
  dg_status status = DG_OK;
  hid_t set, stored = H5I_INVALID_HID, memory = H5I_INVALID_HID;
  DG_TRY(open_set(&set, file, name));
  DG_TRY(select_rows(&stored, &memory, DG_IO, file, name, set, first, count));
  DG_TRY(written(file, H5Sget_simple_extent_npoints(memory) == 0 ||
                           H5Dwrite(set, memory_type(type), memory, stored, H5P_DEFAULT, data) >= 0));
cleanup:
  close_space(memory);
  close_space(stored);
  close_set(set);
  return status;
}

/* ---- Attributes of the root ---- */

/* Opens an attribute that holds exactly one value. */
static dg_status open_attribute(hid_t *attribute, hid_t *type, dg_h5 *file, const char *name) {
  *attribute = *type = H5I_INVALID_HID;
  if (!dg_h5_attribute_exists(file, name))
    return dg_fail(DG_INPUT, "%s: root attribute %s is missing", file->path, name);
  *attribute = H5Aopen(file->id, name, H5P_DEFAULT);
  if (*attribute < 0) return dg_fail(DG_INPUT, "%s: root attribute %s cannot be read", file->path, name);
  *type = H5Aget_type(*attribute);
  hid_t space = H5Aget_space(*attribute);
  hssize_t values = space < 0 ? 0 : H5Sget_simple_extent_npoints(space);
  close_space(space);
  if (values != 1) return dg_fail(DG_INPUT, "%s: root attribute %s must hold one value", file->path, name);
  return DG_OK;
}

static void close_attribute(hid_t attribute, hid_t type) {
  if (type >= 0) H5Tclose(type);
  if (attribute >= 0) H5Aclose(attribute);
}

static char *read_fixed_string(hid_t attribute, hid_t type) {
  size_t bytes = H5Tget_size(type) + 1;
  char *text = calloc(bytes, 1);
  hid_t memory = H5Tcopy(H5T_C_S1);
  H5Tset_size(memory, bytes);
  H5Tset_cset(memory, H5Tget_cset(type));
  if (text != NULL && H5Aread(attribute, memory, text) < 0) {
    free(text);
    text = NULL;
  }
  H5Tclose(memory);
  return text;
}

static char *read_variable_string(hid_t attribute, hid_t type) {
  char *stored = NULL, *text = NULL;
  hid_t memory = H5Tcopy(H5T_C_S1);
  H5Tset_size(memory, H5T_VARIABLE);
  H5Tset_cset(memory, H5Tget_cset(type));
  if (H5Aread(attribute, memory, &stored) >= 0) text = strdup(stored == NULL ? "" : stored);
  if (stored != NULL) H5free_memory(stored);
  H5Tclose(memory);
  return text;
}

dg_status dg_h5_get_string(dg_h5 *file, const char *name, char **value) {
  dg_status status = DG_OK;
  hid_t attribute, type;
  *value = NULL;
  DG_TRY(open_attribute(&attribute, &type, file, name));
  if (H5Tget_class(type) == H5T_STRING)
    *value = H5Tis_variable_str(type) > 0 ? read_variable_string(attribute, type) : read_fixed_string(attribute, type);
  if (*value == NULL) status = dg_fail(DG_INPUT, "%s: root attribute %s must be a string", file->path, name);
cleanup:
  close_attribute(attribute, type);
  return status;
}

static dg_status get_number(dg_h5 *file, const char *name, hid_t memory, void *value) {
  dg_status status = DG_OK;
  dg_h5_type nearest;
  hid_t attribute, type;
  DG_TRY(open_attribute(&attribute, &type, file, name));
  if (!nearest_type(&nearest, type) || H5Aread(attribute, memory, value) < 0)
    status = dg_fail(DG_INPUT, "%s: root attribute %s must be a number", file->path, name);
cleanup:
  close_attribute(attribute, type);
  return status;
}

dg_status dg_h5_get_double(dg_h5 *file, const char *name, double *value) {
  return get_number(file, name, H5T_NATIVE_DOUBLE, value);
}

dg_status dg_h5_get_int64(dg_h5 *file, const char *name, int64_t *value) {
  double real;
  dg_status status = get_number(file, name, H5T_NATIVE_DOUBLE, &real);
  if (status != DG_OK) return status;
  if (!isfinite(real) || real != floor(real))
    return dg_fail(DG_INPUT, "%s: root attribute %s must be an integer", file->path, name);
  return get_number(file, name, H5T_NATIVE_INT64, value);
}

static dg_status set_attribute(dg_h5 *file, const char *name, hid_t stored, hid_t memory, const void *value) {
  if (dg_h5_attribute_exists(file, name)) H5Adelete(file->id, name);
  hid_t space = H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate2(file->id, name, stored, space, H5P_DEFAULT, H5P_DEFAULT);
  bool good = attribute >= 0 && H5Awrite(attribute, memory, value) >= 0;
  if (attribute >= 0 && H5Aclose(attribute) < 0) good = false;
  close_space(space);
  return written(file, good);
}

dg_status dg_h5_set_string(dg_h5 *file, const char *name, const char *value) {
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, strlen(value) + 1);
  H5Tset_cset(type, H5T_CSET_UTF8);
  dg_status status = set_attribute(file, name, type, type, value);
  H5Tclose(type);
  return status;
}

dg_status dg_h5_set_int64(dg_h5 *file, const char *name, int64_t value) {
  return set_attribute(file, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

dg_status dg_h5_set_double(dg_h5 *file, const char *name, double value) {
  return set_attribute(file, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}
