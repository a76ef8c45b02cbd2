#ifndef DISTGAT_BASE_NEAREST_H
#define DISTGAT_BASE_NEAREST_H

#include <distgat/options.h>

/* The name of a NULL-ended list that is nearest to what was typed, or NULL where none is near; a name that begins so
   counts as near. Local. */
const char *dg_nearest(const char *const *names, const char *typed);

/* The same of the names of options. Local. */
const char *dg_option_nearest(const dg_option *options, const char *typed);

#endif
