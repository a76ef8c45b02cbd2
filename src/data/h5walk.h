#ifndef DISTGAT_DATA_H5WALK_H
#define DISTGAT_DATA_H5WALK_H

#include <stddef.h>

#include <distgat/status.h>

/* Root attributes that are strings of variable length: name and value in turn, each with its final NUL. */
typedef struct dg_h5texts {
  char *bytes; /* allocated with malloc */
  size_t used;
} dg_h5texts;

/* Value of an attribute, NULL where it is none of these; owned by `texts`. Local. */
const char *dg_h5texts_find(const dg_h5texts *texts, const char *name);

/* Opens a file, looks at every link and object, at types, layouts and root attributes, and closes it: whatever the
   library trips over, it trips over here. Links that are not plain and data that lie in other files are refused.
   Errors: DG_INPUT, DG_IO, DG_MEMORY. Local. */
dg_status dg_h5walk(dg_h5texts *texts, const char *path);

#endif
