#include <distgat/summary.h>

#include <stdio.h>
#include <string.h>

#include <distgat/log.h>
#include <distgat/memory.h>

#include "data/slab.h"
#include "data/text.h"

const char *const dg_split_lists[] = {"train", "val", "test"};

/* ---- Choice ---- */

typedef struct split_list {
  int count;
  char last[DG_SPLIT_NAME];
  char names[512]; /* all of them, for the message */
} split_list;

static dg_status note_split(const char *name, void *context) {
  split_list *list = context;
  size_t used = strlen(list->names);
  snprintf(list->names + used, sizeof list->names - used, "%s%s", list->count > 0 ? ", " : "", name);
  snprintf(list->last, sizeof list->last, "%s", name);
  list->count++;
  return DG_OK;
}

dg_status dg_graph_choose_split(dg_h5 *file, const char *wanted, char chosen[DG_SPLIT_NAME]) {
  char path[DG_SPLIT_NAME + 16];
  split_list list = {0};
  dg_status status = dg_h5_exists(file, "splits") ? dg_h5_each_group(file, "splits", note_split, &list) : DG_OK;
  if (status != DG_OK) return status;
  if (list.count == 0)
    return dg_fail(DG_INPUT,
                   "%s: has no splits, lists of labelled nodes to train, validate and test on "
                   "(splits/NAME/{train,val,test}); data/import.py draws one where there are labels (--labels FILE), "
                   "write_graph of the Python module takes masks",
                   dg_h5_path(file));

  const char *name = wanted != NULL ? wanted : "public";
  if (wanted == NULL && list.count == 1) name = list.last;
  snprintf(chosen, DG_SPLIT_NAME, "%s", name);
  snprintf(path, sizeof path, "splits/%s", chosen);
  if (strcmp(chosen, name) == 0 && name[0] != '\0' && strchr(name, '/') == NULL && dg_h5_exists(file, path))
    return DG_OK;
  return dg_fail(DG_INPUT, "%s: has no split %s; choose one of: %s%s", dg_h5_path(file), name, list.names,
                 wanted != NULL ? "" : "; or train on each by --split all");
}

/* ---- Check ---- */

typedef struct check {
  dg_h5 *file;
  const dg_graph_info *info;
  const int32_t *labels; /* [n_nodes], or NULL */
  uint8_t *mask;         /* [n_nodes] bits of the split at hand */
  dg_status (*take)(const dg_split_summary *split, void *context);
  void *context;
  const char *split, *list;
  uint8_t bit;
} check;

static dg_status check_node(dg_id node, void *context) {
  const check *c = context;
  c->mask[node] |= c->bit;
  if (!c->labels || c->labels[node] >= 0) return DG_OK;
  return dg_split_unlabelled(c->file, c->split, c->list, node);
}

static dg_status check_lists(check *c, dg_split_summary *sum) {
  dg_status status = DG_OK;
  char path[DG_SPLIT_NAME + 16];
  memset(c->mask, 0, (size_t)c->info->n_nodes);
  for (int k = 0; k < 3; k++) {
    c->list = dg_split_lists[k];
    c->bit = (uint8_t)(DG_TRAIN << k);
    snprintf(path, sizeof path, "splits/%s/%s", c->split, c->list);
    DG_TRY(dg_list_length(&sum->n[k], c->file, path, true));
    DG_TRY(dg_split_each(c->file, c->info, c->split, c->list, check_node, c));
  }
cleanup:
  return status;
}

static dg_status check_split(const char *name, void *context) {
  check *c = context;
  dg_split_summary sum = {0};
  if (strlen(name) >= DG_SPLIT_NAME)
    return dg_fail(DG_INPUT, "%s: the name of a split has %zu bytes, it may have %d", dg_h5_path(c->file), strlen(name),
                   DG_SPLIT_NAME - 1);
  c->split = name;
  dg_status status = check_lists(c, &sum);
  if (status != DG_OK) return status;
  for (int64_t i = 0; i < c->info->n_nodes; i++) dg_overlap_note(&sum.overlap, c->mask[i]);
  dg_text_copy(sum.name, sizeof sum.name, name);
  return c->take == NULL ? DG_OK : c->take(&sum, c->context);
}

dg_status dg_splits_each(dg_h5 *file, const dg_graph_info *info, const int32_t *labels,
                         dg_status (*take)(const dg_split_summary *split, void *context), void *context) {
  check c = {.file = file, .info = info, .labels = labels, .take = take, .context = context};
  if (!dg_h5_exists(file, "splits")) return DG_OK;
  dg_status status = dg_alloc(&c.mask, (size_t)info->n_nodes, sizeof *c.mask);
  if (status == DG_OK) status = dg_h5_each_group(file, "splits", check_split, &c);
  dg_free(&c.mask);
  return status;
}

dg_status dg_graph_check_splits(dg_h5 *file, const dg_graph_info *info) {
  dg_status status = DG_OK;
  dg_labels labels = {0};
  if (!info->multilabel) DG_TRY(dg_slab_labels(&labels, file, info, 0, info->n_nodes));
  DG_TRY(dg_splits_each(file, info, labels.one, NULL, NULL));
cleanup:
  dg_labels_destroy(&labels);
  return status;
}

/* ---- Overlaps ---- */

void dg_overlap_note(dg_overlap *overlap, uint8_t mask) {
  overlap->train_val += (mask & DG_TRAIN) && (mask & DG_VAL);
  overlap->train_test += (mask & DG_TRAIN) && (mask & DG_TEST);
  overlap->val_test += (mask & DG_VAL) && (mask & DG_TEST);
}

void dg_overlap_warn(const dg_overlap *overlap, const char *path, const char *split) {
  if (overlap->train_val + overlap->train_test + overlap->val_test == 0) return;
  char name[DG_SPLIT_NAME];
  dg_text_copy(name, sizeof name, split);
  dg_log(
      "warning: %s: split %s: nodes in two lists: train and val %lld, train and test %lld, val and test %lld; what is "
      "scored was trained or selected on",
      path, name, (long long)overlap->train_val, (long long)overlap->train_test, (long long)overlap->val_test);
}
