#include <distgat/counts.h>

#include <distgat/memory.h>

/* A count under way. */
typedef struct census {
  const dg_outline *graph;
  const int32_t *part; /* [n_nodes] */
  dg_field_config config;
  dg_counts *counts; /* [parts] */
  int parts;
  uint16_t *level; /* [n_nodes] as in dg_builder: one more than the last layer that needs a node as a source */
  int64_t *start;  /* [parts + 1] of each part's nodes */
  int32_t *member; /* [n_nodes] nodes by part */
  int32_t *seen;   /* [n_nodes] the last part that was found to need a node */
  int32_t *asked;  /* [parts] the last part that was found to need rows of this one */
} census;

static dg_status alloc_census(census *c) {
  dg_status status = DG_OK;
  const size_t n = (size_t)c->graph->in.n_rows, parts = (size_t)c->parts;
  DG_TRY(dg_alloc(&c->level, n, sizeof *c->level));
  DG_TRY(dg_alloc(&c->start, parts + 1, sizeof *c->start));
  DG_TRY(dg_alloc(&c->member, n, sizeof *c->member));
  DG_TRY(dg_alloc(&c->seen, n, sizeof *c->seen));
  DG_TRY(dg_alloc(&c->asked, parts, sizeof *c->asked));
  for (int p = 0; p < c->parts; p++) {
    c->counts[p] = (dg_counts){.n_layers = c->config.n_layers};
    DG_TRY(dg_alloc(&c->counts[p].layer, (size_t)c->config.n_layers, sizeof *c->counts[p].layer));
  }

cleanup:
  return status;
}

static void free_census(census *c) {
  dg_free(&c->level);
  dg_free(&c->start);
  dg_free(&c->member);
  dg_free(&c->seen);
  dg_free(&c->asked);
}

static void list_members(census *c) {
  const int64_t n = c->graph->in.n_rows;
  for (int64_t i = 0; i < n; i++) c->start[c->part[i] + 1]++;
  for (int p = 0; p < c->parts; p++) c->start[p + 1] += c->start[p];
  for (int64_t i = 0; i < n; i++) c->member[c->start[c->part[i]]++] = (int32_t)i;
  for (int p = c->parts; p > 0; p--) c->start[p] = c->start[p - 1];
  c->start[0] = 0;
}

/* Whether layer k's halo rows are asked of their owners, who then need them too. */
static bool exchanges(const census *c, int k) {
  return k > 1 || c->config.exchange_first;
}

/* The first layer's sources in the part of their targets; those of other parts are there already. */
static void find_own_sources(census *c) {
  const dg_csr *in = &c->graph->in;
  for (int64_t i = 0; i < in->n_rows; i++)
    for (int64_t t = in->indptr[i]; c->level[i] > 1 && t < in->indptr[i + 1]; t++) {
      const int32_t j = in->indices[t];
      if (c->level[j] == 0 && c->part[j] == c->part[i]) c->level[j] = 1;
    }
}

static dg_status find_levels(census *c) {
  const int n_layers = c->config.n_layers, splits = c->config.splits;
  for (int64_t i = 0; i < c->graph->in.n_rows; i++) {
    if (c->config.full) c->level[i] = (uint16_t)n_layers;
    if (!splits || (c->graph->mask[i] & splits)) c->level[i] = (uint16_t)(n_layers + 1);
  }
  if (!c->config.edges || c->config.full) return DG_OK;
  const dg_status status = dg_levels_find(c->level, &c->graph->in, n_layers, exchanges(c, 1) ? 1 : 2);
  if (status == DG_OK && !exchanges(c, 1)) find_own_sources(c);
  return status;
}

/* The node j of another part, which part p needs as a source of layer k (1 ...). */
static void count_halo_row(census *c, int p, int k, int32_t j) {
  dg_layer_counts *here = &c->counts[p].layer[k - 1], *owner = &c->counts[c->part[j]].layer[k - 1];
  const int first_of_owner = c->asked[c->part[j]] != p + 1;
  c->seen[j] = p + 1, c->asked[c->part[j]] = p + 1;
  here->n_src++;
  if (exchanges(c, k) || c->config.exchange_input)
    here->n_recv_ranks += first_of_owner, owner->n_send_ranks += first_of_owner, owner->n_sent++;
  if (!exchanges(c, k)) here->n_projected++, here->entries += c->graph->entries[j];
}

static void count_target(census *c, int p, int k, int32_t i) {
  const dg_csr *in = &c->graph->in;
  dg_layer_counts *here = &c->counts[p].layer[k - 1];
  here->n_dst++, here->n_edges++;
  if (k == 1) here->entries_dst += c->graph->entries[i];
  if (!c->config.edges) return;
  here->n_edges += in->indptr[i + 1] - in->indptr[i];
  for (int64_t t = in->indptr[i]; t < in->indptr[i + 1]; t++) {
    const int32_t j = in->indices[t];
    if (c->part[j] != p && c->seen[j] != p + 1) count_halo_row(c, p, k, j);
  }
}

static void count_layer(census *c, int k) {
  for (int64_t i = 0; i < c->graph->in.n_rows; i++) c->seen[i] = 0;
  for (int p = 0; p < c->parts; p++) c->asked[p] = 0;
  for (int p = 0; p < c->parts; p++) {
    dg_layer_counts *here = &c->counts[p].layer[k - 1];
    for (int64_t m = c->start[p]; m < c->start[p + 1]; m++) {
      const int32_t i = c->member[m];
      if (c->level[i] > k) count_target(c, p, k, i);
      if (c->level[i] < k) continue;
      here->n_src_owned++, here->n_src++, here->n_projected++;
      if (k == 1) here->entries += c->graph->entries[i];
    }
  }
}

dg_status dg_counts_of_parts(dg_counts *counts, const dg_outline *graph, const int32_t *part, int parts,
                             const dg_field_config *config) {
  dg_status status = DG_OK;
  census c = {.graph = graph, .part = part, .config = *config, .counts = counts, .parts = parts};
  for (int p = 0; p < parts; p++) counts[p] = (dg_counts){0};
  DG_TRY(alloc_census(&c));
  list_members(&c);
  DG_TRY(find_levels(&c));
  for (int k = 1; k <= config->n_layers; k++) count_layer(&c, k);
  for (int64_t i = 0; i < graph->in.n_rows; i++) counts[part[i]].n_out += c.level[i] > config->n_layers;

cleanup:
  free_census(&c);
  for (int p = 0; status != DG_OK && p < parts; p++) dg_counts_destroy(&counts[p]);
  return status;
}
