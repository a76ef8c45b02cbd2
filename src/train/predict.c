#include <distgat/train.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/files.h>
#include <distgat/memory.h>

#include "base/fault.h"
#include "base/text_file.h"
#include "data/h5names.h"
#include "data/text.h"
#include "nn/conv.h"
#include "par/threads.h"
#include "par/same.h"
#include "train/model_file.h"
#include "train/predictor.h"
#include "train/quality.h"

/* Refuses an output that could not be written or would destroy an input; rank 0. */
static dg_status check_output(const dg_predict_config *c, const char *graph_path) {
  const dg_named_file files[] = {{"--out", c->out_path, true},
                                 {"--csv", c->csv_path, true},
                                 {"the graph", graph_path, false},
                                 {"--model-file", c->model_path, false},
                                 {"--partition", c->partition, false}};
  dg_status status = dg_h5_check_writable(c->out_path);
  if (status == DG_OK && c->csv_path) status = dg_text_file_check_writable(c->csv_path);
  return status == DG_OK ? dg_files_check_distinct(files, sizeof files / sizeof files[0]) : status;
}

static dg_status read_split(char split[DG_SPLIT_NAME], dg_h5 *file) {
  char *text = NULL;
  if (!dg_h5_attribute_exists(file, "split")) return DG_OK;
  const dg_status status = dg_h5_get_string(file, "split", &text);
  if (status == DG_OK) snprintf(split, DG_SPLIT_NAME, "%s", text);
  free(text);
  return status;
}

static dg_status read_config(dg_predictor *p) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  DG_TRY(dg_h5_open(&file, p->config->model_path));
  DG_TRY(dg_model_check_kind(file));
  if (!dg_h5_attribute_exists(file, "model"))
    DG_TRY(dg_fail(DG_INPUT,
                   "%s: does not say of what model it is; distgat train G.h5 --init FILE --epochs 0 --save M.h5, with "
                   "the options of the model, makes one of weights alone",
                   p->config->model_path));
  DG_TRY(dg_config_load(file, &p->model_config));
  DG_TRY(read_split(p->model_split, file));
  DG_TRY(dg_model_read_task(&p->task, file));
  DG_TRY(dg_fault("predict.options", DG_INPUT));
  const dg_model_kind kind = p->model_config.model.kind;
  if (p->config->attention && !dg_conv_of(kind)->attention)
    DG_TRY(dg_fail(DG_USAGE, "--attention: a model %s has no attention coefficients", dg_model_kind_name(kind)));
  if (p->config->embeddings && p->model_config.model.layers < 2)
    DG_TRY(dg_fail(DG_USAGE, "--embeddings: a model of one layer has no hidden layer"));

cleanup:
  dg_h5_close(&file);
  return status;
}

/* Rank 0 alone reads the model's options. Collective. */
static dg_status share_config(dg_predictor *p) {
  dg_config *c = &p->model_config;
  const dg_status status = dg_comm_agree(p->comm, p->comm->rank == 0 ? read_config(p) : DG_OK);
  if (status != DG_OK) return status;
  dg_comm_bcast(p->comm, &c->model, sizeof c->model, 0);
  dg_comm_bcast(p->comm, &c->normalize, sizeof c->normalize, 0);
  dg_comm_bcast(p->comm, &p->task, sizeof p->task, 0);
  return DG_OK;
}

static dg_status load_weights(dg_predictor *p) {
  const dg_graph_info *info = &p->local.shard.info;
  const char *group = p->config->initial ? "initial_weights" : "weights";
  dg_status status = dg_model_check_graph(&p->model_config.model, &p->local);
  if (status == DG_OK)
    status =
        dg_model_create(&p->model, &p->model_config.model, info->n_features, info->n_classes, p->local.shard.edge_dim);
  DG_TRY(dg_comm_agree(p->comm, status));
  DG_TRY(dg_model_share_weights(p->model.params.value, &p->model, p->comm, p->config->model_path, group));

cleanup:
  return status;
}

/* What is predicted is what the model was trained for: graphs of no labels at all do not say it. Collective. */
static dg_status check_task(dg_predictor *p) {
  dg_shard *s = &p->local.shard;
  int64_t labelled = s->info.multilabel;
  for (dg_row i = 0; s->labels && i < p->local.n; i++) labelled |= s->labels[i] >= 0;
  labelled = dg_comm_max_int64(p->comm, labelled);
  if (p->task == DG_TASK_UNKNOWN || s->info.multilabel == (p->task == DG_TASK_MULTILABEL)) return DG_OK;
  if (labelled)
    return dg_fail(DG_INPUT, "%s: was trained for %s, and in %s %s", p->config->model_path,
                   s->info.multilabel ? "one label a node" : "several labels a node", s->info.name,
                   s->info.multilabel ? "nodes have several" : "a node has one");
  s->info.multilabel = true;
  return DG_OK;
}

