#include "train/config_options.h"

#include <math.h>

#include "kernels/kernels.h"
#include "train/recipes.h"

static const char *const model_names[] = {"gcn", "gat", "gatv2", "mlp", "sage", NULL};
static const char *const activation_names[] = {"elu", "relu", NULL};
static const char *const norm_names[] = {"none", "batch", "layer", NULL};
static const char *const edge_attributes_names[] = {"none", "weight", "features", NULL};
static const char *const optimizer_names[] = {"adam", "adamw", "rmsprop", NULL};
static const char *const lr_schedule_names[] = {"constant", "cosine", NULL};
static const char *const loss_names[] = {"auto", "ce", "log-ce", "bce", NULL};
static const char *const class_weights_names[] = {"none", "balanced", NULL};
static const char *const normalize_names[] = {"none", "row", "standardize", NULL};
static const char *const early_stop_names[] = {"none", "gat", "gcn", NULL};
static const char *const select_names[] = {"last", "best-val-loss", "best-val-acc", "best-val-both", NULL};
static const char *const halo_type_names[] = {"f32", "bf16", NULL};
static const char *const table_type_names[] = {"f32", "bf16", NULL};
static const char *const first_halo_names[] = {"auto", "fetch", "exchange", NULL};
static const char *const balance_names[] = {"step", "edges", "nodes", "both", NULL};
static const char *const objective_names[] = {"auto", "cut", "vol", NULL};
static const char *const switch_names[] = {"off", "on", NULL};

void dg_config_describe_model(dg_option options[N_MODEL_OPTIONS], dg_config_values *v) {
  dg_model_config *m = &v->config.model;
  const double below_one = nextafter(1, 0);
  options[MODEL] = dg_option_choice("model", &v->kind, model_names, "kind of layers (gatv2)");
  options[LAYERS] = dg_option_int("layers", &v->layers, 1, 1000, "L", "number of layers (2)");
  options[HIDDEN] =
      dg_option_int("hidden", &v->hidden, 1, 1e6, "D", "width of a head in hidden layers (8; gcn, mlp, sage: 16)");
  options[HEADS] = dg_option_int("heads", &v->heads, 1, DG_MAX_HEADS, "H", "heads of hidden layers, concatenated (8)");
  options[OUT_HEADS] =
      dg_option_int("out-heads", &v->out_heads, 1, DG_MAX_HEADS, "H", "heads of the last layer, averaged (1)");
  options[DROPOUT] =
      dg_option_real("dropout", &m->dropout, 0, below_one, "P", "on each layer's input (0.6; gcn, mlp, sage: 0.5)");
  options[INPUT_DROPOUT] = dg_option_real("input-dropout", &m->input_dropout, 0, below_one, "P",
                                          "on the first layer's input (as --dropout)");
  options[ATTENTION_DROPOUT] =
      dg_option_real("attention-dropout", &m->attention_dropout, 0, below_one, "P", "on attention coefficients (0)");
  options[EDGE_DROPOUT] = dg_option_real("edge-dropout", &m->edge_dropout, 0, below_one, "P",
                                         "gat, gatv2: share of edges that attention does not see in a step (0)");
  options[MESSAGE_DROPOUT] = dg_option_real("message-dropout", &m->message_dropout, 0, below_one, "P",
                                            "gat: on projected rows, after their scores and before their sums (0)");
  options[NEGATIVE_SLOPE] =
      dg_option_real("negative-slope", &m->negative_slope, -INFINITY, INFINITY, "A", "of LeakyReLU (0.2)");
  options[ACTIVATION] =
      dg_option_choice("activation", &v->activation, activation_names, "between layers (elu; gcn, mlp, sage: relu)");
  options[RESIDUAL] = dg_option_flag("residual", &m->residual, "a linear skip beside every layer");
  options[NORM] =
      dg_option_choice("norm", &v->norm, norm_names,
                       "after hidden layers, before the activation: batch over all nodes,\n"
                       "which training then computes in all layers but the last; layer over channels (none)");
  options[EDGE_ATTRIBUTES] = dg_option_choice("edge-attributes", &v->edge_attributes, edge_attributes_names,
                                              "of the graph's edges: gcn sums by their weight; gat, gatv2: scores see\n"
                                              "their weight or features, self-loops the means of these (none)");
  options[ATTENTION_TARGET] = dg_option_choice("attention-target", &v->attention_target, switch_names,
                                               "gat: off: scores are made of the source alone (on)");
  options[SYMMETRIC_NORM] = dg_option_flag("symmetric-norm", &m->symmetric_norm,
                                           "gat, gatv2: source rows over the root of their out-degree, results times\n"
                                           "that of the in-degree");
  options[USE_LABELS] = dg_option_real("use-labels", &m->use_labels, 0, below_one, "RATE",
                                       "labels are input beside features: in each step those of this share of the\n"
                                       "training nodes, the loss is of the others; in evaluation those of all (0)");
  options[LABEL_ITERATIONS] =
      dg_option_int("label-iterations", &v->label_iterations, 0, 100, "N",
                    "passes more, each with the last one's predictions as the labels of nodes without (0)");
  options[NORMALIZE] = dg_option_choice("normalize", &v->normalize, normalize_names,
                                        "row: features minus the least of all, rows over their sum if above 1;\n"
                                        "standardize: columns to mean 0 and deviation 1, dense features (none)");
  options[TABLE_TYPE] = dg_option_choice("table-type", &v->table_type, table_type_names,
                                         "of rows that edges gather, in half the bytes as bf16; sums stay f32 (f32)");
}

