#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/config.h>

static dg_config config;
static bool help, bench; /* whether options of bench are read, not of train */
static const char *operand[1];

enum { MAX_WORDS = 32 };

/* Parses words that spaces separate, after the operand. */
static dg_status parse_with(dg_option *extra, const char *line) {
  char text[512], *argv[MAX_WORDS] = {"train", "G.h5"}, *rest = NULL;
  int argc = 2;
  dg_status_clear();
  dg_config_destroy(&config);
  snprintf(text, sizeof text, "%s", line);
  for (char *word = strtok_r(text, " ", &rest); word && argc < MAX_WORDS - 1; word = strtok_r(NULL, " ", &rest))
    argv[argc++] = word;
  const dg_config_verb verb = {"usage", extra, !bench, 1};
  return dg_config_parse(&config, operand, &help, &verb, argc, argv);
}

static void parse(const char *line) {
  assert_int_equal(parse_with(NULL, line), DG_OK);
}

static void assert_message(const char *line, const char *message) {
  assert_int_equal(parse_with(NULL, line), DG_USAGE);
  assert_string_equal(dg_status_message(), message);
}

/* Parses a line that ends with "--config" and the path of a file with this text. */
static dg_status parse_with_file(const char *line, const char *text) {
  char path[] = "/tmp/distgat-test-XXXXXX", whole[512];
  int descriptor = mkstemp(path);
  assert_true(descriptor >= 0);
  assert_int_equal(write(descriptor, text, strlen(text)), (int)strlen(text));
  close(descriptor);
  snprintf(whole, sizeof whole, "%s --config %s", line, path);
  dg_status status = parse_with(NULL, whole);
  unlink(path);
  return status;
}

static void defaults_are_gatv2(void **state) {
  (void)state;
  parse("");
  const dg_model_config *m = &config.model;
  assert_int_equal(m->kind, DG_MODEL_GATV2);
  assert_int_equal(m->layers, 2);
  assert_int_equal(m->hidden, 8);
  assert_int_equal(m->heads, 8);
  assert_int_equal(m->out_heads, 1);
  assert_true(m->dropout == 0.6 && m->input_dropout == 0.6 && m->attention_dropout == 0);
  assert_true(m->negative_slope == 0.2);
  assert_int_equal(m->activation, DG_ELU);
  assert_true(config.lr == 0.005 && config.weight_decay == 5e-4);
  assert_int_equal(config.epochs, 200);
  assert_int_equal(config.seed, 0);
  assert_int_equal(config.runs, 1);
  assert_int_equal(config.eval_every, 10);
  assert_int_equal(config.early_stop, DG_STOP_NONE);
  assert_int_equal(config.select, DG_SELECT_LAST);
  assert_int_equal(config.halo_type, DG_HALO_F32);
  assert_int_equal(m->table_type, DG_TABLE_F32);
  assert_int_equal(config.threads, 0);
  assert_true(config.prune && config.normalize == DG_NORMALIZE_NONE);
  assert_null(config.save);
  assert_null(config.recipe);
}

static void gcn_and_mlp_differ(void **state) {
  (void)state;
  const char *const lines[] = {"--model gcn", "--model=mlp"};
  for (int i = 0; i < 2; i++) {
    parse(lines[i]);
    const dg_model_config *m = &config.model;
    assert_int_equal(m->kind, i == 0 ? DG_MODEL_GCN : DG_MODEL_MLP);
    assert_int_equal(m->hidden, 16);
    assert_int_equal(m->heads, 1);
    assert_true(m->dropout == 0.5 && m->input_dropout == 0.5);
    assert_int_equal(m->activation, DG_RELU);
    assert_true(config.lr == 0.01);
  }
  parse("--model gcn --hidden 32 --lr 0.1 --activation elu --dropout 0 --heads 1");
  assert_int_equal(config.model.hidden, 32);
  assert_int_equal(config.model.activation, DG_ELU);
  assert_true(config.lr == 0.1 && config.model.dropout == 0 && config.model.input_dropout == 0);
}

