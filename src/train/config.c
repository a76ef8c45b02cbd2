#include <distgat/config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "train/recipes.h"

static const char *const model_names[] = {"gcn", "gat", "gatv2", "mlp", NULL};
static const char *const activation_names[] = {"elu", "relu", NULL};
static const char *const normalize_names[] = {"none", "row", NULL};
static const char *const early_stop_names[] = {"none", "gat", "gcn", NULL};
static const char *const select_names[] = {"last", "best-val-loss", "best-val-acc", "best-val-both", NULL};
static const char *const halo_type_names[] = {"f32", "bf16", NULL};
static const char *const first_halo_names[] = {"auto", "fetch", "exchange", NULL};
static const char *const switch_names[] = {"off", "on", NULL};

/* The options in the order of the help text; those before N_MODEL_OPTIONS describe the model and travel with weights.
 */
enum {
  MODEL,
  LAYERS,
  HIDDEN,
  HEADS,
  OUT_HEADS,
  DROPOUT,
  INPUT_DROPOUT,
  ATTENTION_DROPOUT,
  NEGATIVE_SLOPE,
  ACTIVATION,
  NORMALIZE,
  N_MODEL_OPTIONS,
  RECIPE = N_MODEL_OPTIONS,
  CONFIG,
  LR,
  WEIGHT_DECAY,
  EPOCHS,
  SEED,
  RUNS,
  EARLY_STOP,
  PATIENCE,
  SELECT,
  EVAL_EVERY,
  SPLIT,
  PARTITION,
  INIT,
  SAVE,
  LOG,
  HALO_TYPE,
  FIRST_HALO,
  PRUNE,
  THREADS,
  CHECKPOINT,
  CHECKPOINT_EVERY,
  RESUME,
  REPRODUCIBLE,
  SAVE_GRADIENTS,
  N_OPTIONS
};

/* What the table of options sets: a dg_config, its fields in the types of the parser. */
typedef struct values {
  dg_config config; /* fields of type double, int64_t, bool and char * are set in place */
  int64_t layers, hidden, heads, out_heads, seed, threads;
  int kind, activation, normalize, early_stop, select, halo_type, first_halo, prune;
  char recipe_help[256];
} values;

static bool has_attention(dg_model_kind kind) {
  return kind == DG_MODEL_GAT || kind == DG_MODEL_GATV2;
}

dg_config dg_config_default(dg_model_kind kind) {
  const bool attention = has_attention(kind);
  const double dropout = attention ? 0.6 : 0.5;
  return (dg_config){.model = {.kind = kind,
                               .layers = 2,
                               .hidden = attention ? 8 : 16,
                               .heads = attention ? 8 : 1,
                               .out_heads = 1,
                               .dropout = dropout,
                               .input_dropout = dropout,
                               .negative_slope = 0.2,
                               .activation = attention ? DG_ELU : DG_RELU},
                     .lr = attention ? 0.005 : 0.01,
                     .weight_decay = 5e-4,
                     .epochs = 200,
                     .runs = 1,
                     .patience = 100,
                     .eval_every = 10,
                     .prune = true};
}

/* A configuration in the types of the parser. */
static values read_values(const dg_config *config) {
  const dg_model_config *m = &config->model;
  return (values){.config = *config,
                  .layers = m->layers,
                  .hidden = m->hidden,
                  .heads = m->heads,
                  .out_heads = m->out_heads,
                  .seed = (int64_t)config->seed,
                  .threads = config->threads,
                  .kind = m->kind,
                  .activation = m->activation,
                  .normalize = config->row_normalize,
                  .early_stop = config->early_stop,
                  .select = config->select,
                  .halo_type = config->halo_type,
                  .first_halo = config->first_halo,
                  .prune = config->prune};
}

static values default_values(dg_model_kind kind) {
  const dg_config config = dg_config_default(kind);
  return read_values(&config);
}

