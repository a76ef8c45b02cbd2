#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <distgat/graph.h>
#include <distgat/memory.h>
#include <distgat/rng.h>

#include "data/slab.h"
#include "support/owners.h"
#include "support/support.h"

/* A graph small enough to be written by hand: node i of N is linked with i - 1, i + 1 and, for even i, with node 0. Its
   edges have weights, and D features each. */
enum { N = 23, F = 5, C = 3, D = 3 };

static const dg_shard_config plain = {0}, by_rows = {.normalize = DG_NORMALIZE_ROW};

/* Of this graph: the same at every number of ranks, for every owner and however the file stores it, whatever the
   attributes of its edges. */
#define FINGERPRINT UINT64_C(0xd66f58b6bbf6ad72)

static char path[64];

static bool linked(int i, int j) {
  if (i == j || i == N - 1 || j == N - 1) return false; /* the last node is isolated */
  return i - j == 1 || j - i == 1 || (i == 0 && j % 2 == 0) || (j == 0 && i % 2 == 0);
}

/* Of the graph as it is, 1 and 0. */
static double scale = 1, below = 0;

static double above_least(int i, int j) {
  return (i + j) % 3 == 0 ? 0 : scale * (1 + i * F + j);
}

static float feature(int i, int j) {
  return (float)(above_least(i, j) - below);
}

static int32_t label(int i) {
  return i % 7 == 6 ? -1 : i % C;
}

static uint8_t mask(int i) {
  if (label(i) < 0) return 0;
  return (uint8_t)((i % 4 == 0 ? DG_TRAIN : 0) | (i % 4 == 1 ? DG_VAL : 0) | (i % 4 >= 2 ? DG_TEST : 0));
}

/* Attribute c of the edge from j to i. */
static float attribute(dg_edge_attributes which, int i, int j, int c) {
  return which == DG_EDGES_WEIGHT ? (float)(1 + i * N + j) : (float)(i * N + j) / 4 - (float)c;
}

/* In the order of the edges. */
static void write_attributes(dg_h5 *file, const int64_t *indptr, const int32_t *indices) {
  float weight[N * N], features[N * N * D];
  const int64_t shape[] = {indptr[N], D};
  for (int i = 0; i < N; i++)
    for (int64_t k = indptr[i]; k < indptr[i + 1]; k++) {
      weight[k] = attribute(DG_EDGES_WEIGHT, i, indices[k], 0);
      for (int c = 0; c < D; c++) features[k * D + c] = attribute(DG_EDGES_FEATURES, i, indices[k], c);
    }
  assert_int_equal(dg_h5_write(file, "edges/weight", DG_H5_F32, 1, shape, weight), DG_OK);
  assert_int_equal(dg_h5_write(file, "edges/features", DG_H5_F32, 2, shape, features), DG_OK);
}

static bool several; /* labels a node */

static bool has(int i, int c) {
  return (i * 3 + c * 5) % 4 == 0;
}

static void write_several(dg_h5 *file) {
  uint8_t labels[N * C];
  for (int k = 0; k < N * C; k++) labels[k] = has(k / C, k % C);
  assert_int_equal(dg_h5_set_string(file, "task", "multilabel"), DG_OK);
  assert_int_equal(dg_h5_write(file, "labels", DG_H5_U8, 2, (int64_t[]){N, C}, labels), DG_OK);
}

static void write_list(dg_h5 *file, const char *name, uint8_t bit) {
  int64_t ids[N], n = 0;
  for (int i = 0; i < N; i++)
    if (mask(i) == bit) ids[n++] = i;
  assert_int_equal(dg_h5_write(file, name, DG_H5_I64, 1, &n, ids), DG_OK);
}

static void write_features(dg_h5 *file, bool sparse) {
  float dense[N * F], values[N * F];
  int64_t indptr[N + 1] = {0}, lengths[] = {N + 1, 0};
  int32_t columns[N * F];
  for (int i = 0; i < N; i++) {
    int64_t at = indptr[i];
    for (int j = 0; j < F; j++) dense[i * F + j] = feature(i, j);
    for (int j = F - 1; j >= 0; j--) /* out of order, as SciPy may leave them */
      if (feature(i, j) != 0) columns[at] = j, values[at++] = feature(i, j);
    indptr[i + 1] = at;
  }
  lengths[1] = indptr[N];
  if (!sparse) {
    assert_int_equal(dg_h5_write(file, "features/dense", DG_H5_F32, 2, (int64_t[]){N, F}, dense), DG_OK);
    return;
  }
  assert_int_equal(dg_h5_write(file, "features/indptr", DG_H5_I64, 1, &lengths[0], indptr), DG_OK);
  assert_int_equal(dg_h5_write(file, "features/indices", DG_H5_I32, 1, &lengths[1], columns), DG_OK);
  assert_int_equal(dg_h5_write(file, "features/values", DG_H5_F32, 1, &lengths[1], values), DG_OK);
}

