#include "support/job.h"

#include <omp.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "nn/conv.h"

/* Sets a weight of this rank's share; others are left to theirs. */
static void set_own(test_job *job, dg_real *weight, dg_real value) {
  const dg_sums *sums = job->params->sums;
  const int64_t at = weight - sums->value;
  if (at >= sums->first && at < sums->first + sums->n) *weight = value;
}

void job_set_weight(test_job *job, dg_real *weight, dg_real value) {
  dg_sums_meet(job->params->sums);
  set_own(job, weight, value);
  dg_sums_meet(job->params->sums);
}

static void draw_weights(test_job *job) {
  dg_params *p = job->params;
  dg_sums_meet(p->sums);
  for (int n = 0; n < p->n_tensors; n++)
    for (int64_t i = dg_tensor_size(&p->tensor[n]) - 1; i >= 0; i--) {
      double u = dg_rng_uniform(dg_rng_key(7, (uint64_t)n), (uint64_t)i);
      set_own(job, &p->value[dg_tensor_position(&p->tensor[n], i)], (dg_real)(1.2 * u - 0.6));
    }
  dg_sums_meet(p->sums);
}

dg_status job_create(test_job *job, const random_graph *graph, const dg_comm *comm, const dg_model_config *config,
                     bool prune, bool exchange_first, uint64_t owner_seed) {
  dg_status status = DG_OK;
  dg_local local = {0};
  memset(job, 0, sizeof *job);
  /* A learning rate of zero leaves the weights as they are. */
  job->config = (dg_config){.model = *config,
                            .threads = omp_get_max_threads(),
                            .prune = prune,
                            .first_halo = exchange_first ? DG_FIRST_EXCHANGE : DG_FIRST_FETCH};
  DG_TRY(random_graph_load(&local, graph, comm, owner_seed, config->edge_attributes));
  DG_TRY(dg_trainer_create(&job->trainer, &local, &job->config));
  job->local = &job->trainer.local, job->params = &job->trainer.model.params;
  draw_weights(job);

cleanup:
  dg_local_destroy(&local);
  return status;
}

void job_destroy(test_job *job) {
  dg_trainer_destroy(&job->trainer);
}

double job_forward(test_job *job, const dg_step *step) {
  dg_pass_forward(&job->trainer.train, step);
  const dg_metrics m = dg_pass_metrics(&job->trainer.train, DG_TRAIN);
  return (m.loss_sum + m.loss_rest) / dg_pass_totals(&job->trainer.train).weight;
}

double job_step(test_job *job, const dg_step *step) {
  const double loss = dg_trainer_step(&job->trainer, step->seed, (int64_t)step->epoch).loss;
  dg_sums_collect(&job->trainer.sums);
  return loss;
}

/* Gradient of the loss of the last step with respect to the first layer's input rows, dx [n_src, n_features]; halo rows
   that were projected here hold this rank's share, others zero. */
static void input_gradient(const dg_pass *pass, dg_real *dx) {
  const dg_work *w = &pass->work[0];
  const dg_layer *l = w->layer;
  const dg_real *value = pass->model->params.value;
  const dg_real *skip = w->skip_weights ? w->skip_weights : value + l->skip[0];
  for (int32_t i = 0; i < (w->channel ? w->block->n_src_owned : w->block->n_src); i++) {
    const uint32_t row = dg_rng_row(w->x.drop.key, (uint32_t)w->block->folded[i]);
    const int n_features = l->n_in - l->n_labels;
    for (int f = 0; f < n_features; f++) {
      dg_real sum = 0;
      for (int c = 0; c < l->ld; c++) {
        sum += w->e.dz[(size_t)i * l->ld + c] * value[l->w + (int64_t)f * l->ld + c];
        if (l->wr >= 0 && i < w->block->n_dst)
          sum += w->e.dzr[(size_t)i * l->ld + c] * value[l->wr + (int64_t)f * l->ld + c];
      }
      for (int c = 0; l->n_skips > 0 && i < w->block->n_dst && c < l->bias_ld; c++)
        sum += w->dskip[(size_t)i * l->bias_ld + c] * skip[(int64_t)f * l->bias_ld + c];
      bool keep = dg_rng_column(row, w->x.drop.key, (uint32_t)f) >= w->x.drop.threshold;
      dx[(size_t)i * (size_t)n_features + f] = keep ? sum * w->x.drop.scale : 0;
    }
  }
}

dg_status job_input_gradient(test_job *job, double *dx) {
  const dg_block *b = job->trainer.train_field->block[0];
  const dg_comm *comm = job->trainer.comm;
  const size_t width = (size_t)job->trainer.model.n_features, all = (size_t)job->local->shard.info.n_nodes * width;
  dg_real *share = NULL;
  dg_status status = dg_comm_agree(comm, dg_alloc(&share, (size_t)b->n_src * width, sizeof *share));
  if (status != DG_OK) return status;
  input_gradient(&job->trainer.train, share);
  memset(dx, 0, all * sizeof *dx);
  for (int32_t i = 0; i < b->n_src; i++)
    for (size_t f = 0; f < width; f++) dx[(size_t)b->ids[i] * width + f] = (double)share[(size_t)i * width + f];
  dg_comm_sum_double(comm, dx, all);
  dg_free(&share);
  return status;
}
