#include "support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/options.h>

#include "base/nearest.h"

static const char *const colours[] = {"red", "green", "blue", NULL};

/* One option of every kind, and what the last call to parse left. */
static int64_t count;
static double rate, share;
static char *file;
static int colour;
static bool verbose, help;
static const char *operand[2];
static dg_option options[7];

static void reset(void) {
  free(file);
  file = NULL;
  count = -1;
  rate = share = -1;
  colour = 0;
  verbose = help = false;
  operand[0] = operand[1] = NULL;
  options[0] = dg_option_int("count", &count, -5, 1000, "N", "how many");
  options[1] = dg_option_real("learning-rate", &rate, nextafter(0, 1), INFINITY, "X", "how fast");
  options[2] = dg_option_real("share", &share, 0, nextafter(1, 0), "P", "how much");
  options[3] = dg_option_text("file", &file, "FILE", "where");
  options[4] = dg_option_choice("colour", &colour, colours, "which");
  options[5] = dg_option_flag("verbose", &verbose, "say more");
  options[6] = dg_option_end();
  dg_status_clear();
}

enum { MAX_WORDS = 12 };

/* Parses words that spaces separate, with one operand. */
static dg_status parse(const char *line) {
  static char text[256]; /* operands point into it */
  char *argv[MAX_WORDS] = {"verb"}, *rest = NULL;
  int argc = 1;
  reset();
  snprintf(text, sizeof text, "%s", line);
  for (char *word = strtok_r(text, " ", &rest); word && argc < MAX_WORDS - 1; word = strtok_r(NULL, " ", &rest))
    argv[argc++] = word;
  return dg_options_parse(options, argc, argv, "usage", operand, 1, &help);
}

static void assert_message(const char *line, const char *message) {
  assert_int_equal(parse(line), DG_USAGE);
  assert_string_equal(dg_status_message(), message);
}

static void values_are_set(void **state) {
  (void)state;
  assert_int_equal(parse("G --count 12 --learning-rate=0.5 --file a=b --colour blue --verbose"), DG_OK);
  assert_int_equal(count, 12);
  assert_true(rate == 0.5);
  assert_string_equal(file, "a=b");
  assert_int_equal(colour, 2);
  assert_true(verbose && !help);
  assert_string_equal(operand[0], "G");
  assert_true(options[0].given && options[5].given && !options[2].given);
}

static void negative_values_are_values(void **state) {
  (void)state;
  assert_int_equal(parse("--count -3 G"), DG_OK);
  assert_int_equal(count, -3);
  assert_int_equal(parse("--count=-4 G --file -"), DG_OK);
  assert_int_equal(count, -4);
  assert_string_equal(file, "-");
}

static void last_of_repeated_wins(void **state) {
  (void)state;
  assert_int_equal(parse("--file a --count 1 G --file=b --count=2"), DG_OK);
  assert_int_equal(count, 2);
  assert_string_equal(file, "b");
}

static void flags_are_undone(void **state) {
  (void)state;
  assert_int_equal(parse("G --verbose --no-verbose"), DG_OK);
  assert_true(!verbose && options[5].given && !options[0].given);
  assert_int_equal(parse("G --no-verbose --count 3 --verbose"), DG_OK);
  assert_true(verbose && count == 3);
  assert_message("G --no-verbose=true", "--no-verbose takes no value");
  assert_message("G --no-count", "unknown option --no-count; did you mean --count?");
}

static void unknown_options_are_named_with_the_nearest(void **state) {
  (void)state;
  assert_message("G --cuont 3", "unknown option --cuont; did you mean --count?");
  assert_message("G --learning=3", "unknown option --learning; did you mean --learning-rate?");
  assert_message("G --colours", "unknown option --colours; did you mean --colour?");
  assert_message("G --elephants", "unknown option --elephants; --help lists the options");
  assert_message("G -x", "unknown option -x; --help lists the options");
}

static void unknown_values_are_named_with_the_nearest(void **state) {
  (void)state;
  assert_message("G --colour blu", "--colour must be red, green or blue, not 'blu'; did you mean blue?");
  assert_string_equal(dg_nearest((const char *const[]){"gcn", "gat", NULL}, "gta"), "gat");
  assert_message("G --colour purple", "--colour must be red, green or blue, not 'purple'");
}

