#include "train/roofline.h"

#include <omp.h>
#include <unistd.h>

#include <distgat/memory.h>

#include "kernels/kernels.h"
#include "nn/layer.h"

enum { TRIAD_ELEMENTS = 1 << 23, TRIAD_ROUNDS = 5, FMA_ROUNDS = 1 << 22 };

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

/* Rate of fused multiply-adds of the kernels' own instruction set, all threads. */
static double fma_rate(void) {
  const dg_kernels *k = dg_kernels_get();
  double best = 0;
  for (int round = 0; round < 3; round++) {
    double flops = 0;
    const double start = dg_time();
#pragma omp parallel reduction(+ : flops)
    flops += k->fma_flops(FMA_ROUNDS);
    const double rate = flops / (dg_time() - start);
    if (rate > best) best = rate;
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
  machine->flops_per_second = fma_rate();

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

/* Expected kept non-zeros of the first layer's input rows [0, n). */
static double nonzeros(const dg_work *w, int32_t n) {
  double sum = 0;
  if (!w->features->sparse) return (double)n * w->features->n_cols;
  for (int32_t i = 0; i < n; i++)
    sum += (double)(w->features->indptr[w->x.row[i] + 1] - w->features->indptr[w->x.row[i]]);
  return sum * (1 - w->layer->dropout);
}

/* Projection, forward or for the weight gradient: as many flops; input, weights and output once. */
static work_count projection(const dg_work *w) {
  const dg_layer *l = w->layer;
  const double width = (double)l->heads * l->dim, real = sizeof(dg_real);
  const int32_t n_src = dg_work_rows(w);
  const bool sparse = w->features && w->features->sparse;
  double in = w->features ? nonzeros(w, n_src) : (double)n_src * l->n_in;
  work_count c = {2 * in * width, in * (sparse ? 8 : real) + (double)n_src * width * real + l->n_in * width * real};
  if (l->wr >= 0) {
    double in_dst = w->features ? nonzeros(w, w->block->n_dst) : (double)w->block->n_dst * l->n_in;
    c.flops += 2 * in_dst * width;
    c.bytes += (double)w->block->n_dst * width * real + l->n_in * width * real;
  }
  return c;
}

static double edge_flops(const dg_layer *l, bool backward) {
  const double width = (double)l->heads * l->dim;
  switch (l->kind) {
  case DG_MODEL_GATV2:
    return (backward ? 14 : 7) * width; /* score and sum; score, <dOut, z>, dz, dzr, datt */
  case DG_MODEL_GAT:
    return (backward ? 4 : 2) * width;
  case DG_MODEL_GCN:
    return 2 * width;
  case DG_MODEL_MLP:
    return 0;
  }
  return 0;
}

static work_count edges(const dg_work *w, bool backward, const dg_machine *m) {
  const dg_layer *l = w->layer;
  const dg_block *b = w->block;
  const double n_edges = b->indptr[b->n_dst], width = (double)l->heads * l->dim, real = sizeof(dg_real);
  const double rows = l->kind == DG_MODEL_GATV2 ? 2 : 1; /* per target: dOut, and zr */
  work_count c = {0};
  if (l->kind == DG_MODEL_MLP) return c;
  c.flops = n_edges * edge_flops(l, backward);
  c.bytes = n_edges * 4 + gathered(n_edges, b->n_src, width, m) + b->n_dst * rows * width * real;
  if (backward) {
    c.bytes += b->n_src * width * real; /* dz */
    if (l->kind == DG_MODEL_GATV2)      /* a second pass gathers zr and dOut over the transpose */
      c.bytes += n_edges * 4 + gathered(n_edges, b->n_dst, 2 * width, m) + b->n_dst * width * real;
  }
  return c;
}

double dg_step_bound(const dg_trainer *trainer, const dg_machine *machine) {
  const double count = (double)trainer->model.params.count;
  double total = 0;
  for (int k = 0; k < trainer->model.config.layers; k++) {
    const dg_work *w = &trainer->train.work[k];
    const work_count forward = projection(w);
    total += seconds(forward, machine) * (k > 0 ? 3 : 2); /* forward, weight gradient, input gradient */
    total += seconds(edges(w, false, machine), machine) + seconds(edges(w, true, machine), machine);
  }
  return total + seconds((work_count){12 * count, 7 * count * sizeof(dg_real)}, machine);
}
