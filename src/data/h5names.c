#include "data/h5names.h"

#include <hdf5.h>
#include <inttypes.h>
#include <stdio.h>

#include <distgat/log.h>
#include <distgat/memory.h>

#include "data/h5check.h"
#include "data/h5file.h"
#include "data/h5text.h"

#define PIECE_BYTES ((size_t)1 << 22)

/* One data set on its way from file to file. */
typedef struct copy {
  dg_h5 *from, *to;
  const char *name;
  hid_t source, target, type;
  hsize_t n;
} copy;

static dg_status check_type(const copy *c) {
  const H5T_class_t kind = H5Tget_class(c->type);
  if (kind == H5T_INTEGER && dg_h5check_number(c->type)) return DG_OK;
  if (kind == H5T_STRING && H5Tget_size(c->type) <= DG_H5_LONGEST_TEXT) return DG_OK;
  return dg_fail(DG_INPUT, "%s: data set %s must hold integers or strings", dg_h5_path(c->from), c->name);
}

static dg_status check_extent(const copy *c) {
  hsize_t extent[1] = {0};
  const hid_t space = H5Dget_space(c->source);
  const int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
  if (rank == 1) H5Sget_simple_extent_dims(space, extent, NULL);
  if (space >= 0) H5Sclose(space);
  if (rank == 1 && extent[0] == c->n) return DG_OK;
  return dg_fail(DG_INPUT, "%s: data set %s must be a list of %llu entries", dg_h5_path(c->from), c->name,
                 (unsigned long long)c->n);
}

static dg_status create_target(copy *c) {
  const hid_t space = H5Screate_simple(1, &c->n, NULL);
  const hid_t links = H5Pcreate(H5P_LINK_CREATE), layout = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Pset_obj_track_times(layout, false);
  c->target = H5Dcreate2(c->to->id, c->name, c->type, space, links, layout, H5P_DEFAULT);
  H5Pclose(layout);
  H5Pclose(links);
  H5Sclose(space);
  return dg_h5_written(c->to, c->target >= 0);
}

/* Entries of a list, which `type` describes, as memory has them. */
static dg_status read_entries(void *out, dg_h5 *file, const char *name, hid_t source, hsize_t first, hsize_t count,
                              hid_t type) {
  const hid_t space = H5Dget_space(source), memory = H5Screate_simple(1, &count, NULL);
  H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, NULL, &count, NULL);
  const bool read = H5Dread(source, type, memory, space, H5P_DEFAULT, out) >= 0;
  H5Sclose(memory);
  H5Sclose(space);
  return read ? DG_OK : dg_fail(DG_INPUT, "%s: data set %s is truncated or damaged", dg_h5_path(file), name);
}

/* Rows [first, first + count). */
static dg_status copy_rows(const copy *c, hsize_t first, hsize_t count, void *rows) {
  dg_status status = DG_OK;
  const hid_t memory = H5Screate_simple(1, &count, NULL), stored = H5Screate_simple(1, &c->n, NULL);
  DG_TRY(read_entries(rows, c->from, c->name, c->source, first, count, c->type));
  H5Sselect_hyperslab(stored, H5S_SELECT_SET, &first, NULL, &count, NULL);
  status = dg_h5_written(c->to, H5Dwrite(c->target, c->type, memory, stored, H5P_DEFAULT, rows) >= 0);

cleanup:
  H5Sclose(stored);
  H5Sclose(memory);
  return status;
}

static dg_status copy_all(copy *c) {
  dg_status status = DG_OK;
  char *rows = NULL;
  const size_t bytes = H5Tget_size(c->type);
  const hsize_t step = bytes < PIECE_BYTES ? PIECE_BYTES / bytes : 1;
  DG_TRY(create_target(c));
  DG_TRY(dg_alloc(&rows, (size_t)(step < c->n ? step : c->n), bytes));
  for (hsize_t first = 0; first < c->n; first += step)
    DG_TRY(copy_rows(c, first, step < c->n - first ? step : c->n - first, rows));

cleanup:
  dg_free(&rows);
  if (c->target >= 0 && H5Dclose(c->target) < 0 && status == DG_OK) status = dg_h5_written(c->to, false);
  return status;
}

