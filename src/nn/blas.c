#include "nn/blas.h"

#include <omp.h>

#include <distgat/memory.h>

/* OpenBLAS's own, which no header declares; absent in another BLAS. What is freed stays with it. */
extern void *blas_memory_alloc(int position) __attribute__((weak));
extern void blas_memory_free(void *buffer) __attribute__((weak));

#define BUFFER_BYTES ((size_t)129 << 20)

dg_status dg_blas_prepare(void) {
  static int prepared;
  dg_status status = DG_OK;
  void **buffer = NULL;
  const int threads = omp_get_max_threads();
  int n = 0;
  if (dg_memory_limit() == 0 || !blas_memory_alloc || !blas_memory_free || threads <= prepared) return DG_OK;
  DG_TRY(dg_alloc(&buffer, (size_t)threads, sizeof *buffer));
  while (n < threads && (n < prepared || dg_memory_fits(BUFFER_BYTES + DG_MEMORY_RESERVE)))
    buffer[n++] = blas_memory_alloc(0);
  for (int i = 0; i < n; i++) blas_memory_free(buffer[i]);
  if (n < threads)
    DG_TRY(
        dg_fail(DG_MEMORY,
                "out of memory: a limit on this process (ulimit -v) does not leave the %d MiB that BLAS takes for each "
                "of %d threads; fewer --threads need less",
                (int)(BUFFER_BYTES >> 20), threads));
  prepared = threads;
cleanup:
  dg_free(&buffer);
  return status;
}