static void malformed_numbers_are_refused(void **state) {
  (void)state;
  assert_message("G --count 3x", "--count must be a whole number, not '3x'");
  assert_message("G --count 1e2", "--count must be a whole number, not '1e2'");
  assert_message("G --count 0x10", "--count must be a whole number, not '0x10'");
  assert_message("G --learning-rate fast", "--learning-rate must be a finite number, not 'fast'");
  assert_message("G --learning-rate 1,5", "--learning-rate must be a finite number, not '1,5'");
  assert_message("G --learning-rate nan", "--learning-rate must be a finite number, not 'nan'");
  assert_message("G --learning-rate=inf", "--learning-rate must be a finite number, not 'inf'");
  assert_message("G --learning-rate 1e999", "--learning-rate must be a finite number, not '1e999'");
  reset();
  assert_int_equal(dg_options_set(&options[0], " 3", NULL), DG_USAGE);
  reset();
  assert_int_equal(dg_options_set(&options[1], "3 ", NULL), DG_USAGE);
}

static void ranges_are_said(void **state) {
  (void)state;
  assert_message("G --count 1001", "--count must be at least -5 and at most 1000, not 1001");
  assert_message("G --count 99999999999999999999",
                 "--count must be at least -5 and at most 1000, not 99999999999999999999");
  assert_message("G --learning-rate 0", "--learning-rate must be above 0, not 0");
  assert_message("G --share 1", "--share must be at least 0 and below 1, not 1");
  assert_message("G --share -0.1", "--share must be at least 0 and below 1, not -0.1");
  assert_int_equal(parse("G --share 0.999999 --learning-rate 1e-300"), DG_OK);
  reset();
  options[0].high = INFINITY;
  assert_int_equal(dg_options_set(&options[0], "9223372036854775808", NULL), DG_USAGE);
  assert_non_null(strstr(dg_status_message(), "at most 9223372036854775807"));
  assert_int_equal(dg_options_set(&options[0], "9223372036854775807", NULL), DG_OK);
  assert_true(count == INT64_MAX);
}

static void choices_are_listed(void **state) {
  (void)state;
  assert_message("G --colour pink", "--colour must be red, green or blue, not 'pink'");
  assert_message("G --colour gree", "--colour must be red, green or blue, not 'gree'; did you mean green?");
}

static void missing_and_unwanted_values_are_told(void **state) {
  (void)state;
  assert_message("G --count", "--count needs a value");
  assert_message("G --file=", "--file needs a value");
  assert_message("G --file --verbose", "--file needs a value, and --verbose looks like an option");
  assert_message("G --verbose=3", "--verbose takes no value");
}

static void operands_are_counted(void **state) {
  (void)state;
  assert_message("", "1 file name is needed, 0 given; --help shows the usage");
  assert_message("G H", "unexpected argument 'H'; --help shows the usage");
  assert_int_equal(parse("-- --verbose"), DG_OK);
  assert_string_equal(operand[0], "--verbose");
  assert_false(verbose);
}

static void operands_point_into_argv(void **state) {
  (void)state;
  char *argv[] = {"verb", "one", "--count", "1", "two", NULL};
  reset();
  assert_int_equal(dg_options_parse(options, 5, argv, "usage", operand, 2, &help), DG_OK);
  assert_ptr_equal(operand[0], argv[1]);
  assert_ptr_equal(operand[1], argv[4]);
}

/* A YAML file with this text. */
static dg_status load(const char *text) {
  char path[] = "/tmp/distgat-test-XXXXXX";
  int descriptor = mkstemp(path);
  assert_true(descriptor >= 0);
  assert_int_equal(write(descriptor, text, strlen(text)), (int)strlen(text));
  close(descriptor);
  dg_status status = dg_options_load_yaml(options, path);
  unlink(path);
  return status;
}

