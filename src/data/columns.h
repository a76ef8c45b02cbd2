#ifndef DISTGAT_DATA_COLUMNS_H
#define DISTGAT_DATA_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include <distgat/h5io.h>

/* Arrays of structs in files: every member is a data set of one value a struct. One table writes and reads. */

typedef enum dg_column_kind {
  DG_COLUMN_LEFT_OUT,
  DG_COLUMN_INT,
  DG_COLUMN_INT64,
  DG_COLUMN_DOUBLE,
  DG_COLUMN_BOOL,
  DG_COLUMN_TEXT
} dg_column_kind;

typedef struct dg_column {
  const char *name;
  dg_column_kind kind;
  size_t offset, size, align;
} dg_column;

/* The members of a struct in their order, none forgotten: those that are not stored are named too. */
typedef struct dg_columns {
  const dg_column *column;
  int n;
  size_t bytes; /* of the struct */
} dg_columns;

#define DG_COLUMN_OF(type, member, kind)                                                                               \
  { #member, (kind), offsetof(type, member), sizeof(((type *)0)->member), _Alignof(__typeof__(((type *)0)->member)) }
#define DG_COLUMN(type, member)                                                                                        \
  DG_COLUMN_OF(type, member,                                                                                           \
               _Generic(((type *)0)->member, int: DG_COLUMN_INT, int64_t: DG_COLUMN_INT64, uint64_t: DG_COLUMN_INT64,  \
                        double: DG_COLUMN_DOUBLE, bool: DG_COLUMN_BOOL, char *: DG_COLUMN_TEXT))
#define DG_COLUMN_NOT(type, member) DG_COLUMN_OF(type, member, DG_COLUMN_LEFT_OUT)

/* Whether the table names every byte of the struct but those between members that alignment asks for. Local. */
bool dg_columns_are_complete(const dg_columns *columns);

/* Writes structs [n] as group/MEMBER, and reads them back; texts end within their arrays. Members that are left out
   stay as they are. Errors: DG_IO, DG_MEMORY; DG_INPUT where a data set is missing or has not n rows. Local. */
dg_status dg_columns_write(const dg_columns *columns, const void *structs, int64_t n, dg_h5 *file, const char *group);
dg_status dg_columns_read(const dg_columns *columns, void *structs, int64_t n, dg_h5 *file, const char *group);

#endif