static void write_graph(bool sparse, bool wide, int32_t bad_label) {
  dg_h5 *file;
  int64_t indptr[N + 1] = {0}, indices[N * N], length = N + 1, n = N;
  int32_t narrow[N * N], labels[N];
  for (int i = 0; i < N; i++) {
    indptr[i + 1] = indptr[i];
    for (int j = 0; j < N; j++)
      if (linked(i, j)) narrow[indptr[i + 1]] = j, indices[indptr[i + 1]++] = j;
    labels[i] = label(i);
  }
  if (bad_label != 0) labels[N - 2] = bad_label;
  assert_int_equal(dg_h5_create(&file, path), DG_OK);
  dg_h5_set_string(file, "format", "distgat-graph");
  dg_h5_set_int64(file, "version", 1);
  dg_h5_set_string(file, "name", "ladder");
  dg_h5_set_int64(file, "num_classes", C);
  dg_h5_set_int64(file, "num_features", F);
  assert_int_equal(dg_h5_write(file, "graph/indptr", DG_H5_I64, 1, &length, indptr), DG_OK);
  assert_int_equal(dg_h5_write(file, "graph/indices", wide ? DG_H5_I64 : DG_H5_I32, 1, &indptr[N],
                               wide ? (void *)indices : (void *)narrow),
                   DG_OK);
  if (several)
    write_several(file);
  else
    assert_int_equal(dg_h5_write(file, "labels", DG_H5_I32, 1, &n, labels), DG_OK);
  write_features(file, sparse);
  write_attributes(file, indptr, narrow);
  write_list(file, "splits/public/train", DG_TRAIN);
  write_list(file, "splits/public/val", DG_VAL);
  write_list(file, "splits/public/test", DG_TEST);
  assert_int_equal(dg_h5_commit(&file), DG_OK);
}

/* Rank 0 writes; the others wait. */
static void make_graph(bool sparse, bool wide, int32_t bad_label) {
  if (test_comm.rank == 0) write_graph(sparse, wide, bad_label);
  MPI_Barrier(test_comm.mpi);
}

static float shard_feature(const dg_features *x, int32_t row, int column) {
  if (!x->sparse) return x->dense[row * F + column];
  for (int64_t k = x->indptr[row]; k < x->indptr[row + 1]; k++)
    if (x->indices[k] == column) return x->values[k];
  return 0;
}

static bool same_attributes(const dg_shard *s, int64_t edge, int i, int j) {
  const dg_edge_attributes which = s->edge_dim == 1 ? DG_EDGES_WEIGHT : DG_EDGES_FEATURES;
  bool same = true;
  for (int c = 0; c < s->edge_dim; c++) same &= s->edge_attributes[edge * s->edge_dim + c] == attribute(which, i, j, c);
  return same;
}

static bool same_label(const dg_shard *s, int32_t row, int i) {
  bool same = (s->labels == NULL) == several && (s->classes == NULL) == !several && s->info.multilabel == several;
  if (!several) return same && s->labels[row] == label(i);
  for (int c = 0; same && c < C; c++) same = s->classes[row * C + c] == has(i, c);
  return same;
}

static bool same_row(const dg_shard *s, int32_t row, bool normalized) {
  const int i = (int)s->ids[row];
  double sum = 0, divisor = 1;
  int64_t k = s->in.indptr[row];
  for (int j = 0; j < N; j++)
    if (linked(i, j)) {
      if (k >= s->in.indptr[row + 1] || s->ids[s->in.indices[k]] != j || !same_attributes(s, k, i, j)) return false;
      k++;
    }
  for (int j = 0; j < F; j++) sum += above_least(i, j);
  if (normalized) divisor = fmax(sum, 1);
  for (int j = 0; j < F; j++) {
    const double value = normalized ? above_least(i, j) : feature(i, j);
    if (fabs(shard_feature(&s->features, row, j) - value / divisor) > 1e-6 * (sum + below)) return false;
  }
  return k == s->in.indptr[row + 1] && same_label(s, row, i) && s->mask[row] == mask(i);
}

