#include <distgat/train.h>

#include <stdio.h>
#include <stdlib.h>

#include <distgat/log.h>
#include <distgat/memory.h>

#include "nn/conv.h"
#include "train/roofline.h"
#include <distgat/trainer.h>

enum { WARM_UP = 5, EXCHANGES = 50 };

static int compare_doubles(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Times steps: seconds [1 + DG_PHASES, steps], a row of whole steps (of the slowest rank) and one of each phase (of
   this rank), each sorted. A few disturbed steps then do not show in the medians. */
static void time_steps(dg_trainer *t, double *seconds, int64_t steps) {
  for (int64_t i = 1; i <= WARM_UP; i++) dg_trainer_step(t, t->config->seed, i);
  for (int64_t i = 0; i < steps; i++) {
    const double before = dg_time();
    t->timer = (dg_timer){0};
    dg_trainer_step(t, t->config->seed, WARM_UP + 1 + i);
    seconds[i] = dg_comm_max_double(t->comm, dg_time() - before);
    for (int p = 0; p < DG_PHASES; p++) seconds[(1 + p) * steps + i] = t->timer.seconds[p];
    dg_progress("timing", (long)i + 1, (long)steps, "");
  }
  for (int row = 0; row <= DG_PHASES; row++)
    qsort(seconds + row * steps, (size_t)steps, sizeof *seconds, compare_doubles);
}

/* Median seconds of a step's exchanges alone, with nothing to hide behind: what is left of them in a step is halo_wait.
 */
static double time_exchanges(dg_trainer *t, double *seconds, int rounds) {
  const int layers = t->model.config.layers;
  for (int i = 0; i < rounds; i++) {
    dg_comm_max_double(t->comm, 0); /* all begin at once */
    const double before = dg_time();
    for (int k = 0; k < layers; k++) {
      dg_halo_channel *channel = t->train.work[k].channel;
      dg_halo_pull_begin(channel), dg_halo_pull_end(channel);
      dg_halo_push_begin(channel), dg_halo_push_end(channel);
    }
    seconds[i] = dg_comm_max_double(t->comm, dg_time() - before);
  }
  qsort(seconds, (size_t)rounds, sizeof *seconds, compare_doubles);
  return seconds[rounds / 2];
}

dg_status dg_bench(dg_bench_result *result, const dg_comm *comm, const dg_config *config, const char *graph_path,
                   int64_t steps) {
  dg_status status = DG_OK;
  dg_trainer trainer = {0};
  dg_machine machine = {0};
  double *seconds = NULL;
  dg_counts counts = {0};
  DG_TRY(dg_trainer_open(&trainer, comm, config, graph_path));
  DG_TRY(dg_comm_agree(comm, dg_alloc(&seconds, (size_t)steps * (1 + DG_PHASES), sizeof *seconds)));
  dg_params_reset(&trainer.model.params, config->seed);
  time_steps(&trainer, seconds, steps);
  *result = (dg_bench_result){.model = dg_model_kind_name(config->model.kind),
                              .ranks = comm->size,
                              .threads = trainer.threads,
                              .steps = steps,
                              .median_ms = 1e3 * seconds[steps / 2],
                              .min_ms = 1e3 * seconds[0]};
  snprintf(result->dataset, sizeof result->dataset, "%s", trainer.local.shard.info.name);
  result->peak_rss_bytes = dg_comm_max_int64(comm, dg_memory_peak());
  for (int p = 0; p < DG_PHASES; p++)
    result->phase_ms[p] = 1e3 * dg_spread_of(comm, seconds[(1 + p) * steps + steps / 2]).mean;
  result->halo_bytes_per_epoch = dg_trainer_halo_bytes(&trainer);
  result->exchange_ms = 1e3 * time_exchanges(&trainer, seconds, steps < EXCHANGES ? (int)steps : EXCHANGES);
  DG_TRY(dg_machine_measure(&machine, comm));
  DG_TRY(dg_comm_agree(comm, dg_counts_create(&counts, &trainer.local, trainer.train_field)));
  const bool sparse = trainer.local.shard.features.sparse;
  result->bound_ms = 1e3 * dg_comm_max_double(comm, dg_step_bound(&trainer.model, &counts, sparse, &machine));
  result->bytes_per_second = machine.bytes_per_second, result->flops_per_second = machine.flops_per_second;

cleanup:
  dg_free(&seconds);
  dg_counts_destroy(&counts);
  dg_trainer_destroy(&trainer);
  return status;
}
