#ifndef DISTGAT_TRAIN_RECIPES_H
#define DISTGAT_TRAIN_RECIPES_H

#include <distgat/options.h>

/* Writes the names there are, "a, b or c". Local. */
void dg_recipe_list(char *out, size_t size);

/* Sets the options of a recipe that are not `given` yet. Errors: DG_USAGE with the names there are. Local. */
dg_status dg_recipe_apply(dg_option *options, const char *name);

#endif
