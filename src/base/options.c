#include <distgat/options.h>

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/help.h"
#include "base/nearest.h"
#include "base/option_value.h"

enum { WHO_MAX_LENGTH = 640, HELP_VALUE = INT32_MAX, NAME_SIZE = 64 };

dg_option dg_option_flag(const char *name, bool *target, const char *help) {
  return (dg_option){.name = name, .kind = DG_OPTION_FLAG, .target = target, .help = help};
}

dg_option dg_option_int(const char *name, int64_t *target, double low, double high, const char *argument,
                        const char *help) {
  return (dg_option){name, DG_OPTION_INT, target, low, high, NULL, argument, help, false, NULL, false};
}

dg_option dg_option_real(const char *name, double *target, double low, double high, const char *argument,
                         const char *help) {
  return (dg_option){name, DG_OPTION_REAL, target, low, high, NULL, argument, help, false, NULL, false};
}

dg_option dg_option_text(const char *name, char **target, const char *argument, const char *help) {
  return (dg_option){.name = name, .kind = DG_OPTION_TEXT, .target = target, .argument = argument, .help = help};
}

dg_option dg_option_choice(const char *name, int *target, const char *const *choices, const char *help) {
  return (dg_option){.name = name, .kind = DG_OPTION_CHOICE, .target = target, .choices = choices, .help = help};
}

dg_option dg_option_end(void) {
  return (dg_option){.name = NULL};
}

static int count_options(const dg_option *options) {
  int n = 0;
  while (options[n].name) n++;
  return n;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

/* "--lr" as typed, or "FILE:3: lr" as found by `where`. */
static void name_option(char out[WHO_MAX_LENGTH], const dg_option *option, const char *where) {
  if (where)
    snprintf(out, WHO_MAX_LENGTH, "%s: %s", where, option->name);
  else
    snprintf(out, WHO_MAX_LENGTH, "--%s", option->name);
}

/* Open ends, made with nextafter, are named as what they stand for: "above 0", "below 1". */
static dg_status fail_range(const dg_option *option, const char *text, const char *who) {
  char low[64] = "", high[64] = "", bound[32];
  bool open_low = option->low > 0 && option->low < DBL_MIN;
  if (isfinite(option->low))
    snprintf(low, sizeof low, "%s %.10g", open_low ? "above" : "at least", open_low ? 0. : option->low);
  if (isfinite(option->high)) {
    snprintf(bound, sizeof bound, "%.10g", option->high);
    bool open_high = strtod(bound, NULL) > option->high;
    snprintf(high, sizeof high, "%s %s", open_high ? "below" : "at most", bound);
  } else if (option->kind == DG_OPTION_INT && *text != '-') {
    snprintf(high, sizeof high, "at most %" PRId64, INT64_MAX);
  }
  const char *join = *low && *high ? " and " : "";
  return dg_fail(DG_USAGE, "%s must be %s%s%s, not %s", who, low, join, high, text);
}

static dg_status set_int(dg_option *option, const char *text, const char *who) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (end == text || *end || isspace((unsigned char)*text))
    return dg_fail(DG_USAGE, "%s must be a whole number, not '%s'", who, text);
  if (errno == ERANGE || (double)value < option->low || (double)value > option->high)
    return fail_range(option, text, who);
  *(int64_t *)option->target = value;
  return DG_OK;
}

static dg_status set_real(dg_option *option, const char *text, const char *who) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end || isspace((unsigned char)*text) || !isfinite(value))
    return dg_fail(DG_USAGE, "%s must be a finite number, not '%s'", who, text);
  if (value < option->low || value > option->high) return fail_range(option, text, who);
  *(double *)option->target = value;
  return DG_OK;
}

static dg_status set_text(dg_option *option, const char *text) {
  char *copy = strdup(text), **target = option->target;
  if (!copy) return dg_fail(DG_MEMORY, "out of memory for --%s", option->name);
  free(*target);
  *target = copy;
  return DG_OK;
}

void dg_option_join(char *out, size_t size, const char *const *choices, const char *separator, const char *last) {
  size_t used = 0;
  out[0] = '\0';
  for (int i = 0; choices[i] && used < size; i++) {
    const char *before = i == 0 ? "" : choices[i + 1] ? separator : last;
    used += (size_t)snprintf(out + used, size - used, "%s%s", before, choices[i]);
  }
}

