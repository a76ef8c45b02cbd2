#ifndef DISTGAT_MODEL_H
#define DISTGAT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include <distgat/api.h>
#include <distgat/counts.h>
#include <distgat/field.h>
#include <distgat/params.h>
#include <distgat/status.h>
#include <distgat/sums.h>
#include <distgat/timer.h>

DG_API_BEGIN

typedef enum dg_model_kind { DG_MODEL_GCN, DG_MODEL_GAT, DG_MODEL_GATV2, DG_MODEL_MLP, DG_MODEL_SAGE } dg_model_kind;
typedef enum dg_activation { DG_ELU, DG_RELU } dg_activation;
typedef enum dg_norm { DG_NORM_NONE, DG_NORM_BATCH, DG_NORM_LAYER } dg_norm;

/* Tables of rows that edges gather: projected rows and, in the backward pass, gradients of results. bf16 takes half the
   bytes: what is made in single precision is rounded to the nearest, ties to even, before any edge sees it, forward and
   backward the same; sums stay in single precision. Gradients pass the rounding as if it were none. */
typedef enum dg_table_type { DG_TABLE_F32, DG_TABLE_BF16 } dg_table_type;

/* What a model is; widths of data are added when it is made. */
typedef struct dg_model_config {
  dg_model_kind kind;
  int layers;               /* >= 1 */
  int hidden;               /* width of a head in hidden layers */
  int heads;                /* heads of hidden layers, concatenated */
  int out_heads;            /* heads of the last layer, averaged */
  double dropout;           /* on each layer's input, in [0, 1) */
  double input_dropout;     /* on the first layer's input */
  double attention_dropout; /* on attention coefficients */
  double edge_dropout;      /* share of edges that attention does not see in a training step, self-loops aside */
  double message_dropout;   /* on the projected rows that GAT sums, once their scores are made */
  bool source_only;         /* attention scores of GAT are made of the source alone */
  bool symmetric_norm;      /* attention between roots of degrees: sources' and, inverse, targets' */
  double negative_slope;    /* of LeakyReLU in attention scores */
  dg_activation activation; /* between layers */
  bool residual;            /* a linear skip beside every layer */
  dg_norm norm;             /* after each hidden layer, before the activation */
  double use_labels;    /* share of the training nodes whose labels are input in a training step; 0: none ever are */
  int label_iterations; /* passes before the last, whose predictions are input where no label is */
  dg_edge_attributes edge_attributes; /* that GCN weighs edges by, and attention adds to scores */
  dg_table_type table_type;           /* bf16 in single precision only */
  bool reproducible; /* sums over nodes and edges are exact: training gives the same bits at any number of ranks and
                        threads; where rows are exchanged, the first layer's are too */
} dg_model_config;

/* Labels a node that are input beside the features: columns of the first layer. Local. */
static inline int dg_model_label_columns(const dg_model_config *config, int n_classes) {
  return config->use_labels > 0 ? n_classes : 0;
}

/* Forward passes of a training step, of an evaluation too. Local. */
static inline int dg_model_passes(const dg_model_config *config) {
  return 1 + config->label_iterations;
}

/* Whether a training step needs all nodes in all layers but the last, since it takes their statistics. Local. */
static inline bool dg_model_is_full(const dg_model_config *config) {
  return config->norm == DG_NORM_BATCH && config->layers > 1;
}

/* A model: its configuration and parameters, the same on every rank. */
typedef struct dg_model {
  dg_model_config config;
  int n_features, n_classes;
  int edge_dim;           /* attributes of an edge */
  struct dg_layer *layer; /* [config.layers], see src/nn/conv.h */
  dg_params params;
} dg_model;

/* Makes a model for graphs of n_features and n_classes and, where the configuration takes attributes of edges, edge_dim
   of these, else 0; with zero weights. Errors: DG_USAGE where a layer is too wide, DG_MEMORY. Local. */
dg_status dg_model_create(dg_model *model, const dg_model_config *config, int n_features, int n_classes, int edge_dim);
void dg_model_destroy(dg_model *model);

/* Whether the model can be taken to a graph: weights of edges that GCN sums must not be below zero. Errors: DG_INPUT.
   Local. */
dg_status dg_model_check_graph(const dg_model_config *config, const dg_local *local);

/* Whether edges may gather the first layer's input instead of its projection, which is wider, as is each head of GAT's,
   and all of these twice as wide: sums are linear. Those of GCN and GraphSAGE are made once where the input stays as it
   is, and their backward pass meets no edge. Local. */
bool dg_model_may_gather_input(const dg_model *model, bool sparse);

/* Makes it so where it may, unless projected rows are exchanged; before there is a pass. Local. */
void dg_model_order_input(dg_model *model, bool sparse, bool exchange_first);

/* Whether the backward pass of a layer takes transposed edges with numbers, see dg_field_config. Local. */
bool dg_model_notes_edges(const dg_model *model);

/* Sums over all ranks that batch norm makes in a training step, and bytes that a rank gives to them. Local. */
int dg_model_norm_sums(const dg_model *model);
int64_t dg_model_norm_bytes(const dg_model *model);

/* A model at work over a field: all buffers of forward and, where asked for, backward passes. Model, local graph and
   field are borrowed. */
