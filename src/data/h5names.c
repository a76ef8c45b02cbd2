#include "data/h5names.h"

#include <hdf5.h>

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

/* Rows [first, first + count). */
static dg_status copy_rows(const copy *c, hsize_t first, hsize_t count, void *rows) {
  dg_status status = DG_OK;
  const hid_t memory = H5Screate_simple(1, &count, NULL), stored = H5Screate_simple(1, &c->n, NULL);
  H5Sselect_hyperslab(stored, H5S_SELECT_SET, &first, NULL, &count, NULL);
  if (H5Dread(c->source, c->type, memory, stored, H5P_DEFAULT, rows) < 0)
    status = dg_fail(DG_INPUT, "%s: data set %s is truncated or damaged", dg_h5_path(c->from), c->name);
  else
    status = dg_h5_written(c->to, H5Dwrite(c->target, c->type, memory, stored, H5P_DEFAULT, rows) >= 0);
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
  return status;
}

dg_status dg_h5names_copy(dg_h5 *to, dg_h5 *graph, int64_t n_nodes, int64_t n_classes) {
  dg_status status = DG_OK;
  DG_TRY(copy_names(to, graph, "nodes/id", n_nodes));
  DG_TRY(copy_names(to, graph, "classes/name", n_classes));
cleanup:
  return status;
}
