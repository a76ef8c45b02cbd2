#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/memory.h>

#include "train/checkpoint.h"
#include "train/run_file.h"

/* A run that is written down comes back whole, and a file that is not whole is not used. */

enum { EPOCHS = 5, PATIENCE = 3, FEATURES = 5, CLASSES = 3, N_RESULTS = 2 };

static char folder[] = "/tmp/distgat-checkpoint-XXXXXX", path[64], previous[80];
static dg_config config;
static dg_result results[N_RESULTS], found_results[N_RESULTS];

/* A model with a run and one that is kept, as training holds them. */
typedef struct state {
  dg_model model;
  dg_state blocks;
  dg_run run, kept;
} state;
static state stored, found;

static const dg_origin origin = {
    .graph = 0xfedcba9876543210u, .split = 17, .partition = 23, .ranks = 3, .exchange_first = true};

static void make_state(state *s) {
  assert_int_equal(dg_model_create(&s->model, &config.model, FEATURES, CLASSES, 0), DG_OK);
  assert_int_equal(dg_state_create(&s->blocks, &s->model.params), DG_OK);
  assert_int_equal(dg_run_create(&s->run, &s->model.params), DG_OK);
  assert_int_equal(dg_run_create(&s->kept, &s->model.params), DG_OK);
}

static void free_state(state *s) {
  dg_run_destroy(&s->run);
  dg_run_destroy(&s->kept);
  dg_state_destroy(&s->blocks);
  dg_model_destroy(&s->model);
}

/* Every stored element of a block another number. */
static void number_block(const dg_params *p, dg_real *block, double first) {
  for (int n = 0; n < p->n_tensors; n++)
    for (int64_t i = 0; i < dg_tensor_size(&p->tensor[n]); i++)
      block[dg_tensor_position(&p->tensor[n], i)] = (dg_real)(first += 0.3);
}

/* Takes epochs whose figures are all different. */
static void take_epochs(dg_run *run, int64_t index, int n) {
  dg_run_start(run, &config, index);
  for (int i = 0; i < n; i++) {
    const double x = (double)(10 * index + i);
    const dg_history h = {.1 + x, .2 + x, .3 - x, .4 + x, .5 + x, .6 + x};
    if (dg_run_is_full(run)) assert_int_equal(dg_run_reserve(run), DG_OK);
    dg_run_take(run, &config, &h);
  }
}

static void fill_state(state *s) {
  dg_params *p = &s->model.params;
  take_epochs(&s->kept, 1, EPOCHS);
  number_block(p, s->kept.best, 500), number_block(p, s->kept.initial, 600);
  take_epochs(&s->run, N_RESULTS, EPOCHS);
  number_block(p, s->blocks.value, 0), number_block(p, s->blocks.first, 100), number_block(p, s->blocks.second, 200);
  number_block(p, s->run.best, 300), number_block(p, s->run.initial, 400);
  s->blocks.value[0] = INFINITY; /* of a run that has diverged */
  s->run.initial_given = true;
  s->run.stopping.waited = 4, s->run.stopping.least_loss = 0.25,
  s->run.stopping.most_acc = 0.75; /* of the other rule */
  s->run.diverged = true;
  snprintf(s->run.stop_reason, sizeof s->run.stop_reason, "a reason");
  for (int i = 0; i < N_RESULTS; i++) {
    char *bytes = (char *)&results[i];
    for (size_t k = 0; k < sizeof results[i]; k++) bytes[k] = (char)(1 + (k + (size_t)i) % 100);
    memset(&results[i].diverged, 0, offsetof(dg_result, train) - offsetof(dg_result, diverged)); /* with its padding */
    results[i].diverged = i == 0;
    results[i].model = NULL;
    memset(results[i].dataset, 0, sizeof results[i].dataset);
    memset(results[i].split, 0, sizeof results[i].split);
    memset(results[i].stop_reason, 0, sizeof results[i].stop_reason);
    snprintf(results[i].dataset, sizeof results[i].dataset, "graph %d", i);
    snprintf(results[i].split, sizeof results[i].split, "split %d", i);
    memset(results[i].stop_reason, 'x', sizeof results[i].stop_reason - 1);
  }
}

static dg_checkpoint checkpoint_of(state *s, dg_result *r) {
  return (dg_checkpoint){
      .config = &config, .origin = origin, .state = &s->blocks, .run = &s->run, .kept = &s->kept, .results = r};
}

