#include <distgat/config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option_value.h"
#include "base/shell_word.h"
#include "nn/conv.h"
#include "par/same.h"
#include "train/config_options.h"
#include "train/recipes.h"

typedef dg_config_values values;

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

static values default_values(dg_model_kind kind) {
  const dg_config config = dg_config_default(kind);
  return dg_config_to_values(&config);
}

/* What a recipe has for other models, and is just not used, is as it is by itself; d are the defaults of the model. */
static void leave_out_unused(values *v, const values *d) {
  dg_model_config *m = &v->config.model;
  const dg_model_config *usual = &d->config.model;
  if (v->kind != DG_MODEL_GAT) v->attention_target = d->attention_target, m->message_dropout = usual->message_dropout;
  if (v->layers == 1) v->norm = d->norm;
  if (has_attention((dg_model_kind)v->kind)) return;
  v->heads = d->heads, v->out_heads = d->out_heads;
  m->attention_dropout = usual->attention_dropout;
  m->edge_dropout = usual->edge_dropout;
  m->negative_slope = usual->negative_slope;
  m->symmetric_norm = usual->symmetric_norm;
}

/* Defaults that depend on other options, for what was not given. */
static void fill_dependent_defaults(values *v, const dg_option *options) {
  dg_config *c = &v->config;
  const values d = default_values((dg_model_kind)v->kind);
  if (!options[HIDDEN].given) v->hidden = d.hidden;
  if (!options[DROPOUT].given) c->model.dropout = d.config.model.dropout;
  if (!options[ACTIVATION].given) v->activation = d.activation;
  if (!options[LR].given) c->lr = d.config.lr;
  leave_out_unused(v, &d);
  if (!options[INPUT_DROPOUT].given) c->model.input_dropout = c->model.dropout;
  bool watches = v->early_stop != DG_STOP_NONE || v->select != DG_SELECT_LAST;
  if (!options[EVAL_EVERY].given) c->eval_every = watches ? 1 : 10;
}

/* Rows that other ranks read must be those that their owners do, and sums be made where rows are owned. */
static dg_status check_reproducible(const values *v) {
  if (!v->config.model.reproducible) return DG_OK;
  if (v->halo_type != DG_HALO_F32)
    return dg_fail(DG_USAGE, "--reproducible is for exchanged rows of f32, not for --halo-type bf16");
  if (v->first_halo == DG_FIRST_FETCH)
    return dg_fail(DG_USAGE, "--reproducible exchanges the first layer's rows: it is not for --first-halo fetch");
  return DG_OK;
}

dg_status dg_config_period(dg_period *period, const dg_config *config) {
  enum { MOST = 1000000000, DEFAULT = 100 };
  const char *text = config->checkpoint_every;
  char *end = NULL;
  *period = (dg_period){.epochs = DEFAULT};
  if (!text) return DG_OK;
  errno = 0;
  const long n = strtol(text, &end, 10);
  const bool minutes = *end == 'm', good = *text >= '0' && *text <= '9' && errno == 0 && n >= 1 && n <= MOST;
  if (!good || end[minutes] != '\0')
    return dg_fail(DG_USAGE,
                   "--checkpoint-every must be a number of epochs, such as 50, or of minutes, such as 10m, not '%s'",
                   text);
  *period = minutes ? (dg_period){.minutes = n} : (dg_period){.epochs = n};
  return DG_OK;
}

static dg_status check_checkpoint(const dg_config *config) {
  dg_period period;
  const char *name = config->resume ? "resume" : config->checkpoint_every ? "checkpoint-every" : NULL;
  if (!config->checkpoint && name) return dg_fail(DG_USAGE, "--%s is for --checkpoint FILE, and there is none", name);
  return dg_config_period(&period, config);
}

