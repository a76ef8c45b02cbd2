#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/generate.h>
#include <distgat/graph.h>
#include <distgat/log.h>
#include <distgat/options.h>

#include "cli/ogb_folder.h"
#include "cli/verbs.h"

#define USAGE                                                                                                          \
  "usage: distgat generate --preset NAME --out G.h5 [options]\n"                                                       \
  "       distgat generate --nodes N --avg-degree D --features F --classes C --out G.h5 [options]\n"                   \
  "Writes a synthetic citation graph, the same for every number of ranks."

enum { WORDS = 20 }; /* non-zero features a node where nothing else is said */

/* What was typed; negative where it was not. */
typedef struct request {
  char *preset, *out;
  int format;
  int64_t nodes, features, classes, seed;
  double avg_degree, homophily, density, skew, label_noise, topic_noise, feature_gain;
  bool quiet;
} request;

enum { FORMAT_H5, FORMAT_OGB };
static const char *const formats[] = {"h5", "ogb", NULL};

static dg_status parse(request *req, bool *help, int argc, char **argv) {
  dg_option options[] = {
      {.name = "preset",
       .kind = DG_OPTION_TEXT,
       .target = &req->preset,
       .choices = dg_generate_presets(),
       .help = "sizes of a known data set"},
      dg_option_int("nodes", &req->nodes, 1, 0x1p40, "N", "number of nodes"),
      dg_option_real("avg-degree", &req->avg_degree, 0, INT32_MAX, "D", "neighbours of a node, on average"),
      dg_option_int("features", &req->features, 1, INT32_MAX, "F", "number of features"),
      dg_option_int("classes", &req->classes, 1, DG_MAX_CLASSES, "C", "number of classes"),
      dg_option_real("homophily", &req->homophily, 0, 1, "H", "share of edges inside a class (default 0.81)"),
      dg_option_real("feature-density", &req->density, nextafter(0, 1), 1, "P",
                     "share of non-zero features; 1 makes them dense (default: 20 words a node)"),
      dg_option_real("class-skew", &req->skew, 0, 3, "S",
                     "class k has a share of nodes near k^-S (default 0: all alike)"),
      dg_option_real("label-noise", &req->label_noise, 0, 1, "X",
                     "share of nodes with any other node's label (default 0)"),
      dg_option_real("topic-noise", &req->topic_noise, 0, 1, "X",
                     "up to this share of a topic looks like another class (default 0)"),
      dg_option_real("feature-gain", &req->feature_gain, -10, 10, "X",
                     "features tell classes 2^X times as far apart (default 0)"),
      dg_option_int("seed", &req->seed, 0, 0x1p63, "S", "another seed makes another graph (default 0)"),
      dg_option_choice("format", &req->format, formats,
                       "ogb: --out is a folder of text as the Open Graph Benchmark has them, of dense features "
                       "(default h5)"),
      dg_option_text("out", &req->out, "G.h5", "file to write"),
      dg_option_flag("quiet", &req->quiet, "no progress on standard error"),
      dg_option_end()};
  dg_status status = dg_options_parse(options, argc, argv, USAGE, NULL, 0, help);
  if (status != DG_OK || *help) return status;
  bool all = req->nodes > 0 && req->avg_degree >= 0 && req->features > 0 && req->classes > 0;
  bool any = req->nodes > 0 || req->avg_degree >= 0 || req->features > 0 || req->classes > 0;
  if (req->out == NULL) return dg_fail(DG_USAGE, "--out G.h5 is missing, the file to write");
  if (req->preset != NULL && any)
    return dg_fail(DG_USAGE, "sizes come from --preset or from --nodes, --avg-degree, --features and --classes, not "
                             "from both");
  if (req->preset == NULL && !all)
    return dg_fail(DG_USAGE, "--preset NAME is missing, or all of --nodes, --avg-degree, --features and --classes");
  return DG_OK;
}

