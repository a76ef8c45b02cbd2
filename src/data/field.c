#include <distgat/field.h>

#include <math.h>
#include <string.h>

#include <distgat/memory.h>

enum { MAX_CHUNKS = 64, MIN_CHUNK_WORK = 512 };

/* Workspace of building a field. */
typedef struct builder {
  const dg_local *local;
  dg_field_config config;
  dg_field *field;
  uint8_t *level;   /* [n] one more than the last layer that needs an owned row as a source; 0: not needed */
  uint8_t *border;  /* [n] has a halo in-neighbour, or other ranks need it */
  int32_t *number;  /* [n] field row of an owned local row */
  int32_t *order;   /* [n_rows] its inverse */
  int32_t *halo_at; /* [n_halo] place in the block's halo, or -1 */
  int32_t *count;   /* [n_layers + 2] rows of level k or above */
} builder;

static void mark_outputs(builder *b) {
  const dg_shard *s = &b->local->shard;
  for (int32_t i = 0; i < b->local->n; i++) {
    if (!b->config.splits || (s->mask[i] & b->config.splits)) b->level[i] = (uint8_t)(b->config.n_layers + 1);
    for (int64_t t = s->in.indptr[i]; b->config.edges && t < s->in.indptr[i + 1]; t++)
      if (s->in.indices[t] >= b->local->n) b->border[i] = 1;
  }
}

/* Tells owners which of their rows other ranks need as sources of layer k (1 ...). */
static dg_status request_rows(builder *b, int k) {
  dg_status status = DG_OK;
  const dg_local *l = b->local;
  size_t *send = NULL, *recv = NULL, total = 0;
  int32_t *wanted = NULL, *asked = NULL, n = 0;
  status = dg_alloc(&send, (size_t)l->comm.size, sizeof *send);
  if (status == DG_OK) status = dg_alloc(&recv, (size_t)l->comm.size, sizeof *recv);
  if (status == DG_OK) status = dg_alloc(&wanted, (size_t)l->n_halo, sizeof *wanted);
  DG_TRY(dg_comm_agree(&l->comm, status));
  for (int32_t h = 0; h < l->n_halo; h++)
    if (b->halo_at[h] >= 0) {
      wanted[n++] = l->ids[l->n + h];
      send[l->shard.owner[l->ids[l->n + h]]]++;
    }
  dg_comm_exchange_counts(&l->comm, send, recv);
  for (int r = 0; r < l->comm.size; r++) total += recv[r];
  DG_TRY(dg_comm_agree(&l->comm, dg_alloc(&asked, total, sizeof *asked)));
  dg_comm_exchange(&l->comm, wanted, send, asked, recv, sizeof *asked);
  for (size_t t = 0; t < total; t++) {
    int32_t low = 0, high = l->n;
    while (high - low > 1) {
      int32_t middle = low + (high - low) / 2;
      if (l->ids[middle] <= asked[t])
        low = middle;
      else
        high = middle;
    }
    if (b->level[low] < k) b->level[low] = (uint8_t)k;
    b->border[low] = 1;
  }

cleanup:
  dg_free(&send);
  dg_free(&recv);
  dg_free(&wanted);
  dg_free(&asked);
  return status;
}

/* Marks, in halo_at, the halo rows that targets of layer k need, and raises owned sources to level k. */
static void mark_sources(builder *b, int k) {
  const dg_local *l = b->local;
  for (int32_t h = 0; h < l->n_halo; h++) b->halo_at[h] = -1;
  for (int32_t i = 0; b->config.edges && i < l->n; i++) {
    if (b->level[i] <= k) continue;
    for (int64_t t = l->shard.in.indptr[i]; t < l->shard.in.indptr[i + 1]; t++) {
      int32_t j = l->shard.in.indices[t];
      if (j >= l->n)
        b->halo_at[j - l->n] = 0;
      else if (b->level[j] < k)
        b->level[j] = (uint8_t)k;
    }
  }
}

