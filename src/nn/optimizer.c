#include <distgat/params.h>

#include <math.h>

#include <distgat/memory.h>

#include "kernels/kernels.h"
#include "par/node.h"

enum { FEW_STRIPS = 32 }; /* that one thread is through with before others have come */

/* Elements of this rank's share that are trained. */
static int64_t count_own(const dg_params *params) {
  const dg_sums *sums = params->sums;
  const int64_t left = params->n_trained - sums->first;
  return left < sums->n ? (left > 0 ? left : 0) : sums->n;
}

/* ---- the gradient's length ---- */

static double strip_squares(const dg_sums *sums, int64_t begin, int64_t end) {
  dg_real room[DG_STRIP];
  const dg_real *grad = dg_sums_strip(sums, room, begin, end);
  double sum = 0;
  for (int64_t i = 0; i < end - begin; i++) sum += (double)grad[i] * (double)grad[i];
  return sum;
}

/* Adds the shares' sums in their order, so that all nodes get the same bits. Collective. */
static double add_shares(const dg_node *node, double own) {
  enum { MANY = 4096 };
  double share[MANY] = {0}, sum = 0;
  const int n = node->fewest < MANY ? node->fewest : MANY;
  DG_CHECK(node->fewest <= MANY);
  if (node->comm.size == 1) return own;
  if (node->comm.rank < n) share[node->comm.rank] = own;
  dg_comm_sum_double(&node->comm, share, (size_t)n);
  for (int r = 0; r < n; r++) sum += share[r];
  return sum;
}

double dg_gradient_scale(const dg_params *params, double most) {
  const int64_t n = count_own(params);
  double own = 0;
  if (most <= 0) return 1;
  if (params->squares > 0) return fmin(1, most / (sqrt(params->squares) + 1e-6));
  for (int64_t begin = 0; begin < n; begin += DG_STRIP)
    own += strip_squares(params->sums, begin, begin + DG_STRIP < n ? begin + DG_STRIP : n);
  const double factor = most / (sqrt(add_shares(params->sums->node, own)) + 1e-6);
  return factor < 1 ? factor : 1;
}

/* ---- steps ---- */

/* What a step does to all elements alike. */
typedef struct stepper {
  const dg_kernels *kernels;
  dg_params *params;
  dg_real *value; /* of the share */
  dg_real scale, decay, shrink, rate, correction;
} stepper;

/* Elements [begin, end) of the share. */
static void step_strip(const stepper *s, dg_optimizer_kind kind, int64_t begin, int64_t end) {
  dg_real room[DG_STRIP];
  const dg_real *grad = dg_sums_strip(s->params->sums, room, begin, end);
  if (s->scale != 1)
    for (int64_t i = 0; i < end - begin; i++) room[i] = grad[i] * s->scale;
  if (s->scale != 1) grad = room;
  if (kind == DG_ADAMW)
    for (int64_t i = begin; i < end; i++) s->value[i] *= s->shrink;
  grad -= begin;
  if (kind == DG_RMSPROP)
    s->kernels->rmsprop(s->value, grad, s->params->v, begin, end, s->decay, s->rate);
  else
    s->kernels->adam(s->value, grad, s->params->m, s->params->v, begin, end, s->decay, s->rate, s->correction);
}

void dg_optimizer_step(dg_params *params, const dg_optimizer *optimizer, int64_t epoch) {
  const double t = (double)epoch, beta1 = 0.9, beta2 = 0.999, lr = optimizer->lr;
  const bool outside = optimizer->kind == DG_ADAMW;
  const stepper s = {.kernels = dg_kernels_get(),
                     .params = params,
                     .value = params->value + params->sums->first,
                     .scale = (dg_real)optimizer->scale,
                     .decay = outside ? 0 : (dg_real)optimizer->weight_decay,
                     .shrink = (dg_real)(1 - lr * optimizer->weight_decay),
                     .rate = (dg_real)(optimizer->kind == DG_RMSPROP ? lr : lr / (1 - pow(beta1, t))),
                     .correction = (dg_real)(1 / sqrt(1 - pow(beta2, t)))};
  const int64_t n = count_own(params);
#pragma omp parallel for schedule(static) if (n > FEW_STRIPS * DG_STRIP)
  for (int64_t begin = 0; begin < n; begin += DG_STRIP)
    step_strip(&s, optimizer->kind, begin, begin + DG_STRIP < n ? begin + DG_STRIP : n);
}
