#ifndef DISTGAT_PAR_SAME_H
#define DISTGAT_PAR_SAME_H

#include <distgat/comm.h>

/* Compares what each rank says of `what` with what rank 0 says: facts, one a line, such as "2708 nodes\n7 classes\n". A
   rank that differs fails with `failure` and names itself, its host and the first fact that differs; `advice` says what
   would be right. Errors: `failure`, DG_MEMORY. Collective. */
dg_status dg_same_facts(const dg_comm *comm, dg_status failure, const char *what, const char *facts,
                        const char *advice);

/* The same of options, which `format` prints with what follows it: one a line, such as "--seed 3\n". Errors: DG_USAGE,
   DG_MEMORY. Collective. */
dg_status dg_same_options(const dg_comm *comm, const char *advice, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
