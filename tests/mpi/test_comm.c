#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <distgat/memory.h>
#include <distgat/timer.h>

#include "par/sparse.h"

/* Lets the ranks from `first` on, every `step`-th, fail, and checks that all hear of `first`. */
static void check_agreement(int first, int step) {
  int rank = test_comm.rank;
  bool fails = rank >= first && (rank - first) % step == 0;
  char expected[64];
  snprintf(expected, sizeof expected, "rank %d failed: 100%%", first);
  dg_status_clear();
  dg_status local = fails ? dg_fail(rank == first ? DG_INPUT : DG_IO, "rank %d failed: 100%%", rank) : DG_OK;
  dg_status agreed = dg_comm_agree(&test_comm, local);
  assert_all_true(&test_comm, agreed == DG_INPUT);
  assert_all_true(&test_comm, strcmp(dg_status_message(), expected) == 0);
  dg_status_clear();
}

static void agreement_is_on_the_lowest_failing_rank(void **state) {
  (void)state;
  assert_all_true(&test_comm, dg_comm_agree(&test_comm, DG_OK) == DG_OK);
  for (int first = 0; first < test_comm.size; first++)
    for (int step = 1; step <= 2; step++) check_agreement(first, step);
  check_agreement(0, test_comm.size);
}

/* The ranks of this job on made-up hosts. */
static dg_comm on_hosts(int ranks_per_host) {
  dg_comm comm = test_comm;
  char name[32];
  snprintf(name, sizeof name, "node%d", test_comm.rank / ranks_per_host);
  dg_comm_name_host(&comm, name);
  return comm;
}

static void a_host_is_named_where_there_are_several(void **state) {
  (void)state;
  char expected[32];
  snprintf(expected, sizeof expected, "node%d", test_comm.rank / 2);
  assert_all_true(&test_comm, strcmp(on_hosts(2).host, test_comm.size > 2 ? expected : "") == 0);
  assert_all_true(&test_comm, strcmp(on_hosts(test_comm.size).host, "") == 0);
  assert_all_true(&test_comm, test_comm.host[0] == '\0'); /* the tests run on one */
}

/* What main asks of MPI; of a message its header is a part. */
enum { EAGER_LIMIT = 8192, SILENT = 60 << 10 };

/* Messages between hosts are as long as MPI sends without asking, where it tells. */
static void messages_between_hosts_fit_the_limit_of_mpi(void **state) {
  (void)state;
  char library[MPI_MAX_LIBRARY_VERSION_STRING];
  int length;
  MPI_Get_library_version(library, &length);
  const size_t most = on_hosts(1).message_bytes;
  const bool fits = most < EAGER_LIMIT && most > EAGER_LIMIT - 512, tells = strstr(library, "Open MPI") != NULL;
  const bool fast = access("/sys/class/infiniband", F_OK) == 0 || access("/sys/class/cxi", F_OK) == 0;
  assert_all_true(&test_comm, fast || test_comm.size == 1 || fits || (!tells && most == SILENT));
  assert_all_true(&test_comm, on_hosts(test_comm.size).message_bytes > EAGER_LIMIT);
}

static void a_failure_above_rank_0_names_rank_and_host_once(void **state) {
  (void)state;
  const dg_comm comm = on_hosts(2);
  for (int first = 0; first < comm.size; first++) {
    char expected[64] = "disk full";
    if (first > 0 && comm.size > 2)
      snprintf(expected, sizeof expected, "rank %d on node%d: disk full", first, first / 2);
    dg_status_clear();
    dg_status status = dg_comm_agree(&comm, comm.rank >= first ? dg_fail(DG_IO, "disk full") : DG_OK);
    assert_all_true(&test_comm, status == DG_IO && strcmp(dg_status_message(), expected) == 0);
    status = dg_comm_agree(&comm, status); /* as the caller of the caller does */
    assert_all_true(&test_comm, status == DG_IO && strcmp(dg_status_message(), expected) == 0);
  }
  dg_status_clear();
}

static unsigned char byte_of(size_t i, int root) {
  return (unsigned char)(i * 31 + (size_t)root * 7 + 1);
}

static void broadcast_reaches_all(void **state) {
  (void)state;
  const size_t sizes[] = {0, 1, 1000, 100003};
  unsigned char *data = NULL;
  assert_all_true(&test_comm, dg_alloc(&data, 100003, 1) == DG_OK);
  for (int k = 0; k < 4; k++) {
    for (int root = 0; root < test_comm.size; root++) {
      for (size_t i = 0; i < sizes[k]; i++) data[i] = test_comm.rank == root ? byte_of(i, root) : 0;
      dg_comm_bcast(&test_comm, data, sizes[k], root);
      bool same = true;
      for (size_t i = 0; i < sizes[k]; i++) same = same && data[i] == byte_of(i, root);
      assert_all_true(&test_comm, same);
    }
  }
  dg_free(&data);
}