static void the_default_is_what_the_command_line_gives(void **state) {
  (void)state;
  const char *const lines[] = {"--model gcn", "--model gat", "--model gatv2", "--model mlp", "--model sage"};
  for (int kind = DG_MODEL_GCN; kind <= DG_MODEL_SAGE; kind++) {
    const dg_config d = dg_config_default((dg_model_kind)kind);
    parse(lines[kind]);
    const dg_model_config *a = &config.model, *b = &d.model;
    assert_int_equal(b->kind, kind);
    assert_true(a->layers == b->layers && a->hidden == b->hidden && a->heads == b->heads);
    assert_true(a->out_heads == b->out_heads && a->kind == b->kind && a->activation == b->activation);
    assert_true(a->dropout == b->dropout && a->input_dropout == b->input_dropout);
    assert_true(a->attention_dropout == b->attention_dropout && a->negative_slope == b->negative_slope);
    assert_true(config.lr == d.lr && config.weight_decay == d.weight_decay && config.epochs == d.epochs);
    assert_true(config.seed == d.seed && config.runs == d.runs && config.normalize == d.normalize);
    assert_true(config.early_stop == d.early_stop && config.patience == d.patience && config.select == d.select);
    assert_true(config.eval_every == d.eval_every && config.halo_type == d.halo_type && config.prune == d.prune);
    assert_true(config.first_halo == d.first_halo && config.threads == d.threads);
    assert_true(!a->residual && a->norm == DG_NORM_NONE && !b->residual && b->norm == DG_NORM_NONE);
    assert_true(config.loss == d.loss && config.optimizer == d.optimizer && config.lr_schedule == d.lr_schedule);
    assert_true(config.warmup == 0 && config.clip_norm == 0 && config.label_smoothing == 0 && !config.balance_classes);
    assert_true(!d.save && !d.log && !d.init && !d.split && !d.partition && !d.recipe);
  }
}

static void heads_need_attention(void **state) {
  (void)state;
  assert_message("--model gcn --heads 8", "--heads is for gat and gatv2; gcn has no heads");
  assert_message("--model mlp --out-heads 2", "--out-heads is for gat and gatv2; mlp has no heads");
  parse("--recipe gat-paper --model gcn");
  assert_int_equal(config.model.heads, 1);
}

static void options_that_nobody_uses_are_refused(void **state) {
  (void)state;
  assert_message("--model mlp --table-type bf16",
                 "--table-type bf16 is for rows that edges gather; mlp has no use for it");
  assert_message("--norm batch --layers 1", "--norm is for hidden layers, and with --layers 1 there are none");
  assert_message("--model gcn --attention-dropout 0.1",
                 "--attention-dropout is for gat and gatv2; gcn has no attention");
  assert_message("--model mlp --negative-slope 0.1", "--negative-slope is for gat and gatv2; mlp has no attention");
  parse("--model gcn --attention-dropout 0 --negative-slope 0.2 --heads 1 --out-heads 1"); /* as it is */
  parse("--recipe gat-paper --model mlp");
  assert_message("--patience 3", "--patience is for --early-stop gat or gcn, and there is none");
  assert_message("--patience 3 --recipe gat-paper --early-stop none",
                 "--patience is for --early-stop gat or gcn, and there is none");
  parse("--patience 3 --recipe gat-paper");
  assert_int_equal(config.patience, 3);
  assert_int_equal(parse_with_file("", "patience: 3\n"), DG_USAGE);
  assert_int_equal(parse_with_file("--model gcn", "negative-slope: 0.1\n"), DG_USAGE);
  assert_int_equal(parse_with_file("--early-stop gcn", "patience: 3\n"), DG_OK);
}

static void nothing_is_watched_without_a_step(void **state) {
  (void)state;
  assert_message("--epochs 0 --select best-val-acc", "--select needs validation, and with --epochs 0 there is none");
  assert_message("--epochs 0 --early-stop gat", "--early-stop needs validation, and with --epochs 0 there is none");
  parse("--epochs 0 --recipe gat-paper");
  assert_int_equal(config.select, DG_SELECT_LAST);
  assert_int_equal(config.early_stop, DG_STOP_NONE);
  parse("--epochs 0 --select last --early-stop none");
}

static void bench_takes_no_options_of_whole_runs(void **state) {
  (void)state;
  const char *const names[] = {"epochs",     "runs", "early-stop", "patience", "select",
                               "eval-every", "init", "save",       "log",      "save-gradients"};
  const char *const values[] = {"3", "3", "gat", "3", "best-val-acc", "3", "w.h5", "w.h5", "w", "w.h5"};
  bench = true;
  for (int i = 0; i < 10; i++) {
    char line[64], message[64];
    snprintf(line, sizeof line, "--%s %s", names[i], values[i]);
    snprintf(message, sizeof message, "--%s is for train", names[i]);
    assert_message(line, message);
  }
  parse("--recipe gat-paper --lr 0.1 --weight-decay 0 --seed 3 --split s --partition p --halo-type bf16 --prune off");
  bench = false;
}

