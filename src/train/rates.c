#include "train/rates.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>
#include <distgat/trainer.h>

#include "par/threads.h"
#include "train/cost.h"

enum { WARM_UP = 3, MIN_STEPS = 3, MAX_STEPS = 100 };
enum { KEY_COLUMN = 64, KEY_LABEL };

static const double SECONDS = 1;       /* that steps are timed for, unless MIN_STEPS take longer */
static const double WARM_SECONDS = .2; /* steps as long as this are warm after one */

/* ---- a part as a graph of its own ---- */

/* Nodes of a part, then their foreign in-neighbours. */
typedef struct piece {
  const dg_outline *graph;
  int32_t *node; /* [n] */
  int32_t *here; /* [n_nodes] place of a node in the piece, -1 */
  int64_t n, n_owned, n_edges;
} piece;

static dg_status find_nodes(piece *p, const int32_t *part, int which) {
  dg_status status = DG_OK;
  const dg_csr *in = &p->graph->in;
  DG_TRY(dg_alloc(&p->here, (size_t)in->n_rows, sizeof *p->here));
  for (int64_t i = 0; i < in->n_rows; i++) p->here[i] = -1;
  for (int64_t i = 0; i < in->n_rows; i++)
    if (part[i] == which) p->here[i] = 0, p->n_owned++;
  p->n = p->n_owned;
  for (int64_t i = 0; i < in->n_rows; i++)
    for (int64_t t = in->indptr[i]; part[i] == which && t < in->indptr[i + 1]; t++, p->n_edges++)
      if (p->here[in->indices[t]] < 0) p->here[in->indices[t]] = 0, p->n++;
  DG_TRY(dg_alloc(&p->node, (size_t)p->n, sizeof *p->node));
  int32_t next = 0;
  for (int64_t i = 0; i < in->n_rows; i++)
    if (p->here[i] == 0) p->node[next] = (int32_t)i, p->here[i] = next++;

cleanup:
  return status;
}

static dg_status copy_edges(dg_csr *out, const piece *p, const int32_t *part, int which) {
  dg_status status = DG_OK;
  const dg_csr *in = &p->graph->in;
  int64_t n = 0;
  out->n_rows = p->n;
  DG_TRY(dg_alloc(&out->indptr, (size_t)p->n + 1, sizeof *out->indptr));
  DG_TRY(dg_alloc(&out->indices, (size_t)p->n_edges, sizeof *out->indices));
  for (int64_t i = 0; i < p->n; i++) {
    const int32_t node = p->node[i];
    for (int64_t t = in->indptr[node]; part[node] == which && t < in->indptr[node + 1]; t++)
      out->indices[n++] = p->here[in->indices[t]];
    out->indptr[i + 1] = n;
  }

cleanup:
  return status;
}

/* Columns of a row: one of each of `n` equal stretches of all columns, and so ascending. */
static void draw_columns(int32_t *column, int64_t n, int64_t node, int32_t n_columns) {
  const uint64_t key = dg_rng_key(KEY_COLUMN, (uint64_t)node);
  for (int64_t t = 0; t < n; t++)
    column[t] = (int32_t)(((double)t + dg_rng_uniform(key, (uint64_t)t)) * n_columns / (double)n);
}

static dg_status draw_sparse(dg_features *x, const piece *p) {
  dg_status status = DG_OK;
  int64_t n = 0;
  for (int64_t i = 0; i < p->n; i++) n += p->graph->entries[p->node[i]];
  DG_TRY(dg_alloc(&x->indptr, (size_t)p->n + 1, sizeof *x->indptr));
  DG_TRY(dg_alloc(&x->indices, (size_t)n, sizeof *x->indices));
  DG_TRY(dg_alloc(&x->values, (size_t)n, sizeof *x->values));
  for (int64_t i = 0; i < p->n; i++) {
    const int64_t first = x->indptr[i], count = p->graph->entries[p->node[i]];
    draw_columns(x->indices + first, count, p->node[i], x->n_cols);
    for (int64_t t = 0; t < count; t++) x->values[first + t] = 1;
    x->indptr[i + 1] = first + count;
  }

cleanup:
  return status;
}

static dg_status draw_dense(dg_features *x, const piece *p) {
  const size_t n = (size_t)p->n * (size_t)x->n_cols;
  const dg_status status = dg_alloc(&x->dense, n, sizeof *x->dense);
  for (size_t t = 0; status == DG_OK && t < n; t++) x->dense[t] = (float)dg_rng_uniform(KEY_COLUMN, t) - 0.5f;
  return status;
}

/* Shard of a single rank. */
static dg_status make_shard(dg_shard *s, const piece *p, const dg_graph_info *info, const int32_t *part, int which) {
  dg_status status = DG_OK;
  const size_t n = (size_t)p->n;
  *s = (dg_shard){.info = *info, .n = (dg_row)p->n};
  s->info.n_nodes = p->n, s->info.n_edges = p->n_edges;
  s->features = (dg_features){.sparse = info->sparse, .n_rows = p->n, .n_cols = info->n_features};
  DG_TRY(copy_edges(&s->in, p, part, which));
  DG_TRY(info->sparse ? draw_sparse(&s->features, p) : draw_dense(&s->features, p));
  DG_TRY(dg_alloc(&s->ids, n, sizeof *s->ids));
  DG_TRY(dg_alloc(&s->labels, n, sizeof *s->labels));
  DG_TRY(dg_alloc(&s->mask, n, sizeof *s->mask));
  for (int64_t i = 0; i < p->n; i++) {
    s->ids[i] = (dg_id)i;
    s->labels[i] = (int32_t)(dg_rng_uniform(KEY_LABEL, (uint64_t)i) * info->n_classes);
    if (part[p->node[i]] == which) s->mask[i] = p->graph->mask[p->node[i]] & DG_TRAIN;
    s->n_train += s->mask[i] != 0;
  }

cleanup:
  return status;
}

