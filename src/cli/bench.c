#include <distgat/log.h>
#include <distgat/train.h>

#include "cli/verbs.h"

static const char usage[] = "usage: distgat bench G.h5 [options]";

dg_status dg_verb_bench(const dg_comm *comm, int argc, char **argv) {
  dg_status status = DG_OK;
  dg_config config = {0};
  const char *graph_path = NULL;
  int64_t steps = 200;
  bool help = false, json = false, quiet = false;
  dg_option extra[] = {dg_option_int("steps", &steps, 1, 1e9, "N", "training steps that are timed (200)"),
                       dg_option_flag("json", &json, "print the times as one JSON object"),
                       dg_option_flag("quiet", &quiet, "no progress on standard error"), dg_option_end()};
  DG_TRY(dg_comm_agree(comm, dg_config_parse(&config, extra, argc, argv, usage, &graph_path, 1, &help)));
  if (help) goto cleanup;
  dg_log_quiet(quiet);
  DG_TRY(dg_bench(comm, &config, graph_path, steps, json));
cleanup:
  dg_config_destroy(&config);
  return status;
}