static int begin(void **unused) {
  (void)unused;
  dg_status_clear();
  config = dg_config_default(DG_MODEL_GATV2);
  config.model.heads = 3, config.model.hidden = 2; /* rows with padding */
  config.epochs = 9, config.runs = 4, config.patience = PATIENCE, config.early_stop = DG_STOP_GCN;
  config.select = DG_SELECT_BEST_VAL_LOSS;
  config.checkpoint = path;
  make_state(&stored);
  make_state(&found);
  fill_state(&stored);
  memset(found_results, 0, sizeof found_results);
  unlink(path);
  unlink(previous);
  return 0;
}

static int end(void **unused) {
  (void)unused;
  free_state(&stored);
  free_state(&found);
  return 0;
}

static void write_down(void) {
  const dg_checkpoint c = checkpoint_of(&stored, results);
  assert_int_equal(dg_checkpoint_write(&c), DG_OK);
}

static dg_status read_back(void) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  dg_origin o = {0};
  const dg_checkpoint c = checkpoint_of(&found, found_results);
  dg_status_clear();
  DG_TRY(dg_checkpoint_open(&file, &o, &config));
  assert_memory_equal(&o, &origin, sizeof o);
  DG_TRY(dg_checkpoint_read(&c, file));

cleanup:
  dg_h5_close(&file);
  return status;
}

/* Byte by byte, but for what lies behind pointers and is made anew. */
static void assert_same_run(const dg_run *a, const dg_run *b) {
  dg_run plain = *b;
  plain.began = a->began;
  plain.params = a->params, plain.initial = a->initial, plain.best = a->best;
  plain.history = a->history, plain.capacity = a->capacity;
  plain.stopping.recent = a->stopping.recent, plain.stopping.room = a->stopping.room;
  assert_memory_equal(&plain, a, sizeof plain);
  const size_t bytes = (size_t)a->params->count * sizeof *a->best;
  assert_memory_equal(a->best, b->best, bytes);
  assert_memory_equal(a->initial, b->initial, bytes);
  assert_memory_equal(a->history, b->history, (size_t)a->epoch * sizeof *a->history);
  assert_memory_equal(a->stopping.recent, b->stopping.recent, PATIENCE * sizeof *a->stopping.recent);
}

static void all_comes_back(void **unused) {
  (void)unused;
  const size_t bytes = (size_t)stored.model.params.count * sizeof(dg_real);
  write_down();
  assert_int_equal(read_back(), DG_OK);
  assert_memory_equal(stored.blocks.value, found.blocks.value, bytes);
  assert_memory_equal(stored.blocks.first, found.blocks.first, bytes);
  assert_memory_equal(stored.blocks.second, found.blocks.second, bytes);
  assert_same_run(&stored.run, &found.run);
  assert_same_run(&stored.kept, &found.kept);
  assert_int_equal(stored.run.stopping.seen, EPOCHS);
  for (int i = 0; i < N_RESULTS; i++) assert_memory_equal(&results[i], &found_results[i], sizeof results[i]);
}

static void no_member_is_forgotten(void **unused) {
  (void)unused;
  const dg_columns *all[] = {&dg_run_columns, &dg_history_columns, &dg_result_columns};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    assert_true(dg_columns_are_complete(all[i]));
    for (int gone = 0; gone < all[i]->n; gone++) { /* the table without one of its members */
      dg_column some[64];
      const dg_columns less = {some, all[i]->n - 1, all[i]->bytes};
      memcpy(some, all[i]->column, (size_t)gone * sizeof *some);
      memcpy(some + gone, all[i]->column + gone + 1, (size_t)(less.n - gone) * sizeof *some);
      assert_true(!dg_columns_are_complete(&less) || all[i]->column[gone].size < 8); /* small ones hide in gaps */
    }
  }
}

