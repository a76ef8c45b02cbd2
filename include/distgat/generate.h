#ifndef DISTGAT_GENERATE_H
#define DISTGAT_GENERATE_H

#include <distgat/api.h>
#include <distgat/comm.h>

DG_API_BEGIN

/* A synthetic citation graph. */
typedef struct dg_generate_config {
  char name[64];
  int64_t n_nodes;
  double avg_degree; /* directed edges a node */
  int32_t n_features;
  int32_t n_classes;
  double homophily;        /* share of edges inside a class, 0 to 1 */
  double feature_density;  /* share of non-zeros; 1 gives dense features */
  int32_t train_per_class; /* split "public": so many a class, then val, test; 0: all that are in neither of these */
  int64_t n_val, n_test;
  uint64_t seed;
  double class_skew;   /* class k of 1, 2, ... has a share of nodes near k^(-skew) and may lie in several communities;
                          0: all are as large */
  double label_noise;  /* share of nodes that have the label of another, drawn from all */
  double topic_noise;  /* features of a topic's nodes are those of another class, of up to this share of its nodes */
  double feature_gain; /* features tell classes 2^gain times as far apart as otherwise */
} dg_generate_config;

/* The names of the presets, data sets that are known, ended by NULL. Local. */
const char *const *dg_generate_presets(void);

/* Fills a named preset. Errors: DG_USAGE with the names there are. Local. */
dg_status dg_generate_preset(dg_generate_config *config, const char *name);

/* Writes the graph to `path`: homophilous communities, heavy-tailed degrees, class-dependent features; the same bytes
   for every number of ranks. Errors: DG_USAGE (impossible sizes), DG_IO, DG_MEMORY. Collective. */
dg_status dg_generate(const dg_comm *comm, const dg_generate_config *config, const char *path);

DG_API_END

#endif
