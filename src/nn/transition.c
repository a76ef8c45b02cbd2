#include "nn/layer.h"

#include "nn/parallel.h"

void dg_transition_forward(const dg_transition *t, const dg_params *params, int32_t begin, int32_t end) {
  const dg_layer *l = t->below;
  l->kernels->activate(t->to, t->from, params->value + l->bias, l->elu, l->ld, t->ids, &t->drop, begin, end);
}

void dg_transition_backward(const dg_transition *t, dg_real *d, dg_real *bias_gradient, int32_t begin, int32_t end) {
  const dg_layer *l = t->below;
  l->kernels->activate_backward(d, t->to, l->elu, l->ld, &t->drop, begin, end, bias_gradient);
}