static dg_status find_levels(builder *b) {
  dg_status status = DG_OK;
  mark_outputs(b);
  for (int k = b->config.n_layers; k >= 1; k--) {
    mark_sources(b, k);
    /* Halo inputs of the first layer that are here already ask nothing of their owners. */
    if (b->config.edges && (k > 1 || b->config.exchange_first)) DG_TRY(request_rows(b, k));
  }

cleanup:
  return status;
}

/* Numbers owned rows: by level downwards, rows that have nothing to do with other ranks first, neighbours near each
   other. */
static void number_rows(builder *b) {
  int32_t next = 0;
  for (int k = b->config.n_layers + 1; k >= 1; k--) {
    for (int border = 0; border < 2; border++)
      for (int32_t s = 0; s < b->local->n; s++) {
        const int32_t i = b->local->order[s];
        if (b->level[i] == k && b->border[i] == border) b->order[next] = i, b->number[i] = next++;
      }
    b->count[k] = next;
  }
}

static void destroy_chunks(dg_chunks *c) {
  dg_free(&c->begin);
  dg_free(&c->end);
}

/* Cuts rows [begin, end) into chunks of about `work` edges and rows. */
static void cut(dg_chunks *c, const int32_t *indptr, int32_t begin, int32_t end, int64_t work) {
  int32_t first = begin;
  for (int32_t i = begin; i < end; i++)
    if (indptr[i + 1] - indptr[first] + (i + 1 - first) >= work || i + 1 == end) {
      c->begin[c->n] = first, c->end[c->n] = i + 1;
      c->n++, first = i + 1;
    }
}

static dg_status alloc_chunks(dg_chunks *c, int capacity) {
  dg_status status = dg_alloc(&c->begin, (size_t)capacity, sizeof *c->begin);
  return status == DG_OK ? dg_alloc(&c->end, (size_t)capacity, sizeof *c->end) : status;
}

static int64_t chunk_work(int64_t edges, int64_t rows) {
  int64_t work = (edges + rows) / MAX_CHUNKS + 1;
  return work > MIN_CHUNK_WORK ? work : MIN_CHUNK_WORK;
}

/* Chunks of targets: those that have nothing to do with other ranks first; a chunk never crosses from one kind to the
   other. */
static dg_status chunk_targets(builder *b, dg_block *k) {
  const int64_t work = chunk_work(k->indptr[k->n_dst], k->n_dst);
  dg_status status = alloc_chunks(&k->dst, 2 * MAX_CHUNKS + 2 * (b->config.n_layers + 2));
  for (int border = 0; status == DG_OK && border < 2; border++) {
    for (int32_t i = 0; i < k->n_dst;) {
      int32_t end = i;
      while (end < k->n_dst && b->border[b->order[end]] == b->border[b->order[i]]) end++;
      if (b->border[b->order[i]] == border) cut(&k->dst, k->indptr, i, end, work);
      i = end;
    }
    if (border == 0) k->dst.n_first = k->dst.n;
  }
  return status;
}

static dg_status chunk_sources(dg_block *k) {
  const int64_t work = chunk_work(k->t_indptr[k->n_src], k->n_src);
  dg_status status = alloc_chunks(&k->src, 2 * MAX_CHUNKS + 4);
  if (status != DG_OK) return status;
  cut(&k->src, k->t_indptr, k->n_src_owned, k->n_src, work);
  k->src.n_first = k->src.n;
  cut(&k->src, k->t_indptr, 0, k->n_src_owned, work);
  return status;
}

/* Appends the in-edges of target row i, self-loop included, in the order of original ids; returns their number. */
static int32_t fill_row(const builder *b, const dg_block *k, int32_t *out, int32_t i) {
  const dg_local *l = b->local;
  const int32_t self = b->order[i];
  int32_t n = 0;
  bool placed = false;
  for (int64_t t = l->shard.in.indptr[self]; b->config.edges && t < l->shard.in.indptr[self + 1]; t++) {
    int32_t j = l->shard.in.indices[t];
    if (!placed && l->ids[j] > l->ids[self]) out[n++] = i, placed = true;
    out[n++] = j < l->n ? b->number[j] : k->n_src_owned + b->halo_at[j - l->n];
  }
  if (!placed) out[n++] = i;
  return n;
}

