#ifndef DG_CLI_ROOM_H
#define DG_CLI_ROOM_H

#include <stdbool.h>

#include <distgat/status.h>

/* Before MPI starts, which says many lines or nothing at all where it lacks memory: whether a limit on this process
   (ulimit -v) leaves room for it. One process a host has the message, the others an empty one. Errors: DG_MEMORY.
   Local. */
dg_status dg_room_check(void);

/* OpenBLAS starts threads of its own when it is loaded, each of which waits for ever for memory that a limit denies it;
   the program's threads call it instead. Whether the environment says so now, where it did not. Local. */
bool dg_room_save(void);

#endif