static void sums_and_maxima(void **state) {
  (void)state;
  int rank = test_comm.rank, size = test_comm.size;
  int64_t triangle = (int64_t)size * (size - 1) / 2;
  dg_real real[3] = {(dg_real)rank, 1, (dg_real)-rank};
  double wide[2] = {rank + 0.5, 0};
  int64_t big[2] = {rank, INT64_C(1) << 40};
  dg_comm_sum_real(&test_comm, real, 3);
  dg_comm_sum_double(&test_comm, wide, 2);
  dg_comm_sum_int64(&test_comm, big, 2);
  int64_t below[2] = {test_comm.rank + 1, INT64_C(1) << 40};
  dg_comm_sum_below(&test_comm, below, 2);
  assert_all_true(&test_comm, below[0] == rank * (rank + 1) / 2 && below[1] == (int64_t)rank << 40);
  dg_comm_sum_real(&test_comm, NULL, 0);
  assert_all_true(&test_comm,
                  real[0] == (dg_real)triangle && real[1] == (dg_real)size && real[2] == -(dg_real)triangle);
  assert_all_true(&test_comm, wide[0] == (double)triangle + 0.5 * size && wide[1] == 0);
  assert_all_true(&test_comm, big[0] == triangle && big[1] == (int64_t)size << 40);
  assert_all_true(&test_comm, dg_comm_max_int64(&test_comm, -rank) == 0);
  assert_all_true(&test_comm, dg_comm_max_double(&test_comm, rank * 0.5) == (size - 1) * 0.5);
}

/* An element of odd size: where it comes from and its position there. */
typedef struct element {
  unsigned char from, to, position[5];
} element;

static element element_of(int from, int to, size_t i) {
  element e = {.from = (unsigned char)from, .to = (unsigned char)to};
  memcpy(e.position, &i, sizeof e.position);
  return e;
}

/* Exchanges count(from, to) elements and checks each received one. */
static void check_exchange(size_t (*count)(int from, int to)) {
  int rank = test_comm.rank, size = test_comm.size;
  size_t *sent = calloc((size_t)size, sizeof *sent), *received = calloc((size_t)size, sizeof *received);
  size_t n_send = 0, n_recv = 0, at = 0;
  for (int r = 0; r < size; r++) n_send += sent[r] = count(rank, r);
  dg_comm_exchange_counts(&test_comm, sent, received);
  bool counts_right = true;
  for (int r = 0; r < size; r++) counts_right = counts_right && received[r] == count(r, rank), n_recv += received[r];
  assert_all_true(&test_comm, counts_right);

  element *out = calloc(n_send + 1, sizeof *out), *in = calloc(n_recv + 1, sizeof *in);
  for (int r = 0; r < size; r++)
    for (size_t i = 0; i < sent[r]; i++) out[at++] = element_of(rank, r, i);
  dg_comm_exchange(&test_comm, out, sent, in, received, sizeof *out);
  bool elements_right = true;
  at = 0;
  for (int r = 0; r < size; r++) {
    for (size_t i = 0; i < received[r]; i++) {
      element e = element_of(r, rank, i);
      elements_right = elements_right && memcmp(&in[at++], &e, sizeof e) == 0;
    }
  }
  assert_all_true(&test_comm, elements_right);
  free(sent), free(received), free(out), free(in);
}

static size_t count_none(int from, int to) {
  (void)from, (void)to;
  return 0;
}

static size_t count_own(int from, int to) {
  return from == to ? 5 : 0;
}

static size_t count_mixed(int from, int to) {
  return (size_t)(from * 7 + to * 3) % 5;
}

static size_t count_to_last(int from, int to) {
  return to == test_comm.size - 1 ? 1000 + (size_t)from : 0;
}

static size_t count_long(int from, int to) {
  return from <= to ? 30000 + (size_t)to : 1;
}

/* Only to the rank above: rank 0 alone gets from the last. */
static size_t count_around(int from, int to) {
  return to == (from + 1) % test_comm.size ? (size_t)from + 1 : 0;
}

static void exchange_delivers_blocks_of_any_size(void **state) {
  (void)state;
  check_exchange(count_none);
  check_exchange(count_own);
  check_exchange(count_mixed);
  check_exchange(count_to_last);
  check_exchange(count_long);
}