static dg_status fill_edges(builder *b, dg_block *k) {
  dg_status status = DG_OK;
  const dg_csr *in = &b->local->shard.in;
  int64_t edges = k->n_dst;
  for (int32_t i = 0; b->config.edges && i < k->n_dst; i++)
    edges += in->indptr[b->order[i] + 1] - in->indptr[b->order[i]];
  if (edges > INT32_MAX) return dg_fail(DG_MEMORY, "%lld edges on one rank; start more ranks", (long long)edges);
  DG_TRY(dg_alloc(&k->indptr, (size_t)k->n_dst + 1, sizeof *k->indptr));
  DG_TRY(dg_alloc(&k->indices, (size_t)edges, sizeof *k->indices));
  for (int32_t i = 0; i < k->n_dst; i++) k->indptr[i + 1] = k->indptr[i] + fill_row(b, k, k->indices + k->indptr[i], i);

cleanup:
  return status;
}

static dg_status transpose(dg_block *k) {
  dg_status status = DG_OK;
  const int32_t edges = k->indptr[k->n_dst];
  DG_TRY(dg_alloc(&k->t_indptr, (size_t)k->n_src + 2, sizeof *k->t_indptr));
  DG_TRY(dg_alloc(&k->t_indices, (size_t)edges, sizeof *k->t_indices));
  int32_t *next = k->t_indptr + 1; /* becomes the end of each row while it is filled */
  for (int32_t t = 0; t < edges; t++) k->t_indptr[k->indices[t] + 2]++;
  for (int32_t j = 0; j < k->n_src; j++) next[j + 1] += next[j];
  for (int32_t i = 0; i < k->n_dst; i++)
    for (int32_t t = k->indptr[i]; t < k->indptr[i + 1]; t++) k->t_indices[next[k->indices[t]]++] = i;

cleanup:
  return status;
}

static dg_status name_rows(builder *b, dg_block *k) {
  dg_status status = DG_OK;
  const dg_local *l = b->local;
  DG_TRY(dg_alloc(&k->id_store, (size_t)k->n_src, sizeof *k->id_store));
  DG_TRY(dg_alloc(&k->norm, (size_t)k->n_src, sizeof *k->norm));
  k->ids = k->id_store;
  for (int32_t i = 0; i < k->n_src_owned; i++) {
    k->id_store[i] = l->ids[b->order[i]];
    k->norm[i] = 1 / (dg_real)sqrt((double)l->degree[b->order[i]] + 1);
  }
  for (int32_t h = 0; h < l->n_halo; h++)
    if (b->halo_at[h] >= 0) {
      int32_t row = k->n_src_owned + b->halo_at[h];
      k->id_store[row] = l->ids[l->n + h];
      k->norm[row] = 1 / (dg_real)sqrt((double)l->degree[l->n + h] + 1);
    }

cleanup:
  return status;
}

/* The exchange of source rows; keys are original ids. */
static dg_status plan_exchange(builder *b, dg_block *k) {
  dg_status status = DG_OK;
  const dg_local *l = b->local;
  int32_t *key = NULL, *row = NULL, n = 0;
  int *owner = NULL;
  status = dg_alloc(&key, (size_t)k->n_src_owned, sizeof *key);
  if (status == DG_OK) status = dg_alloc(&row, (size_t)k->n_src_owned, sizeof *row);
  if (status == DG_OK) status = dg_alloc(&owner, (size_t)(k->n_src - k->n_src_owned), sizeof *owner);
  DG_TRY(dg_comm_agree(&l->comm, status));
  for (int32_t i = 0; i < l->n; i++)
    if (b->level[i] > 0 && b->number[i] < k->n_src_owned) key[n] = l->ids[i], row[n++] = b->number[i];
  for (int32_t h = k->n_src_owned; h < k->n_src; h++) owner[h - k->n_src_owned] = l->shard.owner[k->ids[h]];
  DG_TRY(dg_halo_plan_create(&k->plan, &l->comm, k->n_src_owned, key, row, k->n_src - k->n_src_owned, owner,
                             k->ids + k->n_src_owned));

cleanup:
  dg_free(&key);
  dg_free(&row);
  dg_free(&owner);
  return status;
}