static const char *or_none(const char *text) {
  return text ? text : "none";
}

/* Whether all ranks are asked for the same. Collective. */
static dg_status compare(const dg_predictor *p) {
  const dg_predict_config *c = p->config;
  return dg_same_options(
      p->comm, "all ranks must be given the same, --threads alone may differ",
      "--model-file %s\n--out %s\n--csv %s\n--partition %s\n--split %s\n--nodes %s\n--ids %s\n--weights %s\n%s%s%s",
      c->model_path, c->out_path, or_none(c->csv_path), or_none(c->partition), or_none(c->split), or_none(c->nodes),
      or_none(c->ids), c->initial ? "initial" : "trained", c->embeddings ? "--embeddings\n" : "no --embeddings\n",
      c->attention ? "--attention\n" : "no --attention\n",
      c->probabilities ? "--probabilities\n" : "no --probabilities\n");
}

/* The split whose accuracies are told, where none was asked for that of the model, "" where none suggests itself; rank
   0. */
static dg_status choose_split(char chosen[DG_SPLIT_NAME], const dg_predictor *p, const char *graph_path) {
  dg_status status = DG_OK;
  dg_h5 *graph = NULL;
  DG_TRY(dg_h5_open(&graph, graph_path));
  if (!p->config->split && p->model_split[0]) status = dg_graph_choose_split(graph, p->model_split, chosen);
  if (status == DG_OK && !p->config->split && p->model_split[0]) goto cleanup;
  dg_status_clear();
  status = dg_graph_choose_split(graph, p->config->split, chosen);
  if (status != DG_INPUT || p->config->split) goto cleanup;
  if (p->model_config.model.use_labels > 0 && !dg_h5_exists(graph, "splits")) {
    dg_status_clear();
    status = dg_fail(DG_INPUT,
                     "%s: has no splits (splits/NAME/train), and the model takes the labels of training nodes as input",
                     graph_path);
    goto cleanup;
  }
  chosen[0] = '\0';
  dg_status_clear();
  status = DG_OK;

cleanup:
  dg_h5_close(&graph);
  return status;
}

/* What the prediction is of, and what it was made by. */
static dg_status describe_output(const dg_predictor *p) {
  dg_status status = DG_OK;
  char fingerprint[32];
  const dg_shard *s = &p->local.shard;
  snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, s->fingerprint);
  DG_TRY(dg_h5_set_string(p->out, "format", "distgat-prediction"));
  DG_TRY(dg_h5_set_int64(p->out, "version", 1));
  DG_TRY(dg_h5_set_string(p->out, "graph", s->info.name));
  DG_TRY(dg_h5_set_string(p->out, "graph_fingerprint", fingerprint));
  DG_TRY(dg_h5_set_string(p->out, "model_file", p->config->model_path));
  DG_TRY(dg_h5_set_string(p->out, "weights", p->config->initial ? "initial" : "trained"));
  DG_TRY(dg_h5_set_string(p->out, "program", DG_VERSION));
  DG_TRY(dg_config_save(p->out, &p->model_config));

cleanup:
  return status;
}

/* Creates the output, with what the graph calls its nodes and classes; rank 0. */
static dg_status begin_output(dg_predictor *p, const char *graph_path) {
  dg_status status = DG_OK;
  dg_h5 *graph = NULL;
  DG_TRY(dg_h5_open(&graph, graph_path));
  DG_TRY(dg_h5_create(&p->out, p->config->out_path));
  DG_TRY(describe_output(p));
  DG_TRY(dg_h5names_copy(p->out, graph, p->local.shard.info.n_nodes, p->local.shard.info.n_classes));

cleanup:
  dg_h5_close(&graph);
  return status;
}

