#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include <distgat/files.h>
#include <distgat/log.h>
#include <distgat/memory.h>
#include <distgat/options.h>
#include <distgat/partition.h>
#include <distgat/timer.h>

#include "cli/partition_step.h"
#include "par/same.h"
#include "verbs.h"

#define USAGE                                                                                                          \
  "usage: distgat partition G.h5 --parts K --out P.h5 [options]\n"                                                     \
  "Divides a graph into K parts and reports how good they are."

/* More parts than this are not listed one by one. */
#define MAX_LISTED_PARTS 32

static const char *const objectives[] = {"auto", "cut", "vol", NULL};
static const char *const balances[] = {"step", "edges", "nodes", "both", NULL};
static const char *const methods[] = {"metis", "multilevel", "random", "block", "file", NULL};

/* Options of which it matters whether they were given, by their place. */
enum { OBJECTIVE = 1, BALANCE = 2, LAYERS = 4, METHOD = 5 };

typedef struct request {
  int64_t parts, seed, layers;
  int objective, balance, method;
  char *from, *out, *split;
  bool wants_step, wants_metis; /* by an option */
  bool json, quiet;
} request;

typedef struct outcome {
  dg_graph_info info;
  uint64_t fingerprint;
  char split[DG_SPLIT_NAME];
  dg_partition_quality quality;
  dg_partition_part *each; /* [parts] */
  dg_step_part *step;      /* [parts], NULL where there is no step */
  bool has_step;
  dg_partition_method method;
  dg_partition_balance balance;
  double seconds;
} outcome;

static void destroy_request(request *req) {
  free(req->from);
  free(req->out);
  free(req->split);
}

static dg_status parse(request *req, const char **graph_path, bool *help, int argc, char **argv) {
  dg_status status = DG_OK;
  dg_option options[] = {
      dg_option_int("parts", &req->parts, 1, INT32_MAX, "K", "number of parts"),
      dg_option_choice("objective", &req->objective, objectives,
                       "what is made small: cut edges, halo rows (vol), or what leaves fewer rows (default auto)"),
      dg_option_choice("balance", &req->balance, balances, "what every part gets as much of (default step)"),
      dg_option_text("split", &req->split, "NAME", "whose training step is divided (public, or the only split)"),
      dg_option_int("layers", &req->layers, 1, 1000, "L", "layers of that step (default 2)"),
      dg_option_choice("method", &req->method, methods,
                       "how to divide (default metis); under mpirun all ranks share the work and memory of the others"),
      dg_option_text("from", &req->from, "FILE", "partition that --method file reads: P.h5 or gpmetis text"),
      dg_option_int("seed", &req->seed, 0, 0x1p63, "S", "seed of metis, multilevel and random (default 0)"),
      dg_option_text("out", &req->out, "P.h5", "file to write"),
      dg_option_flag("json", &req->json, "print one JSON object"),
      dg_option_flag("quiet", &req->quiet, "no notes on standard error"),
      dg_option_end()};
  DG_TRY(dg_options_parse(options, argc, argv, USAGE, graph_path, 1, help));
  if (*help) return DG_OK;
  req->wants_step = req->split || options[LAYERS].given || (options[BALANCE].given && req->balance == DG_BALANCE_STEP);
  req->wants_metis = req->method == DG_PART_METIS && (options[METHOD].given || options[OBJECTIVE].given);
  if (!req->parts) return dg_fail(DG_USAGE, "--parts K is missing, the number of parts");
  if (!req->out) return dg_fail(DG_USAGE, "--out P.h5 is missing, the file to write");
  if (req->method == DG_PART_FILE && !req->from)
    return dg_fail(DG_USAGE, "--from FILE is missing, the partition that --method file reads");
  if (req->method != DG_PART_METIS && options[OBJECTIVE].given)
    return dg_fail(DG_USAGE, "--objective is for --method metis, not %s", methods[req->method]);
  if (req->method != DG_PART_FILE && req->from) return dg_fail(DG_USAGE, "--from is read with --method file only");
cleanup:
  return status;
}

/* Whether all ranks are asked for the same. Collective. */
static dg_status compare(const dg_comm *comm, const request *req) {
  return dg_same_options(comm, "all ranks must be given the same",
                         "--out %s\n--parts %lld\n--method %s\n--objective %s\n--balance %s\n--split %s\n"
                         "--layers %lld\n--from %s\n--seed %lld\n",
                         req->out, (long long)req->parts, methods[req->method], objectives[req->objective],
                         balances[req->balance], req->split ? req->split : "none", (long long)req->layers,
                         req->from ? req->from : "none", (long long)req->seed);
}

