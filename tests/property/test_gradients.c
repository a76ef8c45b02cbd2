#include "support/support.h"

#include <math.h>
#include <stdio.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "nn/conv.h"
#include "support/job.h"

/* Gradients of the loss against central differences, in double precision and with all dropout on. */

/* Elements tried of a tensor on one rank, and on several, where messages take most of the time; test_invariance
   compares all gradients between these. */
enum { SAMPLES = 64, FEW_SAMPLES = 12 };
static const double tolerance = 1e-6; /* of a tensor's largest entry */
static const dg_step step = {.seed = 11, .epoch = 3, .training = true};

/* Exact in the single precision of features. A kink (of ReLU, LeakyReLU) between the two points spoils a difference: a
   smaller step then leaves it outside. */
static const double steps[] = {0x1p-15, 0x1p-18, 0x1p-20};

/* One number the loss depends on: a weight, or a feature, NULL where this rank lacks the row. */
typedef struct variable {
  dg_real *weight;
  float *feature;
  double gradient, scale; /* largest gradient of the tensor */
  char name[96];
  bool agrees;
} variable;

typedef struct variables {
  variable *all;
  int n;
} variables;

static int n_samples(void) {
  return test_comm.size == 1 ? SAMPLES : FEW_SAMPLES;
}

static void move(test_job *job, const variable *v, double by) {
  if (v->weight) job_set_weight(job, v->weight, *v->weight + (dg_real)by);
  if (v->feature) *v->feature += (float)by;
}

/* Central differences of all that do not agree yet; the sums over ranks are made at once, since messages cost most. */
static int compare(test_job *job, const variables *v, double h) {
  double *difference = NULL;
  int left = 0;
  assert_all_true(job->trainer.comm, dg_alloc(&difference, (size_t)v->n, sizeof *difference) == DG_OK);
  for (int i = 0; i < v->n; i++) {
    variable *x = &v->all[i];
    if (x->agrees) continue;
    move(job, x, h);
    double above = job_forward(job, &step);
    move(job, x, -2 * h);
    double below = job_forward(job, &step);
    move(job, x, h);
    difference[i] = (above - below) / (2 * h);
  }
  dg_comm_sum_double(job->trainer.comm, difference, (size_t)v->n);
  dg_comm_bcast(job->trainer.comm, difference, (size_t)v->n * sizeof *difference, 0);
  for (int i = 0; i < v->n; i++) {
    variable *x = &v->all[i];
    if (x->agrees) continue;
    x->agrees = fabs(x->gradient - difference[i]) <= tolerance * x->scale + 1e-12;
    left += !x->agrees;
    if (!x->agrees && h == steps[sizeof steps / sizeof *steps - 1] && job->trainer.comm->rank == 0)
      fprintf(stderr, "%s: gradient %.12g, difference %.12g, largest %.3g\n", x->name, x->gradient, difference[i],
              x->scale);
  }
  dg_free(&difference);
  return left;
}

static double largest_of(const dg_params *p, const dg_tensor *t) {
  double most = 0;
  for (int64_t i = dg_tensor_size(t) - 1; i >= 0; i--) most = fmax(most, fabs(p->grad[dg_tensor_position(t, i)]));
  return most;
}

/* A tensor whose gradient vanishes (a softmax over one edge) has no size of its own: there, what is left of terms that
   cancel is measured by the whole gradient. */
static double floor_of(const dg_params *p) {
  double most = 0;
  for (int n = 0; n < p->n_tensors; n++) most = fmax(most, largest_of(p, &p->tensor[n]));
  return 1e-3 * most;
}

static void add_tensor(variables *v, test_job *job, const dg_tensor *t) {
  const dg_params *p = job->params;
  const int64_t size = dg_tensor_size(t), n = size < n_samples() ? size : n_samples();
  const double scale = fmax(largest_of(p, t), floor_of(p));
  for (int64_t k = 0; k < n; k++) {
    /* A random one of each of n equal ranges. */
    int64_t first = k * size / n, width = (k + 1) * size / n - first;
    int64_t i = first + (int64_t)(dg_rng_uniform((uint64_t)t->offset, (uint64_t)k) * (double)width);
    variable *x = &v->all[v->n++];
    *x = (variable){.weight = &p->value[dg_tensor_position(t, i)], .scale = scale};
    x->gradient = p->grad[dg_tensor_position(t, i)];
    snprintf(x->name, sizeof x->name, "%s[%lld]", t->name, (long long)i);
  }
}