static void yaml_sets_what_was_not_given(void **state) {
  (void)state;
  assert_int_equal(parse("G --count 7"), DG_OK);
  assert_int_equal(load("# settings\ncount: 8\nlearning_rate: 0.25\ncolour: green\nverbose: true\nfile: 'x y'\n"),
                   DG_OK);
  assert_int_equal(count, 7);
  assert_true(rate == 0.25);
  assert_int_equal(colour, 1);
  assert_true(verbose);
  assert_string_equal(file, "x y");
  reset();
  assert_int_equal(load(""), DG_OK);
}

static void assert_yaml_fails(const char *text, const char *message) {
  reset();
  assert_int_equal(load(text), DG_INPUT);
  assert_non_null(strstr(dg_status_message(), message));
}

static void yaml_mistakes_name_file_and_line(void **state) {
  (void)state;
  assert_yaml_fails("count: 8\nspeed: 3\n", ":2: unknown option 'speed'; --help lists the options");
  assert_yaml_fails("color: red\n", ":1: unknown option 'color'; did you mean colour?");
  assert_yaml_fails("\n\ncount: many\n", ":3: count must be a whole number, not 'many'");
  assert_yaml_fails("count: 1\nshare: 2\n", ":2: share must be at least 0 and below 1, not 2");
  assert_yaml_fails("count: [1, 2]\n", ":1: count must be one value");
  assert_yaml_fails("count: 1\ncount: 2\n", ":2: count is set twice");
  assert_yaml_fails("count:\n", ":1: count needs a value");
  assert_yaml_fails("- count\n", "lines 'name: value' were expected");
  assert_yaml_fails("count: [1\n", "not YAML");
  assert_yaml_fails("\xff\xfe\x01", "is not a readable text file");
  reset();
  assert_int_equal(dg_options_load_yaml(options, "/nowhere/config.yaml"), DG_INPUT);
  assert_string_equal(dg_status_message(), "/nowhere/config.yaml: no such file");
}

/* All options as YAML, owned by the caller. */
static char *print_yaml(void) {
  const dg_option *all[] = {&options[0], &options[1], &options[2], &options[3], &options[4], &options[5]};
  char *text;
  size_t length;
  FILE *out = open_memstream(&text, &length);
  assert_non_null(out);
  assert_int_equal(dg_options_print_yaml(out, all, 6), DG_OK);
  fclose(out);
  return text;
}

static void printed_yaml_is_read_again(void **state) {
  (void)state;
  static const char *const texts[] = {"plain", "3: x", "null",   "# no comment", "it's \"so\"",
                                      "-",     "on",   " ends ", "a\tb"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    reset();
    count = -5, rate = 0.1 + 0.2, share = 1e-300, colour = 2, verbose = true, file = strdup(texts[i]);
    char *text = print_yaml();
    reset();
    assert_int_equal(load(text), DG_OK);
    assert_true(count == -5 && rate == 0.1 + 0.2 && share == 1e-300 && colour == 2 && verbose);
    assert_string_equal(file, texts[i]);
    free(text);
  }
  reset();
  rate = 0.005, share = 0.6, file = strdup("x");
  char *text = print_yaml();
  assert_string_equal(text, "count: -1\nlearning-rate: 0.005\nshare: 0.6\nfile: x\ncolour: red\nverbose: false\n");
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_set),
      cmocka_unit_test(negative_values_are_values),
      cmocka_unit_test(last_of_repeated_wins),
      cmocka_unit_test(flags_are_undone),
      cmocka_unit_test(unknown_options_are_named_with_the_nearest),
      cmocka_unit_test(unknown_values_are_named_with_the_nearest),
      cmocka_unit_test(malformed_numbers_are_refused),
      cmocka_unit_test(ranges_are_said),
      cmocka_unit_test(choices_are_listed),
      cmocka_unit_test(missing_and_unwanted_values_are_told),
      cmocka_unit_test(operands_are_counted),
      cmocka_unit_test(operands_point_into_argv),
      cmocka_unit_test(yaml_sets_what_was_not_given),
      cmocka_unit_test(yaml_mistakes_name_file_and_line),
      cmocka_unit_test(printed_yaml_is_read_again),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  reset();
  return failed;
}
