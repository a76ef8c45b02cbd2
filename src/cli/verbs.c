#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"

const verb_entry dg_verbs[N_VERBS] = {
    {"generate", dg_verb_generate, "write a synthetic citation graph"},
    {"info", dg_verb_info, "check a graph file and print what is in it"},
    {"partition", dg_verb_partition, "divide a graph by METIS, with a quality report"},
    {"train", dg_verb_train, "train a model"},
    {"predict", dg_verb_predict, "apply a trained model to a whole graph"},
    {"plan", dg_verb_plan, "predict time and memory of training on more ranks"},
    {"bench", dg_verb_bench, "time training steps, phase by phase"},
};

const verb_entry *dg_verb_find(const char *name) {
  for (int i = 0; i < N_VERBS; i++)
    if (strcmp(dg_verbs[i].name, name) == 0) return &dg_verbs[i];
  return NULL;
}

/* Of verbs, or of what stands where a verb does. */
static const char *nearest_word(const char *name) {
  static const char *const options[] = {"--help", "--version", NULL};
  const char *names[N_VERBS + 2] = {0};
  for (int i = 0; i < N_VERBS; i++) names[i] = dg_verbs[i].name;
  names[N_VERBS] = "help";
  return dg_nearest(*name == '-' ? options : names, name);
}

dg_status dg_verb_fail(const char *name) {
  char list[256] = "";
  size_t used = 0;
  for (int i = 0; i < N_VERBS && used < sizeof list; i++)
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", dg_verbs[i].name);
  if (!name) return dg_fail(DG_USAGE, "a verb is missing: %s; see distgat --help", list);
  const char *near = nearest_word(name), *what = *name == '-' ? "option" : "verb";
  if (near) return dg_fail(DG_USAGE, "unknown %s '%s'; did you mean %s?", what, name, near);
  return dg_fail(DG_USAGE, "unknown %s '%s'; the verbs are %s", what, name, list);
}
