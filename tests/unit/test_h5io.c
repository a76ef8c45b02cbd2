#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/h5io.h>

#include "support/support.h"

static char folder[] = "/tmp/distgat-h5io-XXXXXX";
static char path[64], other[64];

static int enter(void **state) {
  (void)state;
  if (mkdtemp(folder) == NULL) return -1;
  snprintf(path, sizeof path, "%s/a.h5", folder);
  snprintf(other, sizeof other, "%s/b.h5", folder);
  return 0;
}

static int leave(void **state) {
  (void)state;
  unlink(path);
  unlink(other);
  return rmdir(folder); /* fails where a temporary file was left behind */
}

static int forget(void **state) {
  (void)state;
  dg_status_clear();
  return 0;
}

static void assert_failed(dg_status status, dg_status expected, const char *words) {
  assert_int_equal(status, expected);
  assert_non_null(strstr(dg_status_message(), words));
  assert_null(strchr(dg_status_message(), '\n'));
  dg_status_clear();
}

static const float reals[6] = {1, -2.5f, 3, 4, 5, 6e30f};
static const int32_t ids[4] = {4, -3, 2, 1};

static void write_sample(const char *to) {
  dg_h5 *file;
  assert_int_equal(dg_h5_create(&file, to), DG_OK);
  assert_int_equal(dg_h5_write(file, "deep/er/reals", DG_H5_F32, 2, (int64_t[]){3, 2}, reals), DG_OK);
  assert_int_equal(dg_h5_write(file, "deep/ids", DG_H5_I32, 1, (int64_t[]){4}, NULL), DG_OK);
  assert_int_equal(dg_h5_write_rows(file, "deep/ids", DG_H5_I32, 2, 2, ids + 2), DG_OK);
  assert_int_equal(dg_h5_write_rows(file, "deep/ids", DG_H5_I32, 0, 2, ids), DG_OK);
  assert_int_equal(dg_h5_write(file, "deep/empty", DG_H5_I64, 1, (int64_t[]){0}, NULL), DG_OK);
  assert_int_equal(dg_h5_set_string(file, "name", "first"), DG_OK);
  assert_int_equal(dg_h5_set_string(file, "name", "K\xc3\xb6ln"), DG_OK);
  assert_int_equal(dg_h5_set_string(file, "nothing", ""), DG_OK);
  assert_int_equal(dg_h5_set_int64(file, "count", INT64_MIN), DG_OK);
  assert_int_equal(dg_h5_set_double(file, "rate", 0.1), DG_OK);
  assert_int_equal(dg_h5_commit(&file), DG_OK);
  assert_null(file);
}

static void test_round_trip(void **state) {
  (void)state;
  dg_h5 *file;
  write_sample(path);
  assert_int_equal(dg_h5_open(&file, path), DG_OK);
  int rank;
  int64_t extent[DG_H5_MAX_RANK], wide[4], none;
  dg_h5_type type;
  double row[2];
  assert_int_equal(dg_h5_shape(file, "/deep/er/reals", &rank, extent), DG_OK);
  assert_int_equal(rank, 2);
  assert_int_equal(extent[0], 3);
  assert_int_equal(extent[1], 2);
  assert_int_equal(dg_h5_type_of(file, "deep/er/reals", &type), DG_OK);
  assert_int_equal(type, DG_H5_F32);
  assert_int_equal(dg_h5_read(file, "deep/er/reals", DG_H5_F64, 1, 1, row), DG_OK);
  assert_true(row[0] == 3 && row[1] == 4);
  assert_int_equal(dg_h5_read(file, "deep/ids", DG_H5_I64, 0, 4, wide), DG_OK);
  for (int i = 0; i < 4; i++) assert_int_equal(wide[i], ids[i]);
  assert_int_equal(dg_h5_read(file, "deep/empty", DG_H5_I64, 0, 0, &none), DG_OK);
  assert_true(dg_h5_exists(file, "deep/er") && dg_h5_exists(file, "/deep/ids") && dg_h5_exists(file, "/"));
  assert_false(dg_h5_exists(file, "deep/er/nothing") || dg_h5_exists(file, "absent/er"));
  dg_h5_close(&file);
  dg_h5_close(&file);
}

static void test_attributes(void **state) {
  (void)state;
  dg_h5 *file;
  char *text;
  int64_t count;
  double rate;
  write_sample(path);
  assert_int_equal(dg_h5_open(&file, path), DG_OK);
  assert_int_equal(dg_h5_get_string(file, "name", &text), DG_OK);
  assert_string_equal(text, "K\xc3\xb6ln");
  free(text);
  assert_int_equal(dg_h5_get_string(file, "nothing", &text), DG_OK);
  assert_string_equal(text, "");
  free(text);
  assert_int_equal(dg_h5_get_int64(file, "count", &count), DG_OK);
  assert_true(count == INT64_MIN);
  assert_int_equal(dg_h5_get_double(file, "rate", &rate), DG_OK);
  assert_true(rate == 0.1);
  assert_failed(dg_h5_get_int64(file, "rate", &count), DG_INPUT, "rate must be an integer");
  assert_failed(dg_h5_get_double(file, "name", &rate), DG_INPUT, "name must be a number");
  assert_failed(dg_h5_get_string(file, "rate", &text), DG_INPUT, "rate must be a string");
  assert_failed(dg_h5_get_string(file, "absent", &text), DG_INPUT, "attribute absent is missing");
  assert_true(dg_h5_attribute_exists(file, "rate") && !dg_h5_attribute_exists(file, "deep"));
  dg_h5_close(&file);
}

static dg_status collect(const char *name, void *context) {
  strcat(context, name);
  strcat(context, " ");
  return strcmp(name, "middle") == 0 ? dg_fail(DG_INPUT, "stop") : DG_OK;
}

