#include <distgat/trainer.h>

#include <math.h>
#include <omp.h>

#include <distgat/memory.h>

#include "nn/conv.h"
#include "par/threads.h"
#include "train/cost.h"
#include "train/loss.h"
#include "train/schedule.h"
#include "train/work_spread.h"

dg_status dg_load_graph(dg_local *local, const dg_comm *comm, const char *path, const dg_shard_config *config,
                        const dg_owners_config *owners) {
  dg_status status = DG_OK;
  dg_shard shard = {0};
  dg_directory whose = {0};
  uint64_t made_for;
  *local = (dg_local){0};
  DG_TRY(dg_partition_owners(&whose, &made_for, comm, path, owners));
  DG_TRY(dg_shard_load(&shard, comm, path, &whose, config));
  DG_TRY(dg_partition_check_graph(owners->path, made_for, shard.fingerprint));
  DG_TRY(dg_local_create(local, comm, &shard));

cleanup:
  dg_directory_destroy(&whose);
  dg_shard_destroy(&shard);
  return status;
}

static dg_status make_pass(dg_trainer *t, dg_field **field, dg_pass *pass, int splits, bool backward) {
  dg_status status = DG_OK;
  const dg_field_config config = {.n_layers = t->config->model.layers,
                                  .splits = dg_config_prunes(t->config) ? splits : 0,
                                  .edges = dg_conv_of(t->config->model.kind)->edges,
                                  .outer =
                                      dg_conv_of(t->config->model.kind)->inner_edges && !t->config->model.reproducible,
                                  .numbered = dg_model_notes_edges(&t->model),
                                  .exchange_first = t->exchange_first,
                                  .exchange_input = t->config->model.label_iterations > 0,
                                  .backward = backward,
                                  .full = backward && dg_model_is_full(&t->config->model)};
  if (*field != NULL) return DG_OK;
  DG_TRY(dg_field_create(field, &t->local, &config));
  dg_memory_trim(); /* what loading and building took is in no one's way */
  DG_TRY(dg_pass_create(pass, &t->model, &t->local, *field, backward, t->config->halo_type));
  if (!dg_loss_is_plain(t->config, &t->local.shard.info)) pass->loss = &t->loss;

cleanup:
  return status;
}

/* The first layer's halo rows: as the configuration says, or where it leaves it open what costs less. */
static bool exchanges_first(const dg_trainer *t) {
  const dg_local *local = &t->local;
  if (t->config->model.reproducible) return t->model.layer[0].conv->edges;
  if (t->comm->size == 1 || !t->model.layer[0].conv->edges) return false;
  if (t->config->first_halo != DG_FIRST_AUTO) return t->config->first_halo == DG_FIRST_EXCHANGE;
  if (dg_model_may_gather_input(&t->model, local->shard.features.sparse)) return false;
  return dg_cost_exchange_pays(t->comm, &t->model, &local->shard.info, local->n_halo);
}

static dg_status check_labels(const dg_local *local, const dg_config *config, const char *graph) {
  if (local->shard.n_train > 0) return dg_loss_check(config, &local->shard.info, graph);
  return dg_fail(DG_INPUT, "%s: the training split is empty; it needs at least one labelled node", graph);
}

/* What halo rows are projected from here. */
static dg_status fetch_input(dg_trainer *t) {
  const dg_status status = dg_local_fetch_features(&t->local);
  return status == DG_OK && t->model.layer[0].n_labels > 0 ? dg_local_fetch_labels(&t->local) : status;
}

dg_status dg_trainer_create(dg_trainer *trainer, dg_local *local, const dg_config *config) {
  dg_status status = DG_OK;
  *trainer = (dg_trainer){.config = config, .local = *local};
  *local = (dg_local){0};
  const dg_comm *comm = trainer->comm = &trainer->local.comm;
  const dg_graph_info *info = &trainer->local.shard.info;
  dg_params *params = &trainer->model.params;
  trainer->threads = omp_get_max_threads();
  DG_TRY(check_labels(&trainer->local, config, info->name));
  DG_TRY(dg_comm_agree(comm, dg_model_check_graph(&config->model, &trainer->local)));
  status = dg_model_create(&trainer->model, &config->model, info->n_features, info->n_classes,
                           trainer->local.shard.edge_dim);
  DG_TRY(dg_comm_agree(comm, status));
  DG_TRY(dg_sums_create(&trainer->sums, comm, params->count, config->model.layers));
  DG_TRY(dg_comm_agree(comm, dg_params_train(params, &trainer->sums)));
  DG_TRY(dg_loss_prepare(&trainer->loss, &trainer->class_weight, &trainer->local, config));
  if (config->model.symmetric_norm) DG_TRY(dg_local_count_out_edges(&trainer->local));
  trainer->exchange_first = exchanges_first(trainer);
  dg_model_order_input(&trainer->model, trainer->local.shard.features.sparse, trainer->exchange_first);
  if (dg_conv_of(config->model.kind)->edges && !trainer->exchange_first) DG_TRY(fetch_input(trainer));
  DG_TRY(make_pass(trainer, &trainer->train_field, &trainer->train, DG_TRAIN, true));
  trainer->train.timer = &trainer->timer;

cleanup:
  if (status != DG_OK) dg_trainer_destroy(trainer);
  return status;
}

/* Whose rows are whose: so that the configuration's training step is divided. */
static dg_owners_config choose_owners(const dg_config *c, int threads) {
  return (dg_owners_config){.path = c->partition,
                            .balance = c->balance,
                            .objective = c->objective,
                            .split = c->split,
                            .step = dg_config_step(c),
                            .threads = threads,
                            .seed = c->seed};
}

