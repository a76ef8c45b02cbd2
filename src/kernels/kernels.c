#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/dense_amx.h"

extern const dg_kernels dg_kernels_portable;
#if defined(__x86_64__) && !defined(DG_REAL_DOUBLE)
extern const dg_kernels dg_kernels_avx2, dg_kernels_avx512, dg_kernels_amx;
#endif

const dg_kernels *const *dg_kernels_all(void) {
  static const dg_kernels *found[5];
  int n = 0;
#if defined(__x86_64__) && !defined(DG_REAL_DOUBLE)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw")) {
#ifdef DG_AMX
    if (dg_amx_usable()) found[n++] = &dg_kernels_amx;
#endif
    found[n++] = &dg_kernels_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found[n++] = &dg_kernels_avx2;
#endif
  found[n++] = &dg_kernels_portable;
  found[n] = NULL;
  return found;
}

dg_status dg_kernels_check_choice(void) {
  const char *wanted = getenv("DISTGAT_SIMD");
  if (!wanted || !*wanted || strcmp(wanted, "portable") == 0 || strcmp(wanted, "avx2") == 0 ||
      strcmp(wanted, "avx512") == 0 || strcmp(wanted, "amx") == 0)
    return DG_OK;
  return dg_fail(DG_USAGE, "DISTGAT_SIMD is \"%s\", which is none of portable, avx2, avx512, amx", wanted);
}

const dg_kernels *dg_kernels_get(void) {
  const dg_kernels *const *all = dg_kernels_all();
  const char *wanted = getenv("DISTGAT_SIMD");
  for (int i = 0; wanted && all[i]; i++)
    if (strcmp(all[i]->name, wanted) == 0) return all[i];
  return all[0];
}
