#include "generate/synthetic.h"

#include <math.h>
#include <stdlib.h>

#include <distgat/rng.h>

#define SHARE_CLASS 0.40 /* of a node's words: from the vocabulary of its class */
#define SHARE_TOPIC 0.10 /* and of its topic; the others belong to the language */
#define BORROWED 0.75    /* of the class' words, at most: from another class, so that some topics are hard to tell */
#define CLASS_SPREAD 3.5 /* distance of the means of two classes, in standard deviations */
#define TOPIC_SPREAD 1.0

/* ---- Sparse: words ---- */

int32_t dg_synthetic_word_count(const dg_synthetic *g, dg_id node) {
  double mean = g->config->feature_density * g->config->n_features;
  uint64_t key = dg_rng_key(g->config->seed, DG_KEY_COUNT);
  double count =
      mean * (0.5 + dg_rng_uniform(key, (uint64_t)(2 * node))) + dg_rng_uniform(key, (uint64_t)(2 * node + 1));
  return (int32_t)fmin(count, g->config->n_features);
}

/* A word of the vocabulary of a class or topic: `size` columns anywhere, the first ones the most frequent. */
static int32_t word_of(const dg_synthetic *g, uint64_t owner, double size, double u) {
  uint64_t rank = (uint64_t)(size * u * u);
  return (int32_t)(dg_rng_uniform(dg_rng_key(dg_rng_key(g->config->seed, DG_KEY_VOCABULARY), owner), rank) *
                   g->config->n_features);
}

/* The class that a topic looks like: its own, or now and then, where u is below a share of its own of at most `most`,
   another one, always the same. */
static int32_t borrowed_class(const dg_synthetic *g, int64_t topic, double most, double u) {
  int32_t class = dg_synthetic_class(g, topic), n_classes = g->config->n_classes;
  uint64_t key = dg_rng_key(dg_rng_key(g->config->seed, DG_KEY_BORROWED), (uint64_t)topic);
  if (n_classes == 1 || u >= most * dg_rng_uniform(key, 0)) return class;
  return (class + 1 + (int32_t)(dg_rng_uniform(key, 1) * (n_classes - 1))) % n_classes;
}

static int32_t draw_word(const dg_synthetic *g, int64_t topic, uint64_t key) {
  double kind = dg_rng_uniform(key, 0) / exp2(g->config->feature_gain), u = dg_rng_uniform(key, 1);
  double n = g->config->n_features;
  if (kind < SHARE_CLASS) {
    int32_t class = borrowed_class(g, topic, BORROWED, kind / SHARE_CLASS);
    return word_of(g, 2 * (uint64_t) class, n * 0.05 + 1, u);
  }
  if (kind < SHARE_CLASS + SHARE_TOPIC) return word_of(g, 2 * (uint64_t)topic + 1, n * 0.03 + 1, u);
  return (int32_t)(n * u * u);
}

static int compare_columns(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

void dg_synthetic_words(int32_t *columns, const dg_synthetic *g, dg_id node, uint8_t *used) {
  int64_t topic = dg_synthetic_topic(g, node);
  int32_t n = dg_synthetic_word_count(g, node);
  uint64_t key = dg_rng_key(dg_rng_key(g->config->seed, DG_KEY_WORD), (uint64_t)node);
  for (int32_t k = 0; k < n; k++) {
    int32_t word = 0;
    for (uint64_t attempt = 0; attempt < 4; attempt++) {
      word = draw_word(g, topic, dg_rng_key(key, (uint64_t)k * 4 + attempt));
      if (!used[word]) break;
    }
    while (used[word]) word = (word + 1) % g->config->n_features;
    used[word] = 1;
    columns[k] = word;
  }
  for (int32_t k = 0; k < n; k++) used[columns[k]] = 0;
  qsort(columns, (size_t)n, sizeof *columns, compare_columns);
}

/* ---- Dense ---- */

/* Nearly normal, of mean 0 and variance 1: the sum of four uniform numbers of 16 bits. */
static double bell(uint64_t bits) {
  double sum = 0;
  for (int k = 0; k < 4; k++) sum += (double)(bits >> 16 * k & 0xFFFF);
  return (sum * 0x1p-16 - 2 + 0x1p-15) * 1.7320508075688772;
}

void dg_synthetic_dense(float *row, const dg_synthetic *g, dg_id node) {
  int64_t topic = dg_synthetic_topic(g, node);
  int32_t n = g->config->n_features;
  double u = g->config->topic_noise > 0 ? dg_synthetic_draw(g, DG_KEY_LOOKS, node, 0) : 1;
  int32_t looks_like = borrowed_class(g, topic, g->config->topic_noise, u);
  uint64_t means = dg_rng_key(g->config->seed, DG_KEY_MEAN);
  uint64_t class_key = dg_rng_key(means, 2 * (uint64_t)looks_like);
  uint64_t topic_key = dg_rng_key(means, 2 * (uint64_t)topic + 1);
  uint64_t noise_key = dg_rng_key(dg_rng_key(g->config->seed, DG_KEY_NOISE), (uint64_t)node);
  double told = exp2(g->config->feature_gain);
  double class_scale = told * CLASS_SPREAD / sqrt(2.0 * n), topic_scale = told * TOPIC_SPREAD / sqrt(2.0 * n);
  for (int32_t j = 0; j < n; j++) {
    uint64_t column = (uint64_t)j;
    row[j] = (float)(class_scale * bell(dg_rng_key(class_key, column)) +
                     topic_scale * bell(dg_rng_key(topic_key, column)) + bell(dg_rng_key(noise_key, column)));
  }
}
