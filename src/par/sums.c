#include <distgat/sums.h>

#include <distgat/memory.h>

dg_status dg_sums_create(dg_sums *sums, const dg_comm *comm, dg_real *value, int64_t count, int ranges) {
  *sums = (dg_sums){.comm = comm, .value = value, .count = count};
  return dg_alloc(&sums->request, (size_t)ranges, sizeof *sums->request);
}

void dg_sums_destroy(dg_sums *sums) {
  dg_free(&sums->request);
  *sums = (dg_sums){0};
}

void dg_sums_begin(dg_sums *sums, int64_t first, int64_t count) {
  const size_t n = (size_t)count + (first + count == sums->count ? DG_TAIL : 0);
  if (sums->comm->size == 1) return;
  if (first > 0)
    sums->request[sums->n_begun++] = dg_comm_sum_begin(sums->comm, sums->value + first, n);
  else
    dg_comm_sum_real(sums->comm, sums->value, n);
}

void dg_sums_end(dg_sums *sums) {
  for (int i = 0; i < sums->n_begun; i++) dg_comm_sum_end(&sums->request[i]);
  sums->n_begun = 0;
}

int64_t dg_sums_bytes(const dg_sums *sums) {
  return (sums->count + DG_TAIL) * (int64_t)sizeof *sums->value;
}