static void test_each(void **state) {
  (void)state;
  dg_h5 *file;
  char names[64] = "";
  write_sample(path);
  assert_int_equal(dg_h5_open(&file, path), DG_OK);
  assert_int_equal(dg_h5_each(file, "deep", collect, names), DG_OK);
  assert_string_equal(names, "empty ids ");
  names[0] = '\0';
  assert_int_equal(dg_h5_each_group(file, "/", collect, names), DG_OK);
  assert_string_equal(names, "deep ");
  assert_failed(dg_h5_each(file, "absent", collect, names), DG_INPUT, "group absent is missing");
  dg_h5_close(&file);
}

static void test_wrong_reads(void **state) {
  (void)state;
  dg_h5 *file;
  float out[8];
  int rank;
  int64_t extent[DG_H5_MAX_RANK];
  write_sample(path);
  assert_int_equal(dg_h5_open(&file, path), DG_OK);
  assert_failed(dg_h5_read(file, "deep/none", DG_H5_F32, 0, 1, out), DG_INPUT, "a.h5: data set deep/none is missing");
  assert_failed(dg_h5_read(file, "/deep/er/reals", DG_H5_F32, 2, 2, out), DG_INPUT, "deep/er/reals has 3 rows");
  assert_failed(dg_h5_read(file, "deep/er/reals", DG_H5_F32, -1, 1, out), DG_INPUT, "deep/er/reals has 3 rows");
  assert_failed(dg_h5_shape(file, "deep/er", &rank, extent), DG_INPUT, "deep/er is not a data set");
  dg_h5_close(&file);
}

static char *content(const char *name, size_t *size) {
  FILE *file = fopen(name, "rb");
  char *bytes = calloc(1, 1 << 20);
  *size = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return bytes;
}

static void write_bytes(const char *name, const char *bytes, size_t size) {
  FILE *file = fopen(name, "wb");
  fwrite(bytes, 1, size, file);
  fclose(file);
}

static void test_damaged_files(void **state) {
  (void)state;
  dg_h5 *file;
  size_t size;
  write_sample(path);
  char *bytes = content(path, &size);
  write_bytes(other, bytes, size / 2);
  assert_failed(dg_h5_open(&file, other), DG_INPUT, "b.h5: is truncated or damaged");
  assert_null(file);
  write_bytes(other, "not HDF5", 8);
  assert_failed(dg_h5_open(&file, other), DG_INPUT, "b.h5: is not an HDF5 file");
  write_bytes(other, "", 0);
  assert_failed(dg_h5_open(&file, other), DG_INPUT, "b.h5: is not an HDF5 file");
  unlink(other);
  assert_failed(dg_h5_open(&file, other), DG_INPUT, "b.h5: no such file");
  assert_failed(dg_h5_open(&file, folder), DG_INPUT, "is a directory");
  free(bytes);
}

static void test_same_bytes(void **state) {
  (void)state;
  size_t size, other_size;
  write_sample(path);
  sleep(1);
  write_sample(other);
  char *bytes = content(path, &size), *other_bytes = content(other, &other_size);
  assert_int_equal(size, other_size);
  assert_memory_equal(bytes, other_bytes, size);
  free(bytes);
  free(other_bytes);
}

static void test_unwritable(void **state) {
  (void)state;
  dg_h5 *file;
  char deep[96];
  snprintf(deep, sizeof deep, "%s/absent/a.h5", folder);
  assert_failed(dg_h5_create(&file, deep), DG_IO, "absent/a.h5: cannot be written: No such file");
  assert_null(file);
  assert_failed(dg_h5_create(&file, folder), DG_IO, "is a directory");
  assert_failed(dg_h5_create(&file, "/dev/null"), DG_IO, "is not a regular file");
}

/* Whatever ends the writing, an older file stays as it was. */
static void test_complete_or_absent(void **state) {
  (void)state;
  dg_h5 *file;
  size_t size;
  write_bytes(path, "older", 5);
  assert_int_equal(dg_h5_create(&file, path), DG_OK);
  assert_int_equal(dg_h5_write(file, "ids", DG_H5_I32, 1, (int64_t[]){4}, ids), DG_OK);
  dg_h5_close(&file);
  char *bytes = content(path, &size);
  assert_memory_equal(bytes, "older", 6);
  free(bytes);
}

/* A file that may not grow stands for a full disk. */
static void test_disk_full(void **state) {
  (void)state;
  dg_h5 *file;
  struct rlimit before, small;
  size_t size;
  int64_t extent = 100000;
  int32_t *many = calloc((size_t)extent, sizeof *many);
  write_bytes(path, "older", 5);
  getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 65536;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  assert_int_equal(dg_h5_create(&file, path), DG_OK);
  dg_status status = dg_h5_write(file, "many", DG_H5_I32, 1, &extent, many);
  if (status == DG_OK)
    status = dg_h5_commit(&file);
  else
    dg_h5_close(&file);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_failed(status, DG_IO, "a.h5: ");
  assert_null(file);
  char *bytes = content(path, &size);
  assert_memory_equal(bytes, "older", 6);
  free(bytes);
  free(many);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_round_trip, forget),    cmocka_unit_test_teardown(test_attributes, forget),
      cmocka_unit_test_teardown(test_each, forget),          cmocka_unit_test_teardown(test_wrong_reads, forget),
      cmocka_unit_test_teardown(test_damaged_files, forget), cmocka_unit_test_teardown(test_same_bytes, forget),
      cmocka_unit_test_teardown(test_unwritable, forget),    cmocka_unit_test_teardown(test_complete_or_absent, forget),
      cmocka_unit_test_teardown(test_disk_full, forget),
  };
  return cmocka_run_group_tests_name("h5io", tests, enter, leave);
}
