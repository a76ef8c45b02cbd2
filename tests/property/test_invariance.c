#include "support/support.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>

#include "support/job.h"

/* What training computes does not depend on who owns what, nor on leaving out rows the loss does not touch. */

#define TOLERANCE 1e-12 /* of a tensor's largest entry */
static const dg_step step = {.seed = 4, .epoch = 9, .training = true};

/* Everything one step gives. */
typedef struct outcome {
  double loss;
  double scale;    /* of the gradient where it is clipped; 1 where the model is not reproducible */
  double *weights; /* [params.count] */
  double *input;   /* [n_nodes, n_features] */
} outcome;

static void outcome_destroy(outcome *o) {
  dg_free(&o->weights);
  dg_free(&o->input);
}

static dg_status run_step(outcome *o, test_job *job, const random_graph *g) {
  dg_status status = DG_OK;
  const dg_params *p = job->params;
  DG_TRY(dg_alloc(&o->weights, (size_t)p->count, sizeof *o->weights));
  DG_TRY(dg_alloc(&o->input, (size_t)g->n_nodes * g->n_features, sizeof *o->input));
  o->loss = job_step(job, &step);
  for (int64_t i = 0; i < p->count; i++) o->weights[i] = (double)p->grad[i];
  o->scale = job->config.model.reproducible ? dg_gradient_scale(p, 1e-3) : 1;
  DG_TRY(job_input_gradient(job, o->input));
cleanup:
  return status;
}

static double largest(const double *a, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(a[i]));
  return most;
}

/* Where reproducible training says how close, in the place of TOLERANCE. */
static double allowed = TOLERANCE;

static bool close_to(const double *a, const double *b, int64_t n, double floor, const char *what) {
  double scale = fmax(floor, largest(a, n)), error = 0;
  for (int64_t i = 0; i < n; i++) error = fmax(error, isfinite(b[i]) ? fabs(a[i] - b[i]) : INFINITY);
  if (allowed == 0 && memcmp(a, b, (size_t)n * sizeof *a) != 0) error = INFINITY; /* of zeros the sign too */
  bool close = error <= allowed * scale;
  if (!close) fprintf(stderr, "%s: error %.3g of %.3g\n", what, error, scale);
  return close;
}

static bool same_outcome(const outcome *a, const outcome *b, const test_job *job, const random_graph *g) {
  const dg_params *p = job->params;
  bool same = close_to(&a->loss, &b->loss, 1, 0, "loss");
  /* A tensor whose gradient vanishes (a softmax over one edge) has no size of its own: there, what is left of terms
     that cancel is measured by the whole gradient. */
  const double floor = 1e-3 * largest(a->weights, p->count);
  for (int n = 0; n < p->n_tensors; n++) {
    const dg_tensor *t = &p->tensor[n];
    same &= close_to(a->weights + t->offset, b->weights + t->offset, t->count, floor, t->name);
  }
  return same & close_to(a->input, b->input, (int64_t)g->n_nodes * g->n_features, 0, "input");
}

static void run(outcome *o, test_job *job, const random_graph *g, const dg_comm *comm, const dg_model_config *config,
                bool prune, bool exchange_first, uint64_t owner_seed) {
  *o = (outcome){0};
  dg_status status = job_create(job, g, comm, config, prune, exchange_first, owner_seed);
  if (status == DG_OK) status = run_step(o, job, g);
  assert_all_true(&test_comm, status == DG_OK);
}

/* Compares steps on all ranks, pruned and full, the first layer's halo exchanged and fetched, with a full step that
 * each rank makes alone. */
