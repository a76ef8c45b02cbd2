#ifndef DG_TRAIN_SPLITS_H
#define DG_TRAIN_SPLITS_H

#include <distgat/config.h>
#include <distgat/graph.h>

/* The splits that a configuration trains on, one after the other, in the order of their names. */
typedef struct dg_split_list {
  int64_t n;
  char (*name)[DG_SPLIT_NAME]; /* [n]; NULL where the configuration names one split, or leaves it to the file */
} dg_split_list;

/* Reads the list of --split all; else nothing is read. Errors: DG_INPUT, DG_MEMORY; DG_USAGE where ranks have other
   configurations. Collective. */
dg_status dg_split_list_read(dg_split_list *list, const dg_comm *comm, const dg_config *config, const char *graph_path);
void dg_split_list_destroy(dg_split_list *list);

#endif