static dg_status copy_names(dg_h5 *to, dg_h5 *from, const char *name, int64_t n) {
  dg_status status = DG_OK;
  if (!dg_h5_exists(from, name)) return DG_OK;
  copy c = {from, to, name, H5Dopen2(from->id, name, H5P_DEFAULT), H5I_INVALID_HID, H5I_INVALID_HID, (hsize_t)n};
  if (c.source >= 0) c.type = H5Dget_type(c.source);
  if (c.type < 0) DG_TRY(dg_fail(DG_INPUT, "%s: %s is no data set", dg_h5_path(from), name));
  if (dg_h5text_varies(c.type)) {
    dg_warn("%s: data set %s holds strings of variable length, which are left out; those of one fixed length are kept",
            dg_h5_path(from), name);
    goto cleanup;
  }
  DG_TRY(check_type(&c));
  DG_TRY(check_extent(&c));
  DG_TRY(dg_h5check_storage(c.source, from->id, dg_h5_path(from), name));
  DG_TRY(copy_all(&c));

cleanup:
  if (c.type >= 0) H5Tclose(c.type);
  if (c.source >= 0) H5Dclose(c.source);
  return dg_h5_judge(from, status);
}

dg_status dg_h5names_copy(dg_h5 *to, dg_h5 *graph, int64_t n_nodes, int64_t n_classes) {
  dg_status status = DG_OK;
  DG_TRY(copy_names(to, graph, "nodes/id", n_nodes));
  DG_TRY(copy_names(to, graph, "classes/name", n_classes));
cleanup:
  return status;
}

/* ---- as texts ---- */

void dg_texts_destroy(dg_texts *texts) {
  dg_free(&texts->text);
}

static dg_status read_numbers(dg_texts *texts, dg_h5 *file, const char *name, hid_t source, hsize_t first,
                              hsize_t count, bool sign) {
  dg_status status = DG_OK;
  uint64_t *number = NULL;
  texts->width = 24;
  DG_TRY(dg_alloc(&number, (size_t)count, sizeof *number));
  DG_TRY(dg_alloc(&texts->text, (size_t)count, texts->width));
  DG_TRY(read_entries(number, file, name, source, first, count, sign ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64));
  for (hsize_t i = 0; i < count; i++)
    snprintf(texts->text + i * texts->width, texts->width, sign ? "%" PRId64 : "%" PRIu64, number[i]);

cleanup:
  dg_free(&number);
  return status;
}

/* Padding, be it of zeros or of blanks, is left out. */
static dg_status read_strings(dg_texts *texts, dg_h5 *file, const char *name, hid_t source, hsize_t first,
                              hsize_t count, hid_t type) {
  dg_status status = DG_OK;
  const hid_t ended = H5Tcopy(type);
  texts->width = H5Tget_size(type) + 1;
  H5Tset_size(ended, texts->width);
  H5Tset_strpad(ended, H5T_STR_NULLTERM);
  DG_TRY(dg_alloc(&texts->text, (size_t)count, texts->width));
  DG_TRY(read_entries(texts->text, file, name, source, first, count, ended));

cleanup:
  H5Tclose(ended);
  return status;
}

dg_status dg_h5names_read(dg_texts *texts, dg_h5 *file, const char *name, int64_t first, int64_t count) {
  dg_status status = DG_OK;
  *texts = (dg_texts){0};
  if (count == 0 || !dg_h5_exists(file, name)) return DG_OK;
  const hid_t source = H5Dopen2(file->id, name, H5P_DEFAULT), type = source < 0 ? source : H5Dget_type(source);
  if (type < 0) DG_TRY(dg_fail(DG_INPUT, "%s: %s is no data set", dg_h5_path(file), name));
  if (H5Tget_class(type) == H5T_STRING)
    DG_TRY(read_strings(texts, file, name, source, (hsize_t)first, (hsize_t)count, type));
  else
    DG_TRY(read_numbers(texts, file, name, source, (hsize_t)first, (hsize_t)count, H5Tget_sign(type) != H5T_SGN_NONE));

cleanup:
  if (type >= 0) H5Tclose(type);
  if (source >= 0) H5Dclose(source);
  status = dg_h5_judge(file, status);
  if (status != DG_OK) dg_texts_destroy(texts);
  return status;
}

dg_status dg_h5names_portion(int64_t *count, dg_h5 *file, const char *name) {
  enum { MOST = 8192 };
  dg_texts one = {0};
  const dg_status status = dg_h5names_read(&one, file, name, 0, 1);
  *count = one.text && PIECE_BYTES / one.width < MOST ? (int64_t)(PIECE_BYTES / one.width) + 1 : MOST;
  dg_texts_destroy(&one);
  return status;
}
