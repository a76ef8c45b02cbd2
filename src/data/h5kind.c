#include "data/h5kind.h"

#include <stdlib.h>
#include <string.h>

/* By the root attribute that newer files have. */
static const char *kind_of_format(const char *format) {
  static const struct {
    const char *format, *kind;
  } known[] = {{"distgat-graph", "a graph"},
               {"distgat-model", "a model"},
               {"distgat-checkpoint", "a checkpoint"},
               {"distgat-prediction", "a prediction"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(format, known[i].format) == 0) return known[i].kind;
  return NULL;
}

const char *dg_h5kind(dg_h5 *file) {
  char *format = NULL;
  const char *kind = NULL;
  if (dg_h5_attribute_exists(file, "format") && dg_h5_get_string(file, "format", &format) == DG_OK)
    kind = kind_of_format(format);
  else
    dg_status_clear();
  free(format);
  if (kind) return kind;
  if (dg_h5_exists(file, "logits")) return "a prediction";
  if (dg_h5_exists(file, "part")) return "a partition";
  if (dg_h5_exists(file, "weights")) return "weights";
  return dg_h5_exists(file, "graph") ? "a graph" : NULL;
}
