#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/memory.h>
#include <distgat/model.h>
#include <distgat/rng.h>

#include "par/node.h"

/* Gradients summed over ranks and nodes of all shapes, and optimizers on shares, against sums and steps in double on
   one. */

static const char *const shapes[] = {"", "1", "2", "3,1", "2,2,3", "1,2"};
enum { SHAPES = sizeof shapes / sizeof *shapes, EPOCHS = 3, LATE = 3, SMALL = 16384 };
static const double lr = 0.01, decay = 5e-4;

/* A model with its sums, and what plain sums and Adam make of the same gradients. */
typedef struct trial {
  dg_model model;
  dg_sums sums;
  double *value, *m, *v, *grad; /* [count] */
  dg_real *exact;               /* [count] gradients added in the order of ranks, as one node does */
  dg_optimizer_kind optimizer;
  double clip_norm;
} trial;

static void take_shape(const char *shape) {
  if (*shape)
    setenv("DISTGAT_NODE_RANKS", shape, 1);
  else
    unsetenv("DISTGAT_NODE_RANKS");
}

static dg_status allocate(trial *t, size_t count) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&t->value, count, sizeof *t->value));
  DG_TRY(dg_alloc(&t->m, count, sizeof *t->m));
  DG_TRY(dg_alloc(&t->v, count, sizeof *t->v));
  DG_TRY(dg_alloc(&t->grad, count, sizeof *t->grad));
  DG_TRY(dg_alloc(&t->exact, count, sizeof *t->exact));

cleanup:
  return status;
}

static void trial_create(trial *t, int n_features, const char *shape) {
  const dg_model_config config = {.kind = DG_MODEL_GCN, .layers = 3, .hidden = 16, .heads = 1, .out_heads = 1};
  dg_params *params = &t->model.params;
  *t = (trial){0};
  take_shape(shape);
  assert_all_true(&test_comm, dg_model_create(&t->model, &config, n_features, 3, 0) == DG_OK);
  assert_all_true(&test_comm, allocate(t, (size_t)params->count) == DG_OK);
  assert_all_true(&test_comm, dg_sums_create(&t->sums, &test_comm, params->count, config.layers) == DG_OK);
  assert_all_true(&test_comm, dg_params_train(params, &t->sums) == DG_OK);
  dg_params_reset(params, 3);
  for (int64_t i = 0; i < params->count; i++) t->value[i] = (double)params->value[i];
}

static void trial_destroy(trial *t) {
  dg_model_destroy(&t->model);
  dg_sums_destroy(&t->sums);
  dg_free(&t->value);
  dg_free(&t->m);
  dg_free(&t->v);
  dg_free(&t->grad);
  dg_free(&t->exact);
}

static dg_real gradient(int rank, int epoch, int64_t i) {
  return (dg_real)(2 * dg_rng_uniform(dg_rng_key((uint64_t)rank, (uint64_t)epoch), (uint64_t)i) - 1);
}

/* Some ranks come late, others at other places in other epochs. */
static void be_late(int epoch, int place) {
  if ((test_comm.rank + epoch + place) % LATE == 0) usleep(1500);
}

/* One step of the library; the layers' gradients become complete from the last to the first. */
static void step(trial *t, int epoch, dg_real loss) {
  dg_sums *s = &t->sums;
  dg_real *tail = s->grad + s->count;
  be_late(epoch, 0);
  tail[DG_SUM_LOSS] = loss, tail[DG_SUM_CORRECT] = (dg_real)(test_comm.rank + 1), tail[DG_SUM_FAILED] = 0;
  for (int64_t end = s->count, parts = 3; end > 0; parts--) {
    const int64_t first = parts == 1 ? 0 : s->count * (parts - 1) / 3;
    for (int64_t i = first; i < end; i++) s->grad[i] = gradient(test_comm.rank, epoch, i);
    dg_sums_begin(s, first);
    end = first;
  }
  be_late(epoch, 1);
  dg_sums_end(s);
  be_late(epoch, 2);
  const dg_optimizer optimizer = {t->optimizer, lr, decay, dg_gradient_scale(&t->model.params, t->clip_norm)};
  if (s->n > 0 && isfinite(s->figures[DG_SUM_LOSS])) dg_optimizer_step(&t->model.params, &optimizer, epoch);
  dg_sums_settle(s);
}

static void plain_sums(trial *t, int epoch) {
  for (int64_t i = 0; i < t->model.params.count; i++) {
    t->grad[i] = 0, t->exact[i] = 0;
    for (int r = 0; r < test_comm.size; r++) {
      t->grad[i] += (double)gradient(r, epoch, i);
      t->exact[i] = r == 0 ? gradient(r, epoch, i) : t->exact[i] + gradient(r, epoch, i);
    }
  }
}