dg_status dg_trainer_open(dg_trainer *trainer, const dg_comm *comm, const dg_config *config, const char *graph_path) {
  dg_status status = DG_OK;
  dg_local local = {0};
  int threads;
  *trainer = (dg_trainer){0};
  DG_TRY(dg_config_compare(comm, config));
  DG_TRY(dg_threads_set(&threads, comm, config->threads)); /* before there is memory that is to lie near them */
  const dg_owners_config owners = choose_owners(config, threads);
  const dg_shard_config shard = {
      .split = config->split, .normalize = config->normalize, .edge_attributes = config->model.edge_attributes};
  DG_TRY(dg_load_graph(&local, comm, graph_path, &shard, &owners));
  DG_TRY(check_labels(&local, config, graph_path));
  DG_TRY(dg_trainer_create(trainer, &local, config));
  if (config->partition) status = dg_work_spread_note(trainer, config->partition);
  if (status != DG_OK) dg_trainer_destroy(trainer);

cleanup:
  dg_local_destroy(&local);
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
  dg_model_destroy(&trainer->model);
  dg_sums_destroy(&trainer->sums);
  dg_free(&trainer->class_weight);
  dg_local_destroy(&trainer->local);
  *trainer = (dg_trainer){0};
}

/* What this rank adds to the figures that travel behind the gradients. */
static void give_figures(dg_trainer *t, dg_metrics metrics) {
  dg_real *tail = t->sums.grad + t->sums.count;
  tail[DG_SUM_LOSS] = (dg_real)(metrics.loss_sum / dg_pass_totals(&t->train).weight);
  tail[DG_SUM_CORRECT] = (dg_real)metrics.correct, tail[DG_SUM_GUESSES] = (dg_real)metrics.guesses;
  tail[DG_SUM_FAILED] = t->failed;
  tail[DG_SUM_STOP] = t->stop, tail[DG_SUM_KEEP] = t->keep;
}

dg_score dg_trainer_step(dg_trainer *trainer, uint64_t seed, int64_t epoch) {
  const dg_step step = {.seed = seed, .epoch = (uint64_t)epoch, .training = true};
  const dg_config *config = trainer->config;
  dg_sums *sums = &trainer->sums;
  dg_timer_start(&trainer->timer);

  dg_pass_forward(&trainer->train, &step);
  give_figures(trainer, dg_pass_loss(&trainer->train));
  dg_pass_backward(&trainer->train, sums);
  dg_sums_end(sums);
  dg_timer_lap(&trainer->timer, DG_PHASE_ALL_REDUCE);

  dg_optimizer optimizer = dg_schedule_optimizer(config, epoch);
  optimizer.scale = dg_gradient_scale(&trainer->model.params, config->clip_norm);
  if (isfinite(sums->figures[DG_SUM_LOSS])) {
    dg_optimizer_step(&trainer->model.params, &optimizer, epoch);
    dg_pass_update_statistics(&trainer->train);
  }
  dg_timer_lap(&trainer->timer, DG_PHASE_ADAM);
  dg_sums_settle(sums);
  dg_timer_lap(&trainer->timer, DG_PHASE_ALL_REDUCE);

  trainer->failed = sums->tail[DG_SUM_FAILED] > 0;
  trainer->stop = sums->tail[DG_SUM_STOP] > 0, trainer->keep = sums->tail[DG_SUM_KEEP] > 0;
  const dg_totals totals = dg_pass_totals(&trainer->train);
  const dg_metrics sum = {.correct = (double)sums->tail[DG_SUM_CORRECT],
                          .guesses = (double)sums->tail[DG_SUM_GUESSES],
                          .labels = totals.labels};
  return (dg_score){(double)sums->tail[DG_SUM_LOSS],
                    dg_accuracy(&sum, totals.nodes, trainer->local.shard.info.multilabel)};
}

dg_score dg_trainer_score(dg_trainer *trainer, const dg_pass *pass, int split) {
  const int64_t n = dg_shard_count(&trainer->local.shard, split);
  const dg_metrics m = dg_pass_metrics(pass, split);
  double sums[6] = {m.loss_sum, m.weight, m.correct, m.guesses, m.labels, m.loss_rest};
  dg_comm_sum_double(trainer->comm, sums, 6);
  const dg_metrics sum = {sums[0] + sums[5], sums[1], sums[2], sums[3], sums[4], 0};
  const double loss = sum.loss_sum / sum.weight;
  if (n == 0 || (!isfinite(loss) && sum.weight > 0)) return (dg_score){NAN, NAN};
  return (dg_score){loss, dg_accuracy(&sum, (double)n, trainer->local.shard.info.multilabel)};
}

dg_score dg_trainer_evaluate(dg_trainer *trainer, dg_pass *pass, int split) {
  dg_pass_evaluate(pass);
  return dg_trainer_score(trainer, pass, split);
}

int64_t dg_trainer_halo_bytes(const dg_trainer *trainer) {
  int64_t bytes = 0;
  for (int k = 0; trainer->train.work && k < trainer->model.config.layers; k++) {
    const dg_halo_channel *channel = trainer->train.work[k].channel;
    bytes += dg_model_passes(&trainer->model.config) * dg_halo_channel_bytes(channel);
    bytes += dg_halo_channel_bytes_back(channel);
  }
  if (trainer->train.work)
    bytes += trainer->config->model.label_iterations * dg_halo_channel_bytes(trainer->train.work->label_channel);
  dg_comm_sum_int64(trainer->comm, &bytes, 1);
  return bytes;
}