static bool ascending(const dg_features *x) {
  for (int64_t i = 0; x->sparse && i < x->n_rows; i++)
    for (int64_t k = x->indptr[i] + 1; k < x->indptr[i + 1]; k++)
      if (x->indices[k] <= x->indices[k - 1]) return false;
  return true;
}

/* Of the attributes of all edges, the same however they are loaded: as they are first found. */
static bool same_checksum(const dg_shard *s, dg_edge_attributes which) {
  static uint64_t checksum[DG_EDGES_FEATURES + 1];
  if (checksum[which] == 0) checksum[which] = s->edge_checksum;
  return s->edge_checksum == checksum[which] && (which == DG_EDGES_PLAIN) == (s->edge_checksum == 0) &&
         (which == DG_EDGES_PLAIN || checksum[DG_EDGES_WEIGHT] != checksum[DG_EDGES_FEATURES]);
}

/* Loads, and compares every row with what the graph is by definition. */
static void check_load(const int32_t *owner, bool normalize, dg_edge_attributes which) {
  const dg_shard_config config = {.normalize = normalize ? DG_NORMALIZE_ROW : DG_NORMALIZE_NONE,
                                  .edge_attributes = which};
  dg_shard s;
  dg_directory owners = {0};
  int32_t list[N];
  int64_t expected = 0, sizes[3] = {0};
  if (owner != NULL) assert_all_true(&test_comm, directory_from(&owners, &test_comm, owner, N) == DG_OK);
  dg_status status = dg_shard_load(&s, &test_comm, path, owner != NULL ? &owners : NULL, &config);
  if (status == DG_OK) status = directory_list(list, &s.owners, &test_comm);
  assert_all_true(&test_comm, status == DG_OK);
  for (int i = 0; i < N; i++) {
    for (int k = 0; k < 3; k++) sizes[k] += mask(i) >> k & 1;
    expected += list[i] == test_comm.rank && (owner == NULL || owner[i] == list[i]);
  }
  bool same = s.n == expected && s.in.n_rows == s.n && s.features.n_rows == s.n && s.in.indptr[0] == 0;
  for (int32_t row = 0; same && row < s.n; row++) {
    same = list[s.ids[row]] == test_comm.rank && same_row(&s, row, normalize);
    if (row > 0) same = same && s.ids[row - 1] < s.ids[row];
  }
  assert_all_true(&test_comm, same && ascending(&s.features));
  const int dims[] = {0, 1, D};
  assert_all_true(&test_comm, s.edge_dim == dims[which] && same_checksum(&s, which));
  assert_all_true(&test_comm, s.n_train == sizes[0] && s.n_val == sizes[1] && s.n_test == sizes[2]);
  assert_all_true(&test_comm, (s.fingerprint == FINGERPRINT) == (scale == 1 && below == 0 && !several));
  assert_all_true(&test_comm, s.info.n_nodes == N && s.info.n_classes == C && strcmp(s.info.name, "ladder") == 0);
  dg_shard_destroy(&s);
  dg_shard_destroy(&s);
}

static void check_owners(void) {
  int32_t owner[N];
  check_load(NULL, false, DG_EDGES_FEATURES);
  check_load(NULL, true, DG_EDGES_PLAIN);
  for (int seed = 0; seed < 3; seed++) {
    for (int i = 0; i < N; i++) owner[i] = (int32_t)(dg_rng_uniform((uint64_t)seed, (uint64_t)i) * test_comm.size);
    check_load(owner, seed == 1, (dg_edge_attributes)seed);
  }
  for (int i = 0; i < N; i++) owner[i] = test_comm.size - 1; /* all other ranks are empty */
  check_load(owner, false, DG_EDGES_FEATURES);
}

static void loads_sparse_features(void **state) {
  (void)state;
  make_graph(true, false, 0);
  check_owners();
}

static void loads_dense_features(void **state) {
  (void)state;
  make_graph(false, true, 0);
  check_owners();
}

/* Pieces of a node, of two or three, and of more than some blocks have. */
static void loads_piece_by_piece(void **state) {
  (void)state;
  const int64_t whole = dg_slab_bytes;
  for (int sparse = 0; sparse < 2; sparse++) {
    make_graph(sparse, false, 0);
    for (dg_slab_bytes = 1; dg_slab_bytes < 1000; dg_slab_bytes *= 5) check_owners();
  }
  dg_slab_bytes = whole;
}