/* Where this rank holds feature f of a node, NULL where it does not. */
static float *find_feature(test_job *job, int32_t node, int32_t f) {
  dg_features *x = &job->local->shard.features;
  for (int32_t r = 0; r < job->local->n + job->local->n_halo; r++) {
    if (job->local->ids[r] != node) continue;
    if (!x->sparse) return &x->dense[(int64_t)r * x->n_cols + f];
    for (int64_t t = x->indptr[r]; t < x->indptr[r + 1]; t++)
      if (x->indices[t] == f) return &x->values[t];
  }
  return NULL;
}

static void add_input(variables *v, test_job *job) {
  const dg_comm *comm = job->trainer.comm;
  const int32_t n_nodes = (int32_t)job->local->shard.info.n_nodes, width = job->trainer.model.n_features;
  double *dx = NULL, scale = 0;
  assert_all_true(comm, dg_alloc(&dx, (size_t)n_nodes * width, sizeof *dx) == DG_OK);
  assert_int_equal(job_input_gradient(job, dx), DG_OK);
  for (int32_t i = 0; i < n_nodes * width; i++) scale = fmax(scale, fabs(dx[i]));
  for (int k = 0; k < n_samples(); k++) {
    const int32_t node = (int32_t)(dg_rng_uniform(98, (uint64_t)k) * n_nodes),
                  f = (int32_t)(dg_rng_uniform(99, (uint64_t)k) * width);
    float *place = find_feature(job, node, f);
    if (dg_comm_max_int64(comm, place != NULL) == 0) continue; /* a zero of a sparse row */
    variable *x = &v->all[v->n++];
    *x = (variable){.feature = place, .scale = scale, .gradient = dx[node * width + f]};
    snprintf(x->name, sizeof x->name, "input of node %d, %d", (int)node, (int)f);
  }
  dg_free(&dx);
}

static void check_model_of(const dg_model_config *config, bool sparse, bool several, bool exchange_first) {
  random_graph g = {.seed = 5, .n_nodes = 40, .n_features = 9, .n_classes = 3, .degree = 2, .hub = true, .edge_dim = 2};
  test_job job;
  variables v = {0};
  g.sparse = sparse, g.several = several;
  assert_int_equal(random_graph_create(&g), DG_OK);
  assert_int_equal(job_create(&job, &g, &test_comm, config, true, exchange_first, 3 + (uint64_t)config->heads), DG_OK);
  const double loss = job_step(&job, &step);
  double again = job_forward(&job, &step);
  dg_comm_sum_double(&test_comm, &again, 1);
  assert_all_true(&test_comm, fabs(loss - again) < 1e-13 * loss);

  const size_t capacity = (size_t)(job.params->n_tensors + 1) * SAMPLES;
  assert_all_true(&test_comm, dg_alloc(&v.all, capacity, sizeof *v.all) == DG_OK);
  job_step(&job, &step);
  for (int t = 0; t < job.params->n_tensors; t++) add_tensor(&v, &job, &job.params->tensor[t]);
  if (!job.trainer.model.layer[0].conv->gather) add_input(&v, &job); /* training needs no gradient of the input */
  int left = v.n;
  for (size_t k = 0; k < sizeof steps / sizeof *steps && left > 0; k++) left = compare(&job, &v, steps[k]);
  assert_int_equal(left, 0);
  dg_free(&v.all);
  job_destroy(&job);
  random_graph_destroy(&g);
}

static void check_model(const dg_model_config *config, bool sparse, bool several) {
  check_model_of(config, sparse, several, config->heads % 2);
}

/* Every number of heads and, spread over these, each value of everything else, without and with what lies beside and
   between layers, and attributes of edges up to `most`. */
