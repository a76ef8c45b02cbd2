#ifndef DG_CLI_HELP_H
#define DG_CLI_HELP_H

#include <stdbool.h>

#include <distgat/status.h>

/* Whether the command line asks for help and nothing else: "--help", "VERB --help", "help [VERB]", and of builds "help
   --man [VERB]", a page for man, or "help --table", all that can be typed, for shells. Local. */
bool help_is_asked(int argc, char **argv);

/* Answers that, without ranks and without MPI. Errors: DG_USAGE (no such verb). Local. */
dg_status help_print(int argc, char **argv);

#endif
