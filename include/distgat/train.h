#ifndef DISTGAT_TRAIN_H
#define DISTGAT_TRAIN_H

#include <stdbool.h>

#include <distgat/api.h>
#include <distgat/comm.h>
#include <distgat/config.h>
#include <distgat/graph.h>
#include <distgat/timer.h>

DG_API_BEGIN

/* One epoch of training; NaN where there was no validation. */
typedef struct dg_history {
  double train_loss, train_acc, val_loss, val_acc;
  double seconds;      /* since the run began */
  double step_seconds; /* of the training step alone */
} dg_history;

/* What is said of a split beside its accuracy, as scikit-learn has it; NaN where there are no nodes. With one label a
   node a prediction is the class of the largest logit, micro-F1 is the accuracy, and macro-F1 is over the classes that
   occur among labels or predictions; with several it is every class of a positive logit, macro-F1 is over all classes,
   and F1 is 0 where nothing is there and nothing guessed. The area under the ROC curve, of probabilities one class
   against the others, is the mean over classes that some nodes have and some lack; NaN without any. */
typedef struct dg_quality {
  double micro_f1, macro_f1, roc_auc;
} dg_quality;

/* What a run of training found; NaN where unknown. */
typedef struct dg_result {
  char dataset[64], split[DG_SPLIT_NAME]; /* as printable as they can be */
  const char *model;                      /* name of its kind */
  int ranks, threads;
  uint64_t seed;
  int64_t run;        /* 0 first */
  int64_t epochs;     /* steps done */
  int64_t best_epoch; /* whose weights are reported, and saved; 0: before the first step */
  char stop_reason[200];
  bool diverged;             /* a loss or weight was not finite: no scores, and the last finite weights are saved */
  bool multilabel;           /* accuracies are micro-F1 */
  dg_score train, val, test; /* of the reported weights */
  dg_quality test_quality;
  double seconds, step_ms_median;
  int64_t halo_bytes_per_epoch, peak_rss_bytes; /* sum over ranks; largest of any */
} dg_result;

/* Which of all runs; borrowed. */
typedef struct dg_run_name {
  int64_t index; /* 0 first */
  uint64_t seed;
  const char *split; /* as printable as it can be */
} dg_run_name;

/* Where training goes on from a checkpoint. */
typedef struct dg_resumed {
  dg_run_name run;           /* of which ... */
  int64_t epoch;             /* ... so many steps are done */
  const dg_history *history; /* [epoch] */
  const dg_result *results;  /* [run.index] of the runs before */
  const char *note;          /* see dg_beginning */
} dg_resumed;

/* What is about to be trained; all borrowed. */
typedef struct dg_beginning {
  const dg_config *config;
  const dg_graph_info *graph;
  const dg_model *model;
  const char *split; /* the first of n_splits */
  int64_t n_splits;
  int64_t n_train, n_val, n_test; /* nodes of the split */
  const char *note;               /* a line that may explain bad accuracy, or "" */
  int ranks, threads;
} dg_beginning;

/* Who is told what happens, on rank 0 alone. A callback that is NULL is not called; one that fails, by dg_fail, ends
   training on every rank. */
typedef struct dg_observer {
  void *context;                                                       /* handed to each */
  dg_status (*on_start)(void *context, const dg_beginning *beginning); /* all input is accepted, no step is done */
  dg_status (*on_epoch)(void *context, const dg_run_name *run, int64_t epoch, const dg_history *history);
  dg_status (*on_result)(void *context, const dg_result *result, const dg_model *model); /* the reported weights */
  char *(*describe)(void *context, const dg_result *result);        /* text for a saved model's attribute `result`, from
                                                                       malloc; NULL: none */
  dg_status (*on_resume)(void *context, const dg_resumed *resumed); /* in the place of on_start */
  dg_status (*on_checkpoint)(void *context); /* all that was told before is about to be written down as done */
} dg_observer;

/* How many runs a configuration asks for: config->runs, for each split where it names "all". Errors: DG_INPUT,
   DG_MEMORY. Collective. */
dg_status dg_train_runs(int64_t *runs, const dg_comm *comm, const dg_config *config, const char *graph_path);

/* Trains on the graph file, as often as dg_train_runs says, all runs of a split together: results [runs], the same on
   every rank. Saves what the configuration names but no log, which is the observer's. `observer` may be NULL. A run
   that diverges is no error but a result; a checkpoint that cannot be written is warned of, and written when the next
   is due. DG_STOPPED where a signal ended training once a checkpoint was written. Errors: any. Collective. */
