#ifndef DG_CLI_SIGNALS_H
#define DG_CLI_SIGNALS_H

/* Signals that kill leave no half-written file behind; the program still dies by them. What the program was started
   with stays: a signal that nohup has switched off is not switched on, also where MPI would do so. A broken pipe and a
   full quota do not kill: they are seen where something is written. */

/* Notes what the program was started with; before MPI starts. Local. */
void dg_signals_note(void);

/* From now on signals clean up; once MPI has started, whose reports of crashes are kept. Local. */
void dg_signals_handle(void);

#endif
