#include "train/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/log.h>
#include <distgat/rng.h>

#include "base/fault.h"
#include "data/columns.h"
#include "train/run_file.h"

/* Raised whenever the file, or the numbers of a run, become others: a run is gone on with as it began. */
enum { VERSION = 22 };

static const char format[] = "distgat-checkpoint";

#define ORIGIN(member) DG_COLUMN(dg_origin, member)
static const dg_column origin_members[] = {ORIGIN(graph), ORIGIN(split), ORIGIN(partition), ORIGIN(ranks),
                                           ORIGIN(exchange_first)};
static const dg_columns origin_columns = {origin_members, 5, sizeof(dg_origin)};

dg_origin dg_origin_of(const dg_local *local, bool exchange_first) {
  const dg_shard *shard = &local->shard;
  uint64_t sums[2] = {0, 0};
  for (dg_row i = 0; i < shard->n; i++) {
    sums[0] += dg_rng_key((uint64_t)local->ids[i], shard->mask[i]);
    sums[1] += dg_rng_key((uint64_t)local->ids[i], (uint64_t)local->comm.rank);
  }
  dg_comm_sum_int64(&local->comm, (int64_t *)sums, 2);
  return (dg_origin){.graph = shard->fingerprint + shard->edge_checksum,
                     .split = sums[0],
                     .partition = sums[1],
                     .ranks = local->comm.size,
                     .exchange_first = exchange_first};
}

/* ---- writing ---- */

/* The file before, beside the file itself where that is a link. */
static void name_previous(char name[PATH_MAX + 16], const char *path) {
  char place[PATH_MAX];
  snprintf(name, PATH_MAX + 16, "%s.previous", realpath(path, place) ? place : path);
}

static dg_status write_heading(dg_h5 *file, const dg_checkpoint *c) {
  dg_status status = DG_OK;
  char *options = NULL;
  DG_TRY(dg_config_describe_run(&options, c->config));
  DG_TRY(dg_h5_set_string(file, "format", format));
  DG_TRY(dg_h5_set_int64(file, "version", VERSION));
  DG_TRY(dg_h5_set_string(file, "program", DG_VERSION));
  DG_TRY(dg_h5_set_string(file, "options", options));
  DG_TRY(dg_h5_set_int64(file, "epochs", c->config->epochs));
  DG_TRY(dg_config_save(file, c->config));
  DG_TRY(dg_columns_write(&origin_columns, &c->origin, 1, file, "origin"));

cleanup:
  free(options);
  return status;
}

dg_status dg_checkpoint_write(const dg_checkpoint *c) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  char previous[PATH_MAX + 16];
  name_previous(previous, c->config->checkpoint);
  DG_TRY(dg_h5_create(&file, c->config->checkpoint));
  dg_h5_guard_data(file);
  DG_TRY(write_heading(file, c));
  DG_TRY(dg_state_write(c->state, c->run->params, file));
  DG_TRY(dg_run_write(c->run, file, "run"));
  if (c->kept) DG_TRY(dg_run_write(c->kept, file, "kept"));
  DG_TRY(dg_columns_write(&dg_result_columns, c->results, c->run->index, file, "results"));
  DG_TRY(dg_fault("checkpoint.write", DG_IO));
  DG_TRY(dg_h5_commit_keeping(&file, previous));

cleanup:
  dg_h5_close(&file);
  return status;
}

/* ---- opening ---- */

static dg_status open_whole(dg_h5 **file, const char *path) {
  dg_status status = DG_OK;
  DG_TRY(dg_h5_open(file, path));
  DG_TRY(dg_h5_verify(*file));

cleanup:
  if (status != DG_OK) dg_h5_close(file);
  return status;
}

