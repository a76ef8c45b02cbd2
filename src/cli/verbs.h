#ifndef DISTGAT_CLI_VERBS_H
#define DISTGAT_CLI_VERBS_H

#include <distgat/comm.h>

/* The verbs of the program: argv[0] is the verb's own name. Results go to standard output, which only rank 0 keeps.
   A failure is noted with dg_fail and printed by main. Errors: any. Collective. */
dg_status dg_verb_generate(const dg_comm *comm, int argc, char **argv);
dg_status dg_verb_info(const dg_comm *comm, int argc, char **argv);
dg_status dg_verb_partition(const dg_comm *comm, int argc, char **argv);
dg_status dg_verb_train(const dg_comm *comm, int argc, char **argv);
dg_status dg_verb_predict(const dg_comm *comm, int argc, char **argv);
dg_status dg_verb_plan(const dg_comm *comm, int argc, char **argv);
dg_status dg_verb_bench(const dg_comm *comm, int argc, char **argv);

typedef struct verb_entry {
  const char *name;
  dg_status (*run)(const dg_comm *comm, int argc, char **argv);
  const char *help;
} verb_entry;

enum { N_VERBS = 7 };
extern const verb_entry dg_verbs[N_VERBS];

/* NULL where there is no such verb. Local. */
const verb_entry *dg_verb_find(const char *name);

/* Fails on what is no verb, NULL where nothing was typed. Local. */
dg_status dg_verb_fail(const char *name);

#endif
