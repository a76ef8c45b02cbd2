#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/options.h>
#include <distgat/summary.h>

#include "cli/verbs.h"

#define USAGE                                                                                                          \
  "usage: distgat info G.h5 [--json]\n"                                                                                \
  "Checks a graph file and prints what is in it."

enum { BAR = 40 }; /* characters of the longest bar */

static const char *truth(bool value) {
  return value ? "True" : "False";
}

static double ratio(int64_t part, double whole) {
  return whole > 0 ? (double)part / whole : 0;
}

/* Of several a node. */
static void print_labels(const dg_graph_summary *s) {
  printf("Labels per node: %.2f\nNodes of each class:", ratio(s->n_labels, (double)s->info.n_nodes));
  for (int32_t c = 0; c < s->info.n_classes; c++) printf("%s %" PRId64, c > 0 ? "," : "", s->class_count[c]);
  printf("\n");
}

static void print_sizes(const dg_graph_summary *s) {
  const dg_graph_info *info = &s->info;
  double cells = (double)info->n_nodes * info->n_features;
  int used = printf("Dataset: %s\n", info->name) - 1;
  for (int i = 0; i < used; i++) putchar('-');
  printf("\nNumber of nodes: %" PRId64 "\n", info->n_nodes);
  printf("Number of edges: %" PRId64 " (directed)\n", info->n_edges);
  printf("Number of features: %d (%s, %.2f %% non-zero)\n", info->n_features, info->sparse ? "sparse" : "dense",
         100 * ratio(s->n_nonzeros, cells));
  printf("Number of classes: %d%s\n", info->n_classes, info->multilabel ? ", several a node" : "");
  if (info->multilabel) print_labels(s);
  if (info->edge_weights) printf("Edge weights: True\n");
  if (info->edge_features > 0) printf("Number of edge features: %d\n", info->edge_features);
  printf("Average node degree: %.2f, largest %" PRId64 "\n", ratio(info->n_edges, (double)info->n_nodes),
         s->max_degree);
  printf("Is undirected: %s\n", truth(s->undirected));
  printf("Has isolated nodes: %s (%" PRId64 ")\n", truth(s->isolated > 0), s->isolated);
  printf("Has self-loops: False\n");
  printf("Fingerprint: %016" PRIx64 "\n", s->fingerprint);
  if (s->unlabelled > 0)
    printf("Nodes %s: %" PRId64 "\n", info->multilabel ? "of no class" : "without a label", s->unlabelled);
}

static void print_overlap(const dg_overlap *o) {
  if (o->train_val + o->train_test + o->val_test == 0) return;
  printf("Nodes in two lists: train and val %" PRId64 ", train and test %" PRId64 ", val and test %" PRId64 "\n",
         o->train_val, o->train_test, o->val_test);
}

static void print_splits(const dg_graph_summary *s) {
  for (int k = 0; k < s->n_splits; k++) {
    const dg_split_summary *split = &s->splits[k];
    printf("\nSplit %s\n", split->name);
    printf("Number of training nodes: %" PRId64 "\n", split->n[0]);
    printf("Number of validation nodes: %" PRId64 "\n", split->n[1]);
    printf("Number of test nodes: %" PRId64 "\n", split->n[2]);
    printf("Training node label rate: %.4f\n", ratio(split->n[0], (double)s->info.n_nodes));
    print_overlap(&split->overlap);
  }
  if (s->n_splits == 0)
    printf("\nNo splits\n");
  else
    printf("\nFingerprint of the splits: %016" PRIx64 "\n", s->splits_fingerprint);
}

/* Last degree of the bin that begins at `low`: single degrees up to 5, then 6 to 10, 11 to 20, 21 to 50 and so on. */
static int64_t bin_end(int64_t low) {
  if (low <= 5) return low;
  for (int64_t decade = 10;; decade *= 10) {
    if (low <= decade) return decade;
    if (low <= 2 * decade) return 2 * decade;
    if (low <= 5 * decade) return 5 * decade;
  }
}

static int64_t bin_count(const dg_graph_summary *s, int64_t low) {
  int64_t count = 0;
  for (int64_t d = low; d <= bin_end(low) && d <= s->max_degree; d++) count += s->degree_count[d];
  return count;
}