static void loads_several_labels(void **state) {
  (void)state;
  const int64_t whole = dg_slab_bytes;
  several = true;
  make_graph(true, false, 0);
  check_owners();
  for (dg_slab_bytes = 1; dg_slab_bytes < 1000; dg_slab_bytes *= 5) check_owners();
  dg_slab_bytes = whole;
  several = false;
}

/* As PyTorch Geometric's NormalizeFeatures: some rows here have a sum below 1, and some features are negative. */
static void normalizes_rows_as_the_reference_does(void **state) {
  (void)state;
  scale = 0.01;
  make_graph(false, false, 0);
  check_owners();
  make_graph(true, false, 0);
  check_owners();
  below = 0.5;
  make_graph(false, false, 0);
  check_owners();
  scale = 1, below = 0;
}

static void refuses_rows_that_cannot_be_normalized(void **state) {
  dg_shard s;
  (void)state;
  below = 0.5;
  make_graph(true, false, 0);
  assert_all_true(&test_comm, dg_shard_load(&s, &test_comm, path, NULL, &by_rows) == DG_INPUT);
  assert_all_true(&test_comm, strstr(dg_status_message(), "fills a sparse matrix") != NULL);
  dg_status_clear();
  scale = 5e36, below = 3e38;
  make_graph(false, false, 0);
  assert_all_true(&test_comm, dg_shard_load(&s, &test_comm, path, NULL, &by_rows) == DG_INPUT);
  assert_all_true(&test_comm, strstr(dg_status_message(), "beyond single precision") != NULL);
  dg_status_clear();
  scale = 1, below = 0;
}

/* What one process finds in the whole file is what the ranks found in their blocks. */
static void fingerprint_of_the_file_is_that_of_the_shards(void **state) {
  (void)state;
  for (int sparse = 0; sparse < 2; sparse++) {
    dg_h5 *file;
    dg_graph_info info;
    uint64_t fingerprint = 0;
    make_graph(sparse, !sparse, 0);
    dg_status status = dg_graph_open(&file, &info, path);
    if (status == DG_OK) status = dg_graph_fingerprint(&fingerprint, file, &info);
    assert_all_true(&test_comm, status == DG_OK && fingerprint == FINGERPRINT);
    dg_h5_close(&file);
  }
}

/* Whether a process was started to look through the file before this rank opened it. */
static bool looks_through(void) {
  dg_shard s;
  struct rusage before, after;
  getrusage(RUSAGE_CHILDREN, &before);
  const dg_status status = dg_shard_load(&s, &test_comm, path, NULL, &plain);
  assert_all_true(&test_comm, status == DG_OK);
  getrusage(RUSAGE_CHILDREN, &after);
  dg_shard_destroy(&s);
  return after.ru_minflt > before.ru_minflt;
}

static void one_rank_looks_through_a_file_that_all_share(void **state) {
  (void)state;
  make_graph(true, false, 0);
  assert_all_true(&test_comm, looks_through() == (test_comm.rank == 0));
  assert_all_true(&test_comm, !looks_through()); /* known by now */
}

/* Two ranks each, as on two disks: the lower of them looks. */
static void each_copy_is_looked_through(void **state) {
  (void)state;
  char shared[sizeof path];
  strcpy(shared, path);
  make_graph(true, false, 0);
  snprintf(path, sizeof path, "%.50s.%d", shared, test_comm.rank / 2);
  if (test_comm.rank % 2 == 0) write_graph(true, false, 0);
  MPI_Barrier(test_comm.mpi);
  assert_all_true(&test_comm, looks_through() == (test_comm.rank % 2 == 0));
  MPI_Barrier(test_comm.mpi);
  if (test_comm.rank % 2 == 0) unlink(path);
  strcpy(path, shared);
}

/* Blocks of the graph as it is by definition, wherever the ranks' pieces of a split's lists end. */
static void outlines_of_blocks_are_those_of_the_graph(void **state) {
  (void)state;
  for (int sparse = 0; sparse < 2; sparse++) {
    dg_outline_block b;
    make_graph(sparse, sparse, 0);
    assert_all_true(&test_comm, dg_outline_block_load(&b, &test_comm, path, NULL) == DG_OK);
    bool same = b.in.n_rows == b.blocks.n;
    for (int64_t i = 0, k = 0; same && i < b.blocks.n; i++) {
      const int node = (int)(b.blocks.first + i);
      int64_t stored = sparse ? 0 : F;
      for (int j = 0; j < N; j++) same &= !linked(node, j) || b.in.source[k++] == j;
      for (int j = 0; sparse && j < F; j++) stored += feature(node, j) != 0;
      same &= k == b.in.indptr[i + 1] && b.entries[i] == stored && b.mask[i] == mask(node);
    }
    assert_all_true(&test_comm, same);
    dg_outline_block_destroy(&b);
    assert_all_true(&test_comm,
                    dg_outline_block_load(&b, &test_comm, path, "private") == DG_INPUT && b.in.indptr == NULL);
    dg_status_clear();
  }
}

