#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/log.h>

#include "cli/help.h"
#include "cli/launch.h"
#include "cli/room.h"
#include "cli/signals.h"
#include "cli/start.h"
#include "cli/verbs.h"
#include "cli/version.h"
#include "kernels/kernels.h"
#include "par/same.h"

/* What needs no ranks: help, and mistakes before a verb is known. */
static dg_status answer(int argc, char **argv) {
  const char *word = argc > 1 ? argv[1] : "";
  if (help_is_asked(argc, argv)) return help_print(argc, argv);
  if (strcmp(word, "--version") != 0 && strcmp(word, "-V") != 0) return dg_verb_fail(argv[1]);
  dg_version_print();
  return DG_OK;
}

/* Results that could not be written are a failure, also where a reader has had enough: what it did not read may be what
   counts. The work itself is done by now. */
static dg_status flush_results(void) {
  const bool flushed = fflush(stdout) == 0;
  if (flushed && !ferror(stdout)) return DG_OK;
  return dg_fail(DG_IO, "cannot write the results to standard output%s%s", flushed ? "" : ": ",
                 flushed ? "" : strerror(errno));
}

/* The one line of a failure; whatever was typed, it stays one line. An empty message is one that another process has.
 */
static void print_failure(const char *verb_name) {
  char line[2048];
  const char *message = dg_status_message();
  if (*message == '\0') return;
  snprintf(line, sizeof line, "distgat%s%s: %s", verb_name ? " " : "", verb_name ? verb_name : "", message);
  for (char *c = line; *c; c++)
    if (iscntrl((unsigned char)*c)) *c = ' ';
  fprintf(stderr, "%s\n", line);
}

static bool is_typed(const char *word, int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], word) == 0) return true;
  return false;
}

/* What makes a verb only print something, and no more. */
static const char *only_prints(int argc, char **argv) {
  if (is_typed("--help", argc, argv) || is_typed("-h", argc, argv)) return "--help\n";
  return is_typed("--print-config", argc, argv) ? "--print-config\n" : "";
}

/* Ranks of different versions or verbs would wait for messages that never come. */
static dg_status compare_programs(const dg_comm *comm, int argc, char **argv) {
  char facts[256];
  snprintf(facts, sizeof facts, "version " DG_VERSION "\n%s%.64s\n%s", argc > 1 ? "verb " : "no verb",
           argc > 1 ? argv[1] : "", only_prints(argc, argv));
  return dg_same_facts(comm, DG_USAGE, "the program", facts, "all ranks must run the same");
}

/* Runs a verb, or the answer of the program itself, on all ranks of the job; rank 0 alone speaks. */
static dg_status run_on_ranks(const verb_entry *verb, int argc, char **argv) {
  dg_comm comm = {0};
  dg_status status = dg_comm_create(&comm, MPI_COMM_WORLD);
  if (status != DG_OK) return status;
  dg_log_speaker(comm.rank == 0);
  if (comm.rank != 0 && !freopen("/dev/null", "w", stdout)) fclose(stdout);
  status = compare_programs(&comm, argc, argv);
  if (status == DG_OK && verb) status = dg_launch_check(comm.size);
  if (status == DG_OK && verb) status = dg_comm_agree(&comm, dg_kernels_check_choice());
  if (status == DG_OK && verb) status = verb->run(&comm, argc - 1, argv + 1);
  if (status == DG_OK && !verb && comm.rank == 0) status = answer(argc, argv);
  dg_signals_end(status); /* a launcher may end ranks that leave last */
  if (comm.rank == 0) {   /* also of a run that failed: once other ranks have left, the launcher may end this one */
    const dg_status written = flush_results();
    if (status == DG_OK) status = written;
  }
  status = dg_comm_agree(&comm, status);
  if (status != DG_OK && comm.rank == 0) print_failure(verb ? verb->name : NULL);
  dg_comm_destroy(&comm);
  return status;
}

static dg_status run_under_mpi(const verb_entry *verb, int argc, char **argv) {
  int provided;
  MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  dg_signals_handle();
  const dg_status status = run_on_ranks(verb, argc, argv);
  MPI_Finalize();
  return status;
}

/* Without ranks: what is asked of the program itself, or a failure before MPI could start. */
static dg_status run_here(dg_status status, const verb_entry *verb, int argc, char **argv) {
  if (!verb) {
    dg_status_clear();
    status = answer(argc, argv);
    if (status == DG_OK) status = flush_results();
  }
  if (status != DG_OK) print_failure(verb ? verb->name : NULL);
  /* A launcher ends the others once one has left: a process that leaves the word to another lets it speak first. */
  if (status != DG_OK && *dg_status_message() == '\0') sleep(1);
  if (status != DG_OK) dg_launch_end_others(dg_status_exit_code(status));
  return status;
}

int main(int argc, char **argv) {
  dg_start_done();
  dg_signals_note(argc, argv);
  dg_start_again(argv, environ);
  const verb_entry *verb = argc > 1 && !help_is_asked(argc, argv) ? dg_verb_find(argv[1]) : NULL;
  const bool ranks = verb || dg_launch_seen();
  dg_status status = ranks ? dg_launch_prepare() : DG_OK;
  if (ranks && status == DG_OK) status = dg_room_check();
  status = ranks && status == DG_OK ? run_under_mpi(verb, argc, argv) : run_here(status, verb, argc, argv);
  return dg_status_exit_code(status);
}
