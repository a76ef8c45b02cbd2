#include <distgat/train.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <distgat/files.h>
#include <distgat/memory.h>

#include "base/fault.h"
#include "data/h5names.h"
#include "nn/conv.h"
#include "par/threads.h"
#include "par/same.h"
#include "train/model_file.h"
#include <distgat/trainer.h>

/* Full-graph inference on one rank. Rows of the field are brought to ascending ids before they are written. */
typedef struct predictor {
  const dg_comm *comm;
  const dg_predict_config *config;
  dg_config model_config;
  dg_local local;
  dg_model model;
  dg_field *field;
  dg_pass pass;
  int32_t *row; /* [n] field row of each local row */
  dg_h5 *out;   /* rank 0 */
} predictor;

/* Refuses an output that could not be written or would destroy an input; rank 0. */
static dg_status check_output(const dg_predict_config *c, const char *graph_path) {
  const dg_named_file files[] = {{"--out", c->out_path, true},
                                 {"the graph", graph_path, false},
                                 {"--model-file", c->model_path, false},
                                 {"--partition", c->partition, false}};
  const dg_status status = dg_h5_check_writable(c->out_path);
  return status == DG_OK ? dg_files_check_distinct(files, sizeof files / sizeof files[0]) : status;
}

static dg_status read_config(predictor *p) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  DG_TRY(dg_h5_open(&file, p->config->model_path));
  DG_TRY(dg_config_load(file, &p->model_config));
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
static dg_status share_config(predictor *p) {
  dg_config *c = &p->model_config;
  const dg_status status = dg_comm_agree(p->comm, p->comm->rank == 0 ? read_config(p) : DG_OK);
  if (status != DG_OK) return status;
  dg_comm_bcast(p->comm, &c->model, sizeof c->model, 0);
  dg_comm_bcast(p->comm, &c->row_normalize, sizeof c->row_normalize, 0);
  return DG_OK;
}

static dg_status load_weights(predictor *p) {
  const dg_graph_info *info = &p->local.shard.info;
  const char *group = p->config->initial ? "initial_weights" : "weights";
  const dg_status status =
      dg_comm_agree(p->comm, dg_model_create(&p->model, &p->model_config.model, info->n_features, info->n_classes));
  return status == DG_OK
             ? dg_model_share_weights(p->model.params.value, &p->model, p->comm, p->config->model_path, group)
             : status;
}

/* Whether all ranks are asked for the same. Collective. */
static dg_status compare(const predictor *p) {
  const dg_predict_config *c = p->config;
  char facts[2048];
  snprintf(facts, sizeof facts, "--model-file %.600s\n--out %.600s\n--partition %.600s\n%s%s%s", c->model_path,
           c->out_path, c->partition ? c->partition : "none",
           c->initial ? "--weights initial\n" : "--weights trained\n",
           c->embeddings ? "--embeddings\n" : "no --embeddings\n", c->attention ? "--attention\n" : "no --attention\n");
  return dg_same_facts(p->comm, DG_USAGE, "options", facts,
                       "all ranks must be given the same, --threads alone may differ");
}

/* Creates the output, with what the graph calls its nodes and classes; rank 0. */
static dg_status begin_output(predictor *p, const char *graph_path) {
  dg_status status = DG_OK;
  dg_h5 *graph = NULL;
  DG_TRY(dg_h5_open(&graph, graph_path));
  DG_TRY(dg_h5_create(&p->out, p->config->out_path));
  DG_TRY(dg_h5names_copy(p->out, graph, p->local.shard.info.n_nodes, p->local.shard.info.n_classes));

cleanup:
  dg_h5_close(&graph);
  return status;
}

static dg_status prepare(predictor *p, const char *graph_path) {
  dg_status status = DG_OK;
  int threads;
  DG_TRY(compare(p));
  DG_TRY(dg_comm_agree(p->comm, p->comm->rank == 0 ? check_output(p->config, graph_path) : DG_OK));
  DG_TRY(share_config(p));
  DG_TRY(dg_threads_set(&threads, p->comm, p->config->threads));
  const dg_owners_config owners = {.path = p->config->partition,
                                   .balance = DG_BALANCE_EDGES,
                                   .objective = DG_PART_CUT,
                                   .seed = p->model_config.seed};
  DG_TRY(dg_load_graph(&p->local, p->comm, graph_path, dg_no_split, p->model_config.row_normalize, &owners));
  DG_TRY(load_weights(p));
  const dg_field_config field = {.n_layers = p->model_config.model.layers,
                                 .edges = dg_conv_of(p->model_config.model.kind)->edges,
                                 .exchange_first = true}; /* one pass: features would not be used again */
  DG_TRY(dg_field_create(&p->field, &p->local, &field));
  DG_TRY(dg_pass_create(&p->pass, &p->model, &p->local, p->field, false, DG_HALO_F32));
  status = dg_alloc(&p->row, (size_t)p->local.n, sizeof *p->row);
  if (status == DG_OK && p->comm->rank == 0) status = begin_output(p, graph_path);
  DG_TRY(dg_comm_agree(p->comm, status));
  for (int32_t i = 0; i < p->field->n_out; i++) p->row[p->field->out_local[i]] = i;

cleanup:
  return status;
}

static dg_rows own_rows(const predictor *p) {
  return (dg_rows){p->local.shard.info.n_nodes, p->local.n, p->local.ids};
}

static dg_status write_rows(predictor *p, const char *name, dg_h5_type type, int columns, const void *data) {
  return dg_rows_write(p->comm, p->out, name, type, own_rows(p), columns, data);
}