/* What cannot be looked at is no file that is not there yet. */
static bool is_there(const char *path) {
  return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* Where neither file is whole the damage of the first is what is told. */
static dg_status open_one(dg_h5 **file, const char *path) {
  char previous[PATH_MAX + 16], why[1024];
  name_previous(previous, path);
  const bool there = is_there(path), before = is_there(previous);
  if (!there && !before) return DG_OK;
  dg_status status = there ? open_whole(file, path) : dg_fail(DG_INPUT, "%s: no such file", path);
  if ((status != DG_INPUT && status != DG_IO) || !before) return status;
  snprintf(why, sizeof why, "%s", dg_status_message());
  dg_status_clear();
  status = open_whole(file, previous);
  if (status == DG_OK) {
    dg_log("%s; the checkpoint before it is used: %s", why, previous);
    return DG_OK;
  }
  dg_status_clear();
  return dg_fail(status, "%s, and so is %s; remove both to start again", why, previous);
}

static dg_status check_version(dg_h5 *file) {
  dg_status status = DG_OK;
  char *found = NULL, *program = NULL;
  int64_t version;
  if (!dg_h5_attribute_exists(file, "format")) goto foreign;
  DG_TRY(dg_h5_get_string(file, "format", &found));
  if (strcmp(found, format) != 0) goto foreign;
  DG_TRY(dg_h5_get_int64(file, "version", &version));
  DG_TRY(dg_h5_get_string(file, "program", &program));
  if (version != VERSION)
    status =
        dg_fail(DG_INPUT, "%s: is of version %lld, by distgat %s; this program, %s, goes on with those of version %d",
                dg_h5_path(file), (long long)version, program, DG_VERSION, VERSION);
  goto cleanup;

foreign:
  status = dg_fail(DG_INPUT, "%s: is no checkpoint of distgat", dg_h5_path(file));
cleanup:
  free(found);
  free(program);
  return status;
}

static int line_length(const char *line) {
  return (int)strcspn(line, "\n");
}

static const char *next_line(const char *line) {
  line += line_length(line);
  return *line ? line + 1 : line;
}

/* Both texts name the same options in the same order. */
static dg_status compare_options(dg_h5 *file, const char *stored, const char *given) {
  while (*stored && line_length(stored) == line_length(given) &&
         memcmp(stored, given, (size_t)line_length(stored)) == 0)
    stored = next_line(stored), given = next_line(given);
  if (!*stored && !*given) return DG_OK;
  return dg_fail(DG_USAGE, "%s: the run began with %.*s, this command says %.*s; a run goes on as it began",
                 dg_h5_path(file), line_length(stored), stored, line_length(given), given);
}

static dg_status check_options(dg_h5 *file, const dg_config *config) {
  dg_status status = DG_OK;
  char *stored = NULL, *given = NULL;
  DG_TRY(dg_h5_get_string(file, "options", &stored));
  DG_TRY(dg_config_describe_run(&given, config));
  DG_TRY(compare_options(file, stored, given));

cleanup:
  free(stored);
  free(given);
  return status;
}

dg_status dg_checkpoint_index(int64_t *index, dg_h5 *file) {
  const dg_status status = dg_h5_read(file, "run/index", DG_H5_I64, 0, 1, index);
  if (status != DG_OK || *index >= 0) return status;
  return dg_fail(DG_INPUT, "%s: goes on with run %lld, which there cannot be", dg_h5_path(file), (long long)*index);
}

/* What may change, but not to less than what is done. */
static dg_status check_length(dg_h5 *file, const dg_config *config) {
  dg_status status = DG_OK;
  int64_t index, epoch, epochs;
  DG_TRY(dg_checkpoint_index(&index, file));
  DG_TRY(dg_h5_read(file, "run/epoch", DG_H5_I64, 0, 1, &epoch));
  DG_TRY(dg_h5_get_int64(file, "epochs", &epochs));
  if (index >= config->runs && !dg_config_all_splits(config))
    status = dg_fail(DG_USAGE, "%s: %lld runs were begun, more than --runs %lld", dg_h5_path(file),
                     (long long)index + 1, (long long)config->runs);
  else if (epoch > config->epochs)
    status = dg_fail(DG_USAGE, "%s: %lld epochs are done, more than --epochs %lld", dg_h5_path(file), (long long)epoch,
                     (long long)config->epochs);
  else if (index > 0 && epochs != config->epochs)
    status = dg_fail(DG_USAGE, "%s: the runs that are done had --epochs %lld, this command says --epochs %lld",
                     dg_h5_path(file), (long long)epochs, (long long)config->epochs);

cleanup:
  return status;
}

dg_status dg_checkpoint_open(dg_h5 **file, dg_origin *origin, const dg_config *config) {
  dg_status status = DG_OK;
  *file = NULL;
  DG_TRY(open_one(file, config->checkpoint));
  if (!*file) return DG_OK;
  DG_TRY(check_version(*file));
  DG_TRY(check_options(*file, config));
  DG_TRY(check_length(*file, config));
  DG_TRY(dg_columns_read(&origin_columns, origin, 1, *file, "origin"));

cleanup:
  if (status != DG_OK) dg_h5_close(file);
  return status;
}

/* ---- reading ---- */

static dg_status check_origin(const dg_origin *stored, const dg_origin *here, dg_h5 *file) {
  const bool other_graph = stored->graph != here->graph;
  if (!other_graph && stored->split == here->split) return DG_OK;
  return dg_fail(DG_INPUT, "%s: the run began on another %s (fingerprint %016" PRIx64 ", this one has %016" PRIx64 ")",
                 dg_h5_path(file), other_graph ? "graph" : "split of this graph",
                 other_graph ? stored->graph : stored->split, other_graph ? here->graph : here->split);
}

/* Of the runs that are done, the one that is kept; in the first run there is none yet. */
static dg_status read_kept(const dg_checkpoint *c, dg_h5 *file) {
  if (!c->kept || c->run->index == 0) return DG_OK;
  const dg_status status = dg_run_read(c->kept, c->config, file, "kept");
  if (status != DG_OK || c->kept->index < c->run->index) return status;
  return dg_fail(DG_INPUT, "%s: keeps run %lld, and run %lld is not done", dg_h5_path(file), (long long)c->kept->index,
                 (long long)c->run->index);
}

dg_status dg_checkpoint_read(const dg_checkpoint *c, dg_h5 *file) {
  dg_status status = DG_OK;
  dg_origin stored;
  DG_TRY(dg_columns_read(&origin_columns, &stored, 1, file, "origin"));
  DG_TRY(check_origin(&stored, &c->origin, file));
  DG_TRY(dg_fault("checkpoint.read", DG_INPUT));
  DG_TRY(dg_state_read(c->state, c->run->params, file));
  DG_TRY(dg_run_read(c->run, c->config, file, "run"));
  DG_TRY(read_kept(c, file));
  DG_TRY(dg_columns_read(&dg_result_columns, c->results, c->run->index, file, "results"));
  if (stored.ranks == c->origin.ranks && stored.partition != c->origin.partition)
    dg_log("%s: the run began with another partition; it goes on within rounding", dg_h5_path(file));

cleanup:
  return status;
}

dg_status dg_checkpoint_share(const dg_checkpoint *c, const dg_comm *comm) {
  dg_status status = DG_OK;
  dg_state_share(c->state, c->run->params, comm);
  DG_TRY(dg_run_share(c->run, comm));
  if (c->kept) DG_TRY(dg_run_share(c->kept, comm));
  dg_comm_bcast(comm, c->results, (size_t)c->run->index * sizeof *c->results, 0);
  for (int64_t i = 0; i < c->run->index; i++) c->results[i].model = dg_model_kind_name(c->config->model.kind);

cleanup:
  return status;
}
