#ifndef DISTGAT_TRAIN_RECIPES_H
#define DISTGAT_TRAIN_RECIPES_H

#include <distgat/options.h>

/* The names of all recipes, ended by NULL. Local. */
const char *const *dg_recipe_names(void);

/* Prints for a help text each recipe: its name, and what it is. Local. */
void dg_recipe_explain(void);

/* Sets the options of a recipe that are not `given` yet. Errors: DG_USAGE with the nearest name, or those there are.
 * Local. */
dg_status dg_recipe_apply(dg_option *options, const char *name);

#endif