static void describe_model(dg_option options[N_MODEL_OPTIONS], values *v) {
  dg_model_config *m = &v->config.model;
  const double below_one = nextafter(1, 0);
  options[MODEL] = dg_option_choice("model", &v->kind, model_names, "kind of layers (gatv2)");
  options[LAYERS] = dg_option_int("layers", &v->layers, 1, 1000, "L", "number of layers (2)");
  options[HIDDEN] =
      dg_option_int("hidden", &v->hidden, 1, 1e6, "D", "width of a head in hidden layers (8; gcn, mlp: 16)");
  options[HEADS] = dg_option_int("heads", &v->heads, 1, DG_MAX_HEADS, "H", "heads of hidden layers, concatenated (8)");
  options[OUT_HEADS] =
      dg_option_int("out-heads", &v->out_heads, 1, DG_MAX_HEADS, "H", "heads of the last layer, averaged (1)");
  options[DROPOUT] =
      dg_option_real("dropout", &m->dropout, 0, below_one, "P", "on each layer's input (0.6; gcn, mlp: 0.5)");
  options[INPUT_DROPOUT] = dg_option_real("input-dropout", &m->input_dropout, 0, below_one, "P",
                                          "on the first layer's input (as --dropout)");
  options[ATTENTION_DROPOUT] =
      dg_option_real("attention-dropout", &m->attention_dropout, 0, below_one, "P", "on attention coefficients (0)");
  options[NEGATIVE_SLOPE] =
      dg_option_real("negative-slope", &m->negative_slope, -INFINITY, INFINITY, "A", "of LeakyReLU (0.2)");
  options[ACTIVATION] =
      dg_option_choice("activation", &v->activation, activation_names, "between layers (elu; gcn, mlp: relu)");
  options[NORMALIZE] =
      dg_option_choice("normalize", &v->normalize, normalize_names, "feature rows scaled to sum 1 (none)");
}

static void describe_training(dg_option options[N_OPTIONS], values *v) {
  dg_config *c = &v->config;
  options[LR] =
      dg_option_real("lr", &c->lr, nextafter(0, 1), INFINITY, "X", "learning rate of Adam (0.005; gcn, mlp: 0.01)");
  options[WEIGHT_DECAY] =
      dg_option_real("weight-decay", &c->weight_decay, 0, INFINITY, "X", "L2 added to the gradient (5e-4)");
  options[EPOCHS] = dg_option_int("epochs", &c->epochs, 0, 1e9, "N", "optimizer steps, full batch (200)");
  options[SEED] = dg_option_int("seed", &v->seed, 0, INFINITY, "S", "of initial weights and dropout (0)");
  options[RUNS] = dg_option_int("runs", &c->runs, 1, 1e6, "N", "repeat with seeds S, S+1, ...; mean and deviation (1)");
  options[EARLY_STOP] =
      dg_option_choice("early-stop", &v->early_stop, early_stop_names, "the published criteria (none)");
  options[PATIENCE] = dg_option_int("patience", &c->patience, 1, 1e9, "N", "of early stopping (100)");
  options[SELECT] = dg_option_choice("select", &v->select, select_names, "weights that are reported and saved (last)");
  options[EVAL_EVERY] = dg_option_int("eval-every", &c->eval_every, 1, 1e9, "N",
                                      "epochs between validations (10; with early stopping or best weights 1)");
}

static void describe_run(dg_option options[N_OPTIONS], values *v) {
  dg_config *c = &v->config;
  options[RECIPE] =
      (dg_option){.name = "recipe",
                  .kind = DG_OPTION_TEXT,
                  .target = &c->recipe,
                  .argument = "NAME",
                  .help = "tutorial-gcn, tutorial-gat, mlp, gcn-paper, gat-paper, gat-paper-pubmed, best"};
  options[CONFIG] =
      dg_option_text("config", &c->config_file, "FILE", "options from a YAML file; the command line wins");
  options[SPLIT] = dg_option_text("split", &c->split, "NAME", "split of the file (public, or its only one)");
  options[PARTITION] = dg_option_text("partition", &c->partition, "FILE", "who owns which node (divided by METIS)");
  options[INIT] = dg_option_text("init", &c->init, "FILE", "start from these weights");
  options[SAVE] = dg_option_text("save", &c->save, "FILE", "write the trained model");
  options[LOG] = dg_option_text("log", &c->log, "FILE", "write JSON lines");
  options[HALO_TYPE] =
      dg_option_choice("halo-type", &v->halo_type, halo_type_names, "precision of exchanged rows (f32)");
  options[FIRST_HALO] = dg_option_choice("first-halo", &v->first_halo, first_halo_names,
                                         "first layer: fetch features once, or exchange projected rows (auto)");
  options[PRUNE] =
      dg_option_choice("prune", &v->prune, switch_names, "training touches only what its loss depends on; exact (on)");
  options[THREADS] =
      dg_option_int("threads", &v->threads, 1, 4096, "T", "OpenMP threads of each rank (cores per rank)");
  options[CHECKPOINT] = dg_option_text("checkpoint", &c->checkpoint, "FILE", NULL);
  options[CHECKPOINT_EVERY] = dg_option_int("checkpoint-every", &c->checkpoint_every, 1, 1e9, "N", NULL);
  options[RESUME] = dg_option_flag("resume", &c->resume, NULL);
  options[REPRODUCIBLE] = dg_option_flag("reproducible", &c->reproducible, NULL);
  options[SAVE_GRADIENTS] = dg_option_text("save-gradients", &c->save_gradients, "FILE", NULL);
}

