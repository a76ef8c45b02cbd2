#include "support/support.h"

#include <distgat/memory.h>
#include <distgat/rng.h>

#include "support/owners.h"

enum { MOST = 200 };

static int32_t owner_of(int64_t node) {
  return (int32_t)(dg_rng_key(3, (uint64_t)node) % (uint64_t)test_comm.size);
}

/* Fewer nodes than ranks, as many, and more; those beyond 2^32 need no list to be told of. */
static void blocks_hold_every_node_once(void **state) {
  (void)state;
  const int64_t sizes[] = {0, 1, 2, 3, 6, 7, 8, MOST, INT64_C(5000000000)};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    const dg_directory d = dg_directory_blocks(&test_comm, sizes[s]);
    int64_t n = d.n;
    bool right = d.n >= 0 && d.n <= d.block && d.first >= 0 && d.first + d.n <= sizes[s];
    dg_comm_sum_int64(&test_comm, &n, 1);
    if (d.n > 0) right &= dg_directory_rank(&d, d.first) == test_comm.rank;
    if (d.n > 0) right &= dg_directory_rank(&d, d.first + d.n - 1) == test_comm.rank;
    if (d.n > 0) right &= dg_directory_here(&d, d.first) && !dg_directory_here(&d, d.first + d.n);
    assert_all_true(&test_comm, right && n == sizes[s]);
  }
}

/* Each rank asks for others, in no order, some twice and some ranks for none. */
static bool all_found(const dg_directory *d, bool listed) {
  dg_id ids[MOST];
  int32_t owner[MOST];
  int64_t n = d->n_nodes == 0 ? 0 : (test_comm.rank * 37) % MOST;
  bool right = true;
  for (int64_t i = 0; i < n; i++)
    ids[i] = (dg_id)(dg_rng_key((uint64_t)test_comm.rank, (uint64_t)i) % (uint64_t)d->n_nodes);
  right &= dg_directory_find(owner, d, &test_comm, ids, n) == DG_OK;
  for (int64_t i = 0; i < n; i++) right &= owner[i] == (listed ? owner_of(ids[i]) : dg_directory_rank(d, ids[i]));
  return right;
}

static void owners_are_found(void **state) {
  (void)state;
  for (int64_t n_nodes = 0; n_nodes <= MOST; n_nodes = 3 * n_nodes + 1) {
    dg_directory d = dg_directory_blocks(&test_comm, n_nodes);
    assert_all_true(&test_comm, all_found(&d, false));
    assert_all_true(&test_comm, dg_alloc(&d.owner, (size_t)d.n, sizeof *d.owner) == DG_OK);
    for (int64_t i = 0; i < d.n; i++) d.owner[i] = owner_of(d.first + i);
    assert_all_true(&test_comm, all_found(&d, true));
    dg_directory_destroy(&d);
  }
  const dg_directory large = dg_directory_blocks(&test_comm, INT64_C(5000000000));
  assert_all_true(&test_comm, all_found(&large, false));
}

/* Rank 0 has the list in pieces that blocks know nothing of. */
static void a_list_is_spread_piece_by_piece(void **state) {
  (void)state;
  for (int64_t piece = 1; piece <= MOST; piece = 4 * piece + 1) {
    int32_t list[MOST];
    dg_directory d = dg_directory_blocks(&test_comm, MOST);
    assert_all_true(&test_comm, dg_alloc(&d.owner, (size_t)d.n, sizeof *d.owner) == DG_OK);
    for (int64_t at = 0; at < MOST; at += piece) {
      const int64_t n = piece < MOST - at ? piece : MOST - at;
      for (int64_t i = 0; i < n; i++) list[i] = test_comm.rank == 0 ? owner_of(at + i) : -1;
      assert_all_true(&test_comm, dg_directory_spread(&d, &test_comm, list, at, n) == DG_OK);
    }
    assert_all_true(&test_comm, all_found(&d, true));
    dg_directory_destroy(&d);
  }
}

static void lack_of_memory_is_agreed_on(void **state) {
  (void)state;
  const dg_directory d = dg_directory_blocks(&test_comm, MOST);
  const dg_id ids[2] = {0, MOST - 1};
  int32_t owner[2];
  dg_status status = DG_MEMORY;
  for (int64_t at = 1; status == DG_MEMORY && at < 20; at++) {
    dg_memory_fail_at(test_comm.rank == test_comm.size - 1 ? at : 0);
    status = dg_directory_find(owner, &d, &test_comm, ids, 2);
    dg_memory_fail_at(0);
    assert_all_true(&test_comm, status == DG_OK || status == DG_MEMORY);
    dg_status_clear();
  }
  assert_all_true(&test_comm, status == DG_OK);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_hold_every_node_once),
      cmocka_unit_test(owners_are_found),
      cmocka_unit_test(a_list_is_spread_piece_by_piece),
      cmocka_unit_test(lack_of_memory_is_agreed_on),
  };
  return mpi_test_main(argc, argv, "directory", tests, sizeof tests / sizeof *tests);
}
