#ifndef DG_BASE_HELP_H
#define DG_BASE_HELP_H

#include <distgat/options.h>

/* Help from the tables that parse, in one of three forms: the text that people read, a page for man, or a table for
   shells, a line for each verb and each option, with tabs between verb, option, what follows it ("FILE", "N", "a b c")
   and help; a dash stands for what is not there. */
typedef enum dg_help_form { DG_HELP_TEXT, DG_HELP_MAN, DG_HELP_TABLE } dg_help_form;

/* A name and what it stands for. */
typedef struct dg_help_row {
  const char *name, *text;
} dg_help_row;

/* The form of all help from here on, and the verb that it is of; "" is the program itself. Local. */
void dg_help_choose(dg_help_form form, const char *verb);

/* What only a page has: its title, with one line of what the verb or the program is; and other pages, at its end.
   Local. */
void dg_help_begin(const char *what);
void dg_help_end(const dg_help_row *verbs, int n);

/* A verb's help: `usage` has lines "usage: ...", what the verb does, and lines "example: ..."; the program itself has
   no options (NULL). Local. */
void dg_help_print(const dg_option *options, const char *usage);

/* Rows under a title. Local. */
void dg_help_rows(const char *title, const dg_help_row *rows, int n);

/* Sentences; lines that begin with a blank are commands. Only a page shows the title. Local. */
void dg_help_note(const char *title, const char *text);

#endif
