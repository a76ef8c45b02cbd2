#include "support/support.h"

#include <math.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "kernels/kernels.h"
#include "support/plain_rows.h"

/* Norms and what lies around them: every variant against plain loops in double precision. */

enum { ROWS = 150, LD = 112, CHANNELS = 97 }; /* the others are padding, of which some lie between channels */

/* One problem; columns of padding are zero in y, d, scale and bias. */
typedef struct problem {
  dg_real *y, *d, *x, *inside, *scale, *bias, *center, *rstd, *mean, *slope, *product;
  double *wanted_x, *columns, *wanted_d, *wanted_scale, *wanted_bias;
  dg_norm_columns norm;
} problem;

static void *room(size_t count, size_t size) {
  void *block;
  assert_int_equal(dg_alloc(&block, count, size), DG_OK);
  return block;
}

static bool is_channel(size_t c) {
  return c < 45 || (c >= 60 && c < LD);
}

static dg_real *draw_rows(size_t n, uint64_t what, double level) {
  dg_real *x = room(n * LD, sizeof *x);
  for (size_t i = 0; i < n * LD; i++)
    x[i] = is_channel(i % LD) ? (dg_real)(level + 2 * dg_rng_uniform(dg_rng_key(29, what), i) - 1) : 0;
  return x;
}

static dg_real *room_of_columns(void) {
  return room(LD, sizeof(dg_real));
}

static problem make_problem(double level) {
  problem p = {.y = draw_rows(ROWS, 1, level), .d = draw_rows(ROWS, 2, 0.1), .scale = draw_rows(1, 3, 0.5)};
  p.bias = draw_rows(1, 4, 0), p.x = room((size_t)ROWS * LD, sizeof *p.x);
  p.inside = room_of_columns(), p.center = room_of_columns(), p.rstd = room_of_columns();
  p.mean = room_of_columns(), p.slope = room_of_columns(), p.product = room_of_columns();
  p.wanted_x = room((size_t)ROWS * LD, sizeof(double)), p.wanted_d = room((size_t)ROWS * LD, sizeof(double));
  p.columns = room(2 * LD, sizeof(double)), p.wanted_scale = room(LD, sizeof(double));
  p.wanted_bias = room(LD, sizeof(double));
  for (size_t c = 0; c < LD; c++) p.inside[c] = is_channel(c);
  p.norm = (dg_norm_columns){CHANNELS, LD, p.inside, p.bias, p.scale, p.center, p.rstd, p.mean, p.slope};
  return p;
}

static void free_problem(problem *p) {
  void *all[] = {p->y,    p->d,     p->x,       p->inside,   p->scale,   p->bias,     p->center,       p->rstd,
                 p->mean, p->slope, p->product, p->wanted_x, p->columns, p->wanted_d, p->wanted_scale, p->wanted_bias};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dg_free(&all[i]);
}

static void check_block(const dg_real *is, const double *wanted, size_t n, double scale, const char *variant) {
  for (size_t i = 0; i < n; i++)
    if (!(fabs((double)is[i] - wanted[i]) <= 3e-6 * scale))
      fail_msg("%s: %.9g instead of %.9g at %zu", variant, (double)is[i], wanted[i], i);
}

#define FOR_VARIANTS(k) for (const dg_kernels *const *list = dg_kernels_all(), *k = *list; k; k = *++list)

static void rows_are_added(void **state) {
  (void)state;
  FOR_VARIANTS(k) {
    problem p = make_problem(0);
    for (size_t i = 0; i < (size_t)ROWS * LD; i++)
      p.wanted_x[i] = (double)p.y[i] + (i >= 3 * LD && i < 40 * LD ? (double)p.d[i] : 0);
    k->add_rows(p.y, p.d, LD, 3, 40);
    check_block(p.y, p.wanted_x, (size_t)ROWS * LD, 1, k->name);
    free_problem(&p);
  }
}

/* Also of numbers far from zero. */
static void moments_are_exact(void **state) {
  (void)state;
  FOR_VARIANTS(k) {
    problem p = make_problem(1000);
    double sums[2 * LD] = {0};
    k->column_moments(sums, p.y, LD, 0, 70);
    k->column_moments(sums, p.y, LD, 70, ROWS);
    plain_batch_norm(p.wanted_x, p.columns, p.wanted_d, p.wanted_scale, p.y, p.d, &p.norm, ROWS);
    for (size_t c = 0; c < LD; c++) {
      const double mean = sums[c] / ROWS, variance = sums[LD + c] / ROWS - mean * mean;
      assert_true(fabs(mean - p.columns[c]) <= 1e-12 * 1000);
      assert_true(fabs(1 / sqrt(variance + 1e-5) - p.columns[LD + c]) <= 1e-7 * p.columns[LD + c]);
    }
    free_problem(&p);
  }
}

