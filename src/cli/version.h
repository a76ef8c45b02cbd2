#ifndef DG_CLI_VERSION_H
#define DG_CLI_VERSION_H

/* Prints the version of the program and of what it runs with, a line each. Local; needs no MPI under way. */
void dg_version_print(void);

#endif