static void a_run_that_was_complete_has_more_to_do_where_more_is_asked_for(void **unused) {
  (void)unused;
  dg_run *run = &stored.run;
  config.early_stop = DG_STOP_NONE;
  config.epochs = EPOCHS;
  take_epochs(run, 0, EPOCHS);
  assert_true(dg_run_is_over(run) && run->all_done);
  config.epochs = EPOCHS + 1;
  dg_run_continue(run, &config);
  assert_false(dg_run_is_over(run));
  config.epochs = EPOCHS;
  dg_run_continue(run, &config);
  assert_true(dg_run_is_over(run));
  snprintf(run->stop_reason, sizeof run->stop_reason, "another");
  run->all_done = false;
  config.epochs = EPOCHS + 1;
  dg_run_continue(run, &config);
  assert_string_equal(run->stop_reason, "another");
}

static void a_reason_can_be_shown(void **unused) {
  (void)unused;
  snprintf(stored.run.stop_reason, sizeof stored.run.stop_reason, "a \x1b[1mreason\n");
  write_down();
  assert_int_equal(read_back(), DG_OK);
  assert_string_equal(found.run.stop_reason, "a ?[1mreason?");
}

static void without_a_file_there_is_nothing_to_go_on_with(void **unused) {
  (void)unused;
  dg_h5 *file = NULL;
  dg_origin o;
  assert_int_equal(dg_checkpoint_open(&file, &o, &config), DG_OK);
  assert_null(file);
}

static int64_t epoch_read(void) {
  assert_int_equal(read_back(), DG_OK);
  return found.run.epoch;
}

static void write_twice(void) {
  for (int n = EPOCHS - 1; n <= EPOCHS; n++) {
    take_epochs(&stored.run, N_RESULTS, n);
    write_down();
  }
  assert_int_equal(epoch_read(), EPOCHS);
}

static void the_one_before_is_used_where_the_last_is_damaged(void **unused) {
  (void)unused;
  struct stat info;
  write_twice();
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(truncate(path, info.st_size / 2), 0);
  assert_int_equal(epoch_read(), EPOCHS - 1);
  assert_int_equal(truncate(path, 0), 0);
  assert_int_equal(epoch_read(), EPOCHS - 1);
  unlink(path);
  assert_int_equal(epoch_read(), EPOCHS - 1);
  assert_int_equal(truncate(previous, 100), 0);
  assert_int_equal(read_back(), DG_INPUT);
  assert_non_null(strstr(dg_status_message(), "remove both to start again"));
}

/* Bits of the data that change: every number of the file lies in a data set that has a checksum. */
static void changed_bits_show(void **unused) {
  (void)unused;
  write_twice();
  const float wanted = (float)(100 + 0.3); /* of the first moment */
  FILE *file = fopen(path, "r+b");
  char *bytes = NULL, *at = NULL;
  fseek(file, 0, SEEK_END);
  const size_t size = (size_t)ftell(file);
  bytes = malloc(size);
  rewind(file);
  assert_int_equal(fread(bytes, 1, size, file), size);
  for (size_t i = 0; i + sizeof wanted <= size && !at; i++)
    if (memcmp(bytes + i, &wanted, sizeof wanted) == 0) at = bytes + i;
  assert_non_null(at);
  fseek(file, at - bytes, SEEK_SET);
  fputc(*at ^ 1, file);
  fclose(file);
  free(bytes);
  assert_int_equal(epoch_read(), EPOCHS - 1);
}

static void assert_refused(dg_status status, const char *message) {
  assert_int_equal(read_back(), status);
  if (!strstr(dg_status_message(), message)) fail_msg("'%s' is not in '%s'", message, dg_status_message());
}

static void other_runs_are_refused_by_name(void **unused) {
  (void)unused;
  write_down();
  const dg_config as_written = config;
  config.lr = 0.25;
  assert_refused(DG_USAGE, "--lr 0.005");
  assert_refused(DG_USAGE, "this command says --lr 0.25");
  config = as_written, config.init = "weights.h5";
  assert_refused(DG_USAGE, "began with no --init, this command says --init weights.h5");
  config = as_written, config.epochs = EPOCHS - 1;
  assert_refused(DG_USAGE, "5 epochs are done, more than --epochs 4");
  config = as_written, config.epochs = 10; /* of the runs that are done there cannot be more */
  assert_refused(DG_USAGE, "had --epochs 9, this command says --epochs 10");
  config = as_written, config.runs = N_RESULTS;
  assert_refused(DG_USAGE, "3 runs were begun, more than --runs 2");
  config = as_written, config.runs = 7;
  assert_int_equal(read_back(), DG_OK);
  config = as_written, config.model.heads = 2;
  assert_refused(DG_USAGE, "--heads 3");
  config = as_written;
}

