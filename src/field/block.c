#include "field/builder.h"

#include <math.h>
#include <string.h>

#include <distgat/memory.h>

/* Chunks of large graphs are small: threads that work on neighbouring ones then gather the same rows from the cache
   that they share. */
enum { FEW_CHUNKS = 64, MIN_CHUNK_WORK = 512, MAX_CHUNK_WORK = 1 << 17 };

static void destroy_chunks(dg_chunks *c) {
  dg_free(&c->begin);
  dg_free(&c->end);
}

/* Cuts rows [begin, end) into chunks of about `work` edges and rows. */
static void cut(dg_chunks *c, const int32_t *indptr, dg_row begin, dg_row end, int64_t work) {
  dg_row first = begin;
  for (dg_row i = begin; i < end; i++)
    if (indptr[i + 1] - indptr[first] + (i + 1 - first) >= work || i + 1 == end) {
      c->begin[c->n] = first, c->end[c->n] = i + 1;
      c->n++, first = i + 1;
    }
}

/* Chunks [first, last) of owned rows go in the order of these whatever their level, so that what one gathers is near
   for the next. */
static void arrange(dg_chunks *c, int first, int last, const dg_builder *b) {
  for (int k = first + 1; b->local->arranged && k < last; k++) {
    const dg_row begin = c->begin[k], end = c->end[k];
    int at = k;
    for (; at > first && b->place[c->begin[at - 1]] > b->place[begin]; at--)
      c->begin[at] = c->begin[at - 1], c->end[at] = c->end[at - 1];
    c->begin[at] = begin, c->end[at] = end;
  }
}

static int64_t chunk_work(int64_t edges, int64_t rows) {
  const int64_t work = (edges + rows) / FEW_CHUNKS + 1;
  return work < MIN_CHUNK_WORK ? MIN_CHUNK_WORK : work < MAX_CHUNK_WORK ? work : MAX_CHUNK_WORK;
}

/* Room for what so many edges and rows are cut into, in at most so many stretches. */
static dg_status alloc_chunks(dg_chunks *c, int64_t edges, int64_t rows, int stretches) {
  const size_t most = (size_t)((edges + rows) / chunk_work(edges, rows)) + (size_t)stretches;
  dg_status status = dg_alloc(&c->begin, most, sizeof *c->begin);
  return status == DG_OK ? dg_alloc(&c->end, most, sizeof *c->end) : status;
}

/* Chunks of targets: those that have nothing to do with other ranks first; a chunk never crosses from one kind to the
   other. */
static dg_status chunk_targets(dg_builder *b, dg_block *k) {
  const int64_t work = chunk_work(k->indptr[k->n_dst], k->n_dst);
  dg_status status = alloc_chunks(&k->dst, k->indptr[k->n_dst], k->n_dst, 2 * (b->config.n_layers + 2));
  for (int border = 0; status == DG_OK && border < 2; border++) {
    for (dg_row i = 0; i < k->n_dst;) {
      dg_row end = i;
      while (end < k->n_dst && b->border[b->order[end]] == b->border[b->order[i]]) end++;
      if (b->border[b->order[i]] == border) cut(&k->dst, k->indptr, i, end, work);
      i = end;
    }
    if (border == 0) k->dst.n_first = k->dst.n;
    arrange(&k->dst, border == 0 ? 0 : k->dst.n_first, k->dst.n, b);
  }
  return status;
}

static dg_status chunk_sources(const dg_builder *b, dg_block *k) {
  const int64_t work = chunk_work(k->t_indptr[k->n_src], k->n_src);
  dg_status status = alloc_chunks(&k->src, k->t_indptr[k->n_src], k->n_src, 2);
  if (status != DG_OK) return status;
  cut(&k->src, k->t_indptr, k->n_src_owned, k->n_src, work);
  k->src.n_first = k->src.n;
  cut(&k->src, k->t_indptr, 0, k->n_src_owned, work);
  arrange(&k->src, k->src.n_first, k->src.n, b);
  return status;
}

/* Appends the in-edges of target row i, self-loop included, in the order of original ids; returns their number. */
static int32_t fill_row(const dg_builder *b, const dg_block *k, int32_t *out, dg_row i) {
  const dg_local *l = b->local;
  const dg_row self = b->order[i];
  int32_t n = 0;
  bool placed = false;
  for (int64_t t = l->in.indptr[self]; b->config.edges && t < l->in.indptr[self + 1]; t++) {
    dg_row j = l->in.indices[t];
    if (!placed && l->ids[j] > l->ids[self]) out[n++] = i, placed = true;
    out[n++] = j < l->n ? b->number[j] : k->n_src_owned + b->halo_at[j - l->n];
  }
  if (!placed) out[n++] = i;
  return n;
}

