#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/log.h>
#include <distgat/memory.h>
#include <distgat/partition.h>
#include <distgat/plan.h>

#include "base/shell_word.h"
#include "cli/json.h"
#include "cli/plan_graph.h"
#include "cli/verbs.h"
#include "par/threads.h"

static const char usage[] =
    "usage: distgat plan G.h5 --parts 1,2,4,... [options]\n"
    "       distgat plan --nodes N --edges E --features F --classes C --parts 1,2,4,... [options]\n"
    "Predicts what training would cost on so many ranks, without starting them: time of a step, messages, memory.\n"
    "example: distgat plan pubmed.h5 --parts 1,2,4,8 --ranks-per-node 2 --latency-us 50 --bandwidth-gbit 10";

enum { MAX_POINTS = 64, MAX_PARTS = 1 << 20 };

/* Of the graph that stands for a larger one; with fewer its parts would be uneven where those are not. */
enum { NODES_OF_A_PART = 10 };

/* Inside a node messages go through shared memory; of a rate it is the order of magnitude that counts. */
static const double NODE_LATENCY = 1e-6, NODE_BANDWIDTH = 4e9;

/* Seen in a rank's resident memory beyond what a program that plans has by then: libraries at work, and where there are
   other ranks what MPI takes for them. */
static const int64_t LIBRARY_BYTES = 6800000, PEER_BYTES = 3700000;

typedef struct request {
  dg_config config;
  dg_plan_sizes sizes;
  char *parts_text;
  int parts[MAX_POINTS], n;
  int64_t ranks_per_node, cores_per_node;
  double latency_us, bandwidth_gbit;
  bool json, quiet;
} request;

/* ---- options ---- */

static dg_status parse_parts(request *r) {
  const char *text = r->parts_text;
  if (!text) return dg_fail(DG_USAGE, "--parts is missing, numbers of ranks such as 1,2,4");
  for (char *end; r->n < MAX_POINTS; text = end + 1) {
    const long parts = strtol(text, &end, 10);
    const bool ascends = r->n == 0 || parts > r->parts[r->n - 1];
    if (end == text || parts < 1 || parts > MAX_PARTS || !ascends || (*end != ',' && *end != '\0'))
      return dg_fail(DG_USAGE, "--parts %s: wanted are ascending numbers from 1 to %d with commas between them",
                     r->parts_text, MAX_PARTS);
    r->parts[r->n++] = (int)parts;
    if (*end == '\0') return DG_OK;
  }
  return dg_fail(DG_USAGE, "--parts has more than %d numbers", MAX_POINTS);
}

static bool is_typed(const char *name, int argc, char **argv) {
  const size_t length = strlen(name);
  for (int i = 1; i < argc; i++)
    if (strncmp(argv[i], name, length) == 0 && (argv[i][length] == '\0' || argv[i][length] == '=')) return true;
  return false;
}

static dg_status check_sizes(const request *r, bool numbers) {
  const dg_plan_sizes *s = &r->sizes;
  const bool all = s->nodes > 0 && s->edges >= 0 && s->features > 0 && s->classes > 0;
  const bool any = s->edges >= 0 || s->features > 0 || s->classes > 0 || s->train_share > 0;
  if (numbers && !all) return dg_fail(DG_USAGE, "--nodes needs --edges, --features and --classes as well");
  if (!numbers && any)
    return dg_fail(DG_USAGE, "--edges, --features, --classes and --train-share need --nodes; the file says them else");
  return DG_OK;
}

