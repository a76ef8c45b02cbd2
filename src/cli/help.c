#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "base/help.h"
#include "cli/verbs.h"

static const dg_help_row codes[] = {{"0", "done"},
                                    {"2", "bad usage or bad input"},
                                    {"3", "failure at run time: disk full, out of memory, training diverged"},
                                    {"75", "stopped by a signal, after saving a checkpoint"}};

static bool is_help(const char *word) {
  return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

bool help_is_asked(int argc, char **argv) {
  if (argc > 1 && is_help(argv[1])) return true;
  return argc == 3 && *argv[2] == '-' && is_help(argv[2]) && dg_verb_find(argv[1]);
}

static void list_verbs(dg_help_row rows[N_VERBS]) {
  for (int i = 0; i < N_VERBS; i++) rows[i] = (dg_help_row){dg_verbs[i].name, dg_verbs[i].help};
}

static void print_program(void) {
  dg_help_row rows[N_VERBS];
  list_verbs(rows);
  dg_help_begin("train graph attention networks on whole graphs, on one computer or many");
  dg_help_print(NULL, "usage: distgat VERB [options]");
  dg_help_rows("verbs", rows, N_VERBS);
  dg_help_note("examples", "'distgat help VERB', or 'distgat VERB --help', lists the options of a verb; 'distgat "
                           "--version' (-V) says which\n"
                           "version this is, and of which libraries. A first run, and the same on four ranks:\n"
                           "\n"
                           "  distgat generate --preset cora --out cora.h5\n"
                           "  distgat train cora.h5 --recipe tutorial-gat\n"
                           "  mpirun -np 4 distgat train cora.h5 --recipe tutorial-gat");
  dg_help_rows("exit codes", codes, sizeof codes / sizeof *codes);
  dg_help_end(rows, N_VERBS);
}

/* By the verb itself, which has its tables, and needs no ranks for that. */
static dg_status print_verb(const verb_entry *verb) {
  char help[] = "--help", name[32], *words[] = {name, help, NULL};
  const dg_comm alone = {.size = 1};
  dg_help_row rows[N_VERBS];
  snprintf(name, sizeof name, "%s", verb->name);
  list_verbs(rows);
  dg_help_begin(verb->help);
  const dg_status status = verb->run(&alone, 2, words);
  dg_help_end(rows, N_VERBS);
  return status;
}

static dg_status print_table(void) {
  dg_status status = DG_OK;
  for (int i = 0; i < N_VERBS && status == DG_OK; i++) {
    dg_help_choose(DG_HELP_TABLE, dg_verbs[i].name);
    status = print_verb(&dg_verbs[i]);
  }
  return status;
}

dg_status help_print(int argc, char **argv) {
  dg_help_form form = DG_HELP_TEXT;
  const char *name = "";
  for (int i = argc - 1; i > 0; i--) { /* the first name counts */
    if (strcmp(argv[i], "--man") == 0)
      form = DG_HELP_MAN;
    else if (strcmp(argv[i], "--table") == 0)
      form = DG_HELP_TABLE;
    else if (!is_help(argv[i]))
      name = argv[i];
  }
  if (form == DG_HELP_TABLE) return print_table();
  dg_help_choose(form, name);
  const verb_entry *verb = dg_verb_find(name);
  if (verb) return print_verb(verb);
  if (*name) return dg_verb_fail(name);
  print_program();
  return DG_OK;
}
