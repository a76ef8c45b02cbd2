#ifndef DG_TRAIN_LOSS_H
#define DG_TRAIN_LOSS_H

#include <distgat/config.h>

/* Whether the labels of a graph are of the kind that the loss is for; `path` is told. Errors: DG_USAGE. Local. */
dg_status dg_loss_check(const dg_config *config, const dg_graph_info *info, const char *path);

/* Whether rows of logits need nothing but the plain cross-entropy. Local. */
bool dg_loss_is_plain(const dg_config *config, const dg_graph_info *info);

/* The loss of a configuration; *class_weight [n_classes] is the caller's to free, NULL where classes weigh the same.
   Balanced weights are nodes over classes times nodes of the class, by the training nodes of all ranks, and with
   several labels nodes that lack the class over nodes that have it; a class without any weighs nothing. Errors:
   DG_MEMORY. Collective. */
dg_status dg_loss_prepare(dg_loss *loss, double **class_weight, const dg_local *local, const dg_config *config);

/* What the nodes of a split weigh on all ranks; with several labels a node each of them 1. Collective. */
double dg_loss_sum_weights(const dg_loss *loss, const dg_local *local, int split);

#endif
