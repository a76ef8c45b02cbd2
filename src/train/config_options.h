#ifndef DG_TRAIN_CONFIG_OPTIONS_H
#define DG_TRAIN_CONFIG_OPTIONS_H

#include <distgat/config.h>

/* The options in the order of the help text; those before N_MODEL_OPTIONS describe the model and travel with weights.
 */
enum dg_config_option {
  MODEL,
  LAYERS,
  HIDDEN,
  HEADS,
  OUT_HEADS,
  DROPOUT,
  INPUT_DROPOUT,
  ATTENTION_DROPOUT,
  EDGE_DROPOUT,
  MESSAGE_DROPOUT,
  NEGATIVE_SLOPE,
  ACTIVATION,
  RESIDUAL,
  NORM,
  EDGE_ATTRIBUTES,
  ATTENTION_TARGET,
  SYMMETRIC_NORM,
  USE_LABELS,
  LABEL_ITERATIONS,
  NORMALIZE,
  TABLE_TYPE,
  N_MODEL_OPTIONS,
  RECIPE = N_MODEL_OPTIONS,
  CONFIG,
  LR,
  WEIGHT_DECAY,
  OPTIMIZER,
  WARMUP,
  LR_SCHEDULE,
  CLIP_NORM,
  LOSS,
  LABEL_SMOOTHING,
  CLASS_WEIGHTS,
  EPOCHS,
  SEED,
  RUNS,
  EARLY_STOP,
  PATIENCE,
  SELECT,
  EVAL_EVERY,
  SPLIT,
  PARTITION,
  BALANCE,
  OBJECTIVE,
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
  PRINT_CONFIG,
  REPRODUCIBLE,
  SAVE_GRADIENTS,
  N_OPTIONS
};

/* What the table of options sets: a dg_config, its fields in the types of the parser. */
typedef struct dg_config_values {
  dg_config config; /* fields of type double, int64_t, bool and char * are set in place */
  int64_t layers, hidden, heads, out_heads, label_iterations, seed, threads;
  int kind, activation, norm, normalize, early_stop, select, halo_type, first_halo, prune, balance, objective;
  int optimizer, lr_schedule, loss, class_weights, edge_attributes, attention_target, table_type;
} dg_config_values;

/* The rows of the table that describe the model, or all of them; they set `values`. Local. */
void dg_config_describe_model(dg_option options[N_MODEL_OPTIONS], dg_config_values *values);
void dg_config_describe(dg_option options[N_OPTIONS], dg_config_values *values);

/* Whether options of the model go together that are used, or refused, whoever gives them. Errors: DG_USAGE. Local. */
dg_status dg_config_check_model(const dg_config_values *values);

/* A configuration in the types of the parser, and back. Local. */
dg_config_values dg_config_to_values(const dg_config *config);
void dg_config_from_values(dg_config *config, const dg_config_values *values);

#endif