static void check(const random_graph *g, const dg_model_config *config) {
  dg_comm self;
  test_job job;
  outcome alone, together;
  assert_all_true(&test_comm, dg_comm_create(&self, MPI_COMM_SELF) == DG_OK);
  run(&alone, &job, g, &self, config, false, false, 0);
  assert_all_true(&test_comm, isfinite(alone.loss) && alone.loss > 0);
  job_destroy(&job);
  for (uint64_t owner_seed = 1; owner_seed <= 4; owner_seed++) {
    run(&together, &job, g, &test_comm, config, owner_seed > 2, owner_seed % 2, owner_seed);
    bool same = same_outcome(&alone, &together, &job, g);
    assert_all_true(&test_comm, same);
    /* A second step of the same mask gives the same again: nothing is left over from the first. */
    outcome_destroy(&together);
    together = (outcome){0};
    assert_all_true(&test_comm, run_step(&together, &job, g) == DG_OK);
    same = same_outcome(&alone, &together, &job, g);
    assert_all_true(&test_comm, same);
    outcome_destroy(&together);
    job_destroy(&job);
  }
  outcome_destroy(&alone);
  dg_comm_destroy(&self);
}

/* Reproducible steps, whose products round their factors to 22 bits, come that near to others; and are the same bits on
   all ranks, whoever owns what, as on one: pruned ones as pruned ones, for what is rounded depends on the rows. */
static void check_bits(const random_graph *g, const dg_model_config *config) {
  dg_model_config exact = *config;
  dg_comm self;
  test_job job;
  outcome plain, alone, together;
  exact.reproducible = true;
  assert_all_true(&test_comm, dg_comm_create(&self, MPI_COMM_SELF) == DG_OK);
  run(&plain, &job, g, &self, config, true, true, 0);
  job_destroy(&job);
  for (int prune = 0; prune < 2; prune++) {
    run(&alone, &job, g, &self, &exact, prune, true, 0);
    allowed = 1e-5;
    const bool near = same_outcome(&plain, &alone, &job, g);
    allowed = TOLERANCE;
    assert_all_true(&test_comm, near);
    job_destroy(&job);
    for (uint64_t owner_seed = 1; owner_seed <= 3; owner_seed++) {
      run(&together, &job, g, &test_comm, &exact, prune, true, owner_seed);
      allowed = 0;
      const bool same = same_outcome(&alone, &together, &job, g) && alone.scale < 1 && alone.scale == together.scale;
      allowed = TOLERANCE;
      assert_all_true(&test_comm, same);
      outcome_destroy(&together);
      job_destroy(&job);
    }
    outcome_destroy(&alone);
  }
  outcome_destroy(&plain);
  dg_comm_destroy(&self);
}

static dg_model_config make_config(dg_model_kind kind, int layers, int heads, int out_heads) {
  return (dg_model_config){.kind = kind,
                           .layers = layers,
                           .hidden = 5,
                           .heads = heads,
                           .out_heads = out_heads,
                           .dropout = 0.4,
                           .input_dropout = 0.3,
                           .attention_dropout = 0.2,
                           .negative_slope = 0.2,
                           .activation = heads % 2 ? DG_ELU : DG_RELU};
}

static const dg_model_kind kinds[] = {DG_MODEL_GCN, DG_MODEL_GAT, DG_MODEL_GATV2, DG_MODEL_MLP, DG_MODEL_SAGE};

static void owners_and_pruning_change_nothing(void **state) {
  (void)state;
  for (int sparse = 0; sparse < 2; sparse++) {
    random_graph g = {.seed = 8, .n_nodes = 90, .n_features = 19, .n_classes = 5, .degree = 3, .sparse = sparse};
    assert_int_equal(random_graph_create(&g), DG_OK);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
      dg_model_config two = make_config(kinds[k], 2, sparse ? 8 : 3, 1);
      dg_model_config three = make_config(kinds[k], 3, sparse ? 1 : 2, 3);
      check(&g, &two);
      check(&g, &three);
    }
    random_graph_destroy(&g);
  }
}

static void skips_and_norms_change_nothing(void **state) {
  (void)state;
  random_graph g = {.seed = 12, .n_nodes = 90, .n_features = 19, .n_classes = 5, .degree = 3, .hub = true};
  for (int sparse = 0; sparse < 2; sparse++) {
    g.sparse = sparse;
    assert_int_equal(random_graph_create(&g), DG_OK);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
      for (int norm = DG_NORM_NONE; norm <= DG_NORM_LAYER; norm++) {
        dg_model_config config = make_config(kinds[k], 2 + (norm + sparse) % 2, 2, sparse ? 1 : 3);
        config.norm = (dg_norm)norm;
        config.residual = norm == DG_NORM_NONE || sparse;
        check(&g, &config);
      }
    random_graph_destroy(&g);
  }
}

