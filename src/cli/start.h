#ifndef DG_CLI_START_H
#define DG_CLI_START_H

/* Starts the program once more where libraries would not find in `environment` what suits it: they read it when they
   are loaded. Returns where all is there, or no second start is possible: the program is then slower at worst, or a
   limit on memory makes it wait. Needs no library that has started, not even C's. Local. */
void dg_start_again(char **argv, char **environment);

/* First in main: the libraries have started, which a limit on address space can keep from ever ending; until then an
   alarm makes that one line and an exit code. Local. */
void dg_start_done(void);

#endif
