#include <distgat/log.h>
#include <distgat/train.h>

#include "cli/verbs.h"

static const char usage[] = "usage: distgat train G.h5 [options]";

dg_status dg_verb_train(const dg_comm *comm, int argc, char **argv) {
  dg_status status = DG_OK;
  dg_config config = {0};
  const char *graph_path = NULL;
  bool help = false, json = false, quiet = false;
  dg_option extra[] = {dg_option_flag("json", &json, "print the result as one JSON object"),
                       dg_option_flag("quiet", &quiet, "no progress on standard error"), dg_option_end()};
  DG_TRY(dg_comm_agree(comm, dg_config_parse(&config, extra, argc, argv, usage, &graph_path, 1, &help)));
  if (help) goto cleanup;
  dg_log_quiet(quiet);
  DG_TRY(dg_train(comm, &config, graph_path, json));
cleanup:
  dg_config_destroy(&config);
  return status;
}
