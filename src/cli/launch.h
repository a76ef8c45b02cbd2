#ifndef DG_CLI_LAUNCH_H
#define DG_CLI_LAUNCH_H

#include <stdbool.h>

#include <distgat/status.h>

/* How this process was started, by what launchers leave in its environment. */

/* Whether a launcher that an MPI may know started it. Local. */
bool dg_launch_seen(void);

/* Whether it is the first of those that were started together, as far as that can be told. Local. */
bool dg_launch_is_first(void);

/* Before MPI starts: lets a process alone start at once and beside others like it, and fails as dg_launch_check does
   where it is certain by now that this MPI will not see the other processes. Errors: DG_USAGE. Local. */
dg_status dg_launch_prepare(void);

/* Fails where a launcher started several processes but MPI sees `seen` = 1, as under another MPI's launcher: each copy
   would write the same files. One of them has the message, the others an empty one. DISTGAT_ALONE=1 in the environment
   lets each run alone. Errors: DG_USAGE. Local. */
dg_status dg_launch_check(int seen);

#endif
