#ifndef DG_CLI_SPEAKER_H
#define DG_CLI_SPEAKER_H

#include <sys/types.h>

#include <distgat/comm.h>

/* The process of rank 0, which speaks for all, as this rank may send it signals; 0 on rank 0 itself, and where it is
   not in the same system and the same space of process ids. Collective. */
pid_t dg_speaker_find(const dg_comm *comm);

#endif
