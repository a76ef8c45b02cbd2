#ifndef DISTGAT_TRAIN_RECIPES_H
#define DISTGAT_TRAIN_RECIPES_H

#include <distgat/options.h>

/* Prints for a help text each recipe in a line: its name, and what it is. Local. */
void dg_recipe_explain(void);

/* Sets the options of a recipe that are not `given` yet. Errors: DG_USAGE with the nearest name, or those there are.
 * Local. */
dg_status dg_recipe_apply(dg_option *options, const char *name);

#endif
