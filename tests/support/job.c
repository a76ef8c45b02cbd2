#include "support/job.h"

#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

static void draw_weights(dg_params *p) {
  for (int n = 0; n < p->n_tensors; n++)
    for (int64_t i = dg_tensor_size(&p->tensor[n]) - 1; i >= 0; i--) {
      double u = dg_rng_uniform(dg_rng_key(7, (uint64_t)n), (uint64_t)i);
      p->value[dg_tensor_position(&p->tensor[n], i)] = (dg_real)(1.2 * u - 0.6);
    }
}

dg_status job_create(test_job *job, const random_graph *graph, const dg_comm *comm, const dg_model_config *config,
                     bool prune, bool exchange_first, uint64_t owner_seed) {
  dg_status status = DG_OK;
  const dg_field_config wanted = {.n_layers = config->layers,
                                  .splits = prune ? DG_TRAIN : 0,
                                  .edges = config->kind != DG_MODEL_MLP,
                                  .exchange_first = exchange_first,
                                  .backward = true};
  memset(job, 0, sizeof *job);
  DG_TRY(random_graph_load(&job->local, graph, comm, owner_seed));
  DG_TRY(dg_comm_agree(comm, dg_model_create(&job->model, config, graph->n_features, graph->n_classes)));
  draw_weights(&job->model.params);
  DG_TRY(dg_field_create(&job->field, &job->local, &wanted));
  DG_TRY(dg_pass_create(&job->pass, &job->model, &job->local, job->field, true, DG_HALO_F32));
cleanup:
  if (status != DG_OK) job_destroy(job);
  return status;
}

void job_destroy(test_job *job) {
  dg_pass_destroy(&job->pass);
  dg_field_destroy(&job->field);
  dg_model_destroy(&job->model);
  dg_local_destroy(&job->local);
}

double job_forward(test_job *job, const dg_step *step) {
  dg_pass_forward(&job->pass, step, NULL);
  return dg_pass_metrics(&job->pass, DG_TRAIN).loss_sum / (double)job->local.shard.n_train;
}

double job_step(test_job *job, const dg_step *step) {
  dg_params *params = &job->model.params;
  const int layers = job->model.config.layers;
  const int64_t n_train = job->local.shard.n_train;
  job_forward(job, step);
  dg_metrics metrics = dg_layer_loss(&job->pass.work[layers - 1], params, &job->pass, DG_TRAIN, n_train);
  for (int k = layers - 1; k >= 0; k--) {
    dg_work *w = &job->pass.work[k];
    dg_layer_backward_halo(w);
    if (w->channel) dg_halo_push_begin(w->channel);
    dg_layer_backward_owned(w, params);
    if (w->channel) dg_layer_backward_weights(w, params, DG_TARGETS), dg_halo_push_end(w->channel);
    dg_layer_backward_weights(w, params, w->channel ? DG_SOURCES : DG_BOTH_SIDES);
    if (k > 0) dg_layer_backward_input(w, w - 1, params);
  }
  dg_comm_sum_real(&job->local.comm, params->grad, (size_t)params->count);
  dg_comm_sum_double(&job->local.comm, &metrics.loss_sum, 1);
  return metrics.loss_sum / (double)n_train;
}

dg_status job_input_gradient(test_job *job, double *dx) {
  const dg_block *b = job->field->block[0];
  const size_t width = (size_t)job->model.n_features, all = (size_t)job->local.shard.info.n_nodes * width;
  dg_real *share = NULL;
  dg_status status = dg_comm_agree(&job->local.comm, dg_alloc(&share, (size_t)b->n_src * width, sizeof *share));
  if (status != DG_OK) return status;
  dg_pass_input_gradient(&job->pass, share);
  memset(dx, 0, all * sizeof *dx);
  for (int32_t i = 0; i < b->n_src; i++)
    for (size_t f = 0; f < width; f++) dx[(size_t)b->ids[i] * width + f] = (double)share[(size_t)i * width + f];
  dg_comm_sum_double(&job->local.comm, dx, all);
  dg_free(&share);
  return status;
}
