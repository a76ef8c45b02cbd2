#include "train/machine.h"

#include <omp.h>
#include <time.h>
#include <unistd.h>

#include <distgat/memory.h>
#include <distgat/timer.h>

#include "kernels/kernels.h"

enum { TRIAD_ELEMENTS = 1 << 23, TRIAD_ROUNDS = 5, FMA_ROUNDS = 1 << 22 };

static const double FREE_SHARE = 0.95; /* of a core that a thread has to itself */

static double triad(float *a, const float *b, const float *c) {
  double best = 0;
  for (int round = 0; round < TRIAD_ROUNDS; round++) {
    const double start = dg_time();
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < TRIAD_ELEMENTS; i++) a[i] = b[i] + 3.0f * c[i];
    const double rate = 12.0 * TRIAD_ELEMENTS / (dg_time() - start);
    if (rate > best) best = rate;
  }
  return best;
}

static double cpu_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Rate of what `run` runs so often, all threads; *share becomes the least share of a core that a thread had in a round,
   where that is less. */
static double flops_rate(double (*run)(int64_t rounds), int64_t rounds, double *share) {
  double best = 0;
  for (int round = 0; round < 3; round++) {
    double flops = 0, least = 1;
    const double start = dg_time();
#pragma omp parallel reduction(+ : flops) reduction(min : least)
    {
      const double wall = dg_time(), cpu = cpu_time();
      flops += run(rounds);
      least = (cpu_time() - cpu) / (dg_time() - wall);
    }
    const double rate = flops / (dg_time() - start);
    if (rate > best) best = rate;
    if (least < *share) *share = least;
  }
  return best;
}

dg_status dg_machine_measure(dg_machine *machine, const dg_comm *comm) {
  dg_status status = DG_OK;
  float *a = NULL, *b = NULL, *c = NULL;
  status = dg_alloc(&a, TRIAD_ELEMENTS, sizeof *a);
  if (status == DG_OK) status = dg_alloc(&b, TRIAD_ELEMENTS, sizeof *b);
  if (status == DG_OK) status = dg_alloc(&c, TRIAD_ELEMENTS, sizeof *c);
  DG_TRY(dg_comm_agree(comm, status));
  const dg_kernels *k = dg_kernels_get();
  const long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
  machine->cache_bytes = cache > 0 ? (double)cache : 1 << 20;
  machine->bytes_per_second = triad(a, b, c);
  double share = 1;
  machine->flops_per_second = flops_rate(k->fma_flops, FMA_ROUNDS, &share);
  machine->product_flops_per_second = flops_rate(k->product_flops, FMA_ROUNDS, &share);
  machine->busy = share < FREE_SHARE;

cleanup:
  dg_free(&a);
  dg_free(&b);
  dg_free(&c);
  return status;
}