static dg_status make_local(dg_local *local, const dg_comm *alone, const dg_graph_info *info, const dg_graph_part *of) {
  dg_status status = DG_OK;
  piece p = {.graph = of->graph};
  dg_shard shard = {0};
  *local = (dg_local){0};
  DG_TRY(find_nodes(&p, of->part, of->which));
  DG_TRY(make_shard(&shard, &p, info, of->part, of->which));
  DG_TRY(dg_local_create(local, alone, &shard));

cleanup:
  dg_free(&p.node);
  dg_free(&p.here);
  dg_shard_destroy(&shard);
  return status;
}

/* ---- ranks of the same node ---- */

/* A rank at work on the same piece, for as long as the one that is timed: it takes its part of caches and bandwidth. */
typedef struct neighbour {
  dg_local local;
  dg_trainer trainer;
  int threads;
  const atomic_bool *over;
  pthread_t thread;
} neighbour;

static void *work(void *context) {
  neighbour *self = context;
  omp_set_num_threads(self->threads);
  for (int64_t epoch = 1; !atomic_load(self->over); epoch++) dg_trainer_step(&self->trainer, 0, epoch);
  return NULL;
}

static dg_status start_all(neighbour *others, int n, int *started) {
  int error = 0;
  for (*started = 0; *started < n && error == 0; *started += error == 0)
    error = pthread_create(&others[*started].thread, NULL, work, &others[*started]);
  return error == 0 ? DG_OK : dg_fail(DG_MEMORY, "cannot start a thread: %s", strerror(error));
}

/* ---- rates ---- */

static int compare_times(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Median seconds of each phase. */
static void time_phases(double seconds[DG_PHASES], dg_trainer *t) {
  double taken[DG_PHASES][MAX_STEPS];
  int n = 0;
  double start = dg_time();
  for (int i = 0; i == 0 || (i < WARM_UP && dg_time() - start < WARM_SECONDS); i++) dg_trainer_step(t, 0, i + 1);
  start = dg_time();
  for (; n < MAX_STEPS && (n < MIN_STEPS || dg_time() - start < SECONDS); n++) {
    t->timer = (dg_timer){0};
    dg_trainer_step(t, 0, WARM_UP + n + 1);
    for (int phase = 0; phase < DG_PHASES; phase++) taken[phase][n] = t->timer.seconds[phase];
  }
  for (int phase = 0; phase < DG_PHASES; phase++) {
    qsort(taken[phase], (size_t)n, sizeof **taken, compare_times);
    seconds[phase] = taken[phase][n / 2];
  }
}

/* A trainer on one part, its weights drawn. */
static dg_status make_trainer(dg_trainer *trainer, dg_local *local, const dg_comm *alone, const dg_config *config,
                              const dg_graph_info *info, const dg_graph_part *of) {
  dg_status status = DG_OK;
  DG_TRY(make_local(local, alone, info, of));
  DG_TRY(dg_trainer_create(trainer, local, config));
  dg_params_reset(&trainer->model.params, 0);

cleanup:
  return status;
}

/* Median seconds of the phases of `trainer`, while n others work. */
static dg_status time_among(double seconds[DG_PHASES], dg_trainer *trainer, neighbour *others, int n,
                            atomic_bool *over) {
  int started;
  const dg_status status = start_all(others, n, &started);
  if (status == DG_OK) time_phases(seconds, trainer);
  atomic_store(over, true);
  for (int i = 0; i < started; i++) pthread_join(others[i].thread, NULL);
  return status;
}

dg_status dg_rates_measure(dg_rates *rates, const dg_comm *alone, const dg_config *config, const dg_graph_info *info,
                           const dg_graph_part *part, int neighbours) {
  dg_status status = DG_OK;
  atomic_bool over = false;
  dg_local local = {0};
  dg_trainer trainer = {0};
  dg_counts counts = {0};
  neighbour *others = NULL;
  double units[DG_PHASES];
  int threads;
  *rates = (dg_rates){0};
  DG_TRY(dg_threads_set(&threads, alone, config->threads));
  DG_TRY(make_trainer(&trainer, &local, alone, config, info, part));
  DG_TRY(dg_alloc(&others, (size_t)neighbours, sizeof *others));
  for (int i = 0; i < neighbours; i++) {
    others[i].threads = threads, others[i].over = &over;
    DG_TRY(make_trainer(&others[i].trainer, &others[i].local, alone, config, info, part));
  }
  DG_TRY(time_among(rates->unit, &trainer, others, neighbours, &over));
  DG_TRY(dg_counts_create(&counts, &trainer.local, trainer.train_field));
  dg_cost_units(units, &trainer.model, &counts);
  for (int phase = 0; phase < DG_PHASES; phase++) rates->unit[phase] /= units[phase] > 0 ? units[phase] : 1;

cleanup:
  for (int i = 0; others && i < neighbours; i++) {
    dg_trainer_destroy(&others[i].trainer);
    dg_local_destroy(&others[i].local);
  }
  dg_free(&others);
  dg_counts_destroy(&counts);
  dg_trainer_destroy(&trainer);
  dg_local_destroy(&local);
  return status;
}

double dg_rates_seconds(const dg_rates *rates, const dg_model *model, const dg_counts *counts, int shares) {
  double units[DG_PHASES], sum = 0;
  dg_cost_units(units, model, counts);
  units[DG_PHASE_ADAM] /= shares;
  for (int phase = 0; phase < DG_PHASES; phase++) sum += units[phase] * rates->unit[phase];
  return sum;
}
