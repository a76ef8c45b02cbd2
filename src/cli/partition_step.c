#include "cli/partition_step.h"

#include <stdio.h>

/* Over parts. */
typedef struct spread {
  int64_t least, most;
  double mean;
} spread;

static spread spread_of(const dg_step_part *each, int parts, size_t offset) {
  spread s = {.least = INT64_MAX};
  for (int p = 0; p < parts; p++) {
    const int64_t value = *(const int64_t *)((const char *)&each[p] + offset);
    s.mean += (double)value / parts;
    if (value < s.least) s.least = value;
    if (value > s.most) s.most = value;
  }
  return s;
}

/* What is told of a step: name in JSON, in text, and where it stands. */
static const struct {
  const char *key, *text;
  size_t offset;
} figures[] = {{"nonzeros", "non-zeros", offsetof(dg_step_part, nonzeros)},
               {"first_edges", "edges, layer 1", offsetof(dg_step_part, first_edges)},
               {"edges", "edges, all layers", offsetof(dg_step_part, edges)},
               {"targets", "rows aggregated", offsetof(dg_step_part, targets)},
               {"outputs", "training nodes", offsetof(dg_step_part, outputs)}};
enum { N_FIGURES = sizeof figures / sizeof *figures };

static double imbalance(spread s) {
  return s.mean > 0 ? (double)s.most / s.mean : 1;
}

void partition_step_print(const dg_step_part *each, int parts, const dg_step_quality *q) {
  printf("\n  a training step of %d layer%s, split %s: a part's least, mean and most, and most over mean\n", q->layers,
         q->layers == 1 ? "" : "s", q->split);
  for (int f = 0; f < N_FIGURES; f++) {
    const spread s = spread_of(each, parts, figures[f].offset);
    printf("  %-18s %10lld %12.1f %10lld %7.3f\n", figures[f].text, (long long)s.least, s.mean, (long long)s.most,
           imbalance(s));
  }
  printf("  halo rows, summed over layers %lld; parts without work %d\n", (long long)q->halo_nodes, q->idle_parts);
}

json_t *partition_step_json(const dg_step_part *each, int parts, const dg_step_quality *q) {
  json_t *object = json_pack("{s:s, s:i, s:I, s:i}", "split", q->split, "layers", q->layers, "halo_nodes",
                             (json_int_t)q->halo_nodes, "idle_parts", q->idle_parts);
  for (int f = 0; f < N_FIGURES; f++) {
    const spread s = spread_of(each, parts, figures[f].offset);
    json_object_set_new(object, figures[f].key,
                        json_pack("{s:I, s:f, s:I, s:f}", "least", (json_int_t)s.least, "mean", s.mean, "most",
                                  (json_int_t)s.most, "imbalance", imbalance(s)));
  }
  return object;
}