/* What was asked for by hand and only attention uses makes no sense without; that of a recipe is just not used. */
static dg_status check_model(const values *v, const bool typed[N_OPTIONS]) {
  const values d = default_values((dg_model_kind)v->kind);
  const dg_model_config *m = &v->config.model, *dm = &d.config.model;
  const bool is_gat = v->kind == DG_MODEL_GAT;
  const struct {
    int option;
    bool differs;
    const char *name, *lacks;
  } used[] = {{HEADS, v->heads != d.heads, "heads", "heads"},
              {OUT_HEADS, v->out_heads != d.out_heads, "out-heads", "heads"},
              {ATTENTION_DROPOUT, m->attention_dropout != dm->attention_dropout, "attention-dropout", "attention"},
              {EDGE_DROPOUT, m->edge_dropout != dm->edge_dropout, "edge-dropout", "attention"},
              {SYMMETRIC_NORM, m->symmetric_norm, "symmetric-norm", "attention"},
              {NEGATIVE_SLOPE, m->negative_slope != dm->negative_slope, "negative-slope", "attention"}};
  if (typed[ATTENTION_TARGET] && !v->attention_target && !is_gat)
    return dg_fail(DG_USAGE, "--attention-target off is for gat; %s has no score of the target's own",
                   dg_model_kind_name((dg_model_kind)v->kind));
  if (typed[MESSAGE_DROPOUT] && m->message_dropout > 0 && !is_gat)
    return dg_fail(DG_USAGE, "--message-dropout is for gat; %s makes no scores ahead of the sums",
                   dg_model_kind_name((dg_model_kind)v->kind));
  if (is_gat && m->message_dropout > 0 && v->table_type == DG_TABLE_BF16)
    return dg_fail(DG_USAGE, "--message-dropout is for tables of f32, not for --table-type bf16");
  if (has_attention((dg_model_kind)v->kind)) return DG_OK;
  for (size_t i = 0; i < sizeof used / sizeof *used; i++)
    if (typed[used[i].option] && used[i].differs)
      return dg_fail(DG_USAGE, "--%s is for gat and gatv2; %s has no %s", used[i].name,
                     dg_model_kind_name((dg_model_kind)v->kind), used[i].lacks);
  return DG_OK;
}

static bool is_among(int option, const int *list, int n) {
  for (int i = 0; i < n; i++)
    if (list[i] == option) return true;
  return false;
}

/* Options of whole runs: a verb that takes steps alone does not use them. */
static const int run_options[] = {EPOCHS, RUNS, EARLY_STOP,     PATIENCE,   SELECT,           EVAL_EVERY, INIT,
                                  SAVE,   LOG,  SAVE_GRADIENTS, CHECKPOINT, CHECKPOINT_EVERY, RESUME};
enum { N_RUN_OPTIONS = sizeof run_options / sizeof *run_options };

static dg_status check_runs(const dg_option *options, const bool typed[N_OPTIONS]) {
  for (int i = 0; i < N_RUN_OPTIONS; i++)
    if (typed[run_options[i]]) return dg_fail(DG_USAGE, "--%s is for train", options[run_options[i]].name);
  return DG_OK;
}

/* Without a step nothing is watched: what was asked for by hand is refused, that of a recipe is just not used. */
static dg_status check_watching(values *v, const bool typed[N_OPTIONS]) {
  if (v->config.epochs == 0 && !typed[EARLY_STOP]) v->early_stop = DG_STOP_NONE;
  if (v->config.epochs == 0 && !typed[SELECT]) v->select = DG_SELECT_LAST;
  const char *name = v->early_stop != DG_STOP_NONE ? "early-stop" : v->select != DG_SELECT_LAST ? "select" : NULL;
  if (v->config.epochs == 0 && name)
    return dg_fail(DG_USAGE, "--%s needs validation, and with --epochs 0 there is none", name);
  if (typed[PATIENCE] && v->early_stop == DG_STOP_NONE)
    return dg_fail(DG_USAGE, "--patience is for --early-stop gat or gcn, and there is none");
  return DG_OK;
}

/* A partition from a file has been balanced already. */
static dg_status check_partition(const values *v, const bool typed[N_OPTIONS]) {
  if (!v->config.partition || !(typed[BALANCE] || typed[OBJECTIVE])) return DG_OK;
  return dg_fail(DG_USAGE, "--%s is for METIS, and --partition names parts that are there already",
                 typed[BALANCE] ? "balance" : "objective");
}

/* Seeds are stored and printed as int64_t. */
static dg_status check_seeds(const values *v) {
  if (v->config.runs - 1 <= INT64_MAX - v->seed) return DG_OK;
  return dg_fail(DG_USAGE, "--seed %lld is too large for --runs %lld: the last run's seed would exceed %lld",
                 (long long)v->seed, (long long)v->config.runs, (long long)INT64_MAX);
}

