#include <string.h>

#include <distgat/memory.h>

#include "blocks.h"

int64_t dg_blocks_degree(const dg_blocks *b, dg_row i) {
  int64_t n = 0;
  if (!b->level.way) return b->level.indptr[i + 1] - b->level.indptr[i];
  for (int64_t t = b->level.indptr[i]; t < b->level.indptr[i + 1]; t++) n += (b->level.way[t] & DG_EDGE_IN) != 0;
  return n;
}

/* What the parts need of a node. */
typedef struct need {
  int64_t of;      /* node at hand, plus one */
  uint16_t layers; /* of the step, in which the part has it as a source */
} need;

typedef struct measuring {
  const dg_blocks *blocks;
  const int32_t *part; /* [n + n_halo] */
  dg_partition_part *each;
  dg_step_part *step; /* NULL: not asked for */
  need *needs;        /* [parts] */
  int32_t *needy;     /* [parts] those that need the node at hand */
  int64_t cut;        /* edges whose ends lie apart, from either end */
} measuring;

/* A part has the row as a source in so many layers of a step. */
static void note_need(measuring *m, int *n, dg_row row, int32_t part, int layers) {
  need *here = &m->needs[part];
  if (here->of != (int64_t)row + 1) {
    *here = (need){.of = (int64_t)row + 1};
    m->needy[(*n)++] = part;
  }
  if (here->layers < layers) here->layers = (uint16_t)layers;
}

static int layers_of_target(const measuring *m, dg_row i) {
  return m->step && dg_step_is_target(&m->blocks->step, i) ? m->blocks->step.level[i] - 1 : 0;
}

/* Parts that have row j as a source, its own where it is a target itself; gives their number. */
static int find_needs(measuring *m, dg_row j) {
  const dg_level *g = &m->blocks->level;
  int n = 0;
  if (layers_of_target(m, j) > 0) note_need(m, &n, j, m->part[j], layers_of_target(m, j));
  for (int64_t t = g->indptr[j]; t < g->indptr[j + 1]; t++) {
    const dg_row i = g->to[t];
    m->cut += m->part[i] != m->part[j];
    if (dg_level_way(g, t) & DG_EDGE_OUT)
      note_need(m, &n, j, m->part[i], m->blocks->step.edges ? layers_of_target(m, i) : 0);
  }
  return n;
}

/* What a row is as a source. */
static void measure_source(measuring *m, dg_row j) {
  bool asked = false;
  const int n = find_needs(m, j);
  for (int k = 0; k < n; k++) {
    const int32_t p = m->needy[k];
    const bool foreign = p != m->part[j];
    const int layers = m->needs[p].layers;
    m->each[p].halo += foreign;
    asked |= foreign;
    if (!m->step) continue;
    if (layers > 0) m->step[p].nonzeros += m->blocks->entries[j];
    if (foreign) m->step[p].halo_nodes += layers;
  }
  m->each[m->part[j]].boundary += asked;
}

/* What a row is as a target. */
static void measure_target(measuring *m, dg_row i) {
  const dg_step_work *work = &m->blocks->step;
  const int64_t edges = dg_blocks_degree(m->blocks, i) + 1;
  const int layers = layers_of_target(m, i);
  dg_partition_part *each = &m->each[m->part[i]];
  each->nodes++;
  each->edges += edges;
  if (layers == 0) return;
  dg_step_part *step = &m->step[m->part[i]];
  step->outputs += layers >= work->layers;
  step->targets++;
  step->first_edges += work->edges ? edges : 1;
  step->edges += (work->edges ? edges : 1) * layers;
}

/* Collective. */
static void sum_parts(measuring *m, int parts) {
  const dg_comm *comm = m->blocks->level.comm;
  _Static_assert(sizeof(dg_partition_part) % sizeof(int64_t) == 0 && sizeof(dg_step_part) % sizeof(int64_t) == 0,
                 "parts are summed as lists of integers");
  dg_comm_sum_int64(comm, (int64_t *)m->each, (size_t)parts * (sizeof *m->each / sizeof(int64_t)));
  if (m->step) dg_comm_sum_int64(comm, (int64_t *)m->step, (size_t)parts * (sizeof *m->step / sizeof(int64_t)));
  dg_comm_sum_int64(comm, &m->cut, 1);
}

dg_status dg_blocks_measure(dg_partition_quality *quality, dg_partition_part *each, dg_step_part *step,
                            const dg_blocks *blocks, const int32_t *part, int parts) {
  dg_status status = DG_OK;
  const dg_level *g = &blocks->level;
  measuring m = {.blocks = blocks, .each = each, .step = step};
  int32_t *rows = NULL;
  memset(each, 0, (size_t)parts * sizeof *each);
  if (step) memset(step, 0, (size_t)parts * sizeof *step);
  status = dg_alloc(&rows, (size_t)g->n + (size_t)g->n_halo, sizeof *rows);
  if (status == DG_OK) status = dg_alloc(&m.needs, (size_t)parts, sizeof *m.needs);
  if (status == DG_OK) status = dg_alloc(&m.needy, (size_t)parts, sizeof *m.needy);
  DG_TRY(dg_comm_agree(g->comm, status));
  for (dg_row i = 0; i < g->n; i++) rows[i] = part[i];
  DG_TRY(dg_level_pull(g, rows, sizeof *rows));
  m.part = rows;
  for (dg_row i = 0; i < g->n; i++) {
    measure_source(&m, i);
    measure_target(&m, i);
  }
  sum_parts(&m, parts);
  *quality = dg_partition_quality_of(each, parts);
  quality->edge_pairs = g->n_ends / 2, quality->edge_cut = m.cut / 2;
  if (step) quality->step = dg_step_quality_of(step, parts);
cleanup:
  dg_free(&rows);
  dg_free(&m.needs);
  dg_free(&m.needy);
  return status;
}
