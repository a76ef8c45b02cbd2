#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <distgat/graph.h>
#include <distgat/memory.h>
#include <distgat/rng.h>

#include "support/support.h"

static char path[64];

static int32_t owner_of(int32_t id) {
  return (int32_t)(dg_rng_uniform(7, (uint64_t)id) * test_comm.size);
}

/* The last rank but one owns nothing, where there are enough of them. */
static bool mine(int32_t id) {
  int32_t owner = owner_of(id);
  if (test_comm.size > 2 && owner == test_comm.size - 2) owner = 0;
  return owner == test_comm.rank;
}

static int64_t length_of(int32_t id) {
  return id % 11 == 0 ? 9 : id % 4;
}

static int32_t list_mine(dg_id *ids, int32_t n_nodes) {
  int32_t n = 0;
  for (int32_t id = 0; id < n_nodes; id++)
    if (mine(id)) ids[n++] = id;
  return n;
}

static dg_h5 *open_output(void) {
  dg_h5 *file = NULL;
  dg_status status = test_comm.rank == 0 ? dg_h5_create(&file, path) : DG_OK;
  assert_all_true(&test_comm, status == DG_OK);
  return file;
}

static void commit(dg_h5 *file) {
  dg_status status = test_comm.rank == 0 ? dg_h5_commit(&file) : DG_OK;
  assert_all_true(&test_comm, status == DG_OK);
}

static void check_rows(int32_t n_nodes, int columns) {
  int width = columns > 0 ? columns : 1;
  dg_id *ids;
  int32_t n;
  float *data;
  assert_int_equal(dg_alloc(&ids, (size_t)n_nodes, sizeof *ids), DG_OK);
  assert_int_equal(dg_alloc(&data, (size_t)n_nodes * (size_t)width, sizeof *data), DG_OK);
  n = list_mine(ids, n_nodes);
  for (int32_t i = 0; i < n; i++)
    for (int j = 0; j < width; j++) data[(int64_t)i * width + j] = (float)ids[i] + (float)j / 16;
  dg_h5 *file = open_output();
  dg_status status = dg_rows_write(&test_comm, file, "a/rows", DG_H5_F32, (dg_rows){n_nodes, n, ids}, columns, data);
  assert_all_true(&test_comm, status == DG_OK);
  commit(file);

  bool same = dg_h5_open(&file, path) == DG_OK;
  int rank;
  int64_t extent[DG_H5_MAX_RANK];
  same = same && dg_h5_shape(file, "a/rows", &rank, extent) == DG_OK && rank == (columns > 0 ? 2 : 1) &&
         extent[0] == n_nodes && (columns == 0 || extent[1] == columns);
  same = same && dg_h5_read(file, "a/rows", DG_H5_F32, 0, n_nodes, data) == DG_OK;
  for (int32_t i = 0; same && i < n_nodes; i++)
    for (int j = 0; j < width; j++) same = same && data[(int64_t)i * width + j] == (float)i + (float)j / 16;
  dg_h5_close(&file);
  dg_free(&ids);
  dg_free(&data);
  assert_all_true(&test_comm, same);
}

static void writes_rows_in_original_order(void **state) {
  (void)state;
  check_rows(1, 0);
  check_rows(2, 3);
  check_rows(1000, 0);
  check_rows(1000, 5);
  check_rows(480000, 40); /* 77 MB: more than one slab for each of two writers */
}

static void writes_ragged_rows_in_original_order(void **state) {
  (void)state;
  enum { NODES = 5000, COLUMNS = 2, MOST = 9 };
  static dg_id ids[NODES];
  static int64_t lengths[NODES], data[NODES * MOST * COLUMNS];
  int32_t n = list_mine(ids, NODES);
  int64_t at = 0, total = 0;
  for (int32_t i = 0; i < n; i++) {
    lengths[i] = length_of(ids[i]);
    for (int64_t k = 0; k < lengths[i] * COLUMNS; k++) data[at++] = ids[i] * 100 + k;
  }
  dg_h5 *file = open_output();
  dg_status status =
      dg_ragged_write(&test_comm, file, "ragged", DG_H5_I64, (dg_rows){NODES, n, ids}, lengths, COLUMNS, data);
  assert_all_true(&test_comm, status == DG_OK);
  commit(file);

  for (int32_t id = 0; id < NODES; id++) total += length_of(id);
  bool same = dg_h5_open(&file, path) == DG_OK && dg_h5_read(file, "ragged", DG_H5_I64, 0, total, data) == DG_OK;
  at = 0;
  for (int32_t id = 0; id < NODES; id++)
    for (int64_t k = 0; k < length_of(id) * COLUMNS; k++) same = same && data[at++] == id * 100 + k;
  dg_h5_close(&file);
  assert_all_true(&test_comm, same);
}