static dg_status prepare(dg_predict_result *result, dg_predictor *p, const char *graph_path) {
  dg_status status = DG_OK;
  DG_TRY(compare(p));
  DG_TRY(dg_comm_agree(p->comm, p->comm->rank == 0 ? check_output(p->config, graph_path) : DG_OK));
  DG_TRY(share_config(p));
  DG_TRY(dg_threads_set(&result->threads, p->comm, p->config->threads));
  DG_TRY(dg_comm_agree(p->comm, p->comm->rank == 0 ? choose_split(result->split, p, graph_path) : DG_OK));
  dg_comm_bcast(p->comm, result->split, sizeof result->split, 0);
  if (p->model_config.model.use_labels > 0 && !result->split[0])
    DG_TRY(dg_fail(DG_INPUT, "%s: the model takes the labels of training nodes as input: name their split by --split",
                   graph_path));
  const dg_owners_config owners = {.path = p->config->partition,
                                   .balance = DG_BALANCE_EDGES,
                                   .objective = DG_PART_CUT,
                                   .seed = p->model_config.seed};
  const dg_shard_config shard = {.split = result->split[0] ? result->split : dg_no_split,
                                 .normalize = p->model_config.normalize,
                                 .edge_attributes = p->model_config.model.edge_attributes};
  DG_TRY(dg_load_graph(&p->local, p->comm, graph_path, &shard, &owners));
  DG_TRY(check_task(p));
  DG_TRY(load_weights(p));
  if (p->model_config.model.symmetric_norm) DG_TRY(dg_local_count_out_edges(&p->local));
  const dg_field_config field = {.n_layers = p->model_config.model.layers,
                                 .edges = dg_conv_of(p->model_config.model.kind)->edges,
                                 .exchange_first = true}; /* one pass: features would not be used again */
  DG_TRY(dg_field_create(&p->field, &p->local, &field));
  DG_TRY(dg_pass_create(&p->pass, &p->model, &p->local, p->field, false, DG_HALO_F32));
  status = dg_alloc(&p->row, (size_t)p->local.n, sizeof *p->row);
  if (status == DG_OK && (p->config->nodes || p->config->ids))
    status = dg_alloc(&p->asked, (size_t)p->local.n, sizeof *p->asked);
  if (status == DG_OK && p->config->nodes) status = dg_predictor_ask(p);
  if (status == DG_OK && p->comm->rank == 0) status = begin_output(p, graph_path);
  DG_TRY(dg_comm_agree(p->comm, status));
  if (p->config->ids) DG_TRY(dg_predictor_ask_ids(p));
  for (int32_t i = 0; i < p->field->n_out; i++) p->row[p->field->out_local[i]] = i;

cleanup:
  return status;
}

dg_rows dg_predictor_rows(const dg_predictor *p) {
  return (dg_rows){p->local.shard.info.n_nodes, p->local.n, p->local.ids};
}

static dg_status write_rows(dg_predictor *p, const char *name, dg_h5_type type, int columns, const void *data) {
  return dg_rows_write(p->comm, p->out, name, type, dg_predictor_rows(p), columns, data);
}

/* Logits of the own rows, as they are written, and what they predict. */
typedef struct prediction {
  float *logits; /* [n, n_classes] */
  int32_t *best; /* [n] the class of the largest; NULL where nodes have several */
  uint8_t *many; /* [n, n_classes] 1 where the logit is positive; NULL where nodes have one */
} prediction;

static void free_prediction(prediction *y) {
  dg_free(&y->logits);
  dg_free(&y->best);
  dg_free(&y->many);
}

static void take_row(prediction *y, const dg_predictor *p, dg_row i) {
  const int n_classes = p->model.n_classes;
  const dg_real *from = p->pass.logits + (size_t)p->row[i] * p->pass.ld_classes;
  for (int c = 0; c < n_classes; c++) {
    const size_t at = (size_t)i * (size_t)n_classes + (size_t)c;
    y->logits[at] = (float)from[c];
    if (y->many) y->many[at] = from[c] > 0;
    if (y->best && from[c] > from[y->best[i]]) y->best[i] = c;
  }
}

static dg_status take_logits(prediction *y, const dg_predictor *p) {
  dg_status status = DG_OK;
  const size_t n = (size_t)p->local.n, all = n * (size_t)p->model.n_classes;
  const bool several = p->local.shard.info.multilabel;
  status = dg_alloc(&y->logits, all, sizeof *y->logits);
  if (status == DG_OK) status = several ? dg_alloc(&y->many, all, 1) : dg_alloc(&y->best, n, sizeof *y->best);
  DG_TRY(dg_comm_agree(p->comm, status));
  for (dg_row i = 0; i < p->local.n; i++) take_row(y, p, i);

cleanup:
  return status;
}

/* Numbers that are none predict nothing, though a class would come of them. Collective. */
static dg_status check_logits(const prediction *y, const dg_predictor *p) {
  dg_status status = DG_OK;
  const size_t n_classes = (size_t)p->model.n_classes, all = (size_t)p->local.n * n_classes;
  for (size_t i = 0; i < all && status == DG_OK; i++)
    if (!isfinite(y->logits[i]))
      status = dg_fail(DG_INPUT, "%s: gives node %lld of %s logits that are not finite", p->config->model_path,
                       (long long)p->local.ids[i / n_classes], p->local.shard.info.name);
  return dg_comm_agree(p->comm, status);
}