static dg_status parse(request *r, const char **graph_path, bool *help, int argc, char **argv) {
  dg_status status = DG_OK;
  dg_plan_sizes *s = &r->sizes;
  const bool numbers = is_typed("--nodes", argc, argv);
  dg_option extra[] = {
      dg_option_text("parts", &r->parts_text, "LIST", "numbers of ranks, such as 1,2,4"),
      dg_option_int("nodes", &s->nodes, 1, 1e12, "N", "a graph that is no file: its nodes"),
      dg_option_int("edges", &s->edges, 0, 1e15, "E", "its directed edges"),
      dg_option_int("features", &s->features, 1, INT32_MAX, "F", "its features, dense"),
      dg_option_int("classes", &s->classes, 1, DG_MAX_CLASSES, "C", "its classes"),
      dg_option_real("train-share", &s->train_share, 0, 1, "X", "share of its nodes that are trained on (0.1)"),
      dg_option_int("cores-per-node", &r->cores_per_node, 1, 65536, "C", "cores of a node (those here)"),
      dg_option_int("ranks-per-node", &r->ranks_per_node, 1, 65536, "R", "ranks of a node (its cores)"),
      dg_option_real("latency-us", &r->latency_us, 0, 1e9, "L", "of a message between nodes (2)"),
      dg_option_real("bandwidth-gbit", &r->bandwidth_gbit, 1e-6, 1e9, "B", "between two nodes (100)"),
      dg_option_flag("json", &r->json, "print the plan as one JSON object"),
      dg_option_flag("quiet", &r->quiet, "no progress on standard error"),
      dg_option_end()};
  const dg_config_verb verb = {usage, extra, false, numbers ? 0 : 1};
  DG_TRY(dg_config_parse(&r->config, graph_path, help, &verb, argc, argv));
  if (*help) return DG_OK;
  if (r->config.partition)
    DG_TRY(dg_fail(DG_USAGE, "--partition is for train and bench; plan divides the graph itself"));
  if (r->config.model.reproducible)
    DG_TRY(dg_fail(DG_USAGE, "--reproducible is for train and bench; plan does not know how long its sums take"));
  if (numbers && r->config.model.edge_attributes == DG_EDGES_FEATURES)
    DG_TRY(dg_fail(DG_USAGE, "--edge-attributes features needs a graph file, which says how many an edge has"));
  DG_TRY(check_sizes(r, numbers));
  DG_TRY(parse_parts(r));
  if (s->train_share <= 0) s->train_share = 0.1;

cleanup:
  return status;
}

/* ---- results ---- */

/* Megabytes with a place behind the point. */
static double megabytes(int64_t bytes) {
  return (double)bytes / 1e6;
}

/* The number of parts beyond which a step takes longer, 0 where the last is the fastest. */
static int slower_beyond(const dg_plan_point *point, int n) {
  int fastest = 0;
  for (int i = 1; i < n; i++)
    if (point[i].step < point[fastest].step) fastest = i;
  return fastest + 1 < n ? point[fastest].parts : 0;
}

/* *line from malloc. */
static dg_status write_sbatch(char **line, const dg_plan_point *p, const request *r, const char *graph_path) {
  dg_status status = DG_OK;
  char *options = NULL;
  size_t length;
  FILE *out = open_memstream(line, &length);
  if (out) status = dg_config_describe_typed(&options, &r->config);
  if (out && options) {
    fprintf(out, "sbatch -N %d -n %d --ntasks-per-node=%d -c %d train.sbatch ", p->nodes, p->parts,
            (p->parts + p->nodes - 1) / p->nodes, p->threads);
    dg_shell_word(out, graph_path ? graph_path : "G.h5");
    fprintf(out, " %s", options);
  }
  const bool written = out && fclose(out) == 0;
  if (status == DG_OK && !written) status = dg_fail(DG_MEMORY, "out of memory for a line");
  free(options);
  return status;
}

static json_t *memory_json(const dg_plan_point *p) {
  json_t *memory = json_object();
  for (int kind = 0; kind < DG_PLAN_MEMORIES; kind++)
    json_object_set_new(memory, dg_plan_memory_name((dg_plan_memory)kind), json_integer(p->memory[kind]));
  return memory;
}

