#include "generate/synthetic.h"

#include <math.h>

#include <distgat/rng.h>

/* Topics of 40 nodes, or more where nodes have many neighbours, as many in each class. */
static int64_t topics_per_class(const dg_generate_config *config) {
  double size = fmax(40, 8 * config->avg_degree);
  double topics = (double)config->n_nodes / size / config->n_classes;
  return topics < 1 ? 1 : (int64_t)topics;
}

dg_synthetic dg_synthetic_make(const dg_generate_config *config) {
  dg_synthetic g = {.config = config, .class_topics = topics_per_class(config)};
  g.n_topics = g.class_topics * config->n_classes;
  return g;
}

double dg_synthetic_draw(const dg_synthetic *g, int stream, dg_id node, uint64_t counter) {
  return dg_rng_uniform(dg_rng_key(dg_rng_key(g->config->seed, (uint64_t)stream), (uint64_t)node), counter);
}

int64_t dg_synthetic_topic(const dg_synthetic *g, dg_id node) {
  return (int64_t)(dg_synthetic_draw(g, DG_KEY_TOPIC, node, 0) * (double)g->n_topics);
}

int32_t dg_synthetic_class(const dg_synthetic *g, dg_id node) {
  return (int32_t)(dg_synthetic_topic(g, node) / g->class_topics);
}

double dg_synthetic_weight(const dg_synthetic *g, dg_id node) {
  return 1 / sqrt(1 - dg_synthetic_draw(g, DG_KEY_WEIGHT, node, 0));
}