static dg_status set_choice(dg_option *option, const char *text, const char *who) {
  for (int i = 0; option->choices[i]; i++)
    if (strcmp(option->choices[i], text) == 0) {
      *(int *)option->target = i;
      return DG_OK;
    }
  char list[256];
  dg_option_join(list, sizeof list, option->choices, ", ", " or ");
  const char *near = dg_nearest(option->choices, text);
  if (near) return dg_fail(DG_USAGE, "%s must be %s, not '%s'; did you mean %s?", who, list, text, near);
  return dg_fail(DG_USAGE, "%s must be %s, not '%s'", who, list, text);
}

static dg_status set_flag(dg_option *option, const char *text, const char *who) {
  static const char *const off[] = {"false", "off", "no"}, *const on[] = {"true", "on", "yes"};
  for (int i = 0; i < 3; i++)
    if (strcmp(text, on[i]) == 0 || strcmp(text, off[i]) == 0) {
      *(bool *)option->target = strcmp(text, on[i]) == 0;
      return DG_OK;
    }
  return dg_fail(DG_USAGE, "%s must be true or false, not '%s'", who, text);
}

dg_status dg_options_set(dg_option *option, const char *text, const char *where) {
  char who[WHO_MAX_LENGTH];
  name_option(who, option, where);
  if (!*text) return dg_fail(DG_USAGE, "%s needs a value", who);
  dg_status status = DG_OK;
  switch (option->kind) {
  case DG_OPTION_FLAG:
    status = set_flag(option, text, who);
    break;
  case DG_OPTION_INT:
    status = set_int(option, text, who);
    break;
  case DG_OPTION_REAL:
    status = set_real(option, text, who);
    break;
  case DG_OPTION_TEXT:
    status = set_text(option, text);
    break;
  case DG_OPTION_CHOICE:
    status = set_choice(option, text, who);
    break;
  }
  if (status == DG_OK) option->given = true;
  return status;
}

const char *dg_option_value(char number[32], const dg_option *option) {
  switch (option->kind) {
  case DG_OPTION_FLAG:
    return *(const bool *)option->target ? "true" : "false";
  case DG_OPTION_INT:
    snprintf(number, 32, "%" PRId64, *(const int64_t *)option->target);
    return number;
  case DG_OPTION_REAL:
    for (int digits = 1; digits <= 17; digits++) {
      snprintf(number, 32, "%.*g", digits, *(const double *)option->target);
      if (strtod(number, NULL) == *(const double *)option->target) break;
    }
    return number;
  case DG_OPTION_TEXT:
    return *(char *const *)option->target;
  case DG_OPTION_CHOICE:
    return option->choices[*(const int *)option->target];
  }
  return NULL;
}

bool dg_option_print(FILE *out, const dg_option *option) {
  char number[32];
  const bool flag = option->kind == DG_OPTION_FLAG, off = flag && !*(const bool *)option->target;
  const char *value = dg_option_value(number, option);
  if (off || !value) return false;
  fprintf(out, "--%s%s%s\n", option->name, flag ? "" : " ", flag ? "" : value);
  return true;
}

/* ---- command line ---------------------------------------------------------------------------------------------- */

typedef struct {
  struct poptOption *rows;      /* [2 n + 2] */
  char (*opposites)[NAME_SIZE]; /* [n], the names of flags behind "no-" */
} popt_table;

/* popt's own table: every value is read as text, so that all checks are made in one place. It tells option i as i + 1,
   and the opposite of a flag as n + i + 1. */
static void fill_popt_table(popt_table table, const dg_option *options) {
  int n = count_options(options), n_rows = 0;
  for (int i = 0; i < n; i++) {
    const bool flag = options[i].kind == DG_OPTION_FLAG;
    const unsigned takes = flag ? POPT_ARG_NONE : POPT_ARG_STRING;
    table.rows[n_rows++] = (struct poptOption){.longName = options[i].name, .argInfo = takes, .val = i + 1};
    if (!flag) continue;
    snprintf(table.opposites[i], NAME_SIZE, "no-%s", options[i].name);
    table.rows[n_rows++] = (struct poptOption){.longName = table.opposites[i], .argInfo = takes, .val = n + i + 1};
  }
  table.rows[n_rows] =
      (struct poptOption){.longName = "help", .shortName = 'h', .argInfo = POPT_ARG_NONE, .val = HELP_VALUE};
}

