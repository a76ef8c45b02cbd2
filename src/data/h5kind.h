#ifndef DISTGAT_DATA_H5KIND_H
#define DISTGAT_DATA_H5KIND_H

#include <distgat/h5io.h>

/* What a file of this program is, in words for a message: "a graph", "a model", "a checkpoint", "a prediction", "a
   partition" or "weights"; NULL where it is none of these. Local. */
const char *dg_h5kind(dg_h5 *file);

#endif