static void figures_that_no_run_has_are_refused(void **unused) {
  (void)unused;
  const char *misfit = "holds a run whose figures do not fit together";
  const dg_run run = stored.run, kept = stored.kept;
  stored.run.seed++, write_down();
  assert_refused(DG_INPUT, misfit);
  stored.run = run, stored.run.stopping.waited = -1, write_down();
  assert_refused(DG_INPUT, misfit);
  stored.run.stopping.waited = EPOCHS + 1, write_down();
  assert_refused(DG_INPUT, misfit);
  stored.run = run, stored.kept.epoch = config.epochs + 1, write_down();
  assert_refused(DG_INPUT, misfit);
  stored.kept = kept, stored.kept.index = N_RESULTS, stored.kept.seed++, write_down();
  assert_refused(DG_INPUT, "keeps run 2, and run 2 is not done");
  stored.kept = kept;
}

static void of_several_runs_one_is_kept(void **unused) {
  (void)unused;
  dg_checkpoint c = checkpoint_of(&stored, results);
  c.kept = NULL;
  assert_int_equal(dg_checkpoint_write(&c), DG_OK);
  assert_refused(DG_INPUT, "kept/index is missing");
  take_epochs(&stored.run, 0, EPOCHS);
  assert_int_equal(dg_checkpoint_write(&c), DG_OK);
  assert_int_equal(read_back(), DG_OK);
}

static void another_graph_is_refused(void **unused) {
  (void)unused;
  dg_h5 *file = NULL;
  dg_origin o;
  dg_checkpoint c = checkpoint_of(&found, found_results);
  write_down();
  assert_int_equal(dg_checkpoint_open(&file, &o, &config), DG_OK);
  c.origin.graph++;
  assert_int_equal(dg_checkpoint_read(&c, file), DG_INPUT);
  assert_non_null(strstr(dg_status_message(), "another graph (fingerprint fedcba9876543210"));
  dg_status_clear();
  c.origin = origin, c.origin.split++;
  assert_int_equal(dg_checkpoint_read(&c, file), DG_INPUT);
  assert_non_null(strstr(dg_status_message(), "another split of this graph"));
  dg_status_clear();
  c.origin = origin, c.origin.ranks++, c.origin.partition++;
  assert_int_equal(dg_checkpoint_read(&c, file), DG_OK);
  dg_h5_close(&file);
}

static void other_files_are_refused(void **unused) {
  (void)unused;
  dg_h5 *file = NULL;
  assert_int_equal(dg_h5_create(&file, path), DG_OK);
  assert_int_equal(dg_h5_set_string(file, "format", "distgat-model"), DG_OK);
  assert_int_equal(dg_h5_commit(&file), DG_OK);
  assert_refused(DG_INPUT, "is no checkpoint of distgat");
  assert_int_equal(dg_h5_create(&file, path), DG_OK);
  assert_int_equal(dg_h5_set_string(file, "format", "distgat-checkpoint"), DG_OK);
  assert_int_equal(dg_h5_set_string(file, "program", "9.8.7"), DG_OK);
  assert_int_equal(dg_h5_set_int64(file, "version", 77), DG_OK);
  assert_int_equal(dg_h5_commit(&file), DG_OK);
  assert_refused(DG_INPUT, "is of version 77, by distgat 9.8.7");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(all_comes_back),
                                     TEST(no_member_is_forgotten),
                                     TEST(a_run_that_was_complete_has_more_to_do_where_more_is_asked_for),
                                     TEST(a_reason_can_be_shown),
                                     TEST(without_a_file_there_is_nothing_to_go_on_with),
                                     TEST(the_one_before_is_used_where_the_last_is_damaged),
                                     TEST(changed_bits_show),
                                     TEST(other_runs_are_refused_by_name),
                                     TEST(figures_that_no_run_has_are_refused),
                                     TEST(of_several_runs_one_is_kept),
                                     TEST(another_graph_is_refused),
                                     TEST(other_files_are_refused)};
  if (mkdtemp(folder) == NULL) return 1;
  snprintf(path, sizeof path, "%s/c.h5", folder);
  snprintf(previous, sizeof previous, "%s.previous", path);
  const int failed = cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
  unlink(path);
  unlink(previous);
  rmdir(folder);
  return failed;
}