static void print_histogram(const dg_graph_summary *s) {
  int64_t most = 1;
  for (int64_t low = 0; low <= s->max_degree; low = bin_end(low) + 1)
    if (bin_count(s, low) > most) most = bin_count(s, low);
  printf("\nNode degrees\n");
  for (int64_t low = 0; low <= s->max_degree; low = bin_end(low) + 1) {
    int64_t count = bin_count(s, low);
    char range[48];
    if (low == bin_end(low))
      snprintf(range, sizeof range, "%" PRId64, low);
    else
      snprintf(range, sizeof range, "%" PRId64 "-%" PRId64, low, bin_end(low));
    printf("%14s %10" PRId64, range, count);
    int length = (int)((count * BAR + most - 1) / most);
    if (length > 0) putchar(' ');
    for (int i = 0; i < length; i++) putchar('#');
    putchar('\n');
  }
}

static json_t *json_split(const dg_split_summary *s) {
  const int64_t *n = s->n;
  return json_pack("{s:I,s:I,s:I,s:{s:I,s:I,s:I}}", "train", (json_int_t)n[0], "val", (json_int_t)n[1], "test",
                   (json_int_t)n[2], "overlaps", "train_val", (json_int_t)s->overlap.train_val, "train_test",
                   (json_int_t)s->overlap.train_test, "val_test", (json_int_t)s->overlap.val_test);
}

static json_t *json_splits(const dg_graph_summary *s) {
  json_t *splits = json_object();
  for (int k = 0; k < s->n_splits; k++) json_object_set_new(splits, s->splits[k].name, json_split(&s->splits[k]));
  return splits;
}

/* Degree to number of nodes, degrees that occur only. */
static json_t *json_histogram(const dg_graph_summary *s) {
  json_t *histogram = json_object();
  for (int64_t d = 0; d <= s->max_degree; d++) {
    char degree[24];
    snprintf(degree, sizeof degree, "%" PRId64, d);
    if (s->degree_count[d] > 0) json_object_set_new(histogram, degree, json_integer(s->degree_count[d]));
  }
  return histogram;
}

static json_t *json_classes(const dg_graph_summary *s) {
  json_t *counts = json_array();
  for (int32_t c = 0; c < s->info.n_classes; c++) json_array_append_new(counts, json_integer(s->class_count[c]));
  return counts;
}

static dg_status print_json(const dg_graph_summary *s) {
  const dg_graph_info *info = &s->info;
  json_t *object = json_pack(
      "{s:s,s:I,s:I,s:i,s:i,s:b,s:I,s:i,s:f,s:I,s:b,s:I,s:I}", "name", info->name, "nodes", (json_int_t)info->n_nodes,
      "edges", (json_int_t)info->n_edges, "features", info->n_features, "classes", info->n_classes, "undirected",
      s->undirected, "isolated_nodes", (json_int_t)s->isolated, "self_loops", 0, "average_degree",
      ratio(info->n_edges, (double)info->n_nodes), "max_degree", (json_int_t)s->max_degree, "sparse_features",
      info->sparse, "nonzero_features", (json_int_t)s->n_nonzeros, "unlabelled_nodes", (json_int_t)s->unlabelled);
  if (object == NULL) return dg_fail(DG_MEMORY, "out of memory for the results");
  json_object_set_new(object, "edge_weights", json_boolean(info->edge_weights));
  json_object_set_new(object, "edge_features", json_integer(info->edge_features));
  json_object_set_new(object, "multilabel", json_boolean(info->multilabel));
  json_object_set_new(object, "fingerprint", json_sprintf("%016" PRIx64, s->fingerprint));
  json_object_set_new(object, "splits_fingerprint", json_sprintf("%016" PRIx64, s->splits_fingerprint));
  json_object_set_new(object, "splits", json_splits(s));
  json_object_set_new(object, "class_counts", json_classes(s));
  json_object_set_new(object, "degree_histogram", json_histogram(s));
  json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
  putchar('\n');
  json_decref(object);
  return DG_OK;
}

static dg_status show(const char *path, bool json) {
  dg_graph_summary summary;
  dg_memory_alone(true);
  dg_status status = dg_graph_summarize(&summary, path);
  if (status != DG_OK) return status;
  for (int k = 0; k < summary.n_splits; k++) dg_overlap_warn(&summary.splits[k].overlap, path, summary.splits[k].name);
  if (json) {
    status = print_json(&summary);
  } else {
    print_sizes(&summary);
    print_splits(&summary);
    print_histogram(&summary);
  }
  dg_graph_summary_destroy(&summary);
  return status;
}

dg_status dg_verb_info(const dg_comm *comm, int argc, char **argv) {
  dg_status status = DG_OK;
  bool json = false, help = false;
  const char *path = NULL;
  dg_option options[] = {dg_option_flag("json", &json, "print one JSON object"), dg_option_end()};
  DG_TRY(dg_comm_agree(comm, dg_options_parse(options, argc, argv, USAGE, &path, 1, &help)));
  if (!help) DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? show(path, json) : DG_OK));
cleanup:
  return status;
}
