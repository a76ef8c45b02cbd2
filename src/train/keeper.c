#include "train/keeper.h"

#include <stdio.h>

#include <distgat/log.h>
#include <distgat/timer.h>

#include "base/stop.h"

enum { PLACE = 64 };

/* "after epoch 7", "after epoch 7 of run 2". */
static const char *place_of(char text[PLACE], const dg_keeper *k) {
  const dg_run *run = k->checkpoint.run;
  const int n = snprintf(text, PLACE, "after epoch %lld", (long long)run->epoch);
  if (k->checkpoint.n_runs > 1) snprintf(text + n, PLACE - (size_t)n, " of run %lld", (long long)run->index);
  return text;
}

/* The file as it is now; zeros where it cannot be looked at. */
static struct stat look(const char *path) {
  struct stat found;
  return stat(path, &found) == 0 ? found : (struct stat){0};
}

/* ---- going on ---- */

dg_status dg_keeper_open(dg_keeper *k, dg_config *now) {
  dg_status status = DG_OK;
  const dg_config *given = k->checkpoint.config;
  dg_origin origin = {0};
  const bool looks = k->comm->rank == 0 && given->resume;
  *now = *given;
  if (given->resume) dg_stop_place("before another epoch");
  DG_TRY(dg_comm_agree(k->comm, dg_config_period(&k->period, given)));
  if (k->comm->rank == 0 && given->checkpoint) k->last = look(given->checkpoint);
  DG_TRY(dg_comm_agree(k->comm, looks ? dg_checkpoint_open(&k->file, &origin, given) : DG_OK));
  DG_TRY(dg_comm_agree(k->comm, k->file ? dg_checkpoint_index(&k->index, k->file) : DG_OK));
  k->resumes = k->file != NULL;
  dg_comm_bcast(k->comm, &k->resumes, sizeof k->resumes, 0);
  if (!k->resumes) dg_stop_place("before the first epoch");
  dg_comm_bcast(k->comm, &k->index, sizeof k->index, 0);
  dg_comm_bcast(k->comm, &origin, sizeof origin, 0);
  if (k->resumes && origin.ranks == k->comm->size)
    now->first_halo = origin.exchange_first ? DG_FIRST_EXCHANGE : DG_FIRST_FETCH;

cleanup:
  return status;
}

dg_status dg_keeper_read(dg_keeper *k, const dg_trainer *trainer) {
  dg_status status = DG_OK;
  dg_checkpoint *c = &k->checkpoint;
  char place[PLACE];
  c->origin = dg_origin_of(&trainer->local, trainer->exchange_first);
  k->written = dg_time();
  c->state = &k->state;
  if (!k->resumes) return DG_OK;
  DG_TRY(dg_comm_agree(k->comm, dg_state_create(&k->state, c->run->params)));
  DG_TRY(dg_comm_agree(k->comm, k->file ? dg_checkpoint_read(c, k->file) : DG_OK));
  DG_TRY(dg_checkpoint_share(c, k->comm));
  dg_run_continue(c->run, c->config);
  dg_stop_place(place_of(place, k));
  dg_log("%s: %s %s", c->config->checkpoint, dg_run_is_over(c->run) ? "the run had ended" : "goes on", place);

cleanup:
  dg_state_destroy(&k->state);
  return status;
}

void dg_keeper_close(dg_keeper *k) {
  dg_h5_close(&k->file);
}

/* ---- signals ---- */

void dg_keeper_hold(const dg_keeper *k) {
  if (k->checkpoint.config->checkpoint) dg_stop_set(DG_STOP_AGREED);
}

void dg_keeper_release(const dg_keeper *k) {
  if (k->checkpoint.config->checkpoint) dg_stop_set(DG_STOP_AT_ONCE);
}

/* The signal that was sent, where ranks got different ones: a launcher that ends the others sends SIGTERM, which has
   the largest number of those that are waited for. Collective. */
static int find_signal(const dg_keeper *k) {
  enum { NONE = 64 };
  const int wished = dg_stop_wished();
  return (int)-dg_comm_max_int64(k->comm, wished == 0 ? -NONE : -wished);
}

