#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <distgat/log.h>
#include <distgat/train.h>

#include "cli/json.h"
#include "cli/verbs.h"

static const char usage[] =
    "usage: distgat predict G.h5 --model-file M.h5 --out O.h5 [options]\n"
    "Applies a trained model to all nodes of a graph.\n"
    "example: distgat predict cora.h5 --model-file model.h5 --out out.h5 --probabilities --csv out.csv";
static const char *const weights_names[] = {"trained", "initial", NULL};

/* What can be typed, in the types of the parser; the texts are owned. */
typedef struct request {
  char *model_path, *out_path, *csv_path, *partition, *split, *nodes, *ids;
  const char *graph_path;
  int64_t threads;
  int weights;
  bool embeddings, attention, probabilities, json, quiet, help;
} request;

static dg_status parse(request *req, int argc, char **argv) {
  dg_option options[] = {
      dg_option_text("model-file", &req->model_path, "FILE", "a model of distgat train --save"),
      dg_option_text("out", &req->out_path, "FILE", "where the prediction goes"),
      dg_option_flag("probabilities", &req->probabilities, "write the probabilities of the classes too"),
      dg_option_flag("embeddings", &req->embeddings, "write the input of the last layer too"),
      dg_option_flag("attention", &req->attention, "write the attention coefficients too"),
      dg_option_text("nodes", &req->nodes, "LIST",
                     "only those of edges to these nodes, rows of the graph from 0: 3,17,100-120"),
      dg_option_text("ids", &req->ids, "LIST", "the same by the ids that the graph gives its nodes: ann,bob"),
      dg_option_text("csv", &req->csv_path, "FILE",
                     "a table as well: node, class, label, list of the split, and the\nprobabilities if asked for; of "
                     "several labels a node a column a class"),
      dg_option_text("split", &req->split, "NAME", "whose accuracies are told (the model's, public, or the only one)"),
      dg_option_choice("weights", &req->weights, weights_names, "which weights of the model file (trained)"),
      dg_option_text("partition", &req->partition, "FILE", "who owns which node (divided by METIS)"),
      dg_option_int("threads", &req->threads, 1, 4096, "T", "OpenMP threads of each rank (cores per rank)"),
      dg_option_flag("json", &req->json, "print accuracies, F1 and ROC-AUC as one JSON object"),
      dg_option_flag("quiet", &req->quiet, "no progress on standard error"),
      dg_option_end()};
  dg_status status = dg_options_parse(options, argc, argv, usage, &req->graph_path, 1, &req->help);
  if (status != DG_OK || req->help) return status;
  if (!req->model_path) return dg_fail(DG_USAGE, "--model-file is needed: a model of distgat train --save");
  if (!req->out_path) return dg_fail(DG_USAGE, "--out is needed: the file for the prediction");
  const char *some = req->nodes ? "nodes" : req->ids ? "ids" : NULL;
  if (some && !req->attention) return dg_fail(DG_USAGE, "--%s is for --attention, and that is not asked for", some);
  return DG_OK;
}

static void add_figure(json_t *object, const char *list, const char *name, double value) {
  char key[32];
  snprintf(key, sizeof key, "%s_%s", list, name);
  json_object_set_new(object, key, json_number(value));
}

static void add_quality(json_t *object, const char *list, const dg_quality *q) {
  add_figure(object, list, "acc", q->micro_f1);
  add_figure(object, list, "micro_f1", q->micro_f1);
  add_figure(object, list, "macro_f1", q->macro_f1);
  add_figure(object, list, "roc_auc", q->roc_auc);
}

static void print_json(const dg_predict_result *r, const request *req) {
  json_t *object =
      json_pack("{s:s, s:s, s:I, s:i, s:i, s:o}", "dataset", r->dataset, "model", r->model, "nodes",
                (json_int_t)r->nodes, "ranks", r->ranks, "threads", r->threads, "seconds", json_number(r->seconds));
  json_object_set_new(object, "split", r->split[0] ? json_string(r->split) : json_null());
  add_quality(object, "train", &r->train);
  add_quality(object, "val", &r->val);
  add_quality(object, "test", &r->test);
  json_object_set_new(object, "out", json_string(req->out_path));
  json_write_line(stdout, object);
}

/* ", NAME P%", nothing where there is no accuracy. */
static void print_accuracy(const char *before, const char *name, double accuracy) {
  if (!isnan(accuracy)) printf("%s%s %.2f%%", before, name, 100 * accuracy);
}

/* What else is told, of the test nodes. */
static void print_quality(const dg_predict_result *r) {
  if (isnan(r->test.macro_f1)) return;
  printf("; macro-F1 %.4f", r->test.macro_f1);
  if (!isnan(r->test.roc_auc)) printf(", ROC-AUC %.4f", r->test.roc_auc);
  printf(" of test");
}

static void print_text(const dg_predict_result *r, const request *req) {
  printf("%s on %s, %lld nodes: ", r->model, r->dataset, (long long)r->nodes);
  if (r->split[0]) {
    const double test = r->test.micro_f1, val = r->val.micro_f1;
    printf("%s of split %s:", r->multilabel ? "micro-F1" : "accuracy", r->split);
    print_accuracy(" ", "test", test);
    print_accuracy(isnan(test) ? " " : ", ", "validation", val);
    print_accuracy(isnan(test) && isnan(val) ? " " : ", ", "training", r->train.micro_f1);
    print_quality(r);
  } else {
    printf("no split to tell the accuracy of; --split names one");
  }
  printf("\n%s written in %.2f s\n", req->out_path, r->seconds);
}

dg_status dg_verb_predict(const dg_comm *comm, int argc, char **argv) {
  dg_status status = DG_OK;
  request req = {0};
  dg_predict_result result;
  char **const texts[] = {&req.model_path, &req.out_path, &req.csv_path, &req.partition,
                          &req.split,      &req.nodes,    &req.ids};
  DG_TRY(dg_comm_agree(comm, parse(&req, argc, argv)));
  if (req.help) goto cleanup;
  dg_log_quiet(req.quiet);
  dg_predict_config config = {.model_path = req.model_path,
                              .out_path = req.out_path,
                              .csv_path = req.csv_path,
                              .partition = req.partition,
                              .split = req.split,
                              .nodes = req.nodes,
                              .ids = req.ids,
                              .initial = req.weights == 1,
                              .embeddings = req.embeddings,
                              .attention = req.attention,
                              .probabilities = req.probabilities,
                              .threads = (int)req.threads};
  DG_TRY(dg_predict(&result, comm, &config, req.graph_path));
  if (comm->rank == 0 && req.json) print_json(&result, &req);
  if (comm->rank == 0 && !req.json) print_text(&result, &req);
cleanup:
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free(*texts[i]);
  return status;
}