/* Defaults that depend on other options, for what was not given. */
static void fill_dependent_defaults(values *v, const dg_option *options) {
  dg_config *c = &v->config;
  const values d = default_values((dg_model_kind)v->kind);
  if (!options[HIDDEN].given) v->hidden = d.hidden;
  if (!options[DROPOUT].given) c->model.dropout = d.config.model.dropout;
  if (!options[ACTIVATION].given) v->activation = d.activation;
  if (!options[LR].given) c->lr = d.config.lr;
  if (!has_attention((dg_model_kind)v->kind)) v->heads = v->out_heads = 1;
  if (!options[INPUT_DROPOUT].given) c->model.input_dropout = c->model.dropout;
  bool watches = v->early_stop != DG_STOP_NONE || v->select != DG_SELECT_LAST;
  if (!options[EVAL_EVERY].given) c->eval_every = watches ? 1 : 10;
}

static dg_status check_available(const dg_config *config, const dg_option *options) {
  const char *name = config->checkpoint                ? "checkpoint"
                     : options[CHECKPOINT_EVERY].given ? "checkpoint-every"
                     : config->resume                  ? "resume"
                     : config->reproducible            ? "reproducible"
                                                       : NULL;
  return name ? dg_fail(DG_USAGE, "--%s is not available in this version", name) : DG_OK;
}

/* Heads asked for by hand make no sense without attention; those of a recipe are just not used. */
static dg_status check_heads(const values *v, bool heads_given, bool out_heads_given) {
  if (has_attention((dg_model_kind)v->kind)) return DG_OK;
  const char *name = heads_given && v->heads != 1 ? "heads" : out_heads_given && v->out_heads != 1 ? "out-heads" : NULL;
  if (!name) return DG_OK;
  return dg_fail(DG_USAGE, "--%s is for gat and gatv2; %s has no heads", name, model_names[v->kind]);
}

/* Seeds are stored and printed as int64_t. */
static dg_status check_seeds(const values *v) {
  if (v->config.runs - 1 <= INT64_MAX - v->seed) return DG_OK;
  return dg_fail(DG_USAGE, "--seed %lld is too large for --runs %lld: the last run's seed would exceed %lld",
                 (long long)v->seed, (long long)v->config.runs, (long long)INT64_MAX);
}

static void copy_values(dg_config *config, const values *v) {
  *config = v->config;
  dg_model_config *m = &config->model;
  m->kind = (dg_model_kind)v->kind;
  m->layers = (int)v->layers;
  m->hidden = (int)v->hidden;
  m->heads = (int)v->heads;
  m->out_heads = (int)v->out_heads;
  m->activation = (dg_activation)v->activation;
  config->seed = (uint64_t)v->seed;
  config->row_normalize = v->normalize;
  config->early_stop = (dg_early_stop)v->early_stop;
  config->select = (dg_select)v->select;
  config->halo_type = (dg_halo_type)v->halo_type;
  config->first_halo = (dg_first_halo)v->first_halo;
  config->prune = v->prune;
  config->threads = (int)v->threads;
}

/* From what was typed, in `options`, to a complete configuration. */
static dg_status resolve(values *v, dg_option *options) {
  dg_status status = DG_OK;
  if (v->config.config_file) DG_TRY(dg_options_load_yaml(options, v->config.config_file));
  bool heads_given = options[HEADS].given, out_heads_given = options[OUT_HEADS].given;
  if (v->config.recipe) DG_TRY(dg_recipe_apply(options, v->config.recipe));
  DG_TRY(check_available(&v->config, options));
  DG_TRY(check_heads(v, heads_given, out_heads_given));
  DG_TRY(check_seeds(v));
  fill_dependent_defaults(v, options);
cleanup:
  return status;
}