/* Kernels are given scale with 1 / deviation in it, the mean of d, and its slope. */
static void batches_are_normalized(void **state) {
  (void)state;
  FOR_VARIANTS(k) {
    problem p = make_problem(3);
    plain_batch_norm(p.wanted_x, p.columns, p.wanted_d, p.wanted_scale, p.y, p.d, &p.norm, ROWS);
    _Alignas(DG_ALIGN) dg_real scale[LD];
    for (size_t c = 0; c < LD; c++) {
      double level = 0;
      for (size_t r = 0; r < ROWS; r++) level += (double)p.d[r * LD + c];
      p.center[c] = (dg_real)p.columns[c], p.rstd[c] = (dg_real)p.columns[LD + c];
      scale[c] = (dg_real)(p.columns[LD + c] * (double)p.scale[c]);
      p.mean[c] = (dg_real)(level / ROWS);
      p.slope[c] = (dg_real)(p.wanted_scale[c] / ROWS * p.columns[LD + c]);
    }
    p.norm.scale = scale;
    k->batch_norm(p.x, p.y, &p.norm, 0, 31);
    k->batch_norm(p.x, p.y, &p.norm, 31, ROWS);
    check_block(p.x, p.wanted_x, (size_t)ROWS * LD, 4, k->name);
    k->batch_norm_sums(p.product, p.d, p.y, &p.norm, 0, 31);
    k->batch_norm_sums(p.product, p.d, p.y, &p.norm, 31, ROWS);
    check_block(p.product, p.wanted_scale, LD, 30, k->name);
    k->batch_norm_backward(p.d, p.y, &p.norm, 0, 31);
    k->batch_norm_backward(p.d, p.y, &p.norm, 31, ROWS);
    check_block(p.d, p.wanted_d, (size_t)ROWS * LD, 4, k->name);
    free_problem(&p);
  }
}

static void rows_are_normalized(void **state) {
  (void)state;
  FOR_VARIANTS(k) {
    problem p = make_problem(3);
    dg_real *sums = room(2 * LD, sizeof *sums);
    plain_layer_norm(p.wanted_x, p.wanted_d, p.wanted_scale, p.wanted_bias, p.y, p.d, &p.norm, ROWS);
    k->layer_norm(p.x, p.y, &p.norm, 0, 31);
    k->layer_norm(p.x, p.y, &p.norm, 31, ROWS);
    check_block(p.x, p.wanted_x, (size_t)ROWS * LD, 4, k->name);
    k->layer_norm_backward(p.d, p.y, &p.norm, 0, 31, sums);
    k->layer_norm_backward(p.d, p.y, &p.norm, 31, ROWS, sums);
    check_block(p.d, p.wanted_d, (size_t)ROWS * LD, 4, k->name);
    check_block(sums, p.wanted_scale, LD, 30, k->name);
    check_block(sums + LD, p.wanted_bias, LD, 30, k->name);
    dg_free(&sums);
    free_problem(&p);
  }
}

static void rmsprop_takes_its_steps(void **state) {
  (void)state;
  enum { N = 101 };
  FOR_VARIANTS(k) {
    dg_real *value = draw_rows(1, 40, 0), *v = room(N, sizeof *v);
    double plain[N], pv[N] = {0};
    for (int i = 0; i < N; i++) plain[i] = (double)value[i];
    for (uint64_t t = 1; t <= 25; t++) {
      dg_real *grad = draw_rows(1, 40 + t, 0.2);
      k->rmsprop(value, grad, v, 0, 17, (dg_real)5e-3, (dg_real)0.01);
      k->rmsprop(value, grad, v, 17, N, (dg_real)5e-3, (dg_real)0.01);
      plain_rmsprop(plain, pv, grad, N, 5e-3, 0.01);
      dg_free(&grad);
    }
    check_block(value, plain, N, 1, k->name);
    dg_free(&value);
    dg_free(&v);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(rows_are_added), cmocka_unit_test(moments_are_exact),
                                     cmocka_unit_test(batches_are_normalized), cmocka_unit_test(rows_are_normalized),
                                     cmocka_unit_test(rmsprop_takes_its_steps)};
  return cmocka_run_group_tests_name("norm_kernels", tests, NULL, NULL);
}