/* The bytes of a file that ragged rows and plain ones were written to; their number in *n. To be freed on rank 0. */
static char *write_both(long *n, const char *writers) {
  enum { NODES = 3000 };
  static int64_t ids[NODES], lengths[NODES], data[NODES * 9];
  char *bytes = NULL;
  const int32_t mine_n = list_mine(ids, NODES);
  int64_t at = 0;
  for (int32_t i = 0; i < mine_n; i++) {
    lengths[i] = length_of(ids[i]);
    for (int64_t k = 0; k < lengths[i]; k++) data[at++] = ids[i] * 10 + k;
  }
  setenv("DISTGAT_WRITERS", writers, 1);
  dg_h5 *file = open_output();
  const dg_rows rows = {NODES, mine_n, ids};
  dg_status status = dg_ragged_write(&test_comm, file, "ragged", DG_H5_I64, rows, lengths, 0, data);
  if (status == DG_OK) status = dg_rows_write(&test_comm, file, "group/plain", DG_H5_I64, rows, 0, ids);
  unsetenv("DISTGAT_WRITERS");
  assert_all_true(&test_comm, status == DG_OK);
  commit(file);
  if (test_comm.rank > 0) return NULL;
  FILE *written = fopen(path, "rb");
  assert_non_null(written);
  fseek(written, 0, SEEK_END);
  *n = ftell(written);
  rewind(written);
  bytes = malloc((size_t)*n);
  assert_int_equal(fread(bytes, 1, (size_t)*n, written), *n);
  fclose(written);
  return bytes;
}

static void one_writer_and_all_write_the_same_bytes(void **state) {
  (void)state;
  long n_one = 0, n_all = 0;
  char *one = write_both(&n_one, "one"), *all = write_both(&n_all, "all");
  const bool same = test_comm.rank > 0 || (n_one == n_all && memcmp(one, all, (size_t)n_one) == 0);
  assert_all_true(&test_comm, same);
  free(one);
  free(all);
}

/* A file that may not grow stands for a full disk; every rank learns of it. */
static void agrees_on_a_full_disk(void **state) {
  (void)state;
  enum { NODES = 100000 };
  static dg_id ids[NODES];
  struct rlimit before, small;
  int32_t n = list_mine(ids, NODES);
  getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 100000;
  signal(SIGXFSZ, SIG_IGN);
  dg_h5 *file = open_output();
  setrlimit(RLIMIT_FSIZE, &small);
  dg_status status = dg_rows_write(&test_comm, file, "rows", DG_H5_I64, (dg_rows){NODES, n, ids}, 0, ids);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_all_true(&test_comm, status == DG_IO && strstr(dg_status_message(), "cannot be written") != NULL);
  dg_status_clear();
  dg_h5_close(&file);
  assert_all_true(&test_comm, access(path, F_OK) != 0);
}

static int name_file(void **state) {
  (void)state;
  long id = (long)getpid();
  dg_comm_bcast(&test_comm, &id, sizeof id, 0);
  snprintf(path, sizeof path, "/tmp/distgat-rows-%ld.h5", id);
  return 0;
}

static int remove_file(void **state) {
  (void)state;
  MPI_Barrier(test_comm.mpi);
  if (test_comm.rank == 0) unlink(path);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(writes_rows_in_original_order, name_file, remove_file),
      cmocka_unit_test_setup_teardown(writes_ragged_rows_in_original_order, name_file, remove_file),
      cmocka_unit_test_setup_teardown(one_writer_and_all_write_the_same_bytes, name_file, remove_file),
      cmocka_unit_test_setup_teardown(agrees_on_a_full_disk, name_file, remove_file),
  };
  return mpi_test_main(argc, argv, "rows", tests, sizeof tests / sizeof tests[0]);
}
