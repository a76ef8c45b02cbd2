#include <distgat/train.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/log.h>
#include <distgat/memory.h>
#include <distgat/trainer.h>

#include "nn/conv.h"
#include "par/node.h"
#include "par/same.h"
#include "train/cost.h"
#include "train/work_spread.h"

enum { WARM_UP = 5, EXCHANGES = 50 };

/* A step, and how long the slowest rank took for it. */
typedef struct timed_step {
  double seconds;
  int64_t index;
} timed_step;

/* What was measured on this rank. */
typedef struct timing {
  int64_t steps;
  timed_step *step;           /* [steps], the same on all ranks, the shortest first once sorted */
  double (*phase)[DG_PHASES]; /* [steps] seconds of each phase here */
} timing;

static int compare_steps(const void *a, const void *b) {
  const double x = ((const timed_step *)a)->seconds, y = ((const timed_step *)b)->seconds;
  return (x > y) - (x < y);
}

static int compare_doubles(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static dg_status timing_create(timing *t, int64_t steps) {
  *t = (timing){.steps = steps};
  const dg_status status = dg_alloc(&t->step, (size_t)steps, sizeof *t->step);
  return status == DG_OK ? dg_alloc(&t->phase, (size_t)steps, sizeof *t->phase) : status;
}

static void timing_destroy(timing *t) {
  dg_free(&t->step);
  dg_free(&t->phase);
}

static void time_steps(timing *m, dg_trainer *t) {
  for (int64_t i = 1; i <= WARM_UP; i++) dg_trainer_step(t, t->config->seed, i);
  for (int64_t i = 0; i < m->steps; i++) {
    const double before = dg_time();
    t->timer = (dg_timer){0};
    dg_trainer_step(t, t->config->seed, WARM_UP + 1 + i);
    m->step[i] = (timed_step){dg_comm_max_double(t->comm, dg_time() - before), i};
    memcpy(m->phase[i], t->timer.seconds, sizeof m->phase[i]);
    dg_progress("timing", (long)i + 1, (long)m->steps, "");
  }
  qsort(m->step, (size_t)m->steps, sizeof *m->step, compare_steps);
}

/* Seconds of the phases of a step as long as the median: the mean over a fifth of the steps around it, scaled to it. A
   few disturbed steps then do not show, and phases still add up. */
static void median_phases(double phase[DG_PHASES], const timing *t) {
  const int64_t middle = t->steps / 2, reach = t->steps / 10, n = 2 * reach + 1;
  double whole = 0;
  for (int p = 0; p < DG_PHASES; p++) phase[p] = 0;
  for (int64_t i = middle - reach; i <= middle + reach && i < t->steps; i++) {
    whole += t->step[i].seconds / (double)n;
    for (int p = 0; p < DG_PHASES; p++) phase[p] += t->phase[t->step[i].index][p] / (double)n;
  }
  for (int p = 0; p < DG_PHASES; p++) phase[p] *= t->step[middle].seconds / whole;
}

static bool is_waiting(int phase) {
  return phase == DG_PHASE_HALO_WAIT || phase == DG_PHASE_ALL_REDUCE;
}

/* From each rank's phases to those of the job: means and largest over ranks, and the time that ranks wait for the one
   that works longest, which is taken out of the phases they wait in. All add up to the median step. */
static void summarize_phases(dg_bench_result *r, const dg_comm *comm, const double phase[DG_PHASES]) {
  double busy = 0, waiting = 0, left = r->median_ms;
  for (int p = 0; p < DG_PHASES; p++) {
    const dg_spread s = dg_spread_of(comm, 1e3 * phase[p]);
    r->phase_min_ms[p] = s.min, r->phase_ms[p] = s.mean, r->phase_max_ms[p] = s.max;
    left -= s.mean;
    if (is_waiting(p))
      waiting += s.mean;
    else
      busy += 1e3 * phase[p];
  }
  if (comm->size == 1) {
    r->phase_min_ms[DG_PHASE_OTHER] += left, r->phase_ms[DG_PHASE_OTHER] += left;
    r->phase_max_ms[DG_PHASE_OTHER] += left;
    return;
  }
  const dg_spread s = dg_spread_of(comm, busy);
  waiting += left; /* of ranks that end before the last */
  r->imbalance_ms = s.max - s.mean < waiting ? s.max - s.mean : waiting;
  const double kept = waiting > left ? (waiting - r->imbalance_ms) / (waiting - left) : 0;
  for (int p = 0; p < DG_PHASES; p++)
    if (is_waiting(p)) r->phase_ms[p] *= kept;
}

static void pull(dg_halo_channel *channel, int times) {
  for (int i = 0; i < times; i++) dg_halo_pull_begin(channel), dg_halo_pull_end(channel);
}

/* Median seconds of a step's exchanges alone, with nothing to hide behind: what is left of them in a step is halo_wait.
 */
static double time_exchanges(dg_trainer *t, double *seconds, int rounds) {
  const int layers = t->model.config.layers;
  for (int i = 0; i < rounds; i++) {
    dg_comm_max_double(t->comm, 0); /* all begin at once */
    const double before = dg_time();
    pull(t->train.work->label_channel, t->model.config.label_iterations);
    for (int k = 0; k < layers; k++) {
      dg_halo_channel *channel = t->train.work[k].channel;
      pull(channel, dg_model_passes(&t->model.config));
      dg_halo_push_begin(channel), dg_halo_push_end(channel);
    }
    seconds[i] = dg_comm_max_double(t->comm, dg_time() - before);
  }
  qsort(seconds, (size_t)rounds, sizeof *seconds, compare_doubles);
  return seconds[rounds / 2];
}

static void count_messages(dg_bench_result *r, const dg_trainer *t) {
  r->halo_bytes_per_epoch = dg_trainer_halo_bytes(t);
  r->allreduce_bytes_per_epoch = dg_sums_bytes(&t->sums);
  if (t->sums.node->n_nodes > 1) r->allreduce_bytes_per_epoch += dg_model_norm_bytes(&t->model);
  r->message_bytes = (int64_t)t->comm->message_bytes;
  for (int k = 0; k < t->model.config.layers; k++)
    r->messages_per_epoch += dg_halo_channel_messages(t->train.work[k].channel, dg_model_passes(&t->model.config));
  r->messages_per_epoch += dg_halo_channel_messages(t->train.work->label_channel, t->model.config.label_iterations);
  dg_comm_sum_int64(t->comm, &r->messages_per_epoch, 1);
  dg_comm_sum_int64(t->comm, &r->allreduce_bytes_per_epoch, 1);
}

dg_status dg_bench(dg_bench_result *result, const dg_comm *comm, const dg_config *config, const char *graph_path,
                   int64_t steps) {
  dg_status status = DG_OK;
  dg_trainer trainer = {0};
  dg_machine machine = {0};
  timing measured = {0};
  double phase[DG_PHASES], seconds[EXCHANGES];
  dg_counts counts = {0};
  DG_TRY(dg_same_options(comm, "all ranks must be given the same", "--steps %lld\n", (long long)steps));
  DG_TRY(dg_trainer_open(&trainer, comm, config, graph_path));
  DG_TRY(dg_comm_agree(comm, timing_create(&measured, steps)));
  dg_params_reset(&trainer.model.params, config->seed);
  time_steps(&measured, &trainer);
  *result = (dg_bench_result){.model = dg_model_kind_name(config->model.kind),
                              .ranks = comm->size,
                              .threads = trainer.threads,
                              .steps = steps,
                              .median_ms = 1e3 * measured.step[steps / 2].seconds,
                              .min_ms = 1e3 * measured.step[0].seconds};
  snprintf(result->dataset, sizeof result->dataset, "%s", trainer.local.shard.info.name);
  result->peak_rss_bytes = dg_comm_max_int64(comm, dg_memory_peak());
  median_phases(phase, &measured);
  summarize_phases(result, comm, phase);
  count_messages(result, &trainer);
  result->exchange_ms = 1e3 * time_exchanges(&trainer, seconds, steps < EXCHANGES ? (int)steps : EXCHANGES);
  DG_TRY(dg_work_spread_find(&result->work, &trainer));
  DG_TRY(dg_machine_measure(&machine, comm));
  DG_TRY(dg_comm_agree(comm, dg_counts_create(&counts, &trainer.local, trainer.train_field)));
  const bool sparse = trainer.local.shard.features.sparse;
  result->bound_ms = 1e3 * dg_comm_max_double(comm, dg_cost_step_bound(&trainer.model, &counts, sparse, &machine));
  result->busy = dg_comm_max_int64(comm, machine.busy) > 0;
  result->bytes_per_second = machine.bytes_per_second, result->flops_per_second = machine.flops_per_second;
  result->product_flops_per_second = machine.product_flops_per_second;

cleanup:
  timing_destroy(&measured);
  dg_counts_destroy(&counts);
  dg_trainer_destroy(&trainer);
  return status;
}
