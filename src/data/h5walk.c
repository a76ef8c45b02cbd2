#include "data/h5walk.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/files.h>

#include "data/h5check.h"
#include "data/h5disk.h"
#include "data/h5text.h"

typedef struct walk {
  const char *path;
  hid_t file;
  dg_h5texts *texts;
  dg_status status;
} walk;

/* ---- Strings ---- */

const char *dg_h5texts_find(const dg_h5texts *texts, const char *name) {
  const char *at = texts->bytes, *end = at + texts->used;
  while (at != NULL && at < end) {
    const char *value = at + strlen(at) + 1;
    if (strcmp(at, name) == 0) return value;
    at = value + strlen(value) + 1;
  }
  return NULL;
}

static dg_status note_text(dg_h5texts *texts, const char *name, const char *value) {
  const size_t name_bytes = strlen(name) + 1, value_bytes = strlen(value) + 1;
  char *longer = realloc(texts->bytes, texts->used + name_bytes + value_bytes);
  if (longer == NULL) return dg_fail(DG_MEMORY, "out of memory for the attributes of a file");
  memcpy(longer + texts->used, name, name_bytes);
  memcpy(longer + texts->used + name_bytes, value, value_bytes);
  texts->bytes = longer;
  texts->used += name_bytes + value_bytes;
  return DG_OK;
}

/* ---- Attributes ---- */

static dg_status look_at_number(walk *w, const char *name, hid_t attribute, hid_t type) {
  double value;
  if (!dg_h5check_number(type) || H5Aread(attribute, H5T_NATIVE_DOUBLE, &value) >= 0) return DG_OK;
  return dg_fail(DG_INPUT, "%s: root attribute %s cannot be read", w->path, name);
}

static dg_status look_at_text(walk *w, const char *name, hid_t attribute, hid_t type) {
  dg_status status = DG_OK;
  errno = 0;
  char *text = dg_h5text_read(attribute, type);
  if (text == NULL && errno == ENOMEM) return dg_fail(DG_MEMORY, "out of memory for the attributes of a file");
  if (text != NULL && dg_h5text_varies(type)) status = note_text(w->texts, name, text);
  free(text);
  return status;
}

static herr_t look_at_attribute(hid_t root, const char *name, const H5A_info_t *info, void *context) {
  walk *w = context;
  (void)info;
  const hid_t attribute = H5Aopen(root, name, H5P_DEFAULT);
  if (attribute < 0) return 0; /* refused where it is needed */
  const hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  if (type >= 0 && space >= 0 && H5Sget_simple_extent_npoints(space) == 1)
    w->status = H5Tget_class(type) == H5T_STRING ? look_at_text(w, name, attribute, type)
                                                 : look_at_number(w, name, attribute, type);
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  H5Aclose(attribute);
  return w->status != DG_OK;
}

/* ---- Objects ---- */

static dg_status look_at_set(walk *w, hid_t set, const char *name) {
  dg_status status = DG_OK;
  const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  if (type < 0 || space < 0) DG_TRY(dg_fail(DG_INPUT, "%s: data set %s is truncated or damaged", w->path, name));
  (void)dg_h5check_number(type);
  DG_TRY(dg_h5check_layout(set, w->path, name));
  H5Dget_storage_size(set);
cleanup:
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  return status;
}

static herr_t look_at_link(hid_t group, const char *name, const H5L_info_t *link, void *context) {
  walk *w = context;
  w->status = dg_h5check_link(link->type, w->path, name);
  if (w->status != DG_OK) return 1;
  const hid_t object = H5Oopen(group, name, H5P_DEFAULT);
  if (object < 0)
    w->status = dg_fail(DG_INPUT, "%s: %s is truncated or damaged", w->path, name);
  else if (H5Iget_type(object) == H5I_DATASET)
    w->status = look_at_set(w, object, name);
  if (object >= 0) H5Oclose(object);
  return w->status != DG_OK;
}

dg_status dg_h5walk(dg_h5texts *texts, const char *path) {
  int error = 0;
  walk w = {.path = path, .file = dg_h5disk_open(path, &error), .texts = texts};
  if (w.file < 0 && error != 0) return dg_file_cannot_read(path, error);
  if (w.file < 0) return dg_fail(DG_INPUT, "%s: is truncated or damaged", path);
  const bool done = H5Aiterate2(w.file, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, look_at_attribute, &w) >= 0 &&
                    (w.status != DG_OK || H5Lvisit(w.file, H5_INDEX_NAME, H5_ITER_NATIVE, look_at_link, &w) >= 0);
  if (!done && w.status == DG_OK) w.status = dg_fail(DG_INPUT, "%s: is truncated or damaged", path);
  if (H5Fclose(w.file) < 0 && w.status == DG_OK) w.status = dg_fail(DG_INPUT, "%s: is truncated or damaged", path);
  return error == 0 ? w.status : dg_file_cannot_read(path, error);
}