/* Softmax of a row, its largest entry that of class `best`. */
static void soften_row(float *row, int best, int n) {
  const double most = row[best];
  double sum = 0;
  for (int c = 0; c < n; c++) sum += exp(row[c] - most);
  for (int c = 0; c < n; c++) row[c] = (float)(exp(row[c] - most) / sum);
}

/* Turns logits into probabilities, in place. Local. */
static void soften(prediction *y, dg_row n, int n_classes) {
  for (dg_row i = 0; i < n; i++) {
    float *row = y->logits + (size_t)i * (size_t)n_classes;
    if (y->best) soften_row(row, y->best[i], n_classes);
    for (int c = 0; y->many && c < n_classes; c++) row[c] = (float)(1 / (1 + exp(-(double)row[c])));
  }
}

static dg_status write_prediction(dg_predict_result *result, dg_predictor *p) {
  dg_status status = DG_OK;
  const int n_classes = p->model.n_classes;
  prediction y = {0};
  DG_TRY(take_logits(&y, p));
  DG_TRY(check_logits(&y, p));
  DG_TRY(dg_quality_find(&result->train, &p->pass, DG_TRAIN));
  DG_TRY(dg_quality_find(&result->val, &p->pass, DG_VAL));
  DG_TRY(dg_quality_find(&result->test, &p->pass, DG_TEST));
  DG_TRY(write_rows(p, "logits", DG_H5_F32, n_classes, y.logits));
  if (y.many)
    DG_TRY(write_rows(p, "prediction", DG_H5_U8, n_classes, y.many));
  else
    DG_TRY(write_rows(p, "prediction", DG_H5_I32, 0, y.best));
  if (!p->config->probabilities) goto cleanup;
  soften(&y, p->local.n, n_classes);
  DG_TRY(write_rows(p, "probabilities", DG_H5_F32, n_classes, y.logits));

cleanup:
  free_prediction(&y);
  return status;
}

/* The last layer's input, in the channel order of files. */
static dg_status write_embedding(dg_predictor *p) {
  dg_status status = DG_OK;
  const dg_work *w = &p->pass.work[p->model.config.layers - 1];
  const dg_layer *below = w->layer - 1;
  const int width = below->heads * below->dim;
  float *rows = NULL;
  DG_TRY(dg_comm_agree(p->comm, dg_alloc(&rows, (size_t)p->local.n * (size_t)width, sizeof *rows)));
  for (int32_t i = 0; i < p->local.n; i++)
    for (int c = 0; c < width; c++)
      rows[(size_t)i * width + c] =
          (float)w->in.to[(size_t)p->row[i] * w->layer->in_ld + c % below->dim * below->hp + c / below->dim];
  DG_TRY(write_rows(p, "embedding", DG_H5_F32, width, rows));

cleanup:
  dg_free(&rows);
  return status;
}

/* Rank 0 completes the file, and makes a table of it. */
static dg_status complete(dg_predictor *p, const char *graph_path, const char *split) {
  dg_status status = DG_OK;
  const dg_predict_config *c = p->config;
  DG_TRY(dg_fault("predict.save", DG_IO));
  DG_TRY(dg_h5_commit(&p->out));
  if (c->csv_path) DG_TRY(dg_prediction_write_csv(c->csv_path, c->out_path, graph_path, split));

cleanup:
  return status;
}

dg_status dg_predict(dg_predict_result *result, const dg_comm *comm, const dg_predict_config *config,
                     const char *graph_path) {
  dg_status status = DG_OK;
  dg_predictor p = {.comm = comm, .config = config};
  *result = (dg_predict_result){.ranks = comm->size};
  DG_TRY(prepare(result, &p, graph_path));
  const double start = dg_time();
  dg_text_copy(result->dataset, sizeof result->dataset, p.local.shard.info.name);
  result->model = dg_model_kind_name(p.model_config.model.kind);
  result->nodes = p.local.shard.info.n_nodes;
  result->multilabel = p.local.shard.info.multilabel;
  dg_pass_evaluate(&p.pass);
  DG_TRY(write_prediction(result, &p));
  if (config->embeddings) DG_TRY(write_embedding(&p));
  for (int k = 0; config->attention && k < p.model.config.layers; k++) DG_TRY(dg_predictor_write_attention(&p, k));
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? complete(&p, graph_path, result->split) : DG_OK));
  result->seconds = dg_comm_max_double(comm, dg_time() - start);

cleanup:
  dg_h5_close(&p.out);
  dg_free(&p.row);
  dg_free(&p.asked);
  dg_pass_destroy(&p.pass);
  dg_field_destroy(&p.field);
  dg_model_destroy(&p.model);
  dg_local_destroy(&p.local);
  dg_config_destroy(&p.model_config);
  return status;
}