static void destroy_block(dg_block *k) {
  if (k == NULL) return;
  dg_free(&k->indptr);
  dg_free(&k->indices);
  dg_free(&k->t_indptr);
  dg_free(&k->t_indices);
  dg_free(&k->norm);
  dg_free(&k->id_store);
  dg_halo_plan_destroy(&k->plan);
  destroy_chunks(&k->dst);
  destroy_chunks(&k->src);
  dg_free(&k);
}

/* Builds the block of layer k (1 ...). Collective. */
static dg_status build_block(builder *b, int layer) {
  dg_status status = DG_OK;
  dg_block *k = NULL;
  int32_t n_halo = 0;
  status = dg_alloc(&k, 1, sizeof *k);
  if (status == DG_OK) {
    b->field->block[layer - 1] = k;
    mark_sources(b, layer);
    for (int32_t h = 0; h < b->local->n_halo; h++)
      if (b->halo_at[h] >= 0) b->halo_at[h] = n_halo++;
    k->n_dst = b->count[layer + 1], k->n_src_owned = b->count[layer], k->n_src = k->n_src_owned + n_halo;
    status = fill_edges(b, k);
  }
  if (status == DG_OK) status = name_rows(b, k);
  if (status == DG_OK) status = chunk_targets(b, k);
  if (status == DG_OK && b->config.backward) status = transpose(k);
  if (status == DG_OK && b->config.backward) status = chunk_sources(k);
  DG_TRY(dg_comm_agree(&b->local->comm, status));
  if (layer > 1 || b->config.exchange_first) DG_TRY(plan_exchange(b, k));

cleanup:
  return status;
}

/* Whether a full-graph block serves this layer as it serves the one above. */
static bool same_block(const builder *b, int layer) {
  return b->config.splits == 0 && layer < b->config.n_layers;
}

static dg_status describe_outputs(builder *b) {
  dg_status status = DG_OK;
  dg_field *f = b->field;
  f->n_out = b->count[b->config.n_layers + 1];
  DG_TRY(dg_alloc(&f->out_local, (size_t)f->n_out, sizeof *f->out_local));
  DG_TRY(dg_alloc(&f->labels, (size_t)f->n_out, sizeof *f->labels));
  DG_TRY(dg_alloc(&f->mask, (size_t)f->n_out, sizeof *f->mask));
  for (int32_t i = 0; i < f->n_out; i++) {
    f->out_local[i] = b->order[i];
    f->labels[i] = b->local->shard.labels[b->order[i]];
    f->mask[i] = b->local->shard.mask[b->order[i]];
  }
  const dg_block *first = f->block[0];
  DG_TRY(dg_alloc(&f->input_local, (size_t)first->n_src, sizeof *f->input_local));
  for (int32_t i = 0; i < first->n_src_owned; i++) f->input_local[i] = b->order[i];
  for (int32_t h = 0; h < b->local->n_halo; h++)
    if (b->halo_at[h] >= 0) f->input_local[first->n_src_owned + b->halo_at[h]] = b->local->n + h;

cleanup:
  return status;
}