/* Refuses an output that could not be written or would destroy an input, before the work. */
static dg_status check_output(const request *req, const char *graph_path) {
  const dg_named_file files[] = {
      {"--out", req->out, true}, {"the graph", graph_path, false}, {"--from", req->from, false}};
  const dg_status status = dg_h5_check_writable(req->out);
  return status == DG_OK ? dg_files_check_distinct(files, sizeof files / sizeof files[0]) : status;
}

static dg_partition_config choose(const outcome *result, const request *req) {
  return (dg_partition_config){.parts = (int)req->parts,
                               .method = result->method,
                               .objective = (dg_partition_objective)req->objective,
                               .balance = result->balance,
                               .from = req->from,
                               .seed = (uint64_t)req->seed,
                               .fingerprint = result->fingerprint};
}

static dg_step_config choose_step(const request *req) {
  dg_step_config config = dg_step_defaults();
  config.layers = (int)req->layers;
  return config;
}

static dg_status make_room(outcome *result, const request *req) {
  dg_status status = DG_OK;
  const size_t parts = (size_t)req->parts;
  DG_TRY(dg_alloc(&result->each, parts, sizeof *result->each));
  if (result->has_step) DG_TRY(dg_alloc(&result->step, parts, sizeof *result->step));
cleanup:
  return status;
}

static void name_step(outcome *result, const request *req) {
  if (!result->has_step) return;
  result->quality.step.split = result->split;
  result->quality.step.layers = (int)req->layers;
}

/* ---- one process ---- */

static dg_status measure(outcome *result, const int32_t *part, const dg_csr *edges, const dg_step_work *step,
                         const request *req) {
  dg_status status = DG_OK;
  const int parts = (int)req->parts;
  DG_TRY(dg_partition_measure(&result->quality, edges, part, parts));
  DG_TRY(make_room(result, req));
  DG_TRY(dg_partition_measure_parts(result->each, edges, part, parts));
  if (!step) return DG_OK;
  DG_TRY(dg_partition_measure_step(result->step, edges, step, part, parts));
  result->quality.step = dg_step_quality_of(result->step, parts);
  name_step(result, req);
cleanup:
  return status;
}

static dg_status divide(outcome *result, int32_t *part, const dg_csr *edges, const dg_step_work *step,
                        const request *req) {
  dg_status status = DG_OK;
  dg_partition_config config = choose(result, req);
  config.step = step;
  const double start = dg_time();
  DG_TRY(dg_partition_compute(part, edges, &config));
  result->seconds = dg_time() - start;
  DG_TRY(measure(result, part, edges, step, req));
cleanup:
  return status;
}

static dg_status divide_graph(outcome *result, dg_h5 *graph, const request *req) {
  dg_status status = DG_OK;
  dg_outline outline = {0};
  dg_step_work step = {0};
  const dg_step_config config = choose_step(req);
  int32_t *part = NULL;
  if (result->has_step) {
    DG_TRY(dg_outline_read(&outline, graph, &result->info, result->split));
    DG_TRY(dg_step_work_create(&step, &outline, result->info.n_classes, &config));
  } else {
    DG_TRY(dg_graph_read_edges(graph, &result->info, &outline.in));
  }
  DG_TRY(dg_alloc(&part, (size_t)outline.in.n_rows, sizeof *part));
  DG_TRY(divide(result, part, &outline.in, result->has_step ? &step : NULL, req));
  DG_TRY(dg_partition_save(req->out, part, outline.in.n_rows, &result->quality, methods[result->method],
                           result->fingerprint));
cleanup:
  dg_free(&part);
  dg_step_work_destroy(&step);
  dg_outline_destroy(&outline);
  return status;
}

/* ---- all ranks ---- */