/* A norm lies between layers. */
static dg_status check_norm(const values *v, const bool typed[N_OPTIONS]) {
  if (!typed[NORM] || v->norm == DG_NORM_NONE || v->layers > 1) return DG_OK;
  return dg_fail(DG_USAGE, "--norm is for hidden layers, and with --layers 1 there are none");
}

static dg_status check_label_input(const values *v) {
  if (v->config.model.use_labels > 0 || v->label_iterations == 0) return DG_OK;
  return dg_fail(DG_USAGE, "--label-iterations is for --use-labels, and that is 0");
}

/* Means and rows that meet nobody have no use for edges' attributes, and GCN for no more than a weight. */
static dg_status check_edges(const values *v) {
  const dg_model_kind kind = (dg_model_kind)v->kind;
  if (v->edge_attributes == DG_EDGES_PLAIN || has_attention(kind)) return DG_OK;
  if (kind != DG_MODEL_GCN)
    return dg_fail(DG_USAGE, "--edge-attributes is for gcn, gat and gatv2; %s has no use for them",
                   dg_model_kind_name(kind));
  if (v->edge_attributes == DG_EDGES_WEIGHT) return DG_OK;
  return dg_fail(DG_USAGE, "--edge-attributes features is for gat and gatv2; gcn takes a weight: --edge-attributes "
                           "weight");
}

static dg_status check_tables(const values *v) {
  const dg_model_kind kind = (dg_model_kind)v->kind;
  if (v->table_type == DG_TABLE_F32 || dg_conv_of(kind)->edges) return DG_OK;
  return dg_fail(DG_USAGE, "--table-type bf16 is for rows that edges gather; %s has no use for it",
                 dg_model_kind_name(kind));
}

dg_status dg_config_check_model(const dg_config_values *v) {
  dg_status status = DG_OK;
  DG_TRY(check_edges(v));
  DG_TRY(check_tables(v));
  DG_TRY(check_label_input(v));

cleanup:
  return status;
}

/* From what was typed, in `options`, to a complete configuration. */
static dg_status resolve(values *v, dg_option *options, bool whole_runs) {
  dg_status status = DG_OK;
  bool typed[N_OPTIONS]; /* on the command line or in the file */
  if (v->config.config_file) DG_TRY(dg_options_load_yaml(options, v->config.config_file));
  for (int i = 0; i < N_OPTIONS; i++) typed[i] = options[i].given;
  if (v->config.recipe) DG_TRY(dg_recipe_apply(options, v->config.recipe));
  DG_TRY(check_reproducible(v));
  if (!whole_runs) DG_TRY(check_runs(options, typed));
  DG_TRY(check_checkpoint(&v->config));
  DG_TRY(check_model(v, typed));
  DG_TRY(check_norm(v, typed));
  DG_TRY(dg_config_check_model(v));
  DG_TRY(check_watching(v, typed));
  DG_TRY(check_partition(v, typed));
  DG_TRY(check_seeds(v));
  fill_dependent_defaults(v, options);
cleanup:
  return status;
}

/* Whether --config may hold the option: it is in force, and a text that is there. */
static bool is_printed(const values *v, const dg_option *options, int option, bool whole_runs) {
  static const int never[] = {RECIPE, CONFIG, PRINT_CONFIG, SAVE_GRADIENTS};
  const dg_option *o = &options[option];
  if (is_among(option, never, sizeof never / sizeof *never)) return false;
  if (!whole_runs && is_among(option, run_options, N_RUN_OPTIONS)) return false;
  if (o->kind == DG_OPTION_TEXT && !*(char *const *)o->target) return false;
  if (o->kind == DG_OPTION_FLAG) return *(const bool *)o->target;
  if (option == PATIENCE) return v->early_stop != DG_STOP_NONE;
  if (option == BALANCE || option == OBJECTIVE) return !v->config.partition;
  return option != THREADS || v->threads > 0;
}

static dg_status print_config(const values *v, const dg_option *options, bool whole_runs) {
  const dg_option *printed[N_OPTIONS];
  int n = 0;
  for (int i = 0; i < N_OPTIONS; i++)
    if (is_printed(v, options, i, whole_runs)) printed[n++] = &options[i];
  return dg_options_print_yaml(stdout, printed, n);
}