/* Counts found by messages to those alone that get something, the ranks coming in any order, some of them late. */
static bool sparse_counts_are_right(size_t (*count)(int from, int to), int round) {
  const int rank = test_comm.rank, size = test_comm.size;
  size_t *sent = calloc((size_t)size, sizeof *sent), *told = malloc((size_t)size * sizeof *told);
  for (int r = 0; r < size; r++) sent[r] = count(rank, r), told[r] = SIZE_MAX;
  if ((rank + round) % 3 == 0) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  dg_comm_max_int64(&test_comm, 0); /* ranks meet between two rounds */
  dg_sparse_counts(&test_comm, sent, told);
  bool right = true;
  for (int r = 0; r < size; r++) right = right && told[r] == count(r, rank);
  free(sent), free(told);
  return right;
}

static void counts_reach_those_alone_that_get_something(void **state) {
  (void)state;
  size_t (*const counts[])(int, int) = {count_none, count_own, count_mixed, count_to_last, count_long, count_around};
  bool right = true;
  for (int round = 0; round < 60; round++)
    right = sparse_counts_are_right(counts[round % (int)(sizeof counts / sizeof *counts)], round) && right;
  assert_all_true(&test_comm, right);
}

static void exchange_needs_no_arrays_for_nothing(void **state) {
  (void)state;
  size_t *none = calloc((size_t)test_comm.size, sizeof *none);
  dg_comm_exchange(&test_comm, NULL, none, NULL, none, 4);
  free(none);
  assert_all_true(&test_comm, true);
}

static void spread_names_the_extreme_ranks(void **state) {
  (void)state;
  int size = test_comm.size, middle = size / 2;
  dg_spread up = dg_spread_of(&test_comm, test_comm.rank);
  assert_all_true(&test_comm, up.min == 0 && up.rank_min == 0 && up.max == size - 1 && up.rank_max == size - 1);
  assert_all_true(&test_comm, up.mean == (size - 1) / 2.0);
  dg_spread peak = dg_spread_of(&test_comm, test_comm.rank == middle ? 3.5 : 1.0);
  assert_all_true(&test_comm, peak.max == 3.5 && peak.rank_max == middle);
  dg_spread flat = dg_spread_of(&test_comm, 2.0);
  assert_all_true(&test_comm, flat.min == 2 && flat.mean == 2 && flat.max == 2);
}

static void laps_partition_time(void **state) {
  (void)state;
  dg_timer timer = {.last = 0};
  double begin = dg_time();
  dg_timer_start(&timer);
  dg_timer_lap(&timer, DG_PHASE_PROJECTION);
  dg_timer_lap(&timer, DG_PHASE_ADAM);
  dg_timer_lap(&timer, DG_PHASE_PROJECTION);
  double all = dg_time() - begin, sum = 0;
  for (int phase = 0; phase < DG_PHASES; phase++) sum += timer.seconds[phase];
  assert_all_true(&test_comm, sum >= 0 && sum <= all && timer.seconds[DG_PHASE_LOSS] == 0);
  dg_timer_start(NULL);
  dg_timer_lap(NULL, DG_PHASE_LOSS);
  assert_all_true(&test_comm, strcmp(dg_phase_name(DG_PHASE_HALO_WAIT), "halo_wait") == 0);
}

static void destroy_accepts_a_zeroed_communicator(void **state) {
  (void)state;
  dg_comm comm = {.size = 0};
  dg_comm_destroy(&comm);
  assert_all_true(&test_comm, dg_comm_create(&comm, test_comm.mpi) == DG_OK);
  assert_all_true(&test_comm, comm.rank == test_comm.rank && comm.size == test_comm.size);
  dg_comm_destroy(&comm);
  dg_comm_destroy(&comm);
}

int main(int argc, char **argv) {
  char limit[16];
  snprintf(limit, sizeof limit, "%d", EAGER_LIMIT);
  setenv("OMPI_MCA_btl_tcp_eager_limit", limit, 1);
  setenv("MPIR_CVAR_CH3_EAGER_MAX_MSG_SIZE", limit, 1);
  unsetenv("DISTGAT_MESSAGE_BYTES");
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agreement_is_on_the_lowest_failing_rank),
      cmocka_unit_test(a_host_is_named_where_there_are_several),
      cmocka_unit_test(messages_between_hosts_fit_the_limit_of_mpi),
      cmocka_unit_test(a_failure_above_rank_0_names_rank_and_host_once),
      cmocka_unit_test(broadcast_reaches_all),
      cmocka_unit_test(sums_and_maxima),
      cmocka_unit_test(exchange_delivers_blocks_of_any_size),
      cmocka_unit_test(counts_reach_those_alone_that_get_something),
      cmocka_unit_test(exchange_needs_no_arrays_for_nothing),
      cmocka_unit_test(spread_names_the_extreme_ranks),
      cmocka_unit_test(laps_partition_time),
      cmocka_unit_test(destroy_accepts_a_zeroed_communicator),
  };
  return mpi_test_main(argc, argv, "comm", tests, sizeof tests / sizeof tests[0]);
}
