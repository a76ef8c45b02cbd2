#ifndef DG_CLI_LAUNCH_H
#define DG_CLI_LAUNCH_H

#include <stdbool.h>

#include <distgat/status.h>

/* How this process was started, by what launchers leave in its environment. */

/* Whether a launcher that an MPI may know started it. Local. */
bool dg_launch_seen(void);

/* Whether it is the first of those that were started together, as far as that can be told. Local. */
bool dg_launch_is_first(void);

/* Before a failure that each process may have is told: returns at once in the first process of a host, and in the
   others only where no launcher ends them meanwhile, as where the first has not failed. Safe in signal handlers. Local.
 */
void dg_launch_wait_turn(void);

/* Makes a launcher like MPICH's end the other processes with the exit code `code`, 0 to 9. Others see it themselves
   where a process leaves before MPI has started; this one lets those that have started MPI wait for it for ever. Safe
   in signal handlers. Local. */
void dg_launch_end_others(int code);

/* Before MPI starts: lets a process alone start at once and beside others like it, and fails as dg_launch_check does
   where it is certain by now that this MPI will not see the other processes. Errors: DG_USAGE. Local. */
dg_status dg_launch_prepare(void);

/* Fails where a launcher started several processes but MPI sees `seen` = 1, as under another MPI's launcher: each copy
   would write the same files. One of them has the message, the others an empty one. DISTGAT_ALONE=1 in the environment
   lets each run alone. Errors: DG_USAGE. Local. */
dg_status dg_launch_check(int seen);

#endif