static int count_options(const dg_option *options) {
  int n = 0;
  while (options && options[n].name) n++;
  return n;
}

dg_status dg_config_parse(dg_config *config, const char **operand, bool *help, const dg_config_verb *verb, int argc,
                          char **argv) {
  values v = default_values(DG_MODEL_GATV2);
  *config = (dg_config){0};
  const int n_extra = count_options(verb->extra);
  dg_option *options = calloc((size_t)(N_OPTIONS + n_extra) + 1, sizeof *options);
  if (!options) return dg_fail(DG_MEMORY, "out of memory for the options");
  dg_config_describe(options, &v);
  for (int i = 0; !verb->whole_runs && i < N_RUN_OPTIONS; i++) options[run_options[i]].help = NULL; /* not listed */
  for (int i = 0; i < n_extra; i++) options[N_OPTIONS + i] = verb->extra[i];
  dg_status status = dg_options_parse(options, argc, argv, verb->usage, operand, verb->n_operand, help);
  if (status == DG_OK && *help) dg_recipe_explain();
  if (status == DG_OK && !*help) status = resolve(&v, options, verb->whole_runs);
  if (status == DG_OK && !*help && v.config.print_config) {
    status = print_config(&v, options, verb->whole_runs);
    *help = true;
  }
  for (int i = 0; i < n_extra; i++) verb->extra[i].given = options[N_OPTIONS + i].given;
  dg_config_from_values(config, &v);
  free(options);
  return status;
}

void dg_config_destroy(dg_config *config) {
  char **texts[] = {&config->recipe,      &config->split,           &config->init,      &config->save,
                    &config->log,         &config->checkpoint,      &config->partition, &config->save_gradients,
                    &config->config_file, &config->checkpoint_every};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    free(*texts[i]);
    *texts[i] = NULL;
  }
}

bool dg_config_all_splits(const dg_config *config) {
  return config->split && strcmp(config->split, "all") == 0;
}

dg_step_config dg_config_step(const dg_config *config) {
  const dg_model_config *m = &config->model;
  return (dg_step_config){.layers = m->layers,
                          .edges = dg_conv_of(m->kind)->edges,
                          .all = !dg_config_prunes(config),
                          .full = dg_model_is_full(m),
                          .width = m->heads * m->hidden,
                          .out_heads = m->out_heads};
}

/* All options with their values, one a line, but for some; with `absent` those that are not given too. */
static dg_status describe(char **text, const dg_config *config, const int *but, int n_but, bool absent) {
  values v = dg_config_to_values(config);
  dg_option options[N_OPTIONS];
  size_t length;
  FILE *out = open_memstream(text, &length);
  if (!out) return dg_fail(DG_MEMORY, "out of memory for the options");
  dg_config_describe(options, &v);
  for (int i = 0; i < N_OPTIONS; i++)
    if (!is_among(i, but, n_but) && !dg_option_print(out, &options[i]) && absent)
      fprintf(out, "no --%s\n", options[i].name);
  return fclose(out) == 0 ? DG_OK : dg_fail(DG_MEMORY, "out of memory for the options");
}

/* A cosine is as long as the epochs are many; the runs of all splits are as many as these. */
dg_status dg_config_describe_run(char **text, const dg_config *config) {
  static const int free_to_change[] = {EPOCHS,       RECIPE,         CONFIG, PARTITION, BALANCE,    OBJECTIVE,
                                       PRINT_CONFIG, SAVE,           LOG,    THREADS,   CHECKPOINT, CHECKPOINT_EVERY,
                                       RESUME,       SAVE_GRADIENTS, RUNS};
  const int n = sizeof free_to_change / sizeof *free_to_change, cosine = config->lr_schedule == DG_LR_COSINE;
  return describe(text, config, free_to_change + cosine, n - cosine - dg_config_all_splits(config), true);
}

static bool is_same(const dg_option *a, const dg_option *b) {
  char numbers[2][32];
  const char *x = dg_option_value(numbers[0], a), *y = dg_option_value(numbers[1], b);
  return x && y ? strcmp(x, y) == 0 : x == y;
}