/* Fails on an option as typed: "--name", "--name=value" or "-n". */
static dg_status fail_unknown(const dg_option *options, const char *typed) {
  int length = (int)strcspn(typed, "=");
  char name[NAME_SIZE];
  snprintf(name, sizeof name, "%.*s", length, typed);
  const char *near = dg_option_nearest(options, name + strspn(name, "-"));
  if (near) return dg_fail(DG_USAGE, "unknown option %s; did you mean --%s?", name, near);
  return dg_fail(DG_USAGE, "unknown option %s; --help lists the options", name);
}

static dg_status fail_popt(const dg_option *options, poptContext context, int error) {
  const char *typed = poptBadOption(context, 0);
  int length = (int)strcspn(typed, "=");
  switch (error) {
  case POPT_ERROR_BADOPT:
    return fail_unknown(options, typed);
  case POPT_ERROR_NOARG:
    return dg_fail(DG_USAGE, "%.*s needs a value", length, typed);
  case POPT_ERROR_UNWANTEDARG:
    return dg_fail(DG_USAGE, "%.*s takes no value", length, typed);
  default:
    return dg_fail(DG_USAGE, "%s: %s", typed, poptStrerror(error));
  }
}

static dg_status take_option(dg_option *option, bool opposite, const char *value) {
  if (option->kind == DG_OPTION_FLAG) return dg_options_set(option, opposite ? "false" : "true", NULL);
  /* An option that follows at once means that the value was forgotten. */
  if (strncmp(value, "--", 2) == 0)
    return dg_fail(DG_USAGE, "--%s needs a value, and %s looks like an option", option->name, value);
  return dg_options_set(option, value, NULL);
}

static dg_status take_options(dg_option *options, poptContext context, bool *help) {
  const int n = count_options(options);
  int code;
  while ((code = poptGetNextOpt(context)) > 0) {
    if (code == HELP_VALUE) {
      *help = true;
      return DG_OK;
    }
    char *value = poptGetOptArg(context);
    dg_status status = take_option(&options[(code - 1) % n], code > n, value);
    free(value);
    if (status != DG_OK) return status;
  }
  return code == -1 ? DG_OK : fail_popt(options, context, code);
}

/* Copies the operands' addresses out of argv, which outlives popt's context. */
static dg_status take_operands(const char **operand, int n_operand, poptContext context, int argc, char **argv) {
  const char **rest = poptGetArgs(context);
  int n = 0;
  for (; rest && rest[n]; n++) {
    if (n == n_operand) return dg_fail(DG_USAGE, "unexpected argument '%s'; --help shows the usage", rest[n]);
    for (int i = 1; i < argc; i++)
      if (strcmp(argv[i], rest[n]) == 0) operand[n] = argv[i];
  }
  if (n < n_operand)
    return dg_fail(DG_USAGE, "%d file name%s needed, %d given; --help shows the usage", n_operand,
                   n_operand == 1 ? " is" : "s are", n);
  return DG_OK;
}

dg_status dg_options_parse(dg_option *options, int argc, char **argv, const char *usage, const char **operand,
                           int n_operand, bool *help) {
  *help = false;
  const size_t n = (size_t)count_options(options);
  popt_table table = {calloc(2 * n + 2, sizeof *table.rows), calloc(n + 1, sizeof *table.opposites)};
  poptContext context = NULL;
  if (table.rows && table.opposites) {
    fill_popt_table(table, options);
    context = poptGetContext(argv[0], argc, (const char **)argv, table.rows, 0);
  }
  dg_status status = context ? DG_OK : dg_fail(DG_MEMORY, "out of memory for the command line");
  if (status == DG_OK) status = take_options(options, context, help);
  if (status == DG_OK && *help) dg_help_print(options, usage);
  if (status == DG_OK && !*help) status = take_operands(operand, n_operand, context, argc, argv);
  poptFreeContext(context);
  free(table.rows);
  free(table.opposites);
  return status;
}
