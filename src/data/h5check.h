#ifndef DISTGAT_DATA_H5CHECK_H
#define DISTGAT_DATA_H5CHECK_H

#include <hdf5.h>
#include <stdbool.h>

#include <distgat/status.h>

/* What a file says of itself is checked before the library works by it: of a damaged or hostile file it would believe
   all. Every call is Local; `path` and `name` are for messages. */

/* Whether values of this type can be converted: integers and reals whose parts lie inside of them. */
bool dg_h5check_number(hid_t type);

/* Refuses what is stored elsewhere: external storage, virtual data sets, links that are not plain. Errors: DG_INPUT. */
dg_status dg_h5check_layout(hid_t set, const char *path, const char *name);
dg_status dg_h5check_link(H5L_type_t type, const char *path, const char *name);

/* Refuses a data set of more entries than its file can hold: all of them must be stored, as far as compression lets
   that be known, before memory is asked for; and filters that trust their input. Errors: DG_INPUT. */
dg_status dg_h5check_storage(hid_t set, hid_t file, const char *path, const char *name);

#endif
