#ifndef DG_CLI_ROOM_H
#define DG_CLI_ROOM_H

#include <distgat/status.h>

/* Before MPI starts, which says many lines or nothing at all where it lacks memory: whether a limit on this process
   (ulimit -v) leaves room for it. Where it does not, processes wait for the first of their host to say so. Errors:
   DG_MEMORY. Local. */
dg_status dg_room_check(void);

#endif
