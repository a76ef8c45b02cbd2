#include <distgat/params.h>

#include <math.h>

#include "kernels/kernels.h"

enum { FEW_STRIPS = 32 }; /* that one thread is through with before others have come */

void dg_adam_step(dg_params *params, double lr, double weight_decay, int64_t epoch) {
  const dg_kernels *k = dg_kernels_get();
  const double t = (double)epoch, beta1 = 0.9, beta2 = 0.999;
  const dg_real step = (dg_real)(lr / (1 - pow(beta1, t))), rsqrt = (dg_real)(1 / sqrt(1 - pow(beta2, t)));
  const dg_real decay = (dg_real)weight_decay;
  const dg_sums *sums = params->sums;
  const int64_t n = sums->n;
  dg_real *value = params->value + sums->first;
#pragma omp parallel for schedule(static) if (n > FEW_STRIPS * DG_STRIP)
  for (int64_t begin = 0; begin < n; begin += DG_STRIP) {
    dg_real room[DG_STRIP];
    const int64_t end = begin + DG_STRIP < n ? begin + DG_STRIP : n;
    const dg_real *grad = dg_sums_strip(sums, room, begin, end) - begin;
    k->adam(value, grad, params->m, params->v, begin, end, decay, step, rsqrt);
  }
}