static json_t *point_json(const dg_plan_point *p) {
  json_t *object =
      json_pack("{s:i, s:i, s:i, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I}", "parts", p->parts, "nodes", p->nodes,
                "threads", p->threads, "edge_cut", (json_int_t)p->edge_cut, "halo_nodes", (json_int_t)p->halo_nodes,
                "edge_imbalance", p->edge_imbalance, "step_imbalance", p->step_imbalance, "step_halo_rows",
                (json_int_t)p->step_halo, "messages_per_epoch", (json_int_t)p->messages, "halo_bytes_per_epoch",
                (json_int_t)p->halo_bytes, "allreduce_bytes_per_epoch", (json_int_t)p->sum_bytes);
  json_t *rest = json_pack("{s:f, s:f, s:f, s:f, s:I, s:o}", "step_ms", 1e3 * p->step, "compute_ms", 1e3 * p->compute,
                           "halo_ms", 1e3 * p->halo, "sum_ms", 1e3 * p->sum, "memory_bytes",
                           (json_int_t)p->memory_total, "memory", memory_json(p));
  json_object_update(object, rest);
  json_decref(rest);
  return object;
}

static void print_json(const dg_plan_point *point, const request *r, const dg_plan_graph *g, const char *sbatch) {
  json_t *points = json_array();
  for (int i = 0; i < r->n; i++) json_array_append_new(points, point_json(&point[i]));
  const int beyond = slower_beyond(point, r->n);
  json_write_line(stdout, json_pack("{s:s, s:s, s:I, s:I, s:b, s:o, s:i, s:o, s:s}", "dataset", g->info.name, "model",
                                    dg_model_kind_name(r->config.model.kind), "nodes", (json_int_t)g->info.n_nodes,
                                    "edges", (json_int_t)g->info.n_edges, "imagined", g->scale != 1, "points", points,
                                    "best_parts", dg_plan_best(point, r->n)->parts, "slower_beyond",
                                    beyond ? json_integer(beyond) : json_null(), "sbatch", sbatch));
}

static void print_text(const dg_plan_point *point, const request *r, const dg_plan_graph *g, const char *sbatch) {
  printf("%s on %s: %lld nodes, %lld directed edges\n", dg_model_kind_name(r->config.model.kind), g->info.name,
         (long long)g->info.n_nodes, (long long)g->info.n_edges);
  printf("\n%6s %6s %8s %10s %9s %9s %9s %9s %6s %9s %9s %10s\n", "parts", "nodes", "threads", "step ms", "compute",
         "halo", "sum", "imbalance", "speed", "messages", "halo MB", "rank MB");
  for (int i = 0; i < r->n; i++) {
    const dg_plan_point *p = &point[i];
    printf("%6d %6d %8d %10.3f %9.3f %9.3f %9.3f %9.2f %6.2f %9lld %9.3f %10.1f\n", p->parts, p->nodes, p->threads,
           1e3 * p->step, 1e3 * p->compute, 1e3 * p->halo, 1e3 * p->sum, p->step_imbalance, point->step / p->step,
           (long long)p->messages, megabytes(p->halo_bytes), megabytes(p->memory_total));
  }
  printf("\nMemory of the rank that needs most, MB\n%6s", "parts");
  for (int kind = 0; kind < DG_PLAN_MEMORIES; kind++) printf(" %9s", dg_plan_memory_name((dg_plan_memory)kind));
  for (int i = 0; i < r->n; i++) {
    printf("\n%6d", point[i].parts);
    for (int kind = 0; kind < DG_PLAN_MEMORIES; kind++) printf(" %9.1f", megabytes(point[i].memory[kind]));
  }
  const int beyond = slower_beyond(point, r->n);
  if (beyond)
    printf("\n\nBeyond %d parts a step takes longer.", beyond);
  else
    printf("\n\nMore parts than %d may be faster still.", point[r->n - 1].parts);
  printf("\nBest: %s\n", sbatch);
}

/* ---- the verb ---- */

typedef struct dividing {
  const dg_plan_graph *graph;
  const dg_config *config;
} dividing;

