#include "support/support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <distgat/memory.h>
#include <distgat/trainer.h>

#include "support/random_graph.h"

/* Memory that runs out anywhere, on one rank or on all: every allocation fails in its turn until none is left to fail.
   All ranks come back with the same status and the reason, and nothing stays behind (the sanitizers' build sees leaks).
 */

#ifdef __SANITIZE_ADDRESS__
enum { FEW_RANKS = 1 }; /* with more of them only some allocations fail: they share a test machine's few cores */
#else
enum { FEW_RANKS = 3 };
#endif
enum { HANGS = 60 }; /* seconds that nothing here takes: what hangs is killed by its alarm */

/* What is tried: a graph, and files in its folder. */
typedef struct trial {
  const random_graph *graph;
  dg_config config;
  int stride; /* of the allocations that fail */
  char model[96], out[96], checkpoint[96];
} trial;

typedef dg_status attempt(const trial *t);

static dg_status open_trainer(const trial *t) {
  dg_trainer trainer = {0};
  const dg_status status = dg_trainer_open(&trainer, &test_comm, &t->config, t->graph->path);
  dg_trainer_destroy(&trainer);
  return status;
}

static dg_status train(const trial *t) {
  dg_result results[2];
  return dg_train(results, &test_comm, &t->config, t->graph->path, NULL);
}

static dg_status predict(const trial *t) {
  const dg_predict_config config = {
      .model_path = t->model, .out_path = t->out, .embeddings = true, .attention = true, .threads = 1};
  dg_predict_result result;
  return dg_predict(&result, &test_comm, &config, t->graph->path);
}

/* Whether a rank's memory runs out: that of `rank`, of all where it is the number of ranks. */
static bool is_poor(int rank) {
  return rank == test_comm.size || rank == test_comm.rank;
}

/* One attempt in which the n-th allocation fails; says whether it was met. */
static bool fails_at(attempt *run, const trial *t, int rank, int64_t n) {
  const int64_t blocks = dg_memory_blocks();
  dg_status_clear();
  alarm(HANGS);
  dg_memory_fail_at(is_poor(rank) ? n : 0);
  const dg_status status = run(t);
  dg_memory_fail_at(0);
  alarm(0);
  const bool said = strstr(dg_status_message(), "out of memory") != NULL;
  const bool right = status == DG_OK || (status == DG_MEMORY && said);
  if (!right) fprintf(stderr, "allocation %lld of rank %d: %s\n", (long long)n, rank, dg_status_message());
  assert_all_true(&test_comm, right);
  assert_all_true(&test_comm, dg_memory_blocks() == blocks);
  assert_all_true(&test_comm, dg_comm_max_int64(&test_comm, status) == (int64_t)status); /* the same on all */
  return status != DG_OK;
}

/* From the `first` allocation on, each (or each `stride`th) fails in its turn on the last rank, some on the first and
 * on all. Returns the number of the first that is not there. */
static int64_t exhaust(attempt *run, const trial *t, int64_t first) {
  const int last = test_comm.size - 1, ranks[] = {0, test_comm.size, last};
  const int64_t strides[] = {5, 11, 1};
  int64_t n = 0;
  for (int i = last > 0 ? 0 : 2; i < 3; i++)
    for (n = first; fails_at(run, t, ranks[i], n);) n += t->stride * (test_comm.size > FEW_RANKS ? 29 : strides[i]);
  assert_true(n > first);
  return n;
}

static void name_file(char path[96], const random_graph *g, const char *name) {
  snprintf(path, 96, "%s/%s", g->folder, name);
}

static trial trial_create(random_graph *g, dg_model_kind kind) {
  trial t = {.graph = g, .config = dg_config_default(kind), .stride = 1};
  assert_int_equal(random_graph_create(g), DG_OK);
  name_file(t.model, g, "model.h5");
  name_file(t.out, g, "out.h5");
  name_file(t.checkpoint, g, "checkpoint.h5");
  t.config.threads = 1;
  t.config.epochs = 2;
  t.config.eval_every = 1;
  return t;
}

static void trial_destroy(trial *t, random_graph *g) {
  if (test_comm.rank == 0) unlink(t->model), unlink(t->out), unlink(t->checkpoint);
  random_graph_destroy(g);
}

static random_graph small_graph(bool sparse) {
  return (random_graph){.seed = 7, .n_nodes = 60, .n_features = 5, .n_classes = 3, .degree = 3, .sparse = sparse};
}

/* Graph, field, model, training pass and features of halo rows, fetched or not. */
static void opening(void **state) {
  (void)state;
  random_graph g = small_graph(false);
  trial t = trial_create(&g, DG_MODEL_GATV2);
  t.config.first_halo = DG_FIRST_EXCHANGE;
  exhaust(open_trainer, &t, 1);
  trial_destroy(&t, &g);
}

/* The same, then runs with selection and saved models, and predictions of the last. */
static void training_and_predicting(void **state) {
  (void)state;
  random_graph g = small_graph(true);
  trial t = trial_create(&g, DG_MODEL_GAT);
  t.config.first_halo = DG_FIRST_FETCH;
  t.config.early_stop = DG_STOP_GCN;
  t.config.select = DG_SELECT_BEST_VAL_LOSS;
  t.config.runs = 2;
  t.config.save = t.model;
  const int64_t opened = exhaust(open_trainer, &t, 1);
  exhaust(train, &t, test_comm.size > FEW_RANKS ? 1 : opened);
  exhaust(predict, &t, 1);
  trial_destroy(&t, &g);
}

/* What layers and inputs can have beside, in a run that writes checkpoints and is gone on with. */
static void deep_models(void **state) {
  (void)state;
  random_graph g = small_graph(false);
  g.edge_dim = 2;
  trial t = trial_create(&g, DG_MODEL_GATV2);
  t.stride = 5;
  dg_model_config *model = &t.config.model;
  model->layers = 3, model->heads = 2, model->hidden = 3;
  model->residual = true;
  model->norm = DG_NORM_BATCH;
  model->edge_attributes = DG_EDGES_FEATURES;
  model->use_labels = 0.5, model->label_iterations = 1;
  t.config.first_halo = DG_FIRST_EXCHANGE;
  t.config.checkpoint = t.checkpoint;
  t.config.save = t.model;
  const int64_t opened = test_comm.size > FEW_RANKS ? 1 : exhaust(open_trainer, &t, 1);
  exhaust(train, &t, opened);
  t.config.resume = true, t.config.epochs = 3;
  exhaust(train, &t, opened);
  exhaust(predict, &t, 1);
  trial_destroy(&t, &g);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(opening), cmocka_unit_test(training_and_predicting),
                                     cmocka_unit_test(deep_models)};
  return mpi_test_main(argc, argv, "exhaustion", tests, sizeof tests / sizeof *tests);
}