dg_status dg_train(dg_result *results, const dg_comm *comm, const dg_config *config, const char *graph_path,
                   const dg_observer *observer);

/* Accuracies of the runs that have not diverged: mean, and sample standard deviation (0 of a single one). */
typedef struct dg_summary {
  int64_t runs, diverged;
  double test_acc_mean, test_acc_std, val_acc_mean, val_acc_std;
} dg_summary;

/* Local. */
dg_summary dg_summarize(const dg_result *results, int64_t runs);

/* The run whose model is saved: that of the best validation accuracy and among equals the least loss, the first of
   several; where nothing validates the last. Runs that have diverged count only where all have. Local. */
int64_t dg_best_run(const dg_result *results, int64_t runs);

/* What `predict` is asked for. */
typedef struct dg_predict_config {
  const char *model_path, *out_path;
  const char *csv_path;  /* NULL: no table */
  const char *partition; /* NULL: partition here */
  const char *split; /* whose accuracies are told; NULL: the model's, "public" or the file's only one, if it is there */
  const char *nodes; /* whose attention is written, rows such as "3,17,100-120"; NULL: all nodes' */
  const char *ids;   /* the same by the ids of the file, such as "ann,bob" */
  bool initial;      /* use /initial_weights */
  bool embeddings, attention, probabilities;
  int threads; /* 0: cores per rank */
} dg_predict_config;

/* What a prediction says of labelled nodes, and what made it. */
typedef struct dg_predict_result {
  char dataset[64], split[DG_SPLIT_NAME]; /* split "": none, and no accuracies */
  const char *model;                      /* name of its kind */
  int64_t nodes;
  bool multilabel;             /* accuracies are micro-F1 */
  dg_quality train, val, test; /* NaN where the split has no such nodes; micro_f1 is the accuracy */
  int ranks, threads;
  double seconds; /* of the forward pass and of writing */
} dg_predict_result;

/* Full-graph inference: writes logits, prediction and what else is asked to out_path, in original node order, and as
   root attributes the graph's name and fingerprint, the model's options and the version. `result` is the same on every
   rank. Errors: any. Collective. */
dg_status dg_predict(dg_predict_result *result, const dg_comm *comm, const dg_predict_config *config,
                     const char *graph_path);

/* What ranks have to do: in a training step, stored features that they project, edges of the first layer and of all
   layers, self-loops included; and in the graph, edges and self-loops. */
typedef struct dg_work_spread {
  dg_spread nonzeros, first_edges, edges, graph_edges;
  int idle_ranks; /* that aggregate nothing in a step */
} dg_work_spread;

/* Times of training steps in milliseconds, beside what the machine can do. */
typedef struct dg_bench_result {
  char dataset[64];
  const char *model; /* name of its kind */
  int ranks, threads;
  int64_t steps;
  double median_ms, min_ms;                  /* of whole steps, by the slowest rank */
  double phase_ms[DG_PHASES];                /* of the median step, mean over ranks */
  double phase_min_ms[DG_PHASES];            /* of the fastest rank in each */
  double phase_max_ms[DG_PHASES];            /* of the slowest rank in each, waiting for others included */
  double imbalance_ms;                       /* waiting for the rank that works longest; with phase_ms the whole step */
  double exchange_ms;                        /* of the halo exchanges alone */
  double bound_ms;                           /* least time by the machine's measured rates */
  double bytes_per_second, flops_per_second; /* rank 0's share while all ranks work */
  double product_flops_per_second;           /* the same of what dense products are made of */
  bool busy;                                 /* other work took part of the processor while the rates were measured */
  int64_t halo_bytes_per_epoch, allreduce_bytes_per_epoch, messages_per_epoch; /* sent, sum over ranks */
  int64_t message_bytes;  /* of the longest message that halo rows may travel in */
  int64_t peak_rss_bytes; /* largest of any rank */
  dg_work_spread work;
} dg_bench_result;

/* Times training steps (no evaluation), split into phases, beside the machine's measured bounds; `result` is the same
   on every rank but for the measured rates. Errors: any. Collective. */
dg_status dg_bench(dg_bench_result *result, const dg_comm *comm, const dg_config *config, const char *graph_path,
                   int64_t steps);

DG_API_END

#endif