static void what_attention_sees_of_edges_changes_nothing(void **state) {
  (void)state;
  random_graph g = {
      .seed = 13, .n_nodes = 90, .n_features = 19, .n_classes = 5, .degree = 3, .hub = true, .edge_dim = 3};
  for (int sparse = 0; sparse < 2; sparse++) {
    g.sparse = sparse;
    assert_int_equal(random_graph_create(&g), DG_OK);
    for (dg_model_kind kind = DG_MODEL_GCN; kind <= DG_MODEL_GATV2; kind++)
      for (int which = DG_EDGES_WEIGHT; which <= (kind == DG_MODEL_GCN ? DG_EDGES_WEIGHT : DG_EDGES_FEATURES);
           which++) {
        dg_model_config config = make_config(kind, 2 + (which + sparse) % 2, sparse ? 8 : 3, which);
        config.edge_attributes = (dg_edge_attributes)which;
        config.norm = sparse ? DG_NORM_BATCH : DG_NORM_NONE;
        check(&g, &config);
        config.edge_dropout = 0.3, config.source_only = true;
        if (kind != DG_MODEL_GCN) check(&g, &config);
        config.edge_attributes = DG_EDGES_PLAIN, config.symmetric_norm = true, config.source_only = sparse;
        if (kind != DG_MODEL_GCN) check(&g, &config);
        config.message_dropout = 0.4;
        if (kind == DG_MODEL_GAT) check(&g, &config);
      }
    random_graph_destroy(&g);
  }
}

static void several_labels_change_nothing(void **state) {
  (void)state;
  random_graph g = {.seed = 14, .n_nodes = 90, .n_features = 19, .n_classes = 5, .degree = 3, .several = true};
  assert_int_equal(random_graph_create(&g), DG_OK);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    dg_model_config config = make_config(kinds[k], 2, 2, 1 + (int)k % 2);
    check(&g, &config);
    check_bits(&g, &config);
  }
  random_graph_destroy(&g);
}

static void labels_as_input_change_nothing(void **state) {
  (void)state;
  for (int sparse = 0; sparse < 2; sparse++) {
    random_graph g = {.seed = 15, .n_nodes = 90, .n_features = 19, .n_classes = 5, .degree = 3, .sparse = sparse};
    assert_int_equal(random_graph_create(&g), DG_OK);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
      dg_model_config config = make_config(kinds[k], 2 + sparse, 2, 1);
      config.use_labels = 0.5, config.label_iterations = (int)k % 3;
      config.residual = sparse, config.norm = k == 1 ? DG_NORM_BATCH : DG_NORM_NONE;
      check(&g, &config);
    }
    random_graph_destroy(&g);
  }
}

static void reproducible_steps_are_the_same_bits(void **state) {
  (void)state;
  const int before = omp_get_max_threads();
  for (int sparse = 0; sparse < 2; sparse++) {
    random_graph g = {.seed = 16, .n_nodes = 120, .n_features = 19, .n_classes = 5, .degree = 4, .hub = true};
    g.sparse = sparse, g.edge_dim = sparse ? 3 : 0;
    assert_int_equal(random_graph_create(&g), DG_OK);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
      for (int norm = DG_NORM_NONE; norm <= DG_NORM_LAYER; norm++) {
        dg_model_config config = make_config(kinds[k], 3 - sparse, 2, 1 + norm);
        const bool attention = kinds[k] == DG_MODEL_GAT || kinds[k] == DG_MODEL_GATV2;
        config.norm = (dg_norm)norm, config.residual = norm == DG_NORM_LAYER;
        config.use_labels = norm == DG_NORM_BATCH ? 0.5 : 0, config.label_iterations = norm == DG_NORM_BATCH;
        config.edge_attributes = sparse && attention ? DG_EDGES_FEATURES : DG_EDGES_PLAIN;
        config.edge_dropout = attention ? 0.2 : 0, config.symmetric_norm = attention && norm == DG_NORM_LAYER;
        config.message_dropout = kinds[k] == DG_MODEL_GAT && norm == DG_NORM_LAYER ? 0.3 : 0;
        omp_set_num_threads(1 + norm);
        check_bits(&g, &config);
      }
    random_graph_destroy(&g);
  }
  omp_set_num_threads(before);
}