static dg_status write_logits(predictor *p) {
  dg_status status = DG_OK;
  const int n_classes = p->model.n_classes;
  float *logits = NULL;
  int32_t *best = NULL;
  status = dg_alloc(&logits, (size_t)p->local.n * (size_t)n_classes, sizeof *logits);
  if (status == DG_OK) status = dg_alloc(&best, (size_t)p->local.n, sizeof *best);
  DG_TRY(dg_comm_agree(p->comm, status));
  for (int32_t i = 0; i < p->local.n; i++) {
    const dg_real *from = p->pass.logits + (size_t)p->row[i] * p->pass.ld_classes;
    for (int c = 0; c < n_classes; c++) {
      logits[(size_t)i * n_classes + c] = (float)from[c];
      if (from[c] > from[best[i]]) best[i] = c;
    }
  }
  DG_TRY(write_rows(p, "logits", DG_H5_F32, n_classes, logits));
  DG_TRY(write_rows(p, "prediction", DG_H5_I32, 0, best));

cleanup:
  dg_free(&logits);
  dg_free(&best);
  return status;
}

/* The last layer's input, in the channel order of files. */
static dg_status write_embedding(predictor *p) {
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

/* Edges of one layer as three columns, targets ascending by id. */
typedef struct edge_list {
  int64_t *count, *src, *dst;
  float *alpha;
} edge_list;

static dg_status alloc_edges(edge_list *e, const dg_work *w) {
  dg_status status = DG_OK;
  const size_t edges = (size_t)w->block->indptr[w->block->n_dst];
  DG_TRY(dg_alloc(&e->count, (size_t)w->block->n_dst, sizeof *e->count));
  DG_TRY(dg_alloc(&e->src, edges, sizeof *e->src));
  DG_TRY(dg_alloc(&e->dst, edges, sizeof *e->dst));
  DG_TRY(dg_alloc(&e->alpha, edges * (size_t)w->layer->heads, sizeof *e->alpha));

cleanup:
  return status;
}

static void free_edges(edge_list *e) {
  dg_free(&e->count);
  dg_free(&e->src);
  dg_free(&e->dst);
  dg_free(&e->alpha);
}

static int32_t longest_row(const dg_block *b) {
  int32_t most = 0;
  for (int32_t i = 0; i < b->n_dst; i++)
    if (b->indptr[i + 1] - b->indptr[i] > most) most = b->indptr[i + 1] - b->indptr[i];
  return most;
}

static void fill_edges(edge_list *e, const predictor *p, const dg_work *w, dg_real *scratch) {
  const dg_block *b = w->block;
  const int heads = w->layer->heads, hp = w->layer->hp;
  int64_t at = 0;
  for (int32_t i = 0; i < p->local.n; i++) {
    const int32_t row = p->row[i];
    w->layer->conv->alpha(w, row, row + 1, scratch);
    e->count[i] = b->indptr[row + 1] - b->indptr[row];
    for (int64_t t = 0; t < e->count[i]; t++, at++) {
      e->src[at] = b->ids[b->indices[b->indptr[row] + t]];
      e->dst[at] = b->ids[row];
      for (int h = 0; h < heads; h++) e->alpha[at * heads + h] = (float)scratch[t * hp + h];
    }
  }
}

static dg_status write_column(predictor *p, int layer, const char *what, dg_h5_type type, int columns,
                              const int64_t *count, const void *data) {
  char name[64];
  snprintf(name, sizeof name, "attention/conv%d/%s", layer + 1, what);
  return dg_ragged_write(p->comm, p->out, name, type, own_rows(p), count, columns, data);
}

static dg_status write_attention(predictor *p, int layer) {
  dg_status status = DG_OK;
  const dg_work *w = &p->pass.work[layer];
  edge_list e = {0};
  dg_real *scratch = NULL;
  status = alloc_edges(&e, w);
  if (status == DG_OK)
    status = dg_alloc(&scratch, (size_t)longest_row(w->block) * (size_t)w->layer->hp, sizeof *scratch);
  DG_TRY(dg_comm_agree(p->comm, status));
  fill_edges(&e, p, w, scratch);
  DG_TRY(write_column(p, layer, "src", DG_H5_I64, 0, e.count, e.src));
  DG_TRY(write_column(p, layer, "dst", DG_H5_I64, 0, e.count, e.dst));
  DG_TRY(write_column(p, layer, "alpha", DG_H5_F32, w->layer->heads, e.count, e.alpha));

cleanup:
  free_edges(&e);
  dg_free(&scratch);
  return status;
}

dg_status dg_predict(const dg_comm *comm, const dg_predict_config *config, const char *graph_path) {
  dg_status status = DG_OK;
  predictor p = {.comm = comm, .config = config};
  DG_TRY(prepare(&p, graph_path));
  dg_pass_evaluate(&p.pass);
  DG_TRY(write_logits(&p));
  if (config->embeddings) DG_TRY(write_embedding(&p));
  for (int k = 0; config->attention && k < p.model.config.layers; k++) DG_TRY(write_attention(&p, k));
  if (comm->rank == 0) status = dg_fault("predict.save", DG_IO);
  if (comm->rank == 0 && status == DG_OK) status = dg_h5_commit(&p.out);
  DG_TRY(dg_comm_agree(comm, status));

cleanup:
  dg_h5_close(&p.out);
  dg_free(&p.row);
  dg_pass_destroy(&p.pass);
  dg_field_destroy(&p.field);
  dg_model_destroy(&p.model);
  dg_local_destroy(&p.local);
  dg_config_destroy(&p.model_config);
  return status;
}