/* A fault in the block of one rank is the same failure on all. */
static void agrees_on_bad_input(void **state) {
  (void)state;
  dg_shard s;
  make_graph(true, false, C);
  dg_status status = dg_shard_load(&s, &test_comm, path, NULL, &plain);
  assert_all_true(&test_comm, status == DG_INPUT && strstr(dg_status_message(), "node 21 has label 3") != NULL);
  assert_all_true(&test_comm, s.n == 0 && s.ids == NULL && s.in.indptr == NULL);
  dg_status_clear();
  make_graph(true, false, -1);
  status = dg_shard_load(&s, &test_comm, path, NULL, &plain);
  assert_all_true(&test_comm, status == DG_INPUT && strstr(dg_status_message(), "node 21 has no label") != NULL);
  dg_status_clear();
  status = dg_shard_load(&s, &test_comm, path, NULL, &(dg_shard_config){.split = "private"});
  assert_all_true(&test_comm, status == DG_INPUT && strstr(dg_status_message(), "choose one of: public") != NULL);
  dg_status_clear();
}

/* Whichever allocation fails on one rank, all come back with the same status and nothing is lost. */
static void survives_lack_of_memory(void **state) {
  (void)state;
  int32_t owner[N];
  dg_shard s;
  const dg_shard_config config = {.edge_attributes = DG_EDGES_FEATURES};
  dg_status status = DG_MEMORY;
  for (int i = 0; i < N; i++) owner[i] = i % test_comm.size;
  make_graph(true, false, 0);
  for (int64_t n = 1; status != DG_OK && n < 200; n++) {
    dg_directory owners;
    assert_all_true(&test_comm, directory_from(&owners, &test_comm, owner, N) == DG_OK);
    dg_memory_fail_at(test_comm.rank == test_comm.size / 2 ? n : 0);
    status = dg_shard_load(&s, &test_comm, path, &owners, &config);
    dg_memory_fail_at(0);
    assert_all_true(&test_comm, status == DG_OK || status == DG_MEMORY);
    dg_status_clear();
    dg_shard_destroy(&s);
  }
  assert_all_true(&test_comm, status == DG_OK);
}

static int name_file(void **state) {
  (void)state;
  long id = (long)getpid();
  dg_comm_bcast(&test_comm, &id, sizeof id, 0);
  snprintf(path, sizeof path, "/tmp/distgat-shard-%ld.h5", id);
  return 0;
}

static int remove_file(void **state) {
  (void)state;
  MPI_Barrier(test_comm.mpi);
  return test_comm.rank == 0 ? unlink(path) : 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(loads_sparse_features, name_file, remove_file),
      cmocka_unit_test_setup_teardown(loads_dense_features, name_file, remove_file),
      cmocka_unit_test_setup_teardown(loads_piece_by_piece, name_file, remove_file),
      cmocka_unit_test_setup_teardown(loads_several_labels, name_file, remove_file),
      cmocka_unit_test_setup_teardown(normalizes_rows_as_the_reference_does, name_file, remove_file),
      cmocka_unit_test_setup_teardown(refuses_rows_that_cannot_be_normalized, name_file, remove_file),
      cmocka_unit_test_setup_teardown(fingerprint_of_the_file_is_that_of_the_shards, name_file, remove_file),
      cmocka_unit_test_setup_teardown(one_rank_looks_through_a_file_that_all_share, name_file, remove_file),
      cmocka_unit_test_setup_teardown(each_copy_is_looked_through, name_file, remove_file),
      cmocka_unit_test_setup_teardown(outlines_of_blocks_are_those_of_the_graph, name_file, remove_file),
      cmocka_unit_test_setup_teardown(agrees_on_bad_input, name_file, remove_file),
      cmocka_unit_test_setup_teardown(survives_lack_of_memory, name_file, remove_file),
  };
  return mpi_test_main(argc, argv, "shard", tests, sizeof tests / sizeof tests[0]);
}
