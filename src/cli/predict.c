#include <stdlib.h>

#include <distgat/log.h>
#include <distgat/train.h>

#include "cli/verbs.h"

static const char usage[] =
    "usage: distgat predict G.h5 --model-file M.h5 --out O.h5 [options]\n"
    "Applies a trained model to all nodes of a graph.\n"
    "example: distgat predict cora.h5 --model-file model.h5 --out out.h5 --probabilities --csv out.csv";
static const char *const weights_names[] = {"trained", "initial", NULL};

/* What can be typed, in the types of the parser; the texts are owned. */
typedef struct request {
  char *model_path, *out_path, *partition;
  const char *graph_path;
  int64_t threads;
  int weights;
  bool embeddings, attention, quiet, help;
} request;

static dg_status parse(request *req, int argc, char **argv) {
  dg_option options[] = {
      dg_option_text("model-file", &req->model_path, "FILE", "a model of distgat train --save"),
      dg_option_text("out", &req->out_path, "FILE", "where the prediction goes"),
      dg_option_flag("embeddings", &req->embeddings, "write the input of the last layer too"),
      dg_option_flag("attention", &req->attention, "write the attention coefficients too"),
      dg_option_choice("weights", &req->weights, weights_names, "which weights of the model file (trained)"),
      dg_option_text("partition", &req->partition, "FILE", "who owns which node (divided by METIS)"),
      dg_option_int("threads", &req->threads, 1, 4096, "T", "OpenMP threads of each rank (cores per rank)"),
      dg_option_flag("quiet", &req->quiet, "no progress on standard error"),
      dg_option_end()};
  dg_status status = dg_options_parse(options, argc, argv, usage, &req->graph_path, 1, &req->help);
  if (status != DG_OK || req->help) return status;
  if (!req->model_path) return dg_fail(DG_USAGE, "--model-file is needed: a model of distgat train --save");
  if (!req->out_path) return dg_fail(DG_USAGE, "--out is needed: the file for the prediction");
  return DG_OK;
}

dg_status dg_verb_predict(const dg_comm *comm, int argc, char **argv) {
  dg_status status = DG_OK;
  request req = {0};
  DG_TRY(dg_comm_agree(comm, parse(&req, argc, argv)));
  if (req.help) goto cleanup;
  dg_log_quiet(req.quiet);
  dg_predict_config config = {.model_path = req.model_path,
                              .out_path = req.out_path,
                              .partition = req.partition,
                              .initial = req.weights == 1,
                              .embeddings = req.embeddings,
                              .attention = req.attention,
                              .threads = (int)req.threads};
  DG_TRY(dg_predict(comm, &config, req.graph_path));
cleanup:
  free(req.model_path);
  free(req.out_path);
  free(req.partition);
  return status;
}
