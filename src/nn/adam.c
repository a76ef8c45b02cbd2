#include <distgat/params.h>

#include <math.h>

#include "kernels/kernels.h"

void dg_adam_step(dg_params *params, double lr, double weight_decay, int64_t epoch) {
  const dg_kernels *k = dg_kernels_get();
  const double t = (double)epoch, beta1 = 0.9, beta2 = 0.999;
  const dg_real step = (dg_real)(lr / (1 - pow(beta1, t))), rsqrt = (dg_real)(1 / sqrt(1 - pow(beta2, t)));
  const dg_real decay = (dg_real)weight_decay;
  const int64_t unit = 1 << 14, count = params->count;
#pragma omp parallel for schedule(static) if (count > 4 * unit)
  for (int64_t begin = 0; begin < count; begin += unit) {
    const int64_t end = begin + unit < count ? begin + unit : count;
    k->adam(params->value, params->grad, params->m, params->v, begin, end, decay, step, rsqrt);
  }
}
