#include "nn/layer.h"

#include "nn/parallel.h"

/* What is activated but for the shift that is added last. Where there is no norm, the results themselves. */
static const dg_real *normalize(const dg_transition *t, int32_t begin, int32_t end) {
  const dg_layer *l = t->below;
  if (l->norm == DG_NORM_NONE) return t->from;
  if (l->norm == DG_NORM_BATCH)
    l->kernels->batch_norm(t->to, t->from, &t->norm->columns, begin, end);
  else
    l->kernels->layer_norm(t->to, t->from, &t->norm->columns, begin, end);
  return t->to;
}

void dg_transition_forward(const dg_transition *t, const dg_params *params, int32_t begin, int32_t end) {
  const dg_layer *l = t->below;
  const dg_real *shift = params->value + (l->norm == DG_NORM_NONE ? l->bias : l->shift);
  l->kernels->activate(t->to, normalize(t, begin, end), shift, l->elu, l->ld, t->ids, &t->drop, begin, end);
}

void dg_transition_backward(const dg_transition *t, dg_real *d, dg_real *sums, int32_t begin, int32_t end) {
  const dg_layer *l = t->below;
  l->kernels->activate_backward(d, t->to, l->elu, l->ld, &t->drop, begin, end, sums);
  if (l->norm == DG_NORM_BATCH)
    l->kernels->batch_norm_sums(sums + l->ld, d, t->from, &t->norm->columns, begin, end);
  else if (l->norm == DG_NORM_LAYER)
    l->kernels->layer_norm_backward(d, t->from, &t->norm->columns, begin, end, sums + l->ld);
}
