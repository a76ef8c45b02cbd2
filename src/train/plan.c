#include "train/plan_parts.h"

static const double CLOSE = 1.05; /* as good, for fewer ranks */

/* Nodes and threads that so many ranks take. */
static void place(dg_plan_point *point, const dg_plan_input *input, int parts) {
  const dg_plan_cluster *c = &input->cluster;
  *point = (dg_plan_point){.parts = parts, .nodes = (parts + c->ranks_per_node - 1) / c->ranks_per_node};
  const int local = dg_plan_local_ranks(point, c);
  point->threads = input->config->threads > 0 ? input->config->threads : c->cores / local > 1 ? c->cores / local : 1;
}

/* One number of parts. */
static dg_status plan_point(dg_plan_point *point, dg_known_rates *known, const dg_plan_input *input, dg_model *model,
                            const dg_dividing *how, const dg_comm *alone) {
  dg_status status = DG_OK;
  dg_division d = {.input = input, .model = model, .point = point};
  DG_TRY(dg_division_make(&d, how));
  dg_model_order_input(model, input->info->sparse, point->exchange_first);
  DG_TRY(dg_plan_find_rates(known, &d, how, alone));
  dg_division_scale(&d);
  dg_plan_predict_time(&d, known);
  dg_plan_predict_memory(&d);

cleanup:
  dg_division_destroy(&d);
  return status;
}

dg_status dg_plan_make(dg_plan_point *point, const dg_plan_input *input, const int *parts, int n, const dg_comm *alone,
                       dg_status (*divide)(int32_t *part, int parts, void *context), void *context) {
  dg_status status = DG_OK;
  const dg_dividing how = {divide, context};
  dg_model model = {0};
  dg_known_rates known = {0};
  const int edge_dim = dg_graph_edge_dim(input->info, input->config->model.edge_attributes);
  DG_TRY(dg_model_create(&model, &input->config->model, input->info->n_features, input->info->n_classes, edge_dim));
  for (int i = n - 1; i >= 0; i--) { /* small pieces first: their rates serve for those that are too large */
    place(&point[i], input, parts[i]);
    DG_TRY(plan_point(&point[i], &known, input, &model, &how, alone));
  }

cleanup:
  dg_model_destroy(&model);
  return status;
}

const dg_plan_point *dg_plan_best(const dg_plan_point *point, int n) {
  const dg_plan_point *best = point;
  for (int i = 1; i < n; i++)
    if (point[i].step < best->step) best = &point[i];
  const double enough = CLOSE * best->step;
  for (int i = 0; i < n; i++)
    if (point[i].step <= enough) return &point[i];
  return best;
}
