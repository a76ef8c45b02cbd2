#include "train/rates.h"

#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>
#include <distgat/trainer.h>

#include "par/threads.h"
#include "train/cost.h"

enum { WARM_UP = 3, MIN_STEPS = 3, MAX_STEPS = 100, QUICK_TURNS = 200 };
enum { KEY_COLUMN = 64, KEY_LABEL, KEY_EDGE };

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

static dg_status draw_attributes(dg_shard *s, const piece *p) {
  const size_t n = (size_t)p->n_edges * (size_t)s->edge_dim;
  const dg_status status = dg_alloc(&s->edge_attributes, n, sizeof *s->edge_attributes);
  for (size_t t = 0; status == DG_OK && t < n; t++) s->edge_attributes[t] = (float)dg_rng_uniform(KEY_EDGE, t);
  return status;
}

/* Shard of a single rank, but for attributes of edges. */
static dg_status make_shard(dg_shard *s, const piece *p, const dg_graph_info *info, const int32_t *part, int which) {
  dg_status status = DG_OK;
  const size_t n = (size_t)p->n;
  *s = (dg_shard){.info = *info, .n = (dg_row)p->n};
  s->info.n_nodes = p->n, s->info.n_edges = p->n_edges;
  s->features = (dg_features){.sparse = info->sparse, .n_rows = p->n, .n_cols = info->n_features};
  DG_TRY(copy_edges(&s->in, p, part, which));
  DG_TRY(info->sparse ? draw_sparse(&s->features, p) : draw_dense(&s->features, p));
  DG_TRY(dg_alloc(&s->ids, n, sizeof *s->ids));
  if (info->multilabel)
    DG_TRY(dg_alloc(&s->classes, n * (size_t)info->n_classes, sizeof *s->classes)); /* as good as any */
  else
    DG_TRY(dg_alloc(&s->labels, n, sizeof *s->labels));
  DG_TRY(dg_alloc(&s->mask, n, sizeof *s->mask));
  for (int64_t i = 0; i < p->n; i++) {
    s->ids[i] = (dg_id)i;
    if (s->labels) s->labels[i] = (int32_t)(dg_rng_uniform(KEY_LABEL, (uint64_t)i) * info->n_classes);
    if (part[p->node[i]] == which) s->mask[i] = p->graph->mask[p->node[i]] & DG_TRAIN;
    s->n_train += s->mask[i] != 0;
  }

cleanup:
  return status;
}

static dg_status make_local(dg_local *local, const dg_comm *alone, const dg_graph_info *info, int edge_dim,
                            const dg_graph_part *of) {
  dg_status status = DG_OK;
  piece p = {.graph = of->graph};
  dg_shard shard = {0};
  *local = (dg_local){0};
  DG_TRY(find_nodes(&p, of->part, of->which));
  DG_TRY(make_shard(&shard, &p, info, of->part, of->which));
  shard.edge_dim = edge_dim;
  if (edge_dim > 0) DG_TRY(draw_attributes(&shard, &p));
  DG_TRY(dg_local_create(local, alone, &shard));

cleanup:
  dg_free(&p.node);
  dg_free(&p.here);
  dg_shard_destroy(&shard);
  return status;
}

/* ---- ranks of the same node ---- */

/* Ranks of a node as threads of this program: each steps on the same piece and takes its part of caches and bandwidth.
   Where ranks would wait for each other, or read each other's gradients, so do these. */
typedef struct mate {
  struct company *company;
  dg_local local;
  dg_trainer trainer;
  dg_real *sum; /* [share] */
  int rank;
  pthread_t thread;
} mate;

enum { WAITING, WORKING, OVER }; /* states of a company */

typedef struct company {
  mate *mate; /* [n] the first is timed, by the thread that measures */
  int n, threads, exchanges;
  atomic_int state, here, meetings;
} company;

static void meet(company *c) {
  const int meeting = atomic_load(&c->meetings);
  if (c->n > 1 && atomic_fetch_add(&c->here, 1) + 1 == c->n) {
    atomic_store(&c->here, 0);
    atomic_fetch_add(&c->meetings, 1);
  }
  for (int turn = 0; c->n > 1 && atomic_load(&c->meetings) == meeting; turn++)
    if (turn > QUICK_TURNS) sched_yield();
}

/* Reads this rank's share of all ranks' gradients. */
static void add_share(const mate *m) {
  const company *c = m->company;
  const int64_t count = m->trainer.sums.count, first = count * m->rank / c->n, n = count * (m->rank + 1) / c->n - first;
  memcpy(m->sum, c->mate[0].trainer.sums.grad + first, (size_t)n * sizeof *m->sum);
  for (int r = 1; r < c->n; r++) {
    const dg_real *restrict in = c->mate[r].trainer.sums.grad + first;
    for (int64_t i = 0; i < n; i++) m->sum[i] += in[i];
  }
}

/* Rows there and gradients back, the sum of gradients, new parameters: ranks wait for each other. */
static void step_together(mate *m, int64_t epoch) {
  dg_trainer_step(&m->trainer, 0, epoch);
  for (int i = 0; i < m->company->exchanges + 1; i++) meet(m->company);
  if (m->company->n > 1) add_share(m);
  meet(m->company);
}

static void *work(void *context) {
  mate *self = context;
  omp_set_num_threads(self->company->threads);
  while (atomic_load(&self->company->state) == WAITING) sched_yield();
  for (int64_t epoch = 1; atomic_load(&self->company->state) != OVER; epoch++) {
    step_together(self, epoch);
    meet(self->company);
  }
  return NULL;
}

