#include <distgat/h5io.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <hdf5.h>

#include "data/h5check.h"
#include "data/h5file.h"
#include "data/h5text.h"

bool dg_h5_attribute_exists(dg_h5 *file, const char *name) {
  return H5Aexists(file->id, name) > 0 || file->error != 0;
}

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
  if (space >= 0) H5Sclose(space);
  if (values != 1) return dg_fail(DG_INPUT, "%s: root attribute %s must hold one value", file->path, name);
  return DG_OK;
}

static void close_attribute(hid_t attribute, hid_t type) {
  if (type >= 0) H5Tclose(type);
  if (attribute >= 0) H5Aclose(attribute);
}

dg_status dg_h5_get_string(dg_h5 *file, const char *name, char **value) {
  dg_status status = DG_OK;
  hid_t attribute, type;
  *value = NULL;
  DG_TRY(open_attribute(&attribute, &type, file, name));
  errno = 0;
  const char *known = file->texts != NULL && dg_h5text_varies(type) ? dg_h5texts_find(file->texts, name) : NULL;
  if (known != NULL)
    *value = strdup(known);
  else if (file->texts == NULL || !dg_h5text_varies(type))
    *value = dg_h5text_read(attribute, type);
  if (*value == NULL && errno == ENOMEM)
    status = dg_fail(DG_MEMORY, "out of memory for the attributes of a file");
  else if (*value == NULL)
    status = dg_fail(DG_INPUT, "%s: root attribute %s must be a string", file->path, name);
cleanup:
  close_attribute(attribute, type);
  return dg_h5_judge(file, status);
}

static dg_status get_number(dg_h5 *file, const char *name, hid_t memory, void *value) {
  dg_status status = DG_OK;
  hid_t attribute, type;
  DG_TRY(open_attribute(&attribute, &type, file, name));
  if (!dg_h5check_number(type) || H5Aread(attribute, memory, value) < 0)
    status = dg_fail(DG_INPUT, "%s: root attribute %s must be a number", file->path, name);
cleanup:
  close_attribute(attribute, type);
  return dg_h5_judge(file, status);
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
  if (space >= 0) H5Sclose(space);
  return dg_h5_written(file, good);
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