static void describe_training(dg_option options[N_OPTIONS], dg_config_values *v) {
  dg_config *c = &v->config;
  options[LR] =
      dg_option_real("lr", &c->lr, nextafter(0, 1), INFINITY, "X", "learning rate (0.005; gcn, mlp, sage: 0.01)");
  options[WEIGHT_DECAY] =
      dg_option_real("weight-decay", &c->weight_decay, 0, INFINITY, "X", "L2 added to the gradient (5e-4)");
  options[OPTIMIZER] = dg_option_choice("optimizer", &v->optimizer, optimizer_names,
                                        "adamw: decay shrinks the weights themselves (adam)");
  options[WARMUP] = dg_option_int("warmup", &c->warmup, 0, 1e9, "N", "epochs over which the rate grows to --lr (0)");
  options[LR_SCHEDULE] = dg_option_choice("lr-schedule", &v->lr_schedule, lr_schedule_names,
                                          "cosine: the rate falls to zero at the end of --epochs (constant)");
  options[CLIP_NORM] = dg_option_real("clip-norm", &c->clip_norm, 0, INFINITY, "X",
                                      "the gradient of all weights is made no longer; 0: as it is (0)");
  options[LOSS] = dg_option_choice("loss", &v->loss, loss_names,
                                   "ce: cross-entropy; log-ce: log(e + ce) - log(e), e = 1 - log 2;\n"
                                   "bce: binary, of several labels a node (ce; with several labels bce)");
  options[LABEL_SMOOTHING] = dg_option_real("label-smoothing", &c->label_smoothing, 0, nextafter(1, 0), "E",
                                            "of a label that all classes share; not with bce (0)");
  options[CLASS_WEIGHTS] = dg_option_choice("class-weights", &v->class_weights, class_weights_names,
                                            "balanced: classes weigh the same in the loss; with bce in each class\n"
                                            "nodes that have it as much as those that lack it (none)");
  options[EPOCHS] = dg_option_int("epochs", &c->epochs, 0, 1e9, "N", "optimizer steps, full batch (200)");
  options[SEED] = dg_option_int("seed", &v->seed, 0, INFINITY, "S", "of initial weights and dropout (0)");
  options[RUNS] = dg_option_int("runs", &c->runs, 1, 1e6, "N", "repeat with seeds S, S+1, ...; mean and deviation (1)");
  options[EARLY_STOP] =
      dg_option_choice("early-stop", &v->early_stop, early_stop_names,
                       "gat: until neither loss nor accuracy of validation has improved for --patience\n"
                       "validations; gcn: until the loss exceeds the mean of the --patience before (none)");
  options[PATIENCE] =
      dg_option_int("patience", &c->patience, 1, 1e9, "N", "validations that early stopping waits (100)");
  options[SELECT] = dg_option_choice("select", &v->select, select_names,
                                     "whose weights are reported and saved; the last epoch is validated too (last)");
  options[EVAL_EVERY] = dg_option_int("eval-every", &c->eval_every, 1, 1e9, "N",
                                      "epochs between validations (10; with early stopping or best weights 1)");
}

