#ifndef DG_GENERATE_SYNTHETIC_H
#define DG_GENERATE_SYNTHETIC_H

#include <distgat/generate.h>
#include <distgat/ids.h>

/* What of a synthetic citation graph is a function of its configuration and of a node alone. Nodes live in topics,
   small communities; as many fields as classes are `field_topics` topics each that follow each other, and edges keep to
   fields. A class is a field, or where classes are not as large a stretch of topics. All Local. */
typedef struct dg_synthetic {
  const dg_generate_config *config; /* borrowed */
  int64_t field_topics, n_topics;
} dg_synthetic;

/* Streams of random numbers. */
enum {
  DG_KEY_TOPIC = 1,
  DG_KEY_WEIGHT,
  DG_KEY_STUBS,
  DG_KEY_PARTNER,
  DG_KEY_COUNT = 16,
  DG_KEY_WORD,
  DG_KEY_VOCABULARY,
  DG_KEY_NOISE,
  DG_KEY_MEAN,
  DG_KEY_BORROWED,
  DG_KEY_SPLIT = 32,
  DG_KEY_LABEL,
  DG_KEY_LOOKS
};

dg_synthetic dg_synthetic_make(const dg_generate_config *config);

/* Uniform in [0, 1): number `counter` of a node's in a stream. */
double dg_synthetic_draw(const dg_synthetic *graph, int stream, dg_id node, uint64_t counter);

int64_t dg_synthetic_topic(const dg_synthetic *graph, dg_id node);
int32_t dg_synthetic_class(const dg_synthetic *graph, int64_t topic);

/* The class of its topic, or where labels are noisy that of any. */
int32_t dg_synthetic_label(const dg_synthetic *graph, dg_id node);

/* How often a node is cited, in relation to others. The weights follow a power law: (1 - u)^(-1/2) exceeds x with
   probability x^(-2), so that degrees fall off with exponent 3. */
double dg_synthetic_weight(const dg_synthetic *graph, dg_id node);

/* Number of non-zero features of a node, and their columns, ascending; used [n_features] is scratch, zero before and
   after. */
int32_t dg_synthetic_word_count(const dg_synthetic *graph, dg_id node);
void dg_synthetic_words(int32_t *columns, const dg_synthetic *graph, dg_id node, uint8_t *used);

/* Dense features row [n_features] of a node. */
void dg_synthetic_dense(float *row, const dg_synthetic *graph, dg_id node);

#endif