static double plain_scale(const trial *t) {
  double squares = 0;
  for (int64_t i = 0; i < t->model.params.count; i++) squares += t->grad[i] * t->grad[i];
  return t->clip_norm > 0 ? fmin(1, t->clip_norm / (sqrt(squares) + 1e-6)) : 1;
}

/* The same in double, on every rank for itself: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm
   2; torch.optim.RMSprop. */
static void plain_step(trial *t, int epoch) {
  plain_sums(t, epoch);
  const double scale = plain_scale(t), keep = t->optimizer == DG_RMSPROP ? 0.99 : 0.999;
  for (int64_t i = 0; i < t->model.params.count; i++) {
    const double g = scale * t->grad[i] + (t->optimizer == DG_ADAMW ? 0 : decay * t->value[i]);
    t->m[i] = 0.9 * t->m[i] + 0.1 * g;
    t->v[i] = keep * t->v[i] + (1 - keep) * g * g;
    if (t->optimizer == DG_ADAMW) t->value[i] -= lr * decay * t->value[i];
    if (t->optimizer == DG_RMSPROP)
      t->value[i] -= lr * g / (sqrt(t->v[i]) + 1e-8);
    else
      t->value[i] -= lr * t->m[i] / (1 - pow(0.9, epoch)) / (sqrt(t->v[i] / (1 - pow(0.999, epoch))) + 1e-8);
  }
}

static bool all_close(const dg_real *a, const double *b, int64_t n, double tolerance) {
  double error = 0;
  for (int64_t i = 0; i < n; i++) error = fmax(error, fabs((double)a[i] - b[i]));
  return error <= tolerance;
}

/* Whether all ranks hold the same bits. */
static bool same_everywhere(const dg_real *a, int64_t n) {
  dg_real *first;
  assert_all_true(&test_comm, dg_alloc(&first, (size_t)n, sizeof *first) == DG_OK);
  memcpy(first, a, (size_t)n * sizeof *a);
  dg_comm_bcast(&test_comm, first, (size_t)n * sizeof *a, 0);
  const bool same = memcmp(first, a, (size_t)n * sizeof *a) == 0;
  dg_free(&first);
  return same;
}

static void check_step(trial *t, int epoch) {
  dg_sums *s = &t->sums;
  const int size = test_comm.size;
  step(t, epoch, 0.25f);
  plain_step(t, epoch);
  assert_all_true(&test_comm, all_close(s->value, t->value, s->count, 2e-5));
  assert_all_true(&test_comm, same_everywhere(s->value, s->count));
  assert_all_true(&test_comm, same_everywhere(s->tail, DG_TAIL));
  assert_all_true(&test_comm, s->tail[DG_SUM_LOSS] == 0.25f * (float)size);
  assert_all_true(&test_comm, s->tail[DG_SUM_CORRECT] == (float)(size * (size + 1) / 2) && s->tail[DG_SUM_FAILED] == 0);
  dg_sums_collect(s);
  assert_all_true(&test_comm, all_close(s->grad, t->grad, s->count, 2e-6 * size));
  const size_t bytes = (size_t)s->count * sizeof *s->grad;
  if (s->node->n_nodes == 1 && size > 1) assert_all_true(&test_comm, memcmp(s->grad, t->exact, bytes) == 0);
}

/* Few parameters, so that some shares are empty; and so many that ranges of them travel by themselves where nodes are
   single ranks: shapes 1 and 3. */
static void nodes_of_all_shapes_sum_and_step_as_one_rank(void **state) {
  (void)state;
  static const int widths[] = {1, 40, 12000};
  for (int i = 0; i < 3; i++)
    for (int n = i < 2 ? 0 : 1; n < (i < 2 ? SHAPES : 4); n += i < 2 ? 1 : 2) {
      trial t;
      trial_create(&t, widths[i], shapes[n]);
      for (int epoch = 1; epoch <= EPOCHS; epoch++) check_step(&t, epoch);
      trial_destroy(&t);
    }
}

/* Clipped, the gradient of the second epoch counts less or more beside that of the first than it is long. */
static void other_optimizers_step_as_one_rank(void **state) {
  (void)state;
  static const dg_optimizer_kind kinds[] = {DG_ADAM, DG_ADAMW, DG_RMSPROP};
  for (int i = 0; i < 3; i++)
    for (int n = 0; n < SHAPES; n++) {
      trial t;
      trial_create(&t, 40, shapes[n]);
      t.optimizer = kinds[i];
      for (int epoch = 1; epoch <= EPOCHS; epoch++) {
        t.clip_norm = epoch == 2 ? 0.5 : epoch == 3 ? 1e6 : 0;
        check_step(&t, epoch);
      }
      trial_destroy(&t);
    }
}