static void describe_run(dg_option options[N_OPTIONS], dg_config_values *v) {
  dg_config *c = &v->config;
  options[RECIPE] = (dg_option){.name = "recipe",
                                .kind = DG_OPTION_TEXT,
                                .target = &c->recipe,
                                .choices = dg_recipe_names(),
                                .argument = "NAME",
                                .help = "a named set of options, see below; what is typed wins,\nand --no-NAME where the set has --NAME"};
  options[CONFIG] =
      dg_option_text("config", &c->config_file, "FILE", "options from a YAML file; the command line wins");
  options[SPLIT] = dg_option_text("split", &c->split, "NAME|all",
                                  "split of the file, or all: one run for each (public, or its only one)");
  options[PARTITION] = dg_option_text("partition", &c->partition, "FILE", "who owns which node (divided by METIS)");
  options[BALANCE] = dg_option_choice("balance", &v->balance, balance_names,
                                      "what METIS gives every rank as much of: work of a training step, ... (step)");
  options[OBJECTIVE] = dg_option_choice("objective", &v->objective, objective_names,
                                        "what METIS makes small: cut edges, halo rows, or the better (auto)");
  options[INIT] = dg_option_text("init", &c->init, "FILE", "start from these weights");
  options[SAVE] = dg_option_text("save", &c->save, "FILE", "write the trained model");
  options[LOG] = dg_option_text("log", &c->log, "FILE", "write JSON lines");
  options[HALO_TYPE] = dg_option_choice("halo-type", &v->halo_type, halo_type_names,
                                        "precision of exchanged rows, but of those in tables of bf16 (f32)");
  options[FIRST_HALO] = dg_option_choice("first-halo", &v->first_halo, first_halo_names,
                                         "first layer: fetch features once, or exchange projected rows (auto)");
  options[PRUNE] =
      dg_option_choice("prune", &v->prune, switch_names, "training touches only what its loss depends on; exact (on)");
  options[THREADS] =
      dg_option_int("threads", &v->threads, 1, 4096, "T", "OpenMP threads of each rank (cores per rank)");
  options[CHECKPOINT] = dg_option_text("checkpoint", &c->checkpoint, "FILE", "write the state of the run now and then");
  options[CHECKPOINT_EVERY] =
      dg_option_text("checkpoint-every", &c->checkpoint_every, "N|Nm", "epochs or minutes between checkpoints (100)");
  options[RESUME] = dg_option_flag("resume", &c->resume, "go on from --checkpoint; start where it is not there yet");
  options[PRINT_CONFIG] =
      dg_option_flag("print-config", &c->print_config, "print all these options as YAML for --config, and no more");
  options[REPRODUCIBLE] = dg_option_flag("reproducible", &c->model.reproducible,
                                         "the same bits for any number of ranks and threads; slower");
  options[SAVE_GRADIENTS] = dg_option_text("save-gradients", &c->save_gradients, "FILE", NULL);
}