static void one_layer_will_do(void **state) {
  (void)state;
  random_graph g = {.seed = 2, .n_nodes = 30, .n_features = 7, .n_classes = 3, .degree = 3, .hub = true};
  assert_int_equal(random_graph_create(&g), DG_OK);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    dg_model_config config = make_config(kinds[k], 1, 1, 2);
    check(&g, &config);
  }
  random_graph_destroy(&g);
}

static void fewer_nodes_than_ranks(void **state) {
  (void)state;
  random_graph g = {
      .seed = 3, .n_nodes = 4, .n_features = 3, .n_classes = 2, .degree = 2, .sparse = true, .edge_dim = 2};
  assert_int_equal(random_graph_create(&g), DG_OK);
  dg_model_config config = make_config(DG_MODEL_GATV2, 2, 2, 1);
  check(&g, &config);
  check_bits(&g, &config);
  config.residual = true, config.norm = DG_NORM_BATCH, config.edge_attributes = DG_EDGES_FEATURES;
  check(&g, &config);
  config.use_labels = 0.5, config.label_iterations = 1;
  check(&g, &config);
  check_bits(&g, &config);
  random_graph_destroy(&g);
}

/* Of attention over self-loops alone nothing is left but the sign of a zero. */
static void no_edges_are_the_same_bits(void **state) {
  (void)state;
  random_graph g = {.seed = 17, .n_nodes = 5, .n_features = 6, .n_classes = 3, .edge_dim = 2};
  assert_int_equal(random_graph_create(&g), DG_OK);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    dg_model_config config = make_config(kinds[k], 2, 2, 1);
    const bool attention = kinds[k] == DG_MODEL_GAT || kinds[k] == DG_MODEL_GATV2;
    config.edge_attributes = attention ? DG_EDGES_FEATURES : DG_EDGES_PLAIN, config.residual = k % 2;
    check_bits(&g, &config);
  }
  random_graph_destroy(&g);
}

/* Enough rows and edges for several tiles, chunks and partial sums, shared by threads. */
static void threads_and_chunks_change_nothing(void **state) {
  (void)state;
  const int before = omp_get_max_threads();
  omp_set_num_threads(3);
  for (int sparse = 0; sparse < 2; sparse++) {
    random_graph g = {.seed = 6, .n_nodes = 2500, .n_features = 12, .n_classes = 3, .degree = 6, .hub = true};
    g.sparse = sparse, g.edge_dim = 2;
    assert_int_equal(random_graph_create(&g), DG_OK);
    dg_model_config config = make_config(sparse ? DG_MODEL_GAT : DG_MODEL_GATV2, 2, 2, 1);
    check(&g, &config);
    config.residual = true, config.norm = sparse ? DG_NORM_BATCH : DG_NORM_LAYER;
    config.edge_attributes = DG_EDGES_FEATURES;
    check(&g, &config);
    random_graph_destroy(&g);
  }
  omp_set_num_threads(before);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(owners_and_pruning_change_nothing),
                                     cmocka_unit_test(skips_and_norms_change_nothing),
                                     cmocka_unit_test(what_attention_sees_of_edges_changes_nothing),
                                     cmocka_unit_test(several_labels_change_nothing),
                                     cmocka_unit_test(labels_as_input_change_nothing),
                                     cmocka_unit_test(reproducible_steps_are_the_same_bits),
                                     cmocka_unit_test(one_layer_will_do),
                                     cmocka_unit_test(fewer_nodes_than_ranks),
                                     cmocka_unit_test(no_edges_are_the_same_bits),
                                     cmocka_unit_test(threads_and_chunks_change_nothing)};
  return mpi_test_main(argc, argv, "invariance", tests, sizeof tests / sizeof *tests);
}
