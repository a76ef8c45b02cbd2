#ifndef DISTGAT_OPTIONS_H
#define DISTGAT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <distgat/api.h>
#include <distgat/status.h>

DG_API_BEGIN

/* Command-line options of a verb, from one table: it feeds the parser (popt), the YAML file, and the help text. */

typedef enum dg_option_kind {
  DG_OPTION_FLAG,  /* bool *, set by its presence */
  DG_OPTION_INT,   /* int64_t * in [low, high] */
  DG_OPTION_REAL,  /* double * in [low, high] */
  DG_OPTION_TEXT,  /* char **, allocated */
  DG_OPTION_CHOICE /* int *, index into the NULL-ended list of choices */
} dg_option_kind;

typedef struct dg_option {
  const char *name; /* without dashes; NULL ends a table */
  dg_option_kind kind;
  void *target;
  double low, high;           /* inclusive range of INT and REAL; REAL with open end: use nextafter */
  const char *const *choices; /* of CHOICE; of TEXT the values that are known, or NULL */
  const char *argument;       /* as shown in the help, e.g. "N" */
  const char *help;           /* one line, with the default */
  bool given;                 /* set when it was seen */
  const char *group;          /* title under which the help lists it; NULL: the last, "options" */
  bool typed;                 /* on the command line alone: a file that holds it is refused */
} dg_option;

/* One row of a table each: name, target, what is allowed, argument as shown, help. A NULL help hides the option. Local.
 */
dg_option dg_option_flag(const char *name, bool *target, const char *help);
dg_option dg_option_int(const char *name, int64_t *target, double low, double high, const char *argument,
                        const char *help);
dg_option dg_option_real(const char *name, double *target, double low, double high, const char *argument,
                         const char *help);
dg_option dg_option_text(const char *name, char **target, const char *argument, const char *help);
dg_option dg_option_choice(const char *name, int *target, const char *const *choices, const char *help);
dg_option dg_option_end(void);

/* Parses argv[1 ..] by a table: sets targets and `given`; the operands (not options) go to operand[0 .. n_operand-1],
   pointers into argv. --help prints `usage`, the table and returns DG_OK with *help true. Errors: DG_USAGE: unknown
   option (with the nearest known), missing or malformed value, out of range, not among the choices, wrong number of
   operands. Local. */
dg_status dg_options_parse(dg_option *options, int argc, char **argv, const char *usage, const char **operand,
                           int n_operand, bool *help);

/* Sets options that are not `given` from a YAML mapping of scalars. Errors: DG_INPUT with file and line. Local. */
dg_status dg_options_load_yaml(dg_option *options, const char *path);

/* Sets one option from text as if it had been typed; `where` says who did, for the message. Errors: DG_USAGE. Local. */
dg_status dg_options_set(dg_option *option, const char *text, const char *where);

/* Prints options, none of them a text that is not there, as a YAML mapping which dg_options_load_yaml() reads. Errors:
   DG_USAGE (a text that is no UTF-8; nothing is printed), DG_IO, DG_MEMORY. Local. */
dg_status dg_options_print_yaml(FILE *out, const dg_option *const *options, int n);

/* Prints what an option is set to as it would be typed, "--name value" and a newline; nothing for a flag that is off or
   a text that is not there, which it gives back as false. Local. */
bool dg_option_print(FILE *out, const dg_option *option);

DG_API_END

#endif
