#include <distgat/train.h>

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include <distgat/log.h>
#include <distgat/memory.h>

#include "nn/layer.h"
#include "train/roofline.h"
#include "train/trainer.h"

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
      if (channel) dg_halo_pull_begin(channel), dg_halo_pull_end(channel);
      if (channel) dg_halo_push_begin(channel), dg_halo_push_end(channel);
    }
    seconds[i] = dg_comm_max_double(t->comm, dg_time() - before);
  }
  qsort(seconds, (size_t)rounds, sizeof *seconds, compare_doubles);
  return seconds[rounds / 2];
}

/* What `bench` prints. */
typedef struct bench_result {
  double median_ms, min_ms, bound_ms;
  double phase_ms[DG_PHASES]; /* medians, mean over ranks */
  double exchange_ms;         /* of the halo exchanges alone */
  int64_t halo_bytes, peak;
  dg_machine machine;
} bench_result;

static void print_json(const bench_result *r, const dg_trainer *t, int64_t steps) {
  json_t *phases = json_object();
  for (int p = 0; p < DG_PHASES; p++)
    json_object_set_new(phases, dg_phase_name((dg_phase)p), json_real(r->phase_ms[p]));
  json_t *line =
      json_pack("{s:s, s:s, s:f, s:f, s:o, s:f, s:f, s:f, s:f, s:I, s:I, s:i, s:i, s:I}", "dataset",
                t->local.shard.info.name, "model", dg_model_kind_name(t->config->model.kind), "step_ms_median",
                r->median_ms, "step_ms_min", r->min_ms, "phases", phases, "bound_ms", r->bound_ms, "triad_gb_per_s",
                r->machine.bytes_per_second / 1e9, "gflop_per_s", r->machine.flops_per_second / 1e9, "halo_exchange_ms",
                r->exchange_ms, "halo_bytes_per_epoch", (json_int_t)r->halo_bytes, "peak_rss_bytes",
                (json_int_t)r->peak, "ranks", t->comm->size, "threads", t->threads, "steps", (json_int_t)steps);
  json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(8));
  fputc('\n', stdout);
  json_decref(line);
}

static void print_text(const bench_result *r, const dg_trainer *t, int64_t steps) {
  printf("%s on %s, %d rank%s of %d thread%s, %lld steps\n", dg_model_kind_name(t->config->model.kind),
         t->local.shard.info.name, t->comm->size, t->comm->size == 1 ? "" : "s", t->threads, t->threads == 1 ? "" : "s",
         (long long)steps);
  printf("step      median %10.3f ms, minimum %.3f ms\n", r->median_ms, r->min_ms);
  for (int p = 0; p < DG_PHASES; p++)
    if (r->phase_ms[p] > 0)
      printf("  %-16s %8.3f ms  %4.1f %%\n", dg_phase_name((dg_phase)p), r->phase_ms[p],
             100 * r->phase_ms[p] / r->median_ms);
  printf("bound     %17.3f ms  %4.1f %% of it reached (triad %.1f GB/s, %.1f GFLOP/s)\n", r->bound_ms,
         100 * r->bound_ms / r->median_ms, r->machine.bytes_per_second / 1e9, r->machine.flops_per_second / 1e9);
  if (r->halo_bytes > 0)
    printf("exchange  %17.3f ms alone, %.1f %% of it left in the step, %.3f MB\n", r->exchange_ms,
           100 * r->phase_ms[DG_PHASE_HALO_WAIT] / r->exchange_ms, (double)r->halo_bytes / 1e6);
  printf("memory    %17.1f MB at the peak of a rank\n", (double)r->peak / 1e6);
}

dg_status dg_bench(const dg_comm *comm, const dg_config *config, const char *graph_path, int64_t steps, bool json) {
  dg_status status = DG_OK;
  dg_trainer trainer = {0};
  double *seconds = NULL;
  bench_result r = {0};
  DG_TRY(dg_trainer_create(&trainer, comm, config, graph_path));
  DG_TRY(dg_comm_agree(comm, dg_alloc(&seconds, (size_t)steps * (1 + DG_PHASES), sizeof *seconds)));
  dg_params_reset(&trainer.model.params, config->seed);
  time_steps(&trainer, seconds, steps);
  r.peak = dg_comm_max_int64(comm, dg_memory_peak());
  r.median_ms = 1e3 * seconds[steps / 2], r.min_ms = 1e3 * seconds[0];
  for (int p = 0; p < DG_PHASES; p++)
    r.phase_ms[p] = 1e3 * dg_spread_of(comm, seconds[(1 + p) * steps + steps / 2]).mean;
  r.halo_bytes = dg_trainer_halo_bytes(&trainer);
  r.exchange_ms = 1e3 * time_exchanges(&trainer, seconds, steps < EXCHANGES ? (int)steps : EXCHANGES);
  DG_TRY(dg_machine_measure(&r.machine, comm));
  r.bound_ms = 1e3 * dg_comm_max_double(comm, dg_step_bound(&trainer, &r.machine));
  if (comm->rank == 0) (json ? print_json : print_text)(&r, &trainer, steps);

cleanup:
  dg_free(&seconds);
  dg_trainer_destroy(&trainer);
  return status;
}