static void every_option_arrives(void **state) {
  (void)state;
  parse("--layers 3 --hidden 4 --heads 2 --out-heads 5 --dropout 0.1 --input-dropout 0.2 --attention-dropout 0.3");
  assert_int_equal(config.model.layers, 3);
  assert_int_equal(config.model.hidden, 4);
  assert_int_equal(config.model.heads, 2);
  assert_int_equal(config.model.out_heads, 5);
  assert_true(config.model.dropout == 0.1 && config.model.input_dropout == 0.2 &&
              config.model.attention_dropout == 0.3);
  parse("--negative-slope -1 --weight-decay 0 --epochs 7 --seed 9 --runs 20 --normalize row --early-stop gcn "
        "--patience 7 --select best-val-acc");
  assert_true(config.model.negative_slope == -1 && config.weight_decay == 0 && config.normalize == DG_NORMALIZE_ROW);
  assert_int_equal(config.epochs, 7);
  assert_int_equal(config.seed, 9);
  assert_int_equal(config.runs, 20);
  assert_int_equal(config.early_stop, DG_STOP_GCN);
  assert_int_equal(config.patience, 7);
  assert_int_equal(config.select, DG_SELECT_BEST_VAL_ACC);
  parse("--split s --init i --save m --log l --partition p --halo-type bf16 --threads 3 --prune off");
  assert_string_equal(config.split, "s");
  assert_string_equal(config.init, "i");
  assert_string_equal(config.save, "m");
  assert_string_equal(config.log, "l");
  assert_string_equal(config.partition, "p");
  assert_int_equal(config.halo_type, DG_HALO_BF16);
  assert_int_equal(config.threads, 3);
  assert_false(config.prune);
}

static void validation_follows_what_watches_it(void **state) {
  (void)state;
  parse("--early-stop gat");
  assert_int_equal(config.eval_every, 1);
  parse("--select best-val-loss");
  assert_int_equal(config.eval_every, 1);
  parse("--select best-val-loss --eval-every 5");
  assert_int_equal(config.eval_every, 5);
}

static void nearer_sources_win(void **state) {
  (void)state;
  assert_int_equal(parse_with_file("--lr 0.3", "lr: 0.2\nweight-decay: 0.1\nrecipe: gat-paper\n"), DG_OK);
  assert_int_equal(config.model.kind, DG_MODEL_GAT);
  assert_true(config.lr == 0.3);
  assert_true(config.weight_decay == 0.1);
  assert_true(config.model.attention_dropout == 0.6);
  assert_int_equal(config.eval_every, 1);
  assert_int_equal(parse_with_file("--recipe gcn-paper", "hidden: 5\nrecipe: gat-paper\n"), DG_OK);
  assert_int_equal(config.model.kind, DG_MODEL_GCN);
  assert_int_equal(config.model.hidden, 5);
  assert_string_equal(config.recipe, "gcn-paper");
  assert_int_equal(parse_with_file("", "model: gcn\nheads: 8\n"), DG_USAGE);
  assert_int_equal(parse_with_file("", "model: tree\n"), DG_INPUT);
}

static void recipes_are_as_published(void **state) {
  (void)state;
  parse("--recipe tutorial-gat");
  assert_int_equal(config.model.kind, DG_MODEL_GATV2);
  assert_true(config.model.dropout == 0.6 && config.model.input_dropout == 0);
  assert_int_equal(config.eval_every, 10);
  parse("--recipe tutorial-gcn");
  assert_int_equal(config.model.kind, DG_MODEL_GCN);
  assert_true(config.model.dropout == 0.5 && config.model.input_dropout == 0.5 && config.lr == 0.01);
  parse("--recipe gat-paper-pubmed");
  assert_int_equal(config.model.out_heads, 8);
  assert_true(config.lr == 0.01 && config.weight_decay == 0.001 && config.normalize == DG_NORMALIZE_ROW);
  parse("--recipe gat-paper --dropout 0.2");
  assert_true(config.model.dropout == 0.2 && config.model.input_dropout == 0.2);
  const char *const others[] = {"--recipe mlp", "--recipe gcn-paper", "--recipe best"};
  for (int i = 0; i < 3; i++) parse(others[i]);
  assert_int_equal(parse_with(NULL, "--recipe magic"), DG_USAGE);
  assert_non_null(strstr(dg_status_message(), "--recipe must be tutorial-gcn, tutorial-gat, mlp, gcn-paper, gat-paper, "
                                              "gat-paper-pubmed, best, best-cora, "));
}

