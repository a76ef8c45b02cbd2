#ifndef DG_CLI_SIGNALS_H
#define DG_CLI_SIGNALS_H

#include <stdbool.h>
#include <sys/types.h>

#include <distgat/status.h>

/* Signals that kill leave no half-written file behind; the program still dies by them. What the program was started
   with stays: a signal that nohup has switched off is not switched on, also where MPI would do so. A broken pipe and a
   full quota do not kill: they are seen where something is written. */

/* Notes what the program was started with; before MPI starts. Where the arguments name a checkpoint, does
   dg_signals_stop, silent. Local. */
void dg_signals_note(int argc, char **argv);

/* Holds wishes to stop back, where they are such, also while the program starts once more; they arrive when they are
   let go, as dg_signals_note does. Local. */
void dg_signals_hold(bool back);

/* From now on signals clean up; once MPI has started, whose reports of crashes are kept. Local. */
void dg_signals_handle(void);

/* From now on SIGTERM, SIGUSR1 and SIGINT are wishes to stop (base/stop.h); where work is left at once for one, a rank
   that speaks says so, and the exit code is that of DG_STOPPED. SIGALRM ends what does not stop by itself in time.
   Signals that were switched off stay so. Local. */
void dg_signals_stop(bool speaks);

/* Whether, where the program is ended by a signal after an epoch is done, a line says that nothing is kept: for
   training without a checkpoint while it goes on, on the rank that speaks. Local. */
void dg_signals_tell_loss(bool tells);

/* Until the verb has ended a signal that ends this process is passed to that one, which speaks for all ranks; 0: to
   none. Local. */
void dg_signals_pass_to(pid_t pid);

/* The verb has ended so, and is about to say it: where that, or the end of MPI, takes as long as no reader does, a wish
   to stop ends it after seconds, by the exit code of its failure where it has failed. Local. */
void dg_signals_end(dg_status status);

#endif
