#ifndef DISTGAT_CONFIG_H
#define DISTGAT_CONFIG_H

#include <distgat/api.h>
#include <distgat/comm.h>
#include <distgat/graph.h>
#include <distgat/h5io.h>
#include <distgat/halo.h>
#include <distgat/model.h>
#include <distgat/options.h>
#include <distgat/partition.h>

DG_API_BEGIN

typedef enum dg_early_stop { DG_STOP_NONE, DG_STOP_GAT, DG_STOP_GCN } dg_early_stop;
typedef enum dg_select {
  DG_SELECT_LAST,
  DG_SELECT_BEST_VAL_LOSS,
  DG_SELECT_BEST_VAL_ACC,
  DG_SELECT_BEST_VAL_BOTH
} dg_select;

typedef enum dg_lr_schedule { DG_LR_CONSTANT, DG_LR_COSINE } dg_lr_schedule;

/* The first layer's halo rows: their features are fetched once and projected here, or their owners project them and
   they are exchanged every step, or whichever costs less. */
typedef enum dg_first_halo { DG_FIRST_AUTO, DG_FIRST_FETCH, DG_FIRST_EXCHANGE } dg_first_halo;

/* Everything `train`, `bench` and `plan` can be told about model and training; strings are owned, NULL where not given.
 */
typedef struct dg_config {
  dg_model_config model;
  double lr, weight_decay;
  dg_optimizer_kind optimizer;
  int64_t warmup; /* epochs over which the rate grows */
  dg_lr_schedule lr_schedule;
  double clip_norm; /* 0: none */
  dg_loss_kind loss;
  double label_smoothing;
  bool balance_classes; /* in the mean of the loss */
  int64_t epochs;
  uint64_t seed;
  int64_t runs;
  dg_normalize normalize; /* of features */
  dg_early_stop early_stop;
  int64_t patience;
  dg_select select;
  int64_t eval_every;
  dg_halo_type halo_type;
  dg_first_halo first_halo;
  dg_partition_balance balance; /* of the parts that METIS makes where no partition is given */
  dg_partition_objective objective;
  int threads; /* 0: cores per rank */
  bool prune;  /* training touches only the receptive field of its loss; exact */
  bool resume, print_config;
  char *config_file; /* --config */
  char *recipe, *split, *init, *save, *log, *checkpoint, *partition;
  char *checkpoint_every; /* "N" epochs or "Nm" minutes; NULL: 100 epochs */
  char *save_gradients;   /* file for /grads/NAME: the first step's gradients of the loss alone, without weight decay */
} dg_config;

/* The defaults of a kind of model: what the command line gives where nothing but --model is typed. Local. */
dg_config dg_config_default(dg_model_kind kind);

/* How a verb reads its options. */
typedef struct dg_config_verb {
  const char *usage;
  dg_option *extra; /* that only the verb knows, ended by a NULL name; or NULL */
  bool whole_runs;  /* it trains; else options of whole runs, such as --epochs, are refused */
  int n_operand;
} dg_config_verb;

/* Reads options of train, bench or plan: command line over --config (YAML) over --recipe over dg_config_default.
   `operand` gets the n_operand file names. --help prints the usage and the options, --print-config
   the options that are in force as YAML, and both set *help. What is typed, or
   stands in the YAML file, and would not be used is refused; a recipe may hold more than its model uses. Errors:
   DG_USAGE; DG_INPUT (YAML). Local. */
dg_status dg_config_parse(dg_config *config, const char **operand, bool *help, const dg_config_verb *verb, int argc,
                          char **argv);
void dg_config_destroy(dg_config *config);

/* Whether all ranks have the same configuration; threads alone may differ. Errors: DG_USAGE, which names the first
   option and rank that differ; DG_MEMORY. Collective. */
dg_status dg_config_compare(const dg_comm *comm, const dg_config *config);

/* Options that are not as dg_config_default has them, as they would be typed: first the recipe with those that it sets,
   in brackets, then the others. *text from malloc. Errors: DG_MEMORY. Local. */
dg_status dg_config_describe_changes(char **text, const dg_config *config);

/* Whether all splits of the graph are trained on, one after the other: split "all". Local. */
bool dg_config_all_splits(const dg_config *config);

/* Recipe, model and the options that are not as these have them, threads aside, so that they can be typed: *text from
   malloc. Errors: DG_MEMORY. Local. */
dg_status dg_config_describe_typed(char **text, const dg_config *config);

/* How often a checkpoint is written: every so many epochs, or where that is 0 minutes. Errors: DG_USAGE. Local. */
typedef struct dg_period {
  int64_t epochs, minutes;
} dg_period;
dg_status dg_config_period(dg_period *period, const dg_config *config);

/* The options that a run's numbers depend on, one a line, each named whether it is given or not; not those that it may
   be gone on with otherwise: epochs, runs (of one split), files, ranks' threads and partition. Allocated with malloc.
   Errors: DG_MEMORY. Local. */
dg_status dg_config_describe_run(char **text, const dg_config *config);

/* Stores the model's options as root attributes of a weights file, and reads them back. Errors: DG_IO; DG_INPUT. Local.
 */
dg_status dg_config_save(dg_h5 *file, const dg_config *config);
dg_status dg_config_load(dg_h5 *file, dg_config *config);

/* Whether training and evaluation compute only what their outputs depend on. Local. */
static inline bool dg_config_prunes(const dg_config *config) {
  return config->prune && config->model.label_iterations == 0;
}

/* The training step that a partition divides. Local. */
dg_step_config dg_config_step(const dg_config *config);

/* Name of a choice as typed on the command line. Local. */
const char *dg_model_kind_name(dg_model_kind kind);

DG_API_END

#endif