static int count_options(const dg_option *options) {
  int n = 0;
  while (options && options[n].name) n++;
  return n;
}

dg_status dg_config_parse(dg_config *config, dg_option *extra, int argc, char **argv, const char *usage,
                          const char **operand, int n_operand, bool *help) {
  values v = default_values(DG_MODEL_GATV2);
  *config = (dg_config){0};
  int n_extra = count_options(extra);
  dg_option *options = calloc((size_t)(N_OPTIONS + n_extra) + 1, sizeof *options);
  if (!options) return dg_fail(DG_MEMORY, "out of memory for the options");
  describe_model(options, &v);
  describe_training(options, &v);
  describe_run(options, &v);
  for (int i = 0; i < n_extra; i++) options[N_OPTIONS + i] = extra[i];
  dg_status status = dg_options_parse(options, argc, argv, usage, operand, n_operand, help);
  if (status == DG_OK && !*help) status = resolve(&v, options);
  for (int i = 0; i < n_extra; i++) extra[i].given = options[N_OPTIONS + i].given;
  copy_values(config, &v);
  free(options);
  return status;
}

void dg_config_destroy(dg_config *config) {
  char **texts[] = {&config->recipe,     &config->split,     &config->init,           &config->save,       &config->log,
                    &config->checkpoint, &config->partition, &config->save_gradients, &config->config_file};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    free(*texts[i]);
    *texts[i] = NULL;
  }
}

/* ---- model options beside weights ------------------------------------------------------------------------------- */

/* "out-heads" of the command line is attribute "out_heads". */
static void name_attribute(char name[64], const dg_option *option) {
  snprintf(name, 64, "%s", option->name);
  for (char *c = name; *c; c++)
    if (*c == '-') *c = '_';
}

static dg_status save_option(dg_h5 *file, const dg_option *option) {
  char name[64];
  name_attribute(name, option);
  if (option->kind == DG_OPTION_INT) return dg_h5_set_int64(file, name, *(const int64_t *)option->target);
  if (option->kind == DG_OPTION_REAL) return dg_h5_set_double(file, name, *(const double *)option->target);
  return dg_h5_set_string(file, name, option->choices[*(const int *)option->target]);
}

/* Goes through text, so that a file is checked as strictly as a command line. */
static dg_status load_option(dg_h5 *file, dg_option *option) {
  char name[64], number[64], *text = NULL;
  int64_t integer;
  double real;
  dg_status status = DG_OK;
  name_attribute(name, option);
  if (option->kind == DG_OPTION_INT) {
    DG_TRY(dg_h5_get_int64(file, name, &integer));
    snprintf(number, sizeof number, "%lld", (long long)integer);
  } else if (option->kind == DG_OPTION_REAL) {
    DG_TRY(dg_h5_get_double(file, name, &real));
    snprintf(number, sizeof number, "%.17g", real);
  } else {
    DG_TRY(dg_h5_get_string(file, name, &text));
  }
  status = dg_options_set(option, text ? text : number, dg_h5_path(file));
  if (status == DG_USAGE) status = DG_INPUT;
cleanup:
  free(text);
  return status;
}

dg_status dg_config_save(dg_h5 *file, const dg_config *config) {
  values v = read_values(config);
  dg_option options[N_MODEL_OPTIONS];
  describe_model(options, &v);
  dg_status status = DG_OK;
  for (int i = 0; i < N_MODEL_OPTIONS && status == DG_OK; i++) status = save_option(file, &options[i]);
  return status;
}

dg_status dg_config_load(dg_h5 *file, dg_config *config) {
  values v = default_values(DG_MODEL_GATV2);
  dg_option options[N_MODEL_OPTIONS];
  describe_model(options, &v);
  dg_status status = DG_OK;
  for (int i = 0; i < N_MODEL_OPTIONS && status == DG_OK; i++) status = load_option(file, &options[i]);
  copy_values(config, &v);
  return status;
}

const char *dg_model_kind_name(dg_model_kind kind) {
  return model_names[kind];
}
