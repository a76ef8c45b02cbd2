#include "nn/layer.h"

#include "nn/parallel.h"

/* What is activated but for the shift that is added last: n rows of results through the norm into `to`, or where there
   is none the results themselves. */
static const dg_real *normalize(const dg_transition *t, dg_real *to, const dg_real *from, int32_t n) {
  const dg_layer *l = t->below;
  if (l->norm == DG_NORM_NONE) return from;
  if (l->norm == DG_NORM_BATCH)
    l->kernels->batch_norm(to, from, &t->norm->columns, 0, n);
  else
    l->kernels->layer_norm(to, from, &t->norm->columns, 0, n);
  return to;
}

void dg_transition_forward(const dg_transition *t, const dg_params *params, dg_real *to, int32_t begin, int32_t end) {
  const dg_layer *l = t->below;
  const dg_real *shift = params->value + (l->norm == DG_NORM_NONE ? l->bias : l->shift);
  const dg_real *results = normalize(t, to, t->from + (size_t)begin * (size_t)l->ld, end - begin);
  l->kernels->activate(to, results, shift, l->elu, l->ld, t->ids + begin, &t->drop, 0, end - begin);
}

void dg_transition_backward(const dg_transition *t, dg_real *d, const dg_real *to, dg_real *sums, int32_t begin,
                            int32_t end) {
  const dg_layer *l = t->below;
  const dg_real *results = t->from + (size_t)begin * (size_t)l->ld;
  const int32_t n = end - begin;
  l->kernels->activate_backward(d, to, l->elu, l->ld, &t->drop, 0, n, sums);
  if (l->norm == DG_NORM_BATCH)
    l->kernels->batch_norm_sums(sums + l->ld, d, results, &t->norm->columns, 0, n);
  else if (l->norm == DG_NORM_LAYER)
    l->kernels->layer_norm_backward(d, results, &t->norm->columns, 0, n, sums + l->ld);
}
