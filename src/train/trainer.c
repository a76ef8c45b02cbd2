#include "train/trainer.h"

#include <math.h>

#include <distgat/memory.h>
#include <distgat/partition.h>

#include "kernels/kernels.h"
#include "nn/layer.h"
#include "par/threads.h"
#include "train/first_halo.h"

dg_status dg_load_graph(dg_local *local, const dg_comm *comm, const char *path, const char *partition,
                        const char *split, bool row_normalize, uint64_t seed) {
  dg_status status = DG_OK;
  dg_shard shard = {0};
  int32_t *owner = NULL;
  uint64_t made_for;
  *local = (dg_local){0};
  DG_TRY(dg_partition_owners(&owner, &made_for, comm, path, partition, seed));
  DG_TRY(dg_shard_load(&shard, comm, path, owner, split, row_normalize));
  DG_TRY(dg_partition_check_graph(partition, made_for, shard.fingerprint));
  dg_free(&owner);
  DG_TRY(dg_local_create(local, comm, &shard));

cleanup:
  dg_free(&owner);
  dg_shard_destroy(&shard);
  return status;
}

static dg_status make_pass(dg_trainer *t, dg_field **field, dg_pass *pass, int splits, bool backward) {
  dg_status status = DG_OK;
  const dg_field_config config = {.n_layers = t->config->model.layers,
                                  .splits = t->config->prune ? splits : 0,
                                  .edges = t->config->model.kind != DG_MODEL_MLP,
                                  .exchange_first = t->exchange_first,
                                  .backward = backward};
  if (*field != NULL) return DG_OK;
  DG_TRY(dg_field_create(field, &t->local, &config));
  DG_TRY(dg_pass_create(pass, &t->model, &t->local, *field, backward, t->config->halo_type));

cleanup:
  return status;
}

dg_status dg_trainer_create(dg_trainer *trainer, const dg_comm *comm, const dg_config *config, const char *graph_path) {
  dg_status status = DG_OK;
  *trainer = (dg_trainer){.comm = comm, .config = config};
  trainer->threads = dg_threads_set(comm, config->threads);
  DG_TRY(dg_load_graph(&trainer->local, comm, graph_path, config->partition, config->split, config->row_normalize,
                       config->seed));
  const dg_graph_info *info = &trainer->local.shard.info;
  if (trainer->local.shard.n_train == 0)
    DG_TRY(dg_fail(DG_INPUT, "%s: the training split is empty; it needs at least one labelled node", graph_path));
  DG_TRY(dg_comm_agree(comm, dg_model_create(&trainer->model, &config->model, info->n_features, info->n_classes)));
  DG_TRY(dg_comm_agree(comm, dg_alloc(&trainer->summing, (size_t)config->model.layers, sizeof *trainer->summing)));
  trainer->exchange_first = dg_exchange_pays(trainer);
  if (!trainer->exchange_first) DG_TRY(dg_local_fetch_features(&trainer->local));
  DG_TRY(make_pass(trainer, &trainer->train_field, &trainer->train, DG_TRAIN, true));

cleanup:
  if (status != DG_OK) dg_trainer_destroy(trainer);
  return status;
}

dg_status dg_trainer_prepare_val(dg_trainer *trainer) {
  return make_pass(trainer, &trainer->val_field, &trainer->val, DG_VAL, false);
}

dg_status dg_trainer_prepare_final(dg_trainer *trainer) {
  return make_pass(trainer, &trainer->final_field, &trainer->final, DG_TRAIN | DG_VAL | DG_TEST, false);
}

void dg_trainer_release_steps(dg_trainer *trainer) {
  dg_pass_destroy(&trainer->train);
  dg_pass_destroy(&trainer->val);
  dg_field_destroy(&trainer->train_field);
  dg_field_destroy(&trainer->val_field);
}

void dg_trainer_destroy(dg_trainer *trainer) {
  dg_trainer_release_steps(trainer);
  dg_pass_destroy(&trainer->final);
  dg_field_destroy(&trainer->final_field);
  dg_free(&trainer->summing);
  dg_model_destroy(&trainer->model);
  dg_local_destroy(&trainer->local);
  *trainer = (dg_trainer){0};
}

/* Kingma and Ba 2015, algorithm 1, with L2 decay added to the gradient; epoch is the step t. */
static void adam(dg_params *p, double lr, double decay, int64_t epoch) {
  const dg_kernels *k = dg_kernels_get();
  const double t = (double)epoch, beta1 = 0.9, beta2 = 0.999;
  const dg_real step = (dg_real)(lr / (1 - pow(beta1, t))), rsqrt = (dg_real)(1 / sqrt(1 - pow(beta2, t)));
  const int64_t unit = 1 << 14;
#pragma omp parallel for schedule(static) if (p->count > 4 * unit)
  for (int64_t begin = 0; begin < p->count; begin += unit) {
    const int64_t end = begin + unit < p->count ? begin + unit : p->count;
    k->adam(p->value, p->grad, p->m, p->v, begin, end, (dg_real)decay, step, rsqrt);
  }
}