/* Attributes of the in-edges of target row i, which fill_row has put in order. */
static void fill_attributes(const dg_builder *b, dg_block *k, dg_row i) {
  const dg_local *l = b->local;
  const size_t dim = (size_t)k->edge_dim;
  const int64_t first = l->in.indptr[b->order[i]], n = l->in.indptr[b->order[i] + 1] - first;
  const float *all = l->shard.edge_attributes + (size_t)first * dim, *next = all;
  for (int32_t t = k->indptr[i]; t < k->indptr[i + 1]; t++) {
    float *out = k->attributes + (size_t)t * dim;
    if (k->indices[t] != i) {
      memcpy(out, next, dim * sizeof *out), next += dim;
      continue;
    }
    for (size_t c = 0; c < dim; c++) {
      double sum = 0;
      for (int64_t s = 0; s < n; s++) sum += all[(size_t)s * dim + c];
      out[c] = n > 0 ? (float)(sum / (double)n) : 0;
    }
  }
}

static dg_status fill_edges(dg_builder *b, dg_block *k) {
  dg_status status = DG_OK;
  const dg_csr *in = &b->local->in;
  int64_t edges = k->n_dst;
  for (dg_row i = 0; b->config.edges && i < k->n_dst; i++)
    edges += in->indptr[b->order[i] + 1] - in->indptr[b->order[i]];
  if (edges > INT32_MAX) return dg_fail(DG_MEMORY, "%lld edges on one rank; start more ranks", (long long)edges);
  DG_TRY(dg_alloc(&k->indptr, (size_t)k->n_dst + 1, sizeof *k->indptr));
  DG_TRY(dg_alloc(&k->indices, (size_t)edges, sizeof *k->indices));
  for (dg_row i = 0; i < k->n_dst; i++) k->indptr[i + 1] = k->indptr[i] + fill_row(b, k, k->indices + k->indptr[i], i);
  if (k->edge_dim == 0) return DG_OK;
  DG_TRY(dg_alloc(&k->attributes, (size_t)edges * (size_t)k->edge_dim, sizeof *k->attributes));
  for (dg_row i = 0; i < k->n_dst; i++) fill_attributes(b, k, i);

cleanup:
  return status;
}

/* The chunks of targets, chunk [n_dst]; none, or -1, where edges within them are like others. */
static void name_chunks(int32_t *chunk, const dg_block *k, bool outer) {
  for (int c = 0; c < k->dst.n; c++)
    for (dg_row i = k->dst.begin[c]; i < k->dst.end[c]; i++) chunk[i] = outer ? c : -1;
}

/* Whether an edge to target i from source j is among the transposed ones. */
static bool is_outer(const int32_t *chunk, const dg_block *k, dg_row i, dg_row j) {
  return chunk[i] < 0 || j >= k->n_dst || chunk[j] != chunk[i];
}

/* Room for the transpose, so many edges, and for what is known of each. */
static dg_status alloc_transpose(dg_block *k, size_t edges, bool numbered) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&k->t_indices, edges, sizeof *k->t_indices));
  if (k->edge_dim > 0) DG_TRY(dg_alloc(&k->t_edges, edges, sizeof *k->t_edges));
  if (!numbered) return DG_OK;
  DG_TRY(dg_alloc(&k->t_number, edges, sizeof *k->t_number));
  DG_TRY(dg_alloc(&k->number, (size_t)k->n_dst, sizeof *k->number));

cleanup:
  return status;
}

static dg_status transpose(dg_block *k, const dg_field_config *config) {
  dg_status status = DG_OK;
  int32_t *chunk = NULL, number = 0;
  DG_TRY(dg_alloc(&chunk, (size_t)k->n_dst, sizeof *chunk));
  DG_TRY(dg_alloc(&k->t_indptr, (size_t)k->n_src + 2, sizeof *k->t_indptr));
  name_chunks(chunk, k, config->outer);
  int32_t *next = k->t_indptr + 1; /* becomes the end of each row while it is filled */
  for (dg_row i = 0; i < k->n_dst; i++)
    for (int32_t t = k->indptr[i]; t < k->indptr[i + 1]; t++)
      next[k->indices[t] + 1] += is_outer(chunk, k, i, k->indices[t]);
  for (dg_row j = 0; j < k->n_src; j++) next[j + 1] += next[j];
  DG_TRY(alloc_transpose(k, (size_t)next[k->n_src], config->numbered));
  for (dg_row i = 0; i < k->n_dst; i++) {
    if (k->number) k->number[i] = number;
    for (int32_t t = k->indptr[i]; t < k->indptr[i + 1]; t++) {
      if (!is_outer(chunk, k, i, k->indices[t])) continue;
      const int32_t at = next[k->indices[t]]++;
      k->t_indices[at] = i;
      if (k->t_edges) k->t_edges[at] = t;
      if (k->t_number) k->t_number[at] = number++;
    }
  }

cleanup:
  dg_free(&chunk);
  return status;
}

/* Of a row that has so many in-edges, or edges of such weight; a sum of weights may be no degree. */
static dg_real norm_of(dg_real degree) {
  return (double)degree + 1 > 0 ? 1 / (dg_real)sqrt((double)degree + 1) : 0;
}