static void impossible_values_are_refused(void **state) {
  (void)state;
  const char *const lines[] = {"--layers 0",       "--hidden 0",     "--heads 0",         "--out-heads 0",
                               "--dropout 1",      "--lr 0",         "--epochs -1",       "--runs 0",
                               "--patience 0",     "--threads 0",    "--seed -1",         "--eval-every 0",
                               "--layers 1.5",     "--dropout -0.1", "--weight-decay -1", "--halo-type f16",
                               "--table-type f16", "--prune maybe",  "second.h5",         "--attention-dropout 1.0"};
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) assert_int_equal(parse_with(NULL, lines[i]), DG_USAGE);
}

static void reproducible_runs_exchange_rows_as_they_are(void **state) {
  (void)state;
  assert_int_equal(parse_with(NULL, "--reproducible"), DG_OK);
  assert_true(config.model.reproducible);
  assert_message("--reproducible --halo-type bf16",
                 "--reproducible is for exchanged rows of f32, not for --halo-type bf16");
  assert_message("--reproducible --first-halo fetch",
                 "--reproducible exchanges the first layer's rows: it is not for --first-halo fetch");
}

static void assert_period(const char *line, int64_t epochs, int64_t minutes) {
  dg_period period;
  assert_int_equal(parse_with(NULL, line), DG_OK);
  assert_int_equal(dg_config_period(&period, &config), DG_OK);
  assert_int_equal(period.epochs, epochs);
  assert_int_equal(period.minutes, minutes);
}

static void checkpoints_come_by_epochs_or_by_minutes(void **state) {
  (void)state;
  assert_period("--checkpoint c.h5", 100, 0);
  assert_period("--checkpoint c.h5 --checkpoint-every 7", 7, 0);
  assert_period("--checkpoint c.h5 --checkpoint-every 10m --resume", 0, 10);
  const char *const bad[] = {"0", "-3", "m", "0m", "5s", "5mm", "1.5", "1.5m", "99999999999999999999"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char line[64];
    snprintf(line, sizeof line, "--checkpoint c.h5 --checkpoint-every %s", bad[i]);
    assert_int_equal(parse_with(NULL, line), DG_USAGE);
    assert_non_null(strstr(dg_status_message(), "must be a number of epochs, such as 50, or of minutes, such as 10m"));
  }
  assert_message("--resume", "--resume is for --checkpoint FILE, and there is none");
  assert_message("--checkpoint-every 5", "--checkpoint-every is for --checkpoint FILE, and there is none");
}

/* Those that a run's numbers depend on are all there, given or not; the others are not. */
static void what_a_run_depends_on_is_described(void **state) {
  (void)state;
  char *one, *two, *three;
  assert_int_equal(parse_with(NULL, "--model gcn --lr 0.25"), DG_OK);
  assert_int_equal(dg_config_describe_run(&one, &config), DG_OK);
  assert_non_null(strstr(one, "--model gcn\n"));
  assert_non_null(strstr(one, "--lr 0.25\n"));
  assert_non_null(strstr(one, "no --init\n"));
  assert_int_equal(parse_with(NULL,
                              "--model gcn --lr 0.25 --epochs 3 --runs 2 --threads 1 --save m --log l --checkpoint c "
                              "--checkpoint-every 3 --resume --partition p --save-gradients g"),
                   DG_OK);
  assert_int_equal(dg_config_describe_run(&two, &config), DG_OK);
  assert_string_equal(one, two);
  free(two);
  parse("--model gcn --lr 0.25 --balance nodes --objective vol");
  assert_int_equal(dg_config_describe_run(&two, &config), DG_OK);
  assert_string_equal(one, two);
  const char *const others[] = {"--seed 1",
                                "--lr 0.2",
                                "--weight-decay 1",
                                "--dropout 0.1",
                                "--layers 3",
                                "--hidden 3",
                                "--patience 3 --early-stop gat",
                                "--eval-every 3",
                                "--split s",
                                "--init i",
                                "--select best-val-loss",
                                "--halo-type bf16",
                                "--table-type bf16",
                                "--prune off",
                                "--normalize row",
                                "--first-halo fetch"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    char line[128];
    snprintf(line, sizeof line, "--model gcn %s %s", strstr(others[i], "--lr") ? "" : "--lr 0.25", others[i]);
    assert_int_equal(parse_with(NULL, line), DG_OK);
    assert_int_equal(dg_config_describe_run(&three, &config), DG_OK);
    assert_string_not_equal(one, three);
    free(three);
  }
  free(one);
  free(two);
}

