#include <distgat/log.h>
#include <distgat/memory.h>
#include <distgat/train.h>

#include "cli/report.h"
#include "cli/signals.h"
#include "cli/speaker.h"
#include "cli/verbs.h"

static const char usage[] =
    "usage: distgat train G.h5 [options]\n"
    "Trains a model on a graph, on all ranks that mpirun or srun starts, and prints its accuracies.\n"
    "example: mpirun -np 4 distgat train cora.h5 --recipe tutorial-gat --save model.h5";

static const char *const progress_names[] = {"auto", "bar", "lines", "none", NULL};

/* Divergence is a failure, once all is reported; the same on every rank. */
static dg_status check_divergence(const dg_result *results, int64_t runs) {
  const dg_summary s = dg_summarize(results, runs);
  const dg_result *first = results;
  if (s.diverged == 0) return DG_OK;
  while (!first->diverged) first++;
  if (runs == 1) return dg_fail(DG_RUNTIME, "training diverged: %s", first->stop_reason);
  return dg_fail(DG_RUNTIME, "%lld of %lld runs diverged and are left out of the mean; the first, of seed %llu: %s",
                 (long long)s.diverged, (long long)runs, (unsigned long long)first->seed, first->stop_reason);
}

/* Trains and reports; a log that could not be written is a failure too. Collective. */
static dg_status train(const dg_comm *comm, const dg_config *config, const char *graph_path, report *reports) {
  dg_status status = DG_OK, closed;
  const dg_observer observer = report_observer(reports);
  dg_result *results = NULL;
  int64_t runs;
  DG_TRY(dg_train_runs(&runs, comm, config, graph_path));
  reports->runs = runs, reports->splits = runs / config->runs;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&results, (size_t)runs, sizeof *results)));
  DG_TRY(dg_train(results, comm, config, graph_path, &observer));
  if (comm->rank == 0) report_end(reports, results, runs);
  DG_TRY(check_divergence(results, runs));

cleanup:
  closed = report_close(reports);
  dg_free(&results);
  return status == DG_OK ? dg_comm_agree(comm, closed) : status;
}

dg_status dg_verb_train(const dg_comm *comm, int argc, char **argv) {
  dg_status status = DG_OK;
  dg_config config = {0};
  const char *graph_path = NULL;
  bool help = false, json = false, quiet = false;
  int progress = DG_PROGRESS_AUTO;
  dg_option extra[] = {dg_option_flag("json", &json, "print the result as one JSON object"),
                       dg_option_flag("quiet", &quiet, "the result alone"),
                       dg_option_choice("progress", &progress, progress_names,
                                        "bar also where standard error is no terminal, as under mpirun (auto)"),
                       dg_option_end()};
  const dg_config_verb verb = {usage, extra, true, 1};
  DG_TRY(dg_comm_agree(comm, dg_config_parse(&config, &graph_path, &help, &verb, argc, argv)));
  if (help) goto cleanup;
  dg_log_quiet(quiet);
  dg_log_progress((dg_progress_mode)progress);
  dg_signals_pass_to(dg_speaker_find(comm));
  if (config.checkpoint)
    dg_signals_stop(comm->rank == 0);
  else
    dg_signals_tell_loss(comm->rank == 0);
  report reports = {
      .json = json, .quiet = quiet, .log = {.path = config.log}, .saved = config.save, .epochs = config.epochs};
  DG_TRY(train(comm, &config, graph_path, &reports));
cleanup:
  dg_config_destroy(&config);
  return status;
}