static dg_status divide_blocks(outcome *result, const dg_comm *comm, const char *graph_path, const request *req) {
  dg_status status = DG_OK;
  dg_blocks *blocks = NULL;
  const dg_step_config step = choose_step(req);
  dg_partition_config config = choose(result, req);
  int32_t *part = NULL;
  DG_TRY(dg_graph_fingerprint_together(&result->fingerprint, comm, graph_path));
  config.fingerprint = result->fingerprint;
  DG_TRY(dg_blocks_load(&blocks, comm, graph_path, result->has_step ? result->split : dg_no_split,
                        result->has_step ? &step : NULL));
  status = make_room(result, req);
  if (status == DG_OK) status = dg_alloc(&part, (size_t)dg_blocks_nodes(blocks)->n, sizeof *part);
  DG_TRY(dg_comm_agree(comm, status));
  const double start = dg_time();
  DG_TRY(dg_blocks_divide(part, blocks, &config));
  result->seconds = dg_time() - start;
  DG_TRY(dg_blocks_measure(&result->quality, result->each, result->step, blocks, part, config.parts));
  name_step(result, req);
  DG_TRY(dg_blocks_save(req->out, blocks, part, &result->quality, methods[result->method], result->fingerprint));
cleanup:
  dg_free(&part);
  dg_blocks_destroy(&blocks);
  return status;
}

/* A graph without splits has no training step; its edges are balanced where nothing else was asked for. */
static dg_status choose_balance(outcome *result, dg_h5 *graph, const request *req) {
  result->has_step = req->wants_step || dg_h5_exists(graph, "splits");
  result->balance = (dg_partition_balance)req->balance;
  if (result->has_step && !dg_h5_exists(graph, "splits"))
    return dg_fail(DG_INPUT, "%s: has no splits, and so no training step to divide; --balance edges needs none",
                   dg_h5_path(graph));
  if (result->has_step) return dg_graph_choose_split(graph, req->split, result->split);
  if (result->balance == DG_BALANCE_STEP) result->balance = DG_BALANCE_EDGES;
  return DG_OK;
}

/* Looks through the file, before the work. */
static dg_status examine(dg_h5 **graph, outcome *result, const char *graph_path, const request *req) {
  dg_status status = DG_OK;
  DG_TRY(dg_graph_open(graph, &result->info, graph_path));
  if (req->parts > result->info.n_nodes)
    DG_TRY(dg_fail(DG_USAGE, "--parts %lld is more than the %lld nodes of %s; a part needs a node",
                   (long long)req->parts, (long long)result->info.n_nodes, graph_path));
  DG_TRY(check_output(req, graph_path));
  DG_TRY(dg_graph_check_splits(*graph, &result->info));
  DG_TRY(choose_balance(result, *graph, req));
cleanup:
  return status;
}

/* Chooses the method, and whether all ranks divide in blocks or rank 0 divides the graph as a whole. */
static bool choose_method(outcome *result, const request *req, int ranks) {
  const dg_graph_info *info = &result->info;
  const int parts = (int)req->parts;
  result->method = (dg_partition_method)req->method;
  if (result->method == DG_PART_METIS && !req->wants_metis &&
      dg_partition_needs_all(info->n_nodes, info->n_edges, parts))
    result->method = DG_PART_MULTILEVEL;
  if (result->method == DG_PART_METIS) return false;
  if (result->method != DG_PART_MULTILEVEL) return ranks > 1;
  if (!dg_blocks_are_few(info->n_nodes, parts)) return true;
  dg_log("%lld nodes are few: METIS divides them as they are", (long long)info->n_nodes);
  return false;
}

/* What rank 0 does alone: all, or where no rank is to hold the graph the beginning. */
static dg_status work_alone(bool *in_blocks, outcome *result, const char *graph_path, const request *req, int ranks) {
  dg_status status = DG_OK;
  dg_h5 *graph = NULL;
  dg_memory_alone(true);
  DG_TRY(examine(&graph, result, graph_path, req));
  *in_blocks = choose_method(result, req, ranks);
  if (*in_blocks) goto cleanup;
  DG_TRY(dg_graph_fingerprint(&result->fingerprint, graph, &result->info));
  DG_TRY(divide_graph(result, graph, req));
cleanup:
  dg_memory_alone(false);
  dg_h5_close(&graph);
  return status;
}

static dg_status work(outcome *result, const dg_comm *comm, const char *graph_path, const request *req) {
  dg_status status = DG_OK;
  bool in_blocks = false;
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? work_alone(&in_blocks, result, graph_path, req, comm->size) : DG_OK));
  dg_comm_bcast(comm, &in_blocks, sizeof in_blocks, 0);
  if (!in_blocks) goto cleanup;
  dg_comm_bcast(comm, result, sizeof *result, 0);
  DG_TRY(divide_blocks(result, comm, graph_path, req));
cleanup:
  return status;
}

static double percent(int64_t share, int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * (double)share / (double)whole;
}