/* Gradients of layer k are complete on this rank: their sum over ranks starts while the layers below run; those of the
   first layer have nothing left to run beside. With those of the last layer go loss and counts, which follow them. */
static void sum_gradients_begin(dg_trainer *t, int k) {
  const dg_layer *l = &t->model.layer[k];
  dg_real *grad = t->model.params.grad + l->first;
  const size_t count = (size_t)l->count + (k + 1 == t->model.config.layers ? DG_TAIL : 0);
  if (t->comm->size == 1) return;
  if (k > 0)
    t->summing[k] = dg_comm_sum_begin(t->comm, grad, count);
  else
    dg_comm_sum_real(t->comm, grad, count);
}

static void sum_gradients_end(dg_trainer *t) {
  for (int k = t->model.config.layers - 1; t->comm->size > 1 && k > 0; k--) dg_comm_sum_end(&t->summing[k]);
}

dg_score dg_trainer_step(dg_trainer *trainer, uint64_t seed, int64_t epoch) {
  const dg_step step = {.seed = seed, .epoch = (uint64_t)epoch, .training = true};
  const int64_t n_train = trainer->local.shard.n_train;
  const int layers = trainer->model.config.layers;
  dg_params *params = &trainer->model.params;
  dg_work *work = trainer->train.work;
  dg_timer *timer = &trainer->timer;
  dg_timer_start(timer);

  dg_pass_forward(&trainer->train, &step, timer);
  dg_metrics metrics = dg_layer_loss(&work[layers - 1], params, &trainer->train, DG_TRAIN, n_train);
  dg_real *tail = params->grad + params->count;
  tail[DG_TAIL_LOSS] = (dg_real)(metrics.loss_sum / (double)n_train);
  tail[DG_TAIL_CORRECT] = (dg_real)metrics.correct;
  tail[DG_TAIL_FAILED] = trainer->failed;
  dg_timer_lap(timer, DG_PHASE_LOSS);

  for (int k = layers - 1; k >= 0; k--) {
    dg_work *w = &work[k];
    dg_layer_backward_halo(w);
    dg_timer_lap(timer, DG_PHASE_EDGE_BACKWARD);
    if (w->channel) dg_halo_push_begin(w->channel);
    dg_layer_backward_owned(w, params);
    dg_timer_lap(timer, DG_PHASE_EDGE_BACKWARD);
    if (w->channel) {
      dg_layer_backward_weights(w, params, DG_TARGETS);
      dg_timer_lap(timer, DG_PHASE_WEIGHT_GRADIENT);
      dg_halo_push_end(w->channel);
      dg_timer_lap(timer, DG_PHASE_HALO_WAIT);
    }
    dg_layer_backward_weights(w, params, w->channel ? DG_SOURCES : DG_BOTH_SIDES);
    if (k > 0) dg_layer_backward_input(w, w - 1, params);
    dg_timer_lap(timer, DG_PHASE_WEIGHT_GRADIENT);
    sum_gradients_begin(trainer, k);
    dg_timer_lap(timer, DG_PHASE_ALL_REDUCE);
  }

  sum_gradients_end(trainer);
  trainer->failed = tail[DG_TAIL_FAILED] > 0;
  dg_timer_lap(timer, DG_PHASE_ALL_REDUCE);

  adam(params, trainer->config->lr, trainer->config->weight_decay, epoch);
  dg_timer_lap(timer, DG_PHASE_ADAM);
  return (dg_score){(double)tail[DG_TAIL_LOSS], (double)tail[DG_TAIL_CORRECT] / (double)n_train};
}

dg_score dg_trainer_score(dg_trainer *trainer, const dg_pass *pass, int split) {
  const dg_shard *s = &trainer->local.shard;
  const int64_t n = split == DG_TRAIN ? s->n_train : split == DG_VAL ? s->n_val : s->n_test;
  const dg_metrics m = dg_pass_metrics(pass, split);
  double sums[2] = {m.loss_sum, m.correct};
  dg_comm_sum_double(trainer->comm, sums, 2);
  if (n == 0) return (dg_score){NAN, NAN};
  return (dg_score){sums[0] / (double)n, sums[1] / (double)n};
}

dg_score dg_trainer_evaluate(dg_trainer *trainer, dg_pass *pass, int split) {
  dg_pass_evaluate(pass, NULL);
  return dg_trainer_score(trainer, pass, split);
}

int64_t dg_trainer_halo_bytes(const dg_trainer *trainer) {
  int64_t bytes = 0;
  for (int k = 0; trainer->train.work && k < trainer->model.config.layers; k++)
    if (trainer->train.work[k].channel) bytes += 2 * dg_halo_channel_bytes(trainer->train.work[k].channel);
  dg_comm_sum_int64(trainer->comm, &bytes, 1);
  return bytes;
}
