#include "support/support.h"

#include <string.h>

#include <distgat/memory.h>
#include <distgat/model.h>

/* Parameters by the names, shapes and order of PyTorch Geometric. */

enum { FEATURES = 5, CLASSES = 3, HEADS = 3, HIDDEN = 4, WIDTH = HEADS * HIDDEN };

static dg_model model;

static int make_model(void **state) {
  (void)state;
  dg_status_clear();
  const dg_model_config config = {
      .kind = DG_MODEL_GATV2, .layers = 2, .hidden = HIDDEN, .heads = HEADS, .out_heads = 2, .activation = DG_ELU};
  return dg_model_create(&model, &config, FEATURES, CLASSES, 0) != DG_OK;
}

static int free_model(void **state) {
  (void)state;
  dg_model_destroy(&model);
  return 0;
}

static void assert_shape(const char *name, int rank, int64_t a, int64_t b, int64_t c) {
  const dg_tensor *t = dg_params_find(&model.params, name);
  const int64_t shape[] = {a, b, c};
  assert_non_null(t);
  assert_int_equal(t->rank, rank);
  assert_memory_equal(t->shape, shape, (size_t)rank * sizeof *shape);
}

static void names_and_shapes_are_pytorch_geometrics(void **state) {
  (void)state;
  assert_shape("conv1.lin_l.weight", 2, WIDTH, FEATURES, 0);
  assert_shape("conv1.lin_l.bias", 1, WIDTH, 0, 0);
  assert_shape("conv1.lin_r.weight", 2, WIDTH, FEATURES, 0);
  assert_shape("conv1.att", 3, 1, HEADS, HIDDEN);
  assert_shape("conv1.bias", 1, WIDTH, 0, 0);
  assert_shape("conv2.lin_r.weight", 2, 2 * CLASSES, WIDTH, 0);
  assert_shape("conv2.bias", 1, CLASSES, 0, 0);
  assert_null(dg_params_find(&model.params, "conv3.bias"));
  assert_null(dg_params_find(&model.params, "conv1.lin_l"));
  assert_null(dg_params_find(&model.params, ""));
}

/* Row n_in of the output channel 4 h + d, as torch.nn.Linear has it. */
static void what_is_set_comes_back_and_lies_where_the_kernels_look(void **state) {
  (void)state;
  dg_params *p = &model.params;
  const dg_tensor *t = dg_params_find(p, "conv1.lin_l.weight");
  float in[WIDTH * FEATURES], out[WIDTH * FEATURES];
  for (int i = 0; i < WIDTH * FEATURES; i++) in[i] = (float)(i + 1);
  assert_int_equal(dg_params_set(p, p->value, t->name, t->rank, t->shape, in), DG_OK);
  assert_int_equal(dg_params_get(out, p, p->value, t->name), DG_OK);
  assert_memory_equal(in, out, sizeof in);
  const int head = 2, channel = 3, column = 1, row = head * HIDDEN + channel;
  const int64_t at = t->offset + (int64_t)column * t->out.ld + channel * t->out.hp + head;
  assert_true(p->value[at] == in[row * FEATURES + column]);
  int64_t touched = 0;
  for (int64_t i = 0; i < p->count; i++) touched += p->value[i] != 0;
  assert_int_equal(touched, WIDTH * FEATURES);
}

static void another_block_is_another_copy(void **state) {
  (void)state;
  dg_params *p = &model.params;
  dg_real *other;
  const float in[CLASSES] = {1, 2, 3};
  const int64_t shape[] = {CLASSES};
  float value[CLASSES], grad[CLASSES];
  assert_int_equal(dg_alloc(&other, (size_t)p->count, sizeof *other), DG_OK);
  assert_int_equal(dg_params_set(p, other, "conv2.bias", 1, shape, in), DG_OK);
  assert_int_equal(dg_params_get(value, p, p->value, "conv2.bias"), DG_OK);
  assert_int_equal(dg_params_get(grad, p, other, "conv2.bias"), DG_OK);
  assert_memory_equal(grad, in, sizeof in);
  assert_true(value[0] == 0 && value[1] == 0 && value[2] == 0);
  dg_free(&other);
}

static void assert_refused(dg_status status, const char *message) {
  assert_int_equal(status, DG_INPUT);
  assert_string_equal(dg_status_message(), message);
  dg_status_clear();
}

static void strange_names_and_shapes_are_refused(void **state) {
  (void)state;
  dg_params *p = &model.params;
  float data[WIDTH * FEATURES] = {0};
  const int64_t turned[] = {FEATURES, WIDTH}, flat[] = {WIDTH * FEATURES};
  assert_refused(dg_params_get(data, p, p->value, "conv1.lin.weight"), "the model has no tensor conv1.lin.weight");
  assert_refused(dg_params_set(p, p->value, "bias", 1, flat, data), "the model has no tensor bias");
  assert_refused(dg_params_set(p, p->value, "conv1.lin_l.weight", 2, turned, data),
                 "conv1.lin_l.weight has shape [5, 12], the model needs [12, 5]");
  assert_refused(dg_params_set(p, p->value, "conv1.lin_l.weight", 1, flat, data),
                 "conv1.lin_l.weight has shape [60], the model needs [12, 5]");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(names_and_shapes_are_pytorch_geometrics, make_model, free_model),
      cmocka_unit_test_setup_teardown(what_is_set_comes_back_and_lies_where_the_kernels_look, make_model, free_model),
      cmocka_unit_test_setup_teardown(another_block_is_another_copy, make_model, free_model),
      cmocka_unit_test_setup_teardown(strange_names_and_shapes_are_refused, make_model, free_model),
  };
  return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
