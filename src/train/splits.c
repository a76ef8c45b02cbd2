#include "train/splits.h"

#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/train.h>

#include "base/fault.h"

/* Counts the names, or where there is room for them copies them. */
static dg_status take_name(const char *name, void *context) {
  dg_split_list *list = context;
  if (strlen(name) >= DG_SPLIT_NAME)
    return dg_fail(DG_INPUT, "the name of a split has %zu bytes, it may have %d", strlen(name), DG_SPLIT_NAME - 1);
  if (list->name) snprintf(list->name[list->n], DG_SPLIT_NAME, "%s", name);
  list->n++;
  return DG_OK;
}

static dg_status read_names(dg_split_list *list, const char *graph_path) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  dg_graph_info info;
  char none[DG_SPLIT_NAME];
  DG_TRY(dg_graph_open(&file, &info, graph_path));
  if (dg_h5_exists(file, "splits")) DG_TRY(dg_h5_each_group(file, "splits", take_name, list));
  if (list->n == 0) DG_TRY(dg_graph_choose_split(file, NULL, none)); /* which fails */
  DG_TRY(dg_alloc(&list->name, (size_t)list->n, sizeof *list->name));
  list->n = 0;
  DG_TRY(dg_h5_each_group(file, "splits", take_name, list));
  DG_TRY(dg_fault("train.splits", DG_MEMORY));

cleanup:
  dg_h5_close(&file);
  return status;
}

dg_status dg_split_list_read(dg_split_list *list, const dg_comm *comm, const dg_config *config,
                             const char *graph_path) {
  dg_status status = DG_OK;
  const bool reads = comm->rank == 0;
  *list = (dg_split_list){.n = 1};
  DG_TRY(dg_config_compare(comm, config)); /* ranks that name one split would not take part */
  if (!dg_config_all_splits(config)) return DG_OK;
  list->n = 0;
  DG_TRY(dg_comm_agree(comm, reads ? read_names(list, graph_path) : DG_OK));
  dg_comm_bcast(comm, &list->n, sizeof list->n, 0);
  if (!reads) status = dg_alloc(&list->name, (size_t)list->n, sizeof *list->name);
  DG_TRY(dg_comm_agree(comm, status));
  dg_comm_bcast(comm, list->name, (size_t)list->n * sizeof *list->name, 0);

cleanup:
  if (status != DG_OK) dg_split_list_destroy(list);
  return status;
}

void dg_split_list_destroy(dg_split_list *list) {
  dg_free(&list->name);
  list->n = 0;
}

dg_status dg_train_runs(int64_t *runs, const dg_comm *comm, const dg_config *config, const char *graph_path) {
  dg_split_list list;
  const dg_status status = dg_split_list_read(&list, comm, config, graph_path);
  *runs = list.n * config->runs;
  dg_split_list_destroy(&list);
  return status;
}