static const char *const group_of[N_OPTIONS] = {[MODEL] = "model",
                                                [LAYERS] = "model",
                                                [HIDDEN] = "model",
                                                [HEADS] = "model",
                                                [OUT_HEADS] = "model",
                                                [DROPOUT] = "model",
                                                [INPUT_DROPOUT] = "model",
                                                [ATTENTION_DROPOUT] = "model",
                                                [EDGE_DROPOUT] = "model",
                                                [MESSAGE_DROPOUT] = "model",
                                                [NEGATIVE_SLOPE] = "model",
                                                [ACTIVATION] = "model",
                                                [RESIDUAL] = "model",
                                                [NORM] = "model",
                                                [EDGE_ATTRIBUTES] = "model",
                                                [ATTENTION_TARGET] = "model",
                                                [SYMMETRIC_NORM] = "model",
                                                [USE_LABELS] = "model",
                                                [LABEL_ITERATIONS] = "model",
                                                [NORMALIZE] = "model",
                                                [TABLE_TYPE] = "model",
                                                [LR] = "training",
                                                [WEIGHT_DECAY] = "training",
                                                [OPTIMIZER] = "training",
                                                [WARMUP] = "training",
                                                [LR_SCHEDULE] = "training",
                                                [CLIP_NORM] = "training",
                                                [LOSS] = "training",
                                                [LABEL_SMOOTHING] = "training",
                                                [CLASS_WEIGHTS] = "training",
                                                [EPOCHS] = "training",
                                                [SEED] = "training",
                                                [RUNS] = "training",
                                                [SPLIT] = "training",
                                                [INIT] = "training",
                                                [PRUNE] = "training",
                                                [EARLY_STOP] = "validation",
                                                [PATIENCE] = "validation",
                                                [SELECT] = "validation",
                                                [EVAL_EVERY] = "validation",
                                                [RECIPE] = "options by name or from a file",
                                                [CONFIG] = "options by name or from a file",
                                                [PRINT_CONFIG] = "options by name or from a file",
                                                [THREADS] = "ranks",
                                                [REPRODUCIBLE] = "ranks",
                                                [PARTITION] = "ranks",
                                                [BALANCE] = "ranks",
                                                [OBJECTIVE] = "ranks",
                                                [HALO_TYPE] = "ranks",
                                                [FIRST_HALO] = "ranks",
                                                [SAVE] = "results",
                                                [LOG] = "results",
                                                [CHECKPOINT] = "results",
                                                [CHECKPOINT_EVERY] = "results",
                                                [RESUME] = "results"};

void dg_config_describe(dg_option options[N_OPTIONS], dg_config_values *v) {
  dg_config_describe_model(options, v);
  describe_training(options, v);
  describe_run(options, v);
  for (int i = 0; i < N_OPTIONS; i++) options[i].group = group_of[i];
  options[CONFIG].typed = options[PRINT_CONFIG].typed = true;
}

dg_config_values dg_config_to_values(const dg_config *config) {
  const dg_model_config *m = &config->model;
  return (dg_config_values){.config = *config,
                            .layers = m->layers,
                            .hidden = m->hidden,
                            .heads = m->heads,
                            .out_heads = m->out_heads,
                            .label_iterations = m->label_iterations,
                            .seed = (int64_t)config->seed,
                            .threads = config->threads,
                            .kind = m->kind,
                            .activation = m->activation,
                            .norm = m->norm,
                            .edge_attributes = m->edge_attributes,
                            .attention_target = !m->source_only,
                            .table_type = m->table_type,
                            .optimizer = config->optimizer,
                            .lr_schedule = config->lr_schedule,
                            .loss = config->loss,
                            .class_weights = config->balance_classes,
                            .normalize = config->normalize,
                            .early_stop = config->early_stop,
                            .select = config->select,
                            .halo_type = config->halo_type,
                            .first_halo = config->first_halo,
                            .prune = config->prune,
                            .balance = config->balance,
                            .objective = config->objective};
}

void dg_config_from_values(dg_config *config, const dg_config_values *v) {
  *config = v->config;
  dg_model_config *m = &config->model;
  m->kind = (dg_model_kind)v->kind;
  m->layers = (int)v->layers;
  m->hidden = (int)v->hidden;
  m->heads = (int)v->heads;
  m->out_heads = (int)v->out_heads;
  m->activation = (dg_activation)v->activation;
  m->norm = (dg_norm)v->norm;
  m->edge_attributes = (dg_edge_attributes)v->edge_attributes;
  m->source_only = !v->attention_target;
  m->table_type = (dg_table_type)v->table_type;
  m->label_iterations = (int)v->label_iterations;
  config->optimizer = (dg_optimizer_kind)v->optimizer;
  config->lr_schedule = (dg_lr_schedule)v->lr_schedule;
  config->loss = (dg_loss_kind)v->loss;
  config->balance_classes = v->class_weights;
  config->seed = (uint64_t)v->seed;
  config->normalize = (dg_normalize)v->normalize;
  config->early_stop = (dg_early_stop)v->early_stop;
  config->select = (dg_select)v->select;
  config->halo_type = (dg_halo_type)v->halo_type;
  config->first_halo = (dg_first_halo)v->first_halo;
  config->prune = v->prune;
  config->balance = (dg_partition_balance)v->balance;
  config->objective = (dg_partition_objective)v->objective;
  config->threads = (int)v->threads;
}

const char *dg_model_kind_name(dg_model_kind kind) {
  return model_names[kind];
}