static void print_text(const outcome *result, const request *req) {
  const dg_partition_quality *q = &result->quality;
  printf("%s: %lld nodes and %lld directed edges in %d part%s", result->info.name, (long long)result->info.n_nodes,
         (long long)result->info.n_edges, q->parts, q->parts == 1 ? "" : "s");
  printf(" (method %s", methods[result->method]);
  if (result->method == DG_PART_METIS) printf(", objective %s", objectives[req->objective]);
  printf(", balance %s, %.2f s)\n", balances[result->balance], result->seconds);
  printf("  edge cut        %lld of %lld pairs (%.1f %%)\n", (long long)q->edge_cut, (long long)q->edge_pairs,
         percent(q->edge_cut, q->edge_pairs));
  printf("  halo nodes      %lld (%.1f %% of nodes), at most %lld a part\n", (long long)q->halo_nodes,
         percent(q->halo_nodes, result->info.n_nodes), (long long)q->halo_max);
  printf("  nodes a part    %lld to %lld\n", (long long)q->nodes_min, (long long)q->nodes_max);
  printf("  node imbalance  %.3f (largest part over mean)\n", q->node_imbalance);
  printf("  edge imbalance  %.3f\n", q->edge_imbalance);
  if (q->empty_parts) printf("  empty parts     %d\n", q->empty_parts);
  if (result->step) partition_step_print(result->step, q->parts, &q->step);
  if (q->parts > MAX_LISTED_PARTS) return;
  printf("\n  part      nodes      edges       halo   boundary\n");
  for (int p = 0; p < q->parts; p++)
    printf("  %4d %10lld %10lld %10lld %10lld\n", p, (long long)result->each[p].nodes, (long long)result->each[p].edges,
           (long long)result->each[p].halo, (long long)result->each[p].boundary);
}

static json_t *json_parts(const outcome *result) {
  json_t *list = json_array();
  for (int p = 0; p < result->quality.parts && p < MAX_LISTED_PARTS; p++) {
    const dg_partition_part *one = &result->each[p];
    json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I}", "nodes", (json_int_t)one->nodes, "edges",
                                          (json_int_t)one->edges, "halo", (json_int_t)one->halo, "boundary",
                                          (json_int_t)one->boundary));
  }
  return list;
}

static dg_status print_json(const outcome *result, const request *req) {
  const dg_partition_quality *q = &result->quality;
  json_t *object = json_pack(
      "{s:s, s:i, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:i, s:f}", "dataset", result->info.name,
      "parts", q->parts, "method", methods[result->method], "objective", objectives[req->objective], "balance",
      balances[result->balance], "edge_pairs", (json_int_t)q->edge_pairs, "edge_cut", (json_int_t)q->edge_cut,
      "halo_nodes", (json_int_t)q->halo_nodes, "node_imbalance", q->node_imbalance, "edge_imbalance", q->edge_imbalance,
      "nodes_min", (json_int_t)q->nodes_min, "nodes_max", (json_int_t)q->nodes_max, "halo_max", (json_int_t)q->halo_max,
      "empty_parts", q->empty_parts, "seconds", result->seconds);
  if (!object) return dg_fail(DG_MEMORY, "out of memory for the results");
  json_object_set_new(object, "fingerprint", json_sprintf("%016" PRIx64, result->fingerprint));
  if (result->step) json_object_set_new(object, "step", partition_step_json(result->step, q->parts, &q->step));
  if (q->parts <= MAX_LISTED_PARTS) json_object_set_new(object, "each_part", json_parts(result));
  json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
  putchar('\n');
  json_decref(object);
  return DG_OK;
}

dg_status dg_verb_partition(const dg_comm *comm, int argc, char **argv) {
  dg_status status = DG_OK;
  request req = {.layers = 2};
  outcome result = {0};
  const char *graph_path = NULL;
  bool help = false;
  DG_TRY(dg_comm_agree(comm, parse(&req, &graph_path, &help, argc, argv)));
  if (help) goto cleanup;
  dg_log_quiet(req.quiet);
  DG_TRY(compare(comm, &req));
  DG_TRY(work(&result, comm, graph_path, &req));
  if (comm->rank == 0 && req.json)
    status = print_json(&result, &req);
  else if (comm->rank == 0)
    print_text(&result, &req);
  DG_TRY(dg_comm_agree(comm, status));
cleanup:
  dg_free(&result.each);
  dg_free(&result.step);
  destroy_request(&req);
  return status;
}
