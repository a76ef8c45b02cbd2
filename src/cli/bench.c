#include <stdio.h>

#include <distgat/log.h>
#include <distgat/train.h>

#include "cli/json.h"
#include "cli/verbs.h"

static const char usage[] = "usage: distgat bench G.h5 [options]\n"
                            "Times training steps, phase by phase, beside the bounds that this machine sets.\n"
                            "example: mpirun -np 2 distgat bench pubmed.h5 --model gatv2 --steps 200";

static json_t *phases_json(const double phase_ms[DG_PHASES]) {
  json_t *phases = json_object();
  for (int p = 0; p < DG_PHASES; p++) json_object_set_new(phases, dg_phase_name((dg_phase)p), json_number(phase_ms[p]));
  return phases;
}

static double most_over_mean(dg_spread s) {
  return s.mean > 0 ? s.max / s.mean : 1;
}

static json_t *spread_json(dg_spread s) {
  return json_pack("{s:f, s:f, s:f, s:f}", "least", s.min, "mean", s.mean, "most", s.max, "imbalance",
                   most_over_mean(s));
}

static json_t *work_json(const dg_work_spread *w) {
  return json_pack("{s:o, s:o, s:o, s:o, s:i}", "nonzeros", spread_json(w->nonzeros), "first_edges",
                   spread_json(w->first_edges), "edges", spread_json(w->edges), "graph_edges",
                   spread_json(w->graph_edges), "idle_ranks", w->idle_ranks);
}

static json_t *result_json(const dg_bench_result *r) {
  json_t *object =
      json_pack("{s:s, s:s, s:i, s:i, s:I, s:f, s:f, s:o, s:f, s:o, s:o}", "dataset", r->dataset, "model", r->model,
                "ranks", r->ranks, "threads", r->threads, "steps", (json_int_t)r->steps, "step_ms_median", r->median_ms,
                "step_ms_min", r->min_ms, "phases", phases_json(r->phase_ms), "imbalance", r->imbalance_ms,
                "phases_min", phases_json(r->phase_min_ms), "phases_max", phases_json(r->phase_max_ms));
  json_t *rest =
      json_pack("{s:f, s:f, s:f, s:f, s:b, s:f, s:I, s:I, s:I, s:I, s:I}", "bound_ms", r->bound_ms, "triad_gb_per_s",
                r->bytes_per_second / 1e9, "gflop_per_s", r->flops_per_second / 1e9, "product_gflop_per_s",
                r->product_flops_per_second / 1e9, "machine_busy", r->busy, "halo_exchange_ms", r->exchange_ms,
                "halo_bytes_per_epoch", (json_int_t)r->halo_bytes_per_epoch, "allreduce_bytes_per_epoch",
                (json_int_t)r->allreduce_bytes_per_epoch, "messages_per_epoch", (json_int_t)r->messages_per_epoch,
                "message_bytes", (json_int_t)r->message_bytes, "peak_rss_bytes", (json_int_t)r->peak_rss_bytes);
  json_object_update(object, rest);
  json_object_set_new(object, "work", work_json(&r->work));
  json_decref(rest);
  return object;
}

/* What is left of the exchange in a step, as a share of the exchange alone. */
static void print_exchange(const dg_bench_result *r) {
  const double share = 100 * r->phase_ms[DG_PHASE_HALO_WAIT] / r->exchange_ms;
  printf("exchange  %17.3f ms alone, %.1f %% of it left in the step%s, %.3f MB, %lld messages of at most %.0f KB\n",
         r->exchange_ms, share, share > 100 ? " (over 100: packing, and steps in which ranks are out of step)" : "",
         (double)r->halo_bytes_per_epoch / 1e6, (long long)r->messages_per_epoch, (double)r->message_bytes / 1024);
}

static void print_spread(const char *name, dg_spread s) {
  printf("  %-18s %12.0f %12.1f %12.0f %7.3f\n", name, s.min, s.mean, s.max, most_over_mean(s));
}

static void print_work(const dg_work_spread *w) {
  printf("work      a rank's least, mean and most, and most over mean; ranks without work %d\n", w->idle_ranks);
  print_spread("non-zeros", w->nonzeros);
  print_spread("edges, layer 1", w->first_edges);
  print_spread("edges, all layers", w->edges);
  print_spread("edges of the graph", w->graph_edges);
}

static void print_result(const dg_bench_result *r) {
  printf("%s on %s, %d rank%s of %d thread%s, %lld steps\n", r->model, r->dataset, r->ranks, r->ranks == 1 ? "" : "s",
         r->threads, r->threads == 1 ? "" : "s", (long long)r->steps);
  printf("step      median %10.3f ms, minimum %.3f ms\n", r->median_ms, r->min_ms);
  for (int p = 0; p < DG_PHASES; p++)
    if (r->phase_ms[p] > 0)
      printf("  %-16s %8.3f ms  %4.1f %%\n", dg_phase_name((dg_phase)p), r->phase_ms[p],
             100 * r->phase_ms[p] / r->median_ms);
  if (r->ranks > 1)
    printf("  %-16s %8.3f ms  %4.1f %%\n", "imbalance", r->imbalance_ms, 100 * r->imbalance_ms / r->median_ms);
  printf("bound     %17.3f ms  %4.1f %% of it reached (triad %.1f GB/s, %.1f GFLOP/s, of products %.1f)\n", r->bound_ms,
         100 * r->bound_ms / r->median_ms, r->bytes_per_second / 1e9, r->flops_per_second / 1e9,
         r->product_flops_per_second / 1e9);
  if (r->busy)
    printf("          the machine was busy with other work while its rates were measured: the bound is too high\n");
  if (r->bound_ms > r->median_ms) printf("          over 100: what edges gather was found in the caches\n");
  if (r->ranks > 1) print_work(&r->work);
  if (r->halo_bytes_per_epoch > 0) print_exchange(r);
  printf("memory    %17.1f MB at the peak of a rank\n", (double)r->peak_rss_bytes / 1e6);
}

dg_status dg_verb_bench(const dg_comm *comm, int argc, char **argv) {
  dg_status status = DG_OK;
  dg_config config = {0};
  dg_bench_result result = {0};
  const char *graph_path = NULL;
  int64_t steps = 200;
  bool help = false, json = false, quiet = false;
  dg_option extra[] = {dg_option_int("steps", &steps, 1, 1e6, "N", "training steps that are timed (200)"),
                       dg_option_flag("json", &json, "print the times as one JSON object"),
                       dg_option_flag("quiet", &quiet, "no progress on standard error"), dg_option_end()};
  const dg_config_verb verb = {usage, extra, false, 1};
  DG_TRY(dg_comm_agree(comm, dg_config_parse(&config, &graph_path, &help, &verb, argc, argv)));
  if (help) goto cleanup;
  dg_log_quiet(quiet);
  DG_TRY(dg_bench(&result, comm, &config, graph_path, steps));
  if (json)
    json_write_line(stdout, result_json(&result));
  else
    print_result(&result);
cleanup:
  dg_config_destroy(&config);
  return status;
}
