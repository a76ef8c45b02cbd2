#include "data/columns.h"

#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>

#include "data/text.h"

static size_t align_up(size_t at, size_t align) {
  return (at + align - 1) / align * align;
}

bool dg_columns_are_complete(const dg_columns *columns) {
  size_t end = 0, most = 1;
  for (int i = 0; i < columns->n; i++) {
    const dg_column *c = &columns->column[i];
    if (c->offset != align_up(end, c->align)) return false;
    end = c->offset + c->size;
    if (c->align > most) most = c->align;
  }
  return align_up(end, most) == columns->bytes;
}

static dg_h5_type type_of(const dg_column *c) {
  if (c->kind == DG_COLUMN_INT64) return DG_H5_I64;
  if (c->kind == DG_COLUMN_DOUBLE) return DG_H5_F64;
  return c->kind == DG_COLUMN_TEXT || c->kind == DG_COLUMN_BOOL ? DG_H5_U8 : DG_H5_I32;
}

/* Rows and, of texts, bytes of each. */
static int shape_of(int64_t extent[2], const dg_column *c, int64_t n) {
  extent[0] = n, extent[1] = (int64_t)c->size;
  return c->kind == DG_COLUMN_TEXT ? 2 : 1;
}

static dg_status write_column(const dg_column *c, const char *structs, size_t bytes, int64_t n, dg_h5 *file,
                              const char *name) {
  dg_status status = DG_OK;
  char *data = NULL;
  int64_t extent[2];
  const int rank = shape_of(extent, c, n);
  DG_TRY(dg_alloc(&data, (size_t)n, c->size));
  for (size_t i = 0; i < (size_t)n; i++) memcpy(data + i * c->size, structs + i * bytes + c->offset, c->size);
  DG_TRY(dg_h5_write(file, name, type_of(c), rank, extent, data));

cleanup:
  dg_free(&data);
  return status;
}

static dg_status check_shape(const dg_column *c, int64_t n, dg_h5 *file, const char *name) {
  int64_t wanted[2], extent[DG_H5_MAX_RANK];
  int rank;
  const int wanted_rank = shape_of(wanted, c, n);
  const dg_status status = dg_h5_shape(file, name, &rank, extent);
  if (status != DG_OK) return status;
  if (rank == wanted_rank && memcmp(extent, wanted, (size_t)rank * sizeof *extent) == 0) return DG_OK;
  return dg_fail(DG_INPUT, "%s: data set %s must have %lld rows", dg_h5_path(file), name, (long long)n);
}

/* A truth is 0 or 1, a text ends and can be shown; whatever the file holds. */
static void take_valid(const dg_column *c, char *out, char *value) {
  if (c->kind == DG_COLUMN_BOOL) *value = *value != 0;
  if (c->kind == DG_COLUMN_TEXT) {
    value[c->size - 1] = '\0';
    memset(out, 0, c->size);
    dg_text_copy(out, c->size, value);
  } else {
    memcpy(out, value, c->size);
  }
}

static dg_status read_column(const dg_column *c, char *structs, size_t bytes, int64_t n, dg_h5 *file,
                             const char *name) {
  dg_status status = DG_OK;
  char *data = NULL;
  DG_TRY(check_shape(c, n, file, name));
  DG_TRY(dg_alloc(&data, (size_t)n, c->size));
  DG_TRY(dg_h5_read(file, name, type_of(c), 0, n, data));
  for (size_t i = 0; i < (size_t)n; i++) take_valid(c, structs + i * bytes + c->offset, data + i * c->size);

cleanup:
  dg_free(&data);
  return status;
}

dg_status dg_columns_write(const dg_columns *columns, const void *structs, int64_t n, dg_h5 *file, const char *group) {
  dg_status status = DG_OK;
  char name[128];
  for (int i = 0; i < columns->n; i++) {
    const dg_column *c = &columns->column[i];
    if (c->kind == DG_COLUMN_LEFT_OUT) continue;
    snprintf(name, sizeof name, "%s/%s", group, c->name);
    DG_TRY(write_column(c, structs, columns->bytes, n, file, name));
  }

cleanup:
  return status;
}

dg_status dg_columns_read(const dg_columns *columns, void *structs, int64_t n, dg_h5 *file, const char *group) {
  dg_status status = DG_OK;
  char name[128];
  for (int i = 0; i < columns->n; i++) {
    const dg_column *c = &columns->column[i];
    if (c->kind == DG_COLUMN_LEFT_OUT) continue;
    snprintf(name, sizeof name, "%s/%s", group, c->name);
    DG_TRY(read_column(c, structs, columns->bytes, n, file, name));
  }

cleanup:
  return status;
}