static void verbs_add_options(void **state) {
  (void)state;
  int64_t steps = 200;
  bool json = false;
  dg_option extra[] = {dg_option_int("steps", &steps, 1, 1000, "N", "steps"), dg_option_flag("json", &json, "JSON"),
                       dg_option_end()};
  assert_int_equal(parse_with(extra, "--steps 5 --hidden 3"), DG_OK);
  assert_int_equal(steps, 5);
  assert_true(extra[0].given && !extra[1].given && !json);
  assert_int_equal(config.model.hidden, 3);
  assert_string_equal(operand[0], "G.h5");
}

static void model_options_travel_with_weights(void **state) {
  (void)state;
  char folder[] = "/tmp/distgat-test-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/model.h5", folder);
  parse("--model gat --layers 3 --hidden 5 --heads 2 --out-heads 4 --dropout 0.1 --input-dropout 0.123456789012345 "
        "--attention-dropout 0.3 --negative-slope 0.05 --activation relu --normalize row");
  dg_h5 *file = NULL;
  assert_int_equal(dg_h5_create(&file, path), DG_OK);
  assert_int_equal(dg_config_save(file, &config), DG_OK);
  assert_int_equal(dg_h5_commit(&file), DG_OK);

  dg_config loaded = {0};
  assert_int_equal(dg_h5_open(&file, path), DG_OK);
  assert_int_equal(dg_config_load(file, &loaded), DG_OK);
  dg_h5_close(&file);
  const dg_model_config *a = &config.model, *b = &loaded.model;
  assert_int_equal(b->kind, DG_MODEL_GAT);
  assert_true(a->layers == b->layers && a->hidden == b->hidden && a->heads == b->heads && a->out_heads == b->out_heads);
  assert_true(a->dropout == b->dropout && a->input_dropout == b->input_dropout);
  assert_true(a->attention_dropout == b->attention_dropout && a->negative_slope == b->negative_slope);
  assert_int_equal(b->activation, DG_RELU);
  assert_true(loaded.normalize == DG_NORMALIZE_ROW && loaded.prune);
  dg_config_destroy(&loaded);
  unlink(path);
  rmdir(folder);
}

/* Loads a complete file of model options with one of them replaced. */
static dg_status load_with_layers(int64_t layers) {
  char folder[] = "/tmp/distgat-test-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/model.h5", folder);
  dg_h5 *file = NULL;
  parse("");
  config.model.layers = (int)layers;
  assert_int_equal(dg_h5_create(&file, path), DG_OK);
  assert_int_equal(dg_config_save(file, &config), DG_OK);
  assert_int_equal(dg_h5_commit(&file), DG_OK);
  assert_int_equal(dg_h5_open(&file, path), DG_OK);
  dg_config loaded = {0};
  dg_status status = dg_config_load(file, &loaded);
  dg_config_destroy(&loaded);
  dg_h5_close(&file);
  unlink(path);
  rmdir(folder);
  return status;
}

static void strange_model_files_are_refused(void **state) {
  (void)state;
  assert_int_equal(load_with_layers(2), DG_OK);
  assert_int_equal(load_with_layers(0), DG_INPUT);
  assert_non_null(strstr(dg_status_message(), "model.h5: layers must be at least 1 and at most 1000, not 0"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_are_gatv2),
      cmocka_unit_test(gcn_and_mlp_differ),
      cmocka_unit_test(the_default_is_what_the_command_line_gives),
      cmocka_unit_test(heads_need_attention),
      cmocka_unit_test(options_that_nobody_uses_are_refused),
      cmocka_unit_test(nothing_is_watched_without_a_step),
      cmocka_unit_test(bench_takes_no_options_of_whole_runs),
      cmocka_unit_test(every_option_arrives),
      cmocka_unit_test(validation_follows_what_watches_it),
      cmocka_unit_test(nearer_sources_win),
      cmocka_unit_test(recipes_are_as_published),
      cmocka_unit_test(impossible_values_are_refused),
      cmocka_unit_test(reproducible_runs_exchange_rows_as_they_are),
      cmocka_unit_test(checkpoints_come_by_epochs_or_by_minutes),
      cmocka_unit_test(what_a_run_depends_on_is_described),
      cmocka_unit_test(verbs_add_options),
      cmocka_unit_test(model_options_travel_with_weights),
      cmocka_unit_test(strange_model_files_are_refused),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  dg_config_destroy(&config);
  return failed;
}
