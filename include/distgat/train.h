#ifndef DISTGAT_TRAIN_H
#define DISTGAT_TRAIN_H

#include <stdbool.h>

#include <distgat/comm.h>
#include <distgat/config.h>

/* Trains on the graph file and reports: console lines (or with `json` the result object alone) on rank 0's standard
   output, log and saved model as the configuration says. Errors: any. Collective. */
dg_status dg_train(const dg_comm *comm, const dg_config *config, const char *graph_path, bool json);

/* What `predict` is asked for. */
typedef struct dg_predict_config {
  const char *model_path, *out_path;
  const char *partition; /* NULL: partition here */
  bool initial;          /* use /initial_weights */
  bool embeddings, attention;
  int threads; /* 0: cores per rank */
} dg_predict_config;

/* Full-graph inference: writes logits, prediction and what else is asked to out_path, in original node order. Errors:
   any. Collective. */
dg_status dg_predict(const dg_comm *comm, const dg_predict_config *config, const char *graph_path);

/* Times training steps (no evaluation), split into phases, beside the machine's measured bounds, and prints them on
   rank 0. Errors: any. Collective. */
dg_status dg_bench(const dg_comm *comm, const dg_config *config, const char *graph_path, int64_t steps, bool json);

#endif
