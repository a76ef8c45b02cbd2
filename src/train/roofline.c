#include "train/roofline.h"

#include <omp.h>
#include <time.h>
#include <unistd.h>

#include <distgat/memory.h>

#include "nn/conv.h"

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

/* Rate of fused multiply-adds of the kernels' own instruction set, all threads; *share becomes the least share of a
   core that a thread had in a round, where that is less. */
static double fma_rate(double *share) {
  const dg_kernels *k = dg_kernels_get();
  double best = 0;
  for (int round = 0; round < 3; round++) {
    double flops = 0, least = 1;
    const double start = dg_time();
#pragma omp parallel reduction(+ : flops) reduction(min : least)
    {
      const double wall = dg_time(), cpu = cpu_time();
      flops += k->fma_flops(FMA_ROUNDS);
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
  const long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
  machine->cache_bytes = cache > 0 ? (double)cache : 1 << 20;
  machine->bytes_per_second = triad(a, b, c);
  double share = 1;
  machine->flops_per_second = fma_rate(&share);
  machine->busy = share < FREE_SHARE;

cleanup:
  dg_free(&a);
  dg_free(&b);
  dg_free(&c);
  return status;
}

/* Work of one phase. */
typedef struct work_count {
  double flops, bytes;
} work_count;

static double seconds(work_count w, const dg_machine *m) {
  const double compute = w.flops / m->flops_per_second, memory = w.bytes / m->bytes_per_second;
  return compute > memory ? compute : memory;
}

/* Bytes of gathering `edges` rows of a table: one row an edge where the table misses the cache, else the table once. */
static double gathered(double edges, double rows, double width, const dg_machine *m) {
  const double table = rows * width * sizeof(dg_real);
  return table > m->cache_bytes ? edges * width * sizeof(dg_real) : table;
}

/* Projection, forward or for the weight gradient: as many flops; input, weights and output once. */
static work_count projection(const dg_layer *l, const dg_layer_counts *n, bool sparse) {
  const double width = (double)l->heads * l->dim, real = sizeof(dg_real), kept = sparse ? 1 - l->dropout : 1;
  const double in = l->index == 0 ? (double)n->entries * kept : (double)n->n_projected * l->n_in;
  work_count c = {2 * in * width,
                  in * (sparse ? 8 : real) + (double)n->n_projected * width * real + l->n_in * width * real};
  if (l->wr >= 0) {
    const double in_dst = l->index == 0 ? (double)n->entries_dst * kept : (double)n->n_dst * l->n_in;
    c.flops += 2 * in_dst * width;
    c.bytes += (double)n->n_dst * width * real + l->n_in * width * real;
  }
  return c;
}

static work_count edges(const dg_layer *l, const dg_layer_counts *n, bool backward, const dg_machine *m) {
  const double n_edges = (double)n->n_edges, width = (double)l->heads * l->dim, real = sizeof(dg_real);
  const double n_src = (double)n->n_src, n_dst = (double)n->n_dst;
  work_count c = {0};
  if (!l->conv->edges) return c;
  c.flops = n_edges * width * (backward ? l->conv->flops_backward : l->conv->flops);
  c.bytes = n_edges * 4 + gathered(n_edges, n_src, width, m) + n_dst * l->conv->target_rows * width * real;
  if (backward) {
    c.bytes += n_src * width * real;    /* dz */
    if (l->conv->gathers_backward == 2) /* a second pass gathers zr and dOut over the transpose */
      c.bytes += n_edges * 4 + gathered(n_edges, n_dst, 2 * width, m) + n_dst * width * real;
  }
  return c;
}

double dg_step_bound(const dg_model *model, const dg_counts *counts, bool sparse, const dg_machine *machine) {
  const double params = (double)model->params.count;
  double total = 0;
  for (int k = 0; k < model->config.layers; k++) {
    const dg_layer *l = &model->layer[k];
    const dg_layer_counts *n = &counts->layer[k];
    const work_count forward = projection(l, n, sparse && k == 0);
    total += seconds(forward, machine) * (k > 0 ? 3 : 2); /* forward, weight gradient, input gradient */
    total += seconds(edges(l, n, false, machine), machine) + seconds(edges(l, n, true, machine), machine);
  }
  return total + seconds((work_count){12 * params, 7 * params * sizeof(dg_real)}, machine);
}
