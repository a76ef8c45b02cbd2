#ifndef DG_CLI_ROOM_H
#define DG_CLI_ROOM_H

#include <distgat/status.h>

/* Before MPI starts, which says many lines or nothing at all where it lacks memory: whether a limit on this process
   (ulimit -v) leaves room for it. One process a host has the message, the others an empty one. Errors: DG_MEMORY.
   Local. */
dg_status dg_room_check(void);

#endif