/* Moments too are those of before: the next step is as if there had been none. */
static void a_loss_that_is_not_finite_changes_nothing(void **state) {
  (void)state;
  for (int n = 0; n < SHAPES; n++) {
    trial t;
    trial_create(&t, 40, shapes[n]);
    check_step(&t, 1);
    step(&t, 7, test_comm.rank == test_comm.size - 1 ? (dg_real)NAN : 1);
    assert_all_true(&test_comm, isnan(t.sums.tail[DG_SUM_LOSS]));
    assert_all_true(&test_comm, all_close(t.sums.value, t.value, t.sums.count, 2e-5));
    check_step(&t, 2);
    trial_destroy(&t);
  }
}

/* Each rank has parameters of its own, and what it reads may not change under it before all have read. */
static void parameters_that_are_put_are_there_on_all_ranks(void **state) {
  (void)state;
  for (int n = 0; n < SHAPES; n++) {
    trial t;
    trial_create(&t, 40, shapes[n]);
    const int64_t count = t.sums.count;
    for (int64_t i = 0; i < count; i++) t.exact[i] = (dg_real)(i % 1000);
    be_late(n, 0);
    bool kept = t.sums.value[0] == (dg_real)t.value[0] && t.sums.value[count - 1] == (dg_real)t.value[count - 1];
    dg_params_put(&t.model.params, t.exact);
    kept = kept && memcmp(t.sums.value, t.exact, (size_t)count * sizeof *t.exact) == 0;
    be_late(n, 1);
    kept = kept && memcmp(t.sums.value, t.exact, (size_t)count * sizeof *t.exact) == 0;
    dg_params_reset(&t.model.params, 3);
    assert_all_true(&test_comm, kept && all_close(t.sums.value, t.value, count, 0));
    trial_destroy(&t);
  }
}

/* Who is with whom: consecutive ranks, the last number for all that follow. */
static void nodes_are_those_asked_for(void **state) {
  (void)state;
  const int size = test_comm.size, rank = test_comm.rank;
  dg_node node;
  take_shape("");
  dg_node_create(&node, &test_comm);
  assert_all_true(&test_comm, node.n_nodes == 1 && node.comm.size == size && node.fewest == size);
  dg_node_destroy(&node);
  take_shape("2,1");
  dg_node_create(&node, &test_comm);
  assert_all_true(&test_comm, node.n_nodes == (size == 1 ? 1 : size - 1) && node.most == (size == 1 ? 1 : 2));
  assert_all_true(&test_comm, node.comm.size == (size > 1 && rank < 2 ? 2 : 1));
  assert_all_true(&test_comm, node.comm.rank == (rank == 1) && node.fewest == (size == 2 ? 2 : 1));
  dg_node_destroy(&node);
}

/* A share is kept up by one rank of a node, and what a rank keeps for itself shrinks with the node's ranks. */
static void shares_divide_what_there_is(void **state) {
  (void)state;
  for (int n = 0; n < SHAPES; n++) {
    trial t;
    const int64_t before = dg_memory_requested();
    trial_create(&t, 12000, shapes[n]);
    int64_t held = t.sums.n;
    const int64_t count = t.sums.count, own = dg_memory_requested() - before;
    dg_comm_sum_int64(&test_comm, &held, 1);
    assert_all_true(&test_comm, held == count * t.sums.node->n_nodes);
    assert_all_true(&test_comm, t.sums.n <= count / t.sums.node->fewest + 32);
    const int64_t oracle = count * (int64_t)(4 * sizeof(double) + sizeof(dg_real));
    /* Weights before training and gradients; of the share weights, moments and, where they travel on, sums. */
    int64_t reals = 2 * count + (t.sums.node->comm.size == 1 || t.sums.node->n_nodes == 1 ? 3 : 4) * t.sums.n;
    reals += t.sums.n - t.sums.n / t.sums.node->n_nodes; /* other nodes' gradients of what this rank adds */
    assert_all_true(&test_comm, llabs(own - oracle - reals * (int64_t)sizeof(dg_real)) < SMALL);
    assert_all_true(&test_comm, (dg_sums_bytes(&t.sums) > 0) == (t.sums.node->n_nodes > 1 && t.sums.n > 0));
    trial_destroy(&t);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nodes_are_those_asked_for),
                                     cmocka_unit_test(shares_divide_what_there_is),
                                     cmocka_unit_test(nodes_of_all_shapes_sum_and_step_as_one_rank),
                                     cmocka_unit_test(other_optimizers_step_as_one_rank),
                                     cmocka_unit_test(a_loss_that_is_not_finite_changes_nothing),
                                     cmocka_unit_test(parameters_that_are_put_are_there_on_all_ranks)};
  return mpi_test_main(argc, argv, "shares", tests, sizeof tests / sizeof *tests);
}