static void check_kind(dg_model_kind kind, dg_edge_attributes most) {
  static const struct {
    int heads, out_heads, layers;
    dg_activation activation;
    bool sparse, residual;
    dg_norm norm;
    dg_edge_attributes edges;
    double edge_dropout;
    bool source_only, symmetric_norm;
  } cases[] = {
      {1, 3, 3, DG_ELU, false, false, DG_NORM_NONE, DG_EDGES_PLAIN, 0, false, false},
      {2, 1, 2, DG_RELU, true, false, DG_NORM_NONE, DG_EDGES_PLAIN, 0, false, false},
      {3, 3, 2, DG_ELU, true, false, DG_NORM_NONE, DG_EDGES_PLAIN, 0, false, false},
      {8, 1, 3, DG_RELU, false, false, DG_NORM_NONE, DG_EDGES_PLAIN, 0, false, false},
      {1, 3, 3, DG_ELU, true, true, DG_NORM_BATCH, DG_EDGES_PLAIN, 0, false, false},
      {2, 2, 2, DG_ELU, false, true, DG_NORM_NONE, DG_EDGES_PLAIN, 0, false, false},
      {3, 1, 2, DG_ELU, false, false, DG_NORM_BATCH, DG_EDGES_PLAIN, 0, false, false},
      {3, 3, 3, DG_ELU, true, true, DG_NORM_LAYER, DG_EDGES_PLAIN, 0, false, false},
      {8, 1, 2, DG_RELU, false, false, DG_NORM_LAYER, DG_EDGES_PLAIN, 0, false, false},
      {1, 2, 2, DG_ELU, true, false, DG_NORM_NONE, DG_EDGES_WEIGHT, 0, false, false},
      {3, 1, 3, DG_ELU, false, true, DG_NORM_BATCH, DG_EDGES_WEIGHT, 0, false, false},
      {8, 3, 2, DG_RELU, true, false, DG_NORM_NONE, DG_EDGES_FEATURES, 0, false, false},
      {3, 2, 2, DG_ELU, true, false, DG_NORM_NONE, DG_EDGES_PLAIN, 0.3, true, false},
      {1, 1, 3, DG_ELU, false, true, DG_NORM_BATCH, DG_EDGES_FEATURES, 0.2, true, true},
      {3, 2, 3, DG_ELU, true, true, DG_NORM_NONE, DG_EDGES_PLAIN, 0, false, true},
      {2, 1, 2, DG_RELU, false, false, DG_NORM_LAYER, DG_EDGES_WEIGHT, 0, false, true},
      {2, 1, 3, DG_ELU, false, true, DG_NORM_LAYER, DG_EDGES_FEATURES, 0, false, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (cases[i].edges > most) continue;
    const dg_model_config config = {.kind = kind,
                                    .layers = cases[i].layers,
                                    .hidden = 4,
                                    .heads = cases[i].heads,
                                    .out_heads = cases[i].out_heads,
                                    .dropout = 0.3,
                                    .input_dropout = 0.2,
                                    .attention_dropout = 0.25,
                                    .negative_slope = 0.2,
                                    .activation = cases[i].activation,
                                    .residual = cases[i].residual,
                                    .norm = cases[i].norm,
                                    .edge_attributes = cases[i].edges,
                                    .edge_dropout = cases[i].edge_dropout,
                                    .source_only = cases[i].source_only,
                                    .symmetric_norm = cases[i].symmetric_norm};
    check_model(&config, cases[i].sparse, false);
  }
}

static void gcn(void **state) {
  (void)state;
  check_kind(DG_MODEL_GCN, DG_EDGES_WEIGHT);
}

/* Sums of input rows, which a first layer projects that is wider: without dropout they are made once. */
static void gathered_input(void **state) {
  (void)state;
  for (int k = 0; k < 8; k++) {
    const bool sage = k >= 4;
    const dg_model_config config = {.kind = sage ? DG_MODEL_SAGE : DG_MODEL_GCN,
                                    .layers = 2 + k % 2,
                                    .hidden = 20,
                                    .heads = 2, /* none here, but halo rows are fetched */
                                    .out_heads = 1,
                                    .dropout = 0.3,
                                    .input_dropout = k % 4 < 2 ? 0.2 : 0,
                                    .residual = k % 2,
                                    .norm = k % 2 ? DG_NORM_BATCH : DG_NORM_NONE,
                                    .use_labels = k % 3 == 1 ? 0.4 : 0,
                                    .edge_attributes = k % 2 || sage ? DG_EDGES_PLAIN : DG_EDGES_WEIGHT};
    check_model(&config, false, false);
  }
}

/* The same where each head has sums of its own: heads that fill vectors or not, alone and with all else. */
static void heads_gather_input(void **state) {
  static const int heads[] = {1, 3, 5, 8};
  (void)state;
  for (int k = 0; k < 8; k++) {
    const bool all = k % 2;
    const dg_model_config config = {.kind = DG_MODEL_GAT,
                                    .layers = 2 + all,
                                    .hidden = heads[k / 2] == 1 ? 33 : 17 + k,
                                    .heads = heads[k / 2],
                                    .out_heads = 1 + all,
                                    .dropout = 0.3,
                                    .input_dropout = k % 4 < 2 ? 0.2 : 0,
                                    .attention_dropout = all ? 0.25 : 0,
                                    .edge_dropout = k > 4 ? 0.2 : 0,
                                    .negative_slope = 0.2,
                                    .residual = all,
                                    .norm = all ? DG_NORM_BATCH : DG_NORM_NONE,
                                    .edge_attributes = all ? DG_EDGES_FEATURES : DG_EDGES_PLAIN,
                                    .use_labels = k % 3 == 1 ? 0.4 : 0,
                                    .source_only = k == 6,
                                    .symmetric_norm = k > 1 && k < 6};
    check_model_of(&config, false, false, false);
  }
}

static void gat(void **state) {
  (void)state;
  check_kind(DG_MODEL_GAT, DG_EDGES_FEATURES);
}

/* Alone, and with all else that the kernels of such layers do. */
static void gat_drops_messages(void **state) {
  (void)state;
  for (int all = 0; all < 2; all++) {
    const dg_model_config config = {.kind = DG_MODEL_GAT,
                                    .layers = 2 + all,
                                    .hidden = 4,
                                    .heads = all ? 3 : 8,
                                    .out_heads = 1 + all,
                                    .dropout = 0.3,
                                    .attention_dropout = 0.25,
                                    .message_dropout = 0.4,
                                    .negative_slope = 0.2,
                                    .residual = all,
                                    .norm = all ? DG_NORM_BATCH : DG_NORM_NONE,
                                    .edge_attributes = all ? DG_EDGES_FEATURES : DG_EDGES_PLAIN,
                                    .edge_dropout = all ? 0.2 : 0,
                                    .symmetric_norm = all};
    check_model(&config, !all, false);
  }
}

static void gatv2(void **state) {
  (void)state;
  check_kind(DG_MODEL_GATV2, DG_EDGES_FEATURES);
}

/* Rows so wide that edges are noted for the pass over out-edges, in patterns of each form. */
static void wide_gatv2(void **state) {
  static const int heads[] = {1, 2, 3, 4}, hidden[] = {128, 64, 64, 32};
  (void)state;
  for (int k = 0; k < 4; k++) {
    const bool all = k % 2;
    const dg_model_config config = {.kind = DG_MODEL_GATV2,
                                    .layers = 2 + all,
                                    .hidden = hidden[k],
                                    .heads = heads[k],
                                    .out_heads = 1 + all,
                                    .dropout = 0.3,
                                    .attention_dropout = 0.25,
                                    .edge_dropout = all ? 0.2 : 0,
                                    .negative_slope = 0.2,
                                    .residual = all,
                                    .norm = all ? DG_NORM_BATCH : DG_NORM_NONE,
                                    .edge_attributes = all ? DG_EDGES_FEATURES : DG_EDGES_PLAIN};
    check_model(&config, false, false);
  }
}

static void mlp(void **state) {
  (void)state;
  check_kind(DG_MODEL_MLP, DG_EDGES_PLAIN);
}

static void sage(void **state) {
  (void)state;
  check_kind(DG_MODEL_SAGE, DG_EDGES_PLAIN);
}

/* One head, whose gradient the last layer's rows hold, and two, which share it. */
static void several_labels(void **state) {
  (void)state;
  for (int heads = 1; heads <= 2; heads++) {
    const dg_model_config config = {.kind = DG_MODEL_GAT,
                                    .layers = 2,
                                    .hidden = 4,
                                    .heads = 2,
                                    .out_heads = heads,
                                    .dropout = 0.3,
                                    .negative_slope = 0.2};
    check_model(&config, true, true);
  }
}

/* Beside features of both forms, in every projection that a first layer has. */
static void labels_as_input(void **state) {
  (void)state;
  for (int sparse = 0; sparse < 2; sparse++)
    for (dg_model_kind kind = DG_MODEL_GCN; kind <= DG_MODEL_SAGE; kind++) {
      const dg_model_config config = {.kind = kind,
                                      .layers = 2 + sparse,
                                      .hidden = 4,
                                      .heads = 2,
                                      .out_heads = 1,
                                      .dropout = 0.3,
                                      .input_dropout = 0.25,
                                      .negative_slope = 0.2,
                                      .residual = sparse || kind == DG_MODEL_GATV2,
                                      .norm = kind == DG_MODEL_GCN ? DG_NORM_BATCH : DG_NORM_NONE,
                                      .use_labels = 0.5};
      check_model(&config, sparse, kind == DG_MODEL_GAT);
    }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(gcn),
                                     cmocka_unit_test(gathered_input),
                                     cmocka_unit_test(heads_gather_input),
                                     cmocka_unit_test(gat),
                                     cmocka_unit_test(gat_drops_messages),
                                     cmocka_unit_test(gatv2),
                                     cmocka_unit_test(wide_gatv2),
                                     cmocka_unit_test(mlp),
                                     cmocka_unit_test(sage),
                                     cmocka_unit_test(several_labels),
                                     cmocka_unit_test(labels_as_input)};
  return mpi_test_main(argc, argv, "gradients", tests, sizeof tests / sizeof *tests);
}
