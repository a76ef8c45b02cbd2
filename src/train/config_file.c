#include <distgat/config.h>

#include <stdio.h>
#include <stdlib.h>

#include "train/config_options.h"

/* "out-heads" of the command line is attribute "out_heads". */
static void name_attribute(char name[64], const dg_option *option) {
  snprintf(name, 64, "%s", option->name);
  for (char *c = name; *c; c++)
    if (*c == '-') *c = '_';
}

static dg_status save_option(dg_h5 *file, const dg_option *option) {
  char name[64];
  name_attribute(name, option);
  if (option->kind == DG_OPTION_INT) return dg_h5_set_int64(file, name, *(const int64_t *)option->target);
  if (option->kind == DG_OPTION_REAL) return dg_h5_set_double(file, name, *(const double *)option->target);
  if (option->kind == DG_OPTION_FLAG) return dg_h5_set_int64(file, name, *(const bool *)option->target);
  return dg_h5_set_string(file, name, option->choices[*(const int *)option->target]);
}

/* Whether older versions did not have the option. */
static bool is_new(int option) {
  return option == RESIDUAL || option == NORM || option == EDGE_ATTRIBUTES || option == EDGE_DROPOUT ||
         option == MESSAGE_DROPOUT || option == ATTENTION_TARGET || option == SYMMETRIC_NORM || option == USE_LABELS ||
         option == LABEL_ITERATIONS || option == TABLE_TYPE;
}

/* Goes through text, so that a file is checked as strictly as a command line. Where it says nothing of an
   option that older versions did not have, the default holds. */
static dg_status load_option(dg_h5 *file, dg_option *option, bool optional) {
  char name[64], number[64], *text = NULL;
  int64_t integer;
  double real;
  dg_status status = DG_OK;
  name_attribute(name, option);
  if (optional && !dg_h5_attribute_exists(file, name)) return DG_OK;
  if (option->kind == DG_OPTION_FLAG) {
    DG_TRY(dg_h5_get_int64(file, name, &integer));
    if (integer != 0 && integer != 1)
      return dg_fail(DG_INPUT, "%s: %s must be 0 or 1, not %lld", dg_h5_path(file), name, (long long)integer);
    *(bool *)option->target = integer == 1;
    return DG_OK;
  }
  if (option->kind == DG_OPTION_INT) {
    DG_TRY(dg_h5_get_int64(file, name, &integer));
    snprintf(number, sizeof number, "%lld", (long long)integer);
  } else if (option->kind == DG_OPTION_REAL) {
    DG_TRY(dg_h5_get_double(file, name, &real));
    snprintf(number, sizeof number, "%.17g", real);
  } else {
    DG_TRY(dg_h5_get_string(file, name, &text));
  }
  status = dg_options_set(option, text ? text : number, dg_h5_path(file));
  if (status == DG_USAGE) status = DG_INPUT;
cleanup:
  free(text);
  return status;
}

dg_status dg_config_save(dg_h5 *file, const dg_config *config) {
  dg_config_values v = dg_config_to_values(config);
  dg_option options[N_MODEL_OPTIONS];
  dg_config_describe_model(options, &v);
  dg_status status = DG_OK;
  for (int i = 0; i < N_MODEL_OPTIONS && status == DG_OK; i++) status = save_option(file, &options[i]);
  return status;
}

/* What does not go together on a command line does not in a file. */
static dg_status check_model(dg_h5 *file, const dg_config_values *v) {
  char why[512];
  if (dg_config_check_model(v) == DG_OK) return DG_OK;
  snprintf(why, sizeof why, "%s", dg_status_message());
  dg_status_clear();
  return dg_fail(DG_INPUT, "%s: %s", dg_h5_path(file), why);
}

dg_status dg_config_load(dg_h5 *file, dg_config *config) {
  const dg_config start = dg_config_default(DG_MODEL_GATV2);
  dg_config_values v = dg_config_to_values(&start);
  dg_option options[N_MODEL_OPTIONS];
  dg_config_describe_model(options, &v);
  dg_status status = DG_OK;
  for (int i = 0; i < N_MODEL_OPTIONS && status == DG_OK; i++) status = load_option(file, &options[i], is_new(i));
  if (status == DG_OK) status = check_model(file, &v);
  dg_config_from_values(config, &v);
  return status;
}