typedef struct dg_pass {
  dg_model *model;
  const dg_local *local;
  const dg_field *field;
  struct dg_work *work;       /* [layers], see src/nn/conv.h */
  struct dg_scratch *scratch; /* shared by the layers' backward passes; NULL without one */
  dg_real *logits;            /* [n_out, ld_classes] */
  int ld_classes;
  const struct dg_loss *loss; /* borrowed; NULL: plain cross-entropy */
  dg_timer *timer;            /* borrowed; phases are charged to it; NULL: time is not taken */
} dg_pass;

/* Errors: DG_MEMORY. Collective. */
dg_status dg_pass_create(dg_pass *pass, dg_model *model, const dg_local *local, const dg_field *field, bool backward,
                         dg_halo_type halo_type);
void dg_pass_destroy(dg_pass *pass);

/* Bytes of the buffers of a pass over a field of such counts, those of messages aside: what dg_pass_create would ask
   for, from numbers alone. Local. */
int64_t dg_pass_bytes(const dg_model *model, const dg_counts *counts, bool sparse, bool backward);

/* Dropout of one step: none where it is no training step. */
typedef struct dg_step {
  uint64_t seed, epoch;
  bool training;
} dg_step;

/* Forward pass: logits of all output rows. Where labels are input, those of the training nodes that a training step
   draws, else of all; with label iterations all rows must be outputs, and passes before the last have masks of their
   own. Rows that other ranks need are made first, and halo rows travel while rows
   that need none are worked on. Collective. */
void dg_pass_forward(const dg_pass *pass, const dg_step *step);

/* The same without dropout. Collective. */
void dg_pass_evaluate(const dg_pass *pass);

/* The loss of a row of logits, with its label's class: cross-entropy, or log(e + cross-entropy) - log(e), e = 1 - log
   2, where single large losses pull less. Wang et al. 2021, Bag of Tricks for Node Classification, loge loss. Where
   nodes have several labels, the sum over classes of the binary cross-entropy of the sigmoid of a logit. AUTO, of a
   configuration, is that of these which the labels call for. */
typedef enum dg_loss_kind { DG_LOSS_AUTO, DG_LOSS_CE, DG_LOSS_LOG_CE, DG_LOSS_BCE } dg_loss_kind;

/* How losses are made and averaged. As torch.nn.CrossEntropyLoss, smoothed labels give every class an equal part of
   `smoothing`, and a mean over nodes weighs each by its class, smoothed ones class by class. As
   torch.nn.BCEWithLogitsLoss, a mean is one over nodes and classes, and a class weighs where a node has it: pos_weight.
 */
typedef struct dg_loss {
  dg_loss_kind kind;
  double smoothing;           /* in [0, 1) */
  const double *class_weight; /* [n_classes], borrowed; NULL: all 1 */
  double train_weight;        /* sum of the weights of all training nodes, on all ranks; with BCE nodes times classes */
  double train_labels;        /* labels of all training nodes, on all ranks */
} dg_loss;

/* Loss and accuracy over all ranks; NaN where there are no nodes. With several labels a node the accuracy is micro-F1:
   of all pairs of node and class. */
typedef struct dg_score {
  double loss, acc;
} dg_score;

/* Loss summed over this rank's output rows of the splits, each by its weight, the sum of weights, and how many rows are
   classified right; with several labels a node how many labels are found, how many were guessed, and how many there
   are. Where sums are exact the loss is in two parts, which are added up after their sums over ranks. Local. */
typedef struct dg_metrics {
  double loss_sum, weight, correct;
  double guesses, labels; /* of several */
  double loss_rest;
} dg_metrics;
dg_metrics dg_pass_metrics(const dg_pass *pass, int splits);

/* What the loss of a training step is a mean over: weights, nodes and labels of all training nodes on all ranks, or
   after a step of training that shows labels of those that it did not show. Local. */
typedef struct dg_totals {
  double weight, nodes, labels;
} dg_totals;
dg_totals dg_pass_totals(const dg_pass *pass);

/* From sums over all ranks; `n` nodes. Local. */
static inline double dg_accuracy(const dg_metrics *sum, double n, bool multilabel) {
  if (!multilabel || n == 0) return sum->correct / n;
  const double all = sum->guesses + sum->labels;
  return all > 0 ? 2 * sum->correct / all : 0;
}

/* The same for the training nodes after a forward pass of training, and begins the backward pass: the gradient of the
   mean loss over all of them, on all ranks, with respect to the last layer's results; the logits are lost. Local;
   Collective where the model is reproducible: the first rank then has the loss of all. */
dg_metrics dg_pass_loss(const dg_pass *pass);

/* Backward pass after dg_pass_loss: gradients of all parameters, each layer's on its way through `sums`, made over
   params.grad, as soon as it is complete. Collective. */
void dg_pass_backward(const dg_pass *pass, dg_sums *sums);

/* Moves the running statistics of batch norm, those of this rank's share of the parameters, towards those of the last
   step's forward passes, one after the other: label reuse has several. Between dg_sums_end and dg_sums_settle. Local.
 */
void dg_pass_update_statistics(const dg_pass *pass);

DG_API_END

#endif