static dg_status name_rows(dg_builder *b, dg_block *k) {
  dg_status status = DG_OK;
  const dg_local *l = b->local;
  DG_TRY(dg_alloc(&k->ids, (size_t)k->n_src, sizeof *k->ids));
  DG_TRY(dg_alloc(&k->folded, (size_t)k->n_src, sizeof *k->folded));
  DG_TRY(dg_alloc(&k->norm, (size_t)k->n_src, sizeof *k->norm));
  if (l->out_degree) DG_TRY(dg_alloc(&k->out_norm, (size_t)k->n_src, sizeof *k->out_norm));
  for (dg_row i = 0; i < k->n_src_owned; i++) {
    if (l->out_degree) k->out_norm[i] = norm_of(l->out_degree[b->order[i]]);
    k->ids[i] = l->ids[b->order[i]];
    k->norm[i] = norm_of(l->degree[b->order[i]]);
  }
  for (dg_row h = 0; h < l->n_halo; h++)
    if (b->halo_at[h] >= 0) {
      dg_row row = k->n_src_owned + b->halo_at[h];
      k->ids[row] = l->ids[l->n + h];
      if (l->out_degree) k->out_norm[row] = norm_of(l->out_degree[l->n + h]);
      k->norm[row] = norm_of(l->degree[l->n + h]);
    }
  for (dg_row i = 0; i < k->n_src; i++) k->folded[i] = dg_id_fold(k->ids[i]);

cleanup:
  return status;
}

/* The exchange of source rows; keys are original ids. */
static dg_status plan_exchange(dg_builder *b, dg_block *k) {
  dg_status status = DG_OK;
  const dg_local *l = b->local;
  dg_id *key = NULL;
  dg_row *row = NULL, n = 0;
  int *owner = NULL;
  status = dg_alloc(&key, (size_t)k->n_src_owned, sizeof *key);
  if (status == DG_OK) status = dg_alloc(&row, (size_t)k->n_src_owned, sizeof *row);
  if (status == DG_OK) status = dg_alloc(&owner, (size_t)(k->n_src - k->n_src_owned), sizeof *owner);
  DG_TRY(dg_comm_agree(&l->comm, status));
  for (dg_row i = 0; i < l->n; i++)
    if (b->level[i] > 0 && b->number[i] < k->n_src_owned) key[n] = l->ids[i], row[n++] = b->number[i];
  for (int p = 0; p < l->plan.n_recv_ranks; p++)
    for (dg_row h = l->plan.recv_offset[p]; h < l->plan.recv_offset[p + 1]; h++)
      if (b->halo_at[h] >= 0) owner[b->halo_at[h]] = l->plan.recv_rank[p];
  DG_TRY(dg_halo_plan_create(&k->plan, &l->comm, k->n_src_owned, key, row, k->n_src - k->n_src_owned, owner,
                             k->ids + k->n_src_owned));

cleanup:
  dg_free(&key);
  dg_free(&row);
  dg_free(&owner);
  return status;
}

void dg_block_destroy(dg_block **block) {
  dg_block *k = *block;
  if (k == NULL) return;
  dg_free(&k->indptr);
  dg_free(&k->indices);
  dg_free(&k->t_indptr);
  dg_free(&k->t_indices);
  dg_free(&k->attributes);
  dg_free(&k->t_edges);
  dg_free(&k->t_number);
  dg_free(&k->number);
  dg_free(&k->norm);
  dg_free(&k->out_norm);
  dg_free(&k->ids);
  dg_free(&k->folded);
  dg_halo_plan_destroy(&k->plan);
  destroy_chunks(&k->dst);
  destroy_chunks(&k->src);
  dg_free(block);
}

dg_status dg_block_create(dg_builder *b, int layer) {
  dg_status status = DG_OK;
  dg_block *k = NULL;
  dg_row n_halo = 0;
  status = dg_alloc(&k, 1, sizeof *k);
  if (status == DG_OK) {
    b->field->block[layer - 1] = k;
    dg_reach_mark(b, layer);
    for (dg_row h = 0; h < b->local->n_halo; h++)
      if (b->halo_at[h] >= 0) b->halo_at[h] = n_halo++;
    k->edge_dim = b->config.edges ? b->local->shard.edge_dim : 0;
    k->n_dst = b->count[layer + 1], k->n_src_owned = b->count[layer], k->n_src = k->n_src_owned + n_halo;
    status = fill_edges(b, k);
  }
  if (status == DG_OK) status = name_rows(b, k);
  if (status == DG_OK) status = chunk_targets(b, k);
  if (status == DG_OK && b->config.backward) status = transpose(k, &b->config);
  if (status == DG_OK && b->config.backward) status = chunk_sources(b, k);
  DG_TRY(dg_comm_agree(&b->local->comm, status));
  if (layer > 1 || b->config.exchange_first || b->config.exchange_input) DG_TRY(plan_exchange(b, k));

cleanup:
  return status;
}