/* Columns of the sparse input rows, for the weight gradient. */
static dg_status transpose_input(builder *b) {
  dg_status status = DG_OK;
  dg_field *f = b->field;
  const dg_features *x = &b->local->shard.features;
  const int32_t n = f->exchange_first ? f->block[0]->n_src_owned : f->block[0]->n_src;
  int64_t *next = NULL;
  DG_TRY(dg_alloc(&f->t_indptr, (size_t)x->n_cols + 1, sizeof *f->t_indptr));
  DG_TRY(dg_alloc(&next, (size_t)x->n_cols, sizeof *next));
  for (int32_t i = 0; i < n; i++)
    for (int64_t t = x->indptr[f->input_local[i]]; t < x->indptr[f->input_local[i] + 1]; t++)
      f->t_indptr[x->indices[t] + 1]++;
  for (int32_t c = 0; c < x->n_cols; c++) {
    f->t_indptr[c + 1] += f->t_indptr[c];
    next[c] = f->t_indptr[c];
  }
  DG_TRY(dg_alloc(&f->t_rows, (size_t)f->t_indptr[x->n_cols], sizeof *f->t_rows));
  DG_TRY(dg_alloc(&f->t_values, (size_t)f->t_indptr[x->n_cols], sizeof *f->t_values));
  for (int32_t i = 0; i < n; i++)
    for (int64_t t = x->indptr[f->input_local[i]]; t < x->indptr[f->input_local[i] + 1]; t++) {
      int64_t at = next[x->indices[t]]++;
      f->t_rows[at] = i, f->t_values[at] = x->values[t];
    }

cleanup:
  dg_free(&next);
  return status;
}

static dg_status alloc_builder(builder *b) {
  dg_status status = DG_OK;
  const size_t n = (size_t)b->local->n;
  DG_TRY(dg_alloc(&b->level, n, sizeof *b->level));
  DG_TRY(dg_alloc(&b->border, n, sizeof *b->border));
  DG_TRY(dg_alloc(&b->number, n, sizeof *b->number));
  DG_TRY(dg_alloc(&b->order, n, sizeof *b->order));
  DG_TRY(dg_alloc(&b->halo_at, (size_t)b->local->n_halo, sizeof *b->halo_at));
  DG_TRY(dg_alloc(&b->count, (size_t)b->config.n_layers + 2, sizeof *b->count));
  DG_TRY(dg_alloc(&b->field, 1, sizeof *b->field));
  b->field->n_layers = b->config.n_layers;
  b->field->exchange_first = b->config.exchange_first;
  b->field->exchanges = b->config.edges && b->local->comm.size > 1;
  DG_TRY(dg_alloc(&b->field->block, (size_t)b->config.n_layers, sizeof(dg_block *)));

cleanup:
  return status;
}

dg_status dg_field_create(dg_field **field, const dg_local *local, const dg_field_config *config) {
  dg_status status = DG_OK;
  builder b = {.local = local, .config = *config};
  *field = NULL;
  DG_TRY(dg_comm_agree(&local->comm, alloc_builder(&b)));
  DG_TRY(find_levels(&b));
  number_rows(&b);
  for (int layer = config->n_layers; layer >= 1; layer--) {
    if (same_block(&b, layer))
      b.field->block[layer - 1] = b.field->block[layer];
    else
      DG_TRY(build_block(&b, layer));
  }
  status = describe_outputs(&b);
  if (status == DG_OK && config->backward && local->shard.features.sparse) status = transpose_input(&b);
  DG_TRY(dg_comm_agree(&local->comm, status));
  *field = b.field;
  b.field = NULL;

cleanup:
  dg_free(&b.level);
  dg_free(&b.border);
  dg_free(&b.number);
  dg_free(&b.order);
  dg_free(&b.halo_at);
  dg_free(&b.count);
  dg_field_destroy(&b.field);
  return status;
}

void dg_field_destroy(dg_field **field) {
  dg_field *f = *field;
  if (f == NULL) return;
  for (int k = 0; f->block && k < f->n_layers; k++)
    if (k + 1 == f->n_layers || f->block[k] != f->block[k + 1]) destroy_block(f->block[k]);
  dg_free(&f->block);
  dg_free(&f->out_local);
  dg_free(&f->labels);
  dg_free(&f->mask);
  dg_free(&f->input_local);
  dg_free(&f->t_indptr);
  dg_free(&f->t_rows);
  dg_free(&f->t_values);
  dg_free(field);
}