/* Adds an option to the text, as it would be typed. */
static void describe_option(FILE *out, const char *before, const dg_option *option) {
  char number[32];
  const bool flag = option->kind == DG_OPTION_FLAG, off = flag && !*(const bool *)option->target;
  fprintf(out, "%s--%s%s", before, off ? "no-" : "", option->name);
  if (flag) return;
  fputc(' ', out);
  dg_shell_word(out, dg_option_value(number, option));
}

/* What would be in force had only model and recipe been typed; `usual`, of d, are marked as given where the recipe sets
   them. What follows from other options follows from those of v. */
static void describe_usual(dg_option usual[N_OPTIONS], values *d, const values *v) {
  const dg_config *c = &v->config;
  *d = default_values((dg_model_kind)v->kind);
  dg_config_describe(usual, d);
  usual[MODEL].given = true;
  if (c->recipe && dg_recipe_apply(usual, c->recipe) != DG_OK) dg_status_clear(); /* told when it was read */
  if (c->epochs == 0) d->early_stop = DG_STOP_NONE, d->select = DG_SELECT_LAST;
  fill_dependent_defaults(d, usual);
  if (v->layers == 1) d->norm = v->norm;
  if (!usual[INPUT_DROPOUT].given) d->config.model.input_dropout = c->model.dropout;
  if (!usual[EVAL_EVERY].given)
    d->config.eval_every = v->early_stop != DG_STOP_NONE || v->select != DG_SELECT_LAST ? 1 : 10;
}

/* The recipe, and in brackets what it sets that is in force and not the default. */
static void describe_recipe(FILE *out, const dg_option *options, const dg_option *usual, const values *v) {
  values plain = default_values((dg_model_kind)v->kind);
  dg_option defaults[N_OPTIONS];
  const char *before = " (";
  dg_config_describe(defaults, &plain);
  describe_option(out, "", &options[RECIPE]);
  for (int i = 0; i < N_OPTIONS; i++)
    if (i != MODEL && usual[i].given && is_same(&options[i], &usual[i]) && !is_same(&options[i], &defaults[i])) {
      describe_option(out, before, &options[i]);
      before = " ";
    }
  if (before[1] == '\0') fputc(')', out);
}

/* Recipe, and options that are not as model and recipe have them: for people with what the recipe sets and the threads,
   else with the model. */
static dg_status describe_typed(char **text, const dg_config *config, bool for_people) {
  static const int never[] = {THREADS, MODEL, RECIPE, CONFIG, PRINT_CONFIG};
  const int n_never = sizeof never / sizeof *never;
  values v = dg_config_to_values(config), d;
  dg_option options[N_OPTIONS], usual[N_OPTIONS];
  size_t length;
  FILE *out = open_memstream(text, &length);
  if (!out) return dg_fail(DG_MEMORY, "out of memory for the options");
  dg_config_describe(options, &v);
  describe_usual(usual, &d, &v);
  if (config->recipe && for_people) describe_recipe(out, options, usual, &v);
  if (config->recipe && !for_people) describe_option(out, "", &options[RECIPE]);
  if (!for_people) describe_option(out, config->recipe ? " " : "", &options[MODEL]);
  for (int i = 0; i < N_OPTIONS; i++)
    if (!is_among(i, never + for_people, n_never - for_people) && !is_same(&options[i], &usual[i]) &&
        dg_option_value((char[32]){0}, &options[i]))
      describe_option(out, ftell(out) > 0 ? " " : "", &options[i]);
  return fclose(out) == 0 ? DG_OK : dg_fail(DG_MEMORY, "out of memory for the options");
}

dg_status dg_config_describe_changes(char **text, const dg_config *config) {
  return describe_typed(text, config, true);
}

dg_status dg_config_describe_typed(char **text, const dg_config *config) {
  return describe_typed(text, config, false);
}

dg_status dg_config_compare(const dg_comm *comm, const dg_config *config) {
  dg_status status = DG_OK;
  char *text = NULL;
  /* but those that may differ between ranks and those whose effect is in the others */
  DG_TRY(dg_comm_agree(comm, describe(&text, config, (const int[]){THREADS, CONFIG, RECIPE}, 3, false)));
  DG_TRY(
      dg_same_facts(comm, DG_USAGE, "options", text, "all ranks must be given the same, --threads alone may differ"));
cleanup:
  free(text);
  return status;
}