/* Collective. */
static dg_status stop(const dg_keeper *k, dg_status written) {
  const int number = find_signal(k);
  const dg_status status = dg_comm_agree(k->comm, written);
  char place[PLACE];
  if (status != DG_OK) return status;
  return dg_fail(DG_STOPPED, "stopped by signal %s %s; continue with --resume", dg_stop_name(number),
                 place_of(place, k));
}

/* ---- writing ---- */

/* Of two runs with one file each would replace what the other has written. */
static void warn_of_another(dg_keeper *k) {
  const struct stat now = look(k->checkpoint.config->checkpoint);
  const bool mine = now.st_ino == k->last.st_ino && now.st_mtim.tv_sec == k->last.st_mtim.tv_sec &&
                    now.st_mtim.tv_nsec == k->last.st_mtim.tv_nsec;
  if (mine || now.st_ino == 0 || k->shared) return;
  k->shared = true;
  dg_warn("warning: %s: another run writes it too, as was seen %s; give each a --checkpoint of its own",
          k->checkpoint.config->checkpoint, dg_stop_where());
}

/* Rank 0. */
static dg_status write_down(dg_keeper *k) {
  dg_status status = DG_OK;
  const dg_observer *o = k->observer;
  char place[PLACE];
  if (o->on_checkpoint) DG_TRY(o->on_checkpoint(o->context));
  warn_of_another(k);
  DG_TRY(dg_checkpoint_write(&k->checkpoint));
  k->last = look(k->checkpoint.config->checkpoint);
  dg_stop_place(place_of(place, k));

cleanup:
  return status;
}

/* Rank 0 writes, and has the room for what all have; its failure is its own. Collective. */
static dg_status gather_and_write(dg_keeper *k) {
  const dg_params *params = k->checkpoint.run->params;
  const bool writes = k->comm->rank == 0;
  dg_status status = writes ? dg_state_create(&k->state, params) : DG_OK;
  dg_state_gather(&k->state, params);
  if (writes && status == DG_OK) status = write_down(k);
  dg_state_destroy(&k->state);
  return status;
}

/* A run of days does not end because a disk is full for an hour: that is said, once, and tried again. */
static void warn(dg_keeper *k, dg_status status) {
  char place[PLACE];
  if (status != DG_OK && !k->lacking)
    dg_warn("warning: no checkpoint %s, training goes on: %s", place_of(place, k), dg_status_message());
  if (status == DG_OK && k->lacking)
    dg_log("%s: written again, %s", k->checkpoint.config->checkpoint, place_of(place, k));
  if (status != DG_OK) dg_status_clear();
  k->lacking = status != DG_OK;
}

void dg_keeper_ask(const dg_keeper *k, dg_trainer *trainer) {
  const double waited = dg_time() - k->written;
  if (!k->checkpoint.config->checkpoint) return;
  trainer->stop = dg_stop_wished() != 0;
  trainer->keep = k->comm->rank == 0 && k->period.minutes > 0 && waited >= 60. * (double)k->period.minutes;
}

dg_status dg_keeper_take(dg_keeper *k, const dg_trainer *trainer, double seconds) {
  const dg_checkpoint *c = &k->checkpoint;
  const bool ends = dg_run_is_over(c->run) && c->run->index + 1 == c->n_runs;
  const bool due = k->period.epochs > 0 ? ++k->epochs >= k->period.epochs : trainer->keep;
  char place[PLACE];
  dg_stop_patience(3 * seconds);
  if (!c->config->checkpoint) dg_stop_place(place_of(place, k)); /* to be told as lost */
  if (!c->config->checkpoint || (!due && !ends && !trainer->stop)) return DG_OK;
  if (trainer->stop) dg_stop_set(DG_STOP_NOT_ANY_MORE);
  k->epochs = 0, k->written = dg_time();
  const dg_status status = gather_and_write(k);
  if (trainer->stop) return stop(k, status);
  if (k->comm->rank == 0) warn(k, status);
  return DG_OK;
}
