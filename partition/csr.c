#include <string.h>

#include <distgat/memory.h>

#include "methods.h"

/* Rows ascend, so the reverse of each edge, taken row by
   row, must be the next entry of its row. */
dg_status dg_csr_find_symmetric(bool *symmetric, const dg_csr *edges) {
  dg_status status = DG_OK;
  int64_t *next = NULL;
  DG_TRY(dg_alloc(&next, (size_t)edges->n_rows, sizeof *next));
  memcpy(next, edges->indptr, (size_t)edges->n_rows * sizeof *next);
  *symmetric = true;
  for (int64_t i = 0; i < edges->n_rows && *symmetric; i++)
    for (int64_t k = edges->indptr[i]; k < edges->indptr[i + 1] && *symmetric; k++) {
      int32_t j = edges->indices[k];
      *symmetric = j != i && next[j] < edges->indptr[j + 1] && edges->indices[next[j]] == i;
      next[j]++;
    }
cleanup:
  dg_free(&next);
  return status;
}

dg_status dg_csr_transpose(dg_csr *out, const dg_csr *in) {
  dg_status status = DG_OK;
  int64_t n = in->n_rows;
  out->n_rows = n;
  DG_TRY(dg_alloc(&out->indptr, (size_t)n + 2, sizeof *out->indptr));
  DG_TRY(dg_alloc(&out->indices, (size_t)in->indptr[n], sizeof *out->indices));
  /* Counts two places ahead: filling moves them to where they belong. */
  for (int64_t k = 0; k < in->indptr[n]; k++) out->indptr[in->indices[k] + 2]++;
  for (int64_t i = 1; i < n; i++) out->indptr[i + 1] += out->indptr[i];
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = in->indptr[i]; k < in->indptr[i + 1]; k++)
      out->indices[out->indptr[in->indices[k] + 1]++] = (int32_t)i;
cleanup:
  return status;
}