/* As training would. */
static dg_status divide(int32_t *part, int parts, void *context) {
  const dividing *d = context;
  const dg_step_config step = dg_config_step(d->config);
  dg_partition_config config = dg_partition_defaults(parts);
  dg_step_work work;
  config.balance = d->config->balance, config.objective = d->config->objective;
  config.step = &work;
  config.seed = d->config->seed;
  dg_progress("plan: dividing", parts, parts, "");
  dg_status status = dg_step_work_create(&work, &d->graph->outline, d->graph->info.n_classes, &step);
  if (status == DG_OK) status = dg_partition_compute(part, &d->graph->outline.in, &config);
  dg_step_work_destroy(&work);
  return status;
}

static dg_status check_parts(const request *r, const dg_plan_graph *g) {
  const int64_t nodes = g->outline.in.n_rows, most = nodes / NODES_OF_A_PART;
  const int parts = r->parts[r->n - 1];
  if (g->scale == 1 || parts <= most) return DG_OK;
  return dg_fail(DG_USAGE,
                 "--parts %d is too many for this graph in numbers: the one of its degree that stands for it has %lld "
                 "nodes, enough for %lld parts",
                 parts, (long long)nodes, (long long)most);
}

static dg_plan_cluster cluster_of(const request *r) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  const int all = cores > 0 ? (int)cores : 1, a_node = r->cores_per_node > 0 ? (int)r->cores_per_node : all;
  return (dg_plan_cluster){.cores = a_node,
                           .cores_here = dg_threads_cores(),
                           .ranks_per_node = r->ranks_per_node > 0 ? (int)r->ranks_per_node : a_node,
                           .latency = 1e-6 * r->latency_us,
                           .bandwidth = 1e9 / 8 * r->bandwidth_gbit,
                           .node_latency = NODE_LATENCY,
                           .node_bandwidth = NODE_BANDWIDTH};
}

static dg_status work(const request *r, const char *graph_path) {
  dg_status status = DG_OK;
  dg_plan_graph graph = {0};
  dg_plan_point *point = NULL;
  dg_comm alone = {0};
  char *sbatch = NULL;
  const int64_t program = dg_memory_peak() + LIBRARY_BYTES;
  dg_memory_alone(true);
  DG_TRY(dg_comm_create(&alone, MPI_COMM_SELF));
  DG_TRY(graph_path ? dg_plan_graph_read(&graph, graph_path, r->config.split)
                    : dg_plan_graph_imagine(&graph, &alone, &r->sizes));
  DG_TRY(check_parts(r, &graph));
  if (!graph_path) graph.info.multilabel = r->config.loss == DG_LOSS_BCE;
  DG_TRY(dg_graph_check_attributes(&graph.info, graph_path ? graph_path : graph.info.name,
                                   r->config.model.edge_attributes));
  DG_TRY(dg_alloc(&point, (size_t)r->n, sizeof *point));
  const dg_plan_input input = {&r->config,    &graph.info, &graph.outline, graph.scale,
                               cluster_of(r), program,     PEER_BYTES};
  dividing context = {&graph, &r->config};
  DG_TRY(dg_plan_make(point, &input, r->parts, r->n, &alone, divide, &context));
  DG_TRY(write_sbatch(&sbatch, dg_plan_best(point, r->n), r, graph_path));
  if (r->json)
    print_json(point, r, &graph, sbatch);
  else
    print_text(point, r, &graph, sbatch);

cleanup:
  free(sbatch);
  dg_free(&point);
  dg_plan_graph_destroy(&graph);
  dg_comm_destroy(&alone);
  return status;
}

dg_status dg_verb_plan(const dg_comm *comm, int argc, char **argv) {
  dg_status status = DG_OK;
  request r = {.sizes = {.edges = -1}, .latency_us = 2, .bandwidth_gbit = 100};
  const char *graph_path = NULL;
  bool help = false;
  DG_TRY(dg_comm_agree(comm, parse(&r, &graph_path, &help, argc, argv)));
  if (help) goto cleanup;
  dg_log_quiet(r.quiet);
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? work(&r, graph_path) : DG_OK));

cleanup:
  free(r.parts_text);
  dg_config_destroy(&r.config);
  return status;
}