static void destroy_company(company *c) {
  for (int r = 0; c->mate && r < c->n; r++) {
    dg_free(&c->mate[r].sum);
    dg_trainer_destroy(&c->mate[r].trainer);
    dg_local_destroy(&c->mate[r].local);
  }
  dg_free(&c->mate);
}

/* Trainers on one part, their weights drawn. */
static dg_status make_company(company *c, const dg_comm *alone, const dg_config *config, const dg_graph_info *info,
                              const dg_graph_part *part) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&c->mate, (size_t)c->n, sizeof *c->mate));
  for (int r = 0; r < c->n; r++) {
    mate *m = &c->mate[r];
    m->company = c, m->rank = r;
    DG_TRY(make_local(&m->local, alone, info, dg_graph_edge_dim(info, config->model.edge_attributes), part));
    DG_TRY(dg_trainer_create(&m->trainer, &m->local, config));
    dg_params_reset(&m->trainer.model.params, 0);
    DG_TRY(dg_alloc(&m->sum, (size_t)(m->trainer.sums.count / c->n + 1), sizeof *m->sum));
  }

cleanup:
  return status;
}

/* ---- rates ---- */

/* Seconds of steps: each phase, and all, with what ranks of a node do together. */
typedef struct step_times {
  double of[DG_PHASES + 1][MAX_STEPS];
  int n;
} step_times;

static int compare_times(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double find_median(step_times *t, int which) {
  qsort(t->of[which], (size_t)t->n, sizeof **t->of, compare_times);
  return t->of[which][t->n / 2];
}

static void time_step(step_times *taken, mate *m, int64_t epoch) {
  dg_timer *timer = &m->trainer.timer;
  const double start = dg_time();
  *timer = (dg_timer){0};
  step_together(m, epoch);
  taken->of[DG_PHASES][taken->n] = dg_time() - start;
  for (int phase = 0; phase < DG_PHASES; phase++) taken->of[phase][taken->n] = timer->seconds[phase];
  taken->n++;
}

/* The first of all ranks decides how many steps there are. */
static void time_steps(step_times *taken, company *c) {
  mate *m = &c->mate[0];
  double start = dg_time();
  int64_t epoch = 1;
  taken->n = 0;
  atomic_store(&c->state, WORKING);
  for (; epoch == 1 || (epoch <= WARM_UP && dg_time() - start < WARM_SECONDS); epoch++) {
    step_together(m, epoch);
    meet(c);
  }
  start = dg_time();
  for (bool over = false; !over; epoch++) {
    time_step(taken, m, epoch);
    over = taken->n == MAX_STEPS || (taken->n >= MIN_STEPS && dg_time() - start >= SECONDS);
    if (over) atomic_store(&c->state, OVER);
    meet(c);
  }
}

static dg_status start_mates(company *c, int *started) {
  int error = 0;
  for (*started = 1; *started < c->n && error == 0; *started += error == 0)
    error = pthread_create(&c->mate[*started].thread, NULL, work, &c->mate[*started]);
  return error == 0 ? DG_OK : dg_fail(DG_MEMORY, "cannot start a thread: %s", strerror(error));
}

static dg_status time_company(step_times *taken, company *c) {
  int started;
  const dg_status status = start_mates(c, &started);
  if (status == DG_OK) time_steps(taken, c);
  atomic_store(&c->state, OVER);
  for (int r = 1; r < started; r++) pthread_join(c->mate[r].thread, NULL);
  return status;
}

/* Rates of the phases by their median seconds, the sum of which is returned. */
static dg_status find_rates(dg_rates *rates, double *computing, step_times *taken, company *c) {
  dg_counts counts = {0};
  dg_trainer *t = &c->mate[0].trainer;
  double units[DG_PHASES];
  const dg_status status = dg_counts_create(&counts, &t->local, t->train_field);
  *computing = 0;
  if (status == DG_OK) dg_cost_units(units, &t->model, &counts);
  for (int phase = 0; status == DG_OK && phase < DG_PHASES; phase++) {
    const double seconds = find_median(taken, phase);
    *computing += seconds;
    rates->unit[phase] = seconds / (units[phase] > 0 ? units[phase] : 1);
  }
  dg_counts_destroy(&counts);
  return status;
}

dg_status dg_rates_measure(dg_rates *rates, const dg_comm *alone, const dg_config *config, const dg_graph_info *info,
                           const dg_graph_part *part, const dg_rates_node *node) {
  dg_status status = DG_OK;
  const double crowd = (double)node->ranks / node->abreast;
  company c = {0};
  step_times taken;
  double computing;
  int threads;
  *rates = (dg_rates){0};
  DG_TRY(dg_threads_set(&threads, alone, config->threads));
  c = (company){.n = node->abreast, .threads = threads, .exchanges = node->exchanges};
  DG_TRY(make_company(&c, alone, config, info, part));
  DG_TRY(time_company(&taken, &c));
  DG_TRY(find_rates(rates, &computing, &taken, &c));
  if (node->ranks > node->abreast) {
    destroy_company(&c);
    c = (company){.n = node->ranks, .threads = threads, .exchanges = node->exchanges};
    DG_TRY(make_company(&c, alone, config, info, part));
    DG_TRY(time_company(&taken, &c));
  }
  rates->together = fmax(0, find_median(&taken, DG_PHASES) - crowd * computing);

cleanup:
  destroy_company(&c);
  return status;
}

double dg_rates_seconds(const dg_rates *rates, const dg_model *model, const dg_counts *counts, int shares) {
  double units[DG_PHASES], sum = 0;
  dg_cost_units(units, model, counts);
  units[DG_PHASE_ADAM] /= shares;
  for (int phase = 0; phase < DG_PHASES; phase++) sum += units[phase] * rates->unit[phase];
  return sum;
}