static dg_status configure(dg_generate_config *config, const request *req) {
  dg_status status = DG_OK;
  *config = (dg_generate_config){.name = "synthetic",
                                 .n_nodes = req->nodes,
                                 .avg_degree = req->avg_degree,
                                 .n_features = (int32_t)req->features,
                                 .n_classes = (int32_t)req->classes,
                                 .homophily = 0.81,
                                 .feature_density = fmin(1, (double)WORDS / (double)req->features),
                                 .train_per_class = 20,
                                 .n_val = 500,
                                 .n_test = 1000};
  if (req->preset != NULL) DG_TRY(dg_generate_preset(config, req->preset));
  if (req->homophily >= 0) config->homophily = req->homophily;
  if (req->density > 0) config->feature_density = req->density;
  if (req->skew >= 0) config->class_skew = req->skew;
  if (req->label_noise >= 0) config->label_noise = req->label_noise;
  if (req->topic_noise >= 0) config->topic_noise = req->topic_noise;
  if (!isnan(req->feature_gain)) config->feature_gain = req->feature_gain;
  config->seed = (uint64_t)req->seed;
cleanup:
  return status;
}

/* By way of a graph file, which is removed. Collective. */
static dg_status write_folder(const dg_comm *comm, const dg_generate_config *config, const char *folder) {
  dg_status status = DG_OK;
  char *graph = NULL;
  if (asprintf(&graph, "%s.partial.h5", folder) < 0) graph = NULL;
  DG_TRY(dg_comm_agree(comm, graph ? DG_OK : dg_fail(DG_MEMORY, "out of memory for a name")));
  DG_TRY(dg_generate(comm, config, graph));
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? dg_ogb_folder_write(folder, graph) : DG_OK));

cleanup:
  if (graph && comm->rank == 0) unlink(graph);
  free(graph);
  return status;
}

/* What is impossible is told before the work begins. Local. */
static dg_status check_folder(const dg_generate_config *config, const char *folder) {
  if (config->feature_density < 1)
    return dg_fail(DG_USAGE, "--format ogb has dense features alone: --feature-density 1, or --preset arxiv");
  if (access(folder, F_OK) == 0) return dg_fail(DG_USAGE, "--out %s is there already; a folder is made anew", folder);
  return DG_OK;
}

static dg_status report(const char *path) {
  dg_h5 *file = NULL;
  dg_graph_info info;
  dg_status status = dg_graph_open(&file, &info, path);
  if (status == DG_OK)
    printf("%s: %lld nodes, %lld directed edges, %d %s features, %d classes\n", path, (long long)info.n_nodes,
           (long long)info.n_edges, info.n_features, info.sparse ? "sparse" : "dense", info.n_classes);
  dg_h5_close(&file);
  return status;
}

dg_status dg_verb_generate(const dg_comm *comm, int argc, char **argv) {
  dg_status status = DG_OK;
  request req = {.nodes = -1,
                 .features = -1,
                 .classes = -1,
                 .avg_degree = -1,
                 .homophily = -1,
                 .density = -1,
                 .skew = -1,
                 .label_noise = -1,
                 .topic_noise = -1,
                 .feature_gain = NAN};
  dg_generate_config config;
  bool help = false;
  DG_TRY(dg_comm_agree(comm, parse(&req, &help, argc, argv)));
  if (help) goto cleanup;
  DG_TRY(dg_comm_agree(comm, configure(&config, &req)));
  dg_log_quiet(req.quiet);
  if (req.format == FORMAT_OGB) {
    DG_TRY(dg_comm_agree(comm, check_folder(&config, req.out)));
    DG_TRY(write_folder(comm, &config, req.out));
    if (comm->rank == 0)
      printf("%s: %lld nodes, a folder for data/import.py ogb\n", req.out, (long long)config.n_nodes);
    goto cleanup;
  }
  DG_TRY(dg_generate(comm, &config, req.out));
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? report(req.out) : DG_OK));
cleanup:
  free(req.preset);
  free(req.out);
  return status;
}
