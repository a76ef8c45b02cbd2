#include "generate/synthetic.h"

#include <math.h>
#include <stdbool.h>

#include <distgat/rng.h>

/* Topics of 40 nodes, or more where nodes have many neighbours, as many in each field. */
static int64_t topics_per_field(const dg_generate_config *config) {
  double size = fmax(40, 8 * config->avg_degree);
  double topics = (double)config->n_nodes / size / config->n_classes;
  return topics < 1 ? 1 : (int64_t)topics;
}

dg_synthetic dg_synthetic_make(const dg_generate_config *config) {
  dg_synthetic g = {.config = config, .field_topics = topics_per_field(config)};
  g.n_topics = g.field_topics * config->n_classes;
  return g;
}

double dg_synthetic_draw(const dg_synthetic *g, int stream, dg_id node, uint64_t counter) {
  return dg_rng_uniform(dg_rng_key(dg_rng_key(g->config->seed, (uint64_t)stream), (uint64_t)node), counter);
}

int64_t dg_synthetic_topic(const dg_synthetic *g, dg_id node) {
  return (int64_t)(dg_synthetic_draw(g, DG_KEY_TOPIC, node, 0) * (double)g->n_topics);
}

/* The first k classes hold a share of ((k + 1)^(1 - skew) - 1) / ((n + 1)^(1 - skew) - 1): the integral of a power. */
int32_t dg_synthetic_class(const dg_synthetic *g, int64_t topic) {
  const double n = g->config->n_classes, power = 1 - g->config->class_skew;
  if (g->config->class_skew <= 0) return (int32_t)(topic / g->field_topics);
  const double share = ((double)topic + 0.5) / (double)g->n_topics;
  const double all = fabs(power) < 1e-9 ? log(n + 1) : pow(n + 1, power) - 1;
  const double k = fabs(power) < 1e-9 ? exp(share * all) : pow(1 + share * all, 1 / power);
  return (int32_t)fmax(0, fmin(k - 1, n - 1));
}

int32_t dg_synthetic_label(const dg_synthetic *g, dg_id node) {
  const bool noisy = dg_synthetic_draw(g, DG_KEY_LABEL, node, 0) < g->config->label_noise;
  if (!noisy) return dg_synthetic_class(g, dg_synthetic_topic(g, node));
  return dg_synthetic_class(g, (int64_t)(dg_synthetic_draw(g, DG_KEY_LABEL, node, 1) * (double)g->n_topics));
}

double dg_synthetic_weight(const dg_synthetic *g, dg_id node) {
  return 1 / sqrt(1 - dg_synthetic_draw(g, DG_KEY_WEIGHT, node, 0));
}
