#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <distgat/h5io.h>
#include <distgat/memory.h>
#include <distgat/partition.h>
#include <distgat/rng.h>

#include "partition/methods.h"

enum { MAX_NODES = 240, MAX_PARTS = MAX_NODES + 5 };

/* A graph as a matrix, the oracle's view: linked[i][j] where messages flow j -> i. */
typedef struct matrix {
  int n;
  bool linked[MAX_NODES][MAX_NODES];
} matrix;

static matrix m;
static dg_csr edges;
static int32_t part[MAX_NODES], other[MAX_NODES];
static char folder[] = "/tmp/distgat-test-XXXXXX";

/* The matrix as CSR in `edges`. */
static void convert(void) {
  dg_csr_destroy(&edges);
  edges.n_rows = m.n;
  assert_int_equal(dg_alloc(&edges.indptr, (size_t)m.n + 1, sizeof *edges.indptr), DG_OK);
  assert_int_equal(dg_alloc(&edges.indices, (size_t)m.n * (size_t)m.n, sizeof *edges.indices), DG_OK);
  for (int i = 0; i < m.n; i++) {
    edges.indptr[i + 1] = edges.indptr[i];
    for (int j = 0; j < m.n; j++)
      if (m.linked[i][j]) edges.indices[edges.indptr[i + 1]++] = j;
  }
}

/* Random one-way edges, `isolated` last nodes without any. */
static void make_directed(int n, double density, int isolated) {
  memset(&m, 0, sizeof m);
  m.n = n;
  for (int i = 0; i < n - isolated; i++)
    for (int j = 0; j < n - isolated; j++)
      m.linked[i][j] = i != j && dg_rng_uniform((uint64_t)i, (uint64_t)j) < density;
  convert();
}

static void make_symmetric(int n, double density, int isolated) {
  make_directed(n, density, isolated);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < i; j++) m.linked[j][i] = m.linked[i][j];
  convert();
}

static void make_star(int n) {
  make_directed(n, 0, 0);
  for (int i = 1; i < n; i++) m.linked[0][i] = m.linked[i][0] = true;
  convert();
}

/* The awkward graphs, one after the other; false after the last. */
static bool make_graph(int which) {
  switch (which) {
  case 0:
    make_symmetric(200, 0.03, 0);
    return true;
  case 1:
    make_directed(150, 0.03, 0);
    return true;
  case 2:
    make_star(120);
    return true;
  case 3:
    make_symmetric(90, 0.06, 30);
    return true;
  case 4:
    make_directed(60, 0, 0); /* no edges */
    return true;
  case 5:
    make_directed(1, 0, 0);
    return true;
  case 6:
    make_directed(0, 0, 0);
    return true;
  default:
    return false;
  }
}

static int64_t count_cut(const int32_t *p, bool all) {
  int64_t cut = 0;
  for (int i = 0; i < m.n; i++)
    for (int j = 0; j < i; j++) cut += (m.linked[i][j] || m.linked[j][i]) && (all || p[i] != p[j]);
  return cut;
}

static dg_partition_part count_part(const int32_t *p, int which) {
  dg_partition_part one = {0};
  for (int i = 0; i < m.n; i++) {
    bool received = false, sent = false;
    for (int j = 0; j < m.n; j++) {
      if (p[i] == which) one.edges += m.linked[i][j];
      received |= p[i] != which && p[j] == which && m.linked[j][i];
      sent |= p[i] == which && p[j] != which && m.linked[j][i];
    }
    if (p[i] == which) one.edges++;
    one.nodes += p[i] == which;
    one.halo += received;
    one.boundary += sent;
  }
  return one;
}

static void check_measures(int parts) {
  static dg_partition_part each[MAX_PARTS];
  dg_partition_quality q;
  assert_int_equal(dg_partition_measure(&q, &edges, part, parts), DG_OK);
  assert_int_equal(dg_partition_measure_parts(each, &edges, part, parts), DG_OK);
  int64_t halo = 0, halo_max = 0, nodes_max = 0, nodes_min = m.n, edges_max = 0;
  int empty = 0;
  for (int p = 0; p < parts; p++) {
    dg_partition_part one = count_part(part, p);
    assert_memory_equal(&one, &each[p], sizeof one);
    halo += one.halo;
    empty += one.nodes == 0;
    if (one.halo > halo_max) halo_max = one.halo;
    if (one.nodes > nodes_max) nodes_max = one.nodes;
    if (one.nodes < nodes_min) nodes_min = one.nodes;
    if (one.edges > edges_max) edges_max = one.edges;
  }
  assert_int_equal(q.parts, parts);
  assert_int_equal(q.edge_pairs, count_cut(part, true));
  assert_int_equal(q.edge_cut, count_cut(part, false));
  assert_int_equal(q.halo_nodes, halo);
  assert_int_equal(q.halo_max, halo_max);
  assert_int_equal(q.nodes_min, nodes_min);
  assert_int_equal(q.nodes_max, nodes_max);
  assert_int_equal(q.empty_parts, empty);
  if (m.n == 0) return;
  assert_float_equal(q.node_imbalance, (double)nodes_max * parts / m.n, 1e-12);
  assert_float_equal(q.edge_imbalance, (double)edges_max * parts / (double)(edges.indptr[m.n] + m.n), 1e-12);
}

static void measures_match_oracle(void **state) {
  (void)state;
  const int counts[] = {1, 2, 7, 16};
  for (int which = 0; make_graph(which); which++)
    for (int c = 0; c < 4; c++) {
      for (int i = 0; i < m.n; i++) part[i] = (int32_t)(dg_rng_uniform(7, (uint64_t)i) * counts[c]);
      check_measures(counts[c]);
    }
}

/* Parts in range; none empty where blocks or shuffled blocks can help it; a part a node where parts are plenty. */
static void check_division(const dg_partition_config *config) {
  dg_partition_quality q;
  assert_int_equal(dg_partition_compute(part, &edges, config), DG_OK);
  for (int i = 0; i < m.n; i++) assert_in_range(part[i], 0, config->parts - 1);
  assert_int_equal(dg_partition_measure(&q, &edges, part, config->parts), DG_OK);
  if (config->parts >= m.n) {
    assert_int_equal(q.empty_parts, config->parts - m.n);
  } else {
    assert_int_equal(q.empty_parts, 0);
  }
  if (config->method == DG_PART_BLOCK)
    for (int i = 1; i < m.n; i++) assert_in_range(part[i] - part[i - 1], 0, 1);
  assert_int_equal(dg_partition_compute(other, &edges, config), DG_OK);
  assert_memory_equal(part, other, (size_t)m.n * sizeof *part);
}

static void every_method_divides_every_graph(void **state) {
  (void)state;
  for (int which = 0; make_graph(which); which++) {
    const int counts[] = {1, 2, 7, m.n / 6, m.n, m.n + 5};
    for (int c = 0; c < 6; c++)
      for (int variant = 0; variant < 4 * 4 * 3 && counts[c] > 0; variant++) {
        dg_partition_config config = dg_partition_defaults(counts[c]);
        config.method = (dg_partition_method)(variant % 4);
        config.balance = (dg_partition_balance)(variant / 4 % 4);
        config.objective = (dg_partition_objective)(variant / 16);
        if (config.method != DG_PART_METIS && config.objective != DG_PART_AUTO) continue;
        if (config.objective != DG_PART_AUTO && config.balance != DG_BALANCE_EDGES) continue;
        check_division(&config);
      }
  }
}

/* METIS itself leaves parts of stars empty. */
static void no_part_of_a_star_is_empty(void **state) {
  (void)state;
  for (int parts = 2; parts <= 9; parts++) {
    int count[9] = {0};
    const dg_partition_config config = dg_partition_defaults(parts);
    make_star(36);
    assert_int_equal(dg_partition_compute(part, &edges, &config), DG_OK);
    for (int i = 0; i < 36; i++) count[part[i]]++;
    for (int p = 0; p < parts; p++) assert_true(count[p] > 0);
  }
}

static void metis_is_silent(void **state) {
  (void)state;
  fflush(stdout);
  FILE *capture = tmpfile();
  int real_stdout = dup(STDOUT_FILENO);
  dup2(fileno(capture), STDOUT_FILENO);
  make_star(120);
  dg_partition_config config = dg_partition_defaults(30); /* leaves METIS pieces without nodes */
  dg_status status = dg_partition_compute(part, &edges, &config);
  fflush(stdout);
  dup2(real_stdout, STDOUT_FILENO);
  close(real_stdout);
  assert_int_equal(status, DG_OK);
  assert_int_equal(lseek(fileno(capture), 0, SEEK_END), 0);
  fclose(capture);
}

static void metis_finds_communities(void **state) {
  (void)state;
  make_symmetric(60, 0, 0);
  for (int i = 0; i < 60; i++)
    for (int j = 0; j < 60; j++) m.linked[i][j] = i != j && i % 2 == j % 2;
  m.linked[0][1] = true; /* one way: to be taken in both */
  convert();
  for (int objective = 0; objective < 3; objective++) {
    dg_partition_config config = dg_partition_defaults(2);
    dg_partition_quality q;
    config.objective = (dg_partition_objective)objective;
    assert_int_equal(dg_partition_compute(part, &edges, &config), DG_OK);
    assert_int_equal(dg_partition_measure(&q, &edges, part, 2), DG_OK);
    assert_int_equal(q.edge_cut, 1);
    assert_int_equal(q.halo_nodes, 1);
  }
}

static void metis_balances_what_is_asked(void **state) {
  (void)state;
  make_symmetric(MAX_NODES, 0.02, 0);
  for (int i = 0; i < 60; i++) /* a dense corner: equal nodes are not equal work */
    for (int j = 0; j < 60; j++) m.linked[i][j] = i != j;
  convert();
  for (int balance = 0; balance < 4; balance++) {
    dg_partition_config config = dg_partition_defaults(4);
    dg_partition_quality q;
    config.balance = (dg_partition_balance)balance;
    assert_int_equal(dg_partition_compute(part, &edges, &config), DG_OK);
    assert_int_equal(dg_partition_measure(&q, &edges, part, 4), DG_OK);
    if (balance == DG_BALANCE_NODES || balance == DG_BALANCE_BOTH) assert_true(q.node_imbalance < 1.1);
    if (balance != DG_BALANCE_NODES) assert_true(q.edge_imbalance < 1.1);
  }
}

/* Equal numbers, and where a node goes says nothing of where the next does: of 4 parts a quarter of them goes on. */
static void random_parts_are_equal_and_mixed(void **state) {
  (void)state;
  static int32_t many[40000];
  for (int parts = 1; parts <= 1000; parts = 3 * parts + 1)
    for (int n = 1; n <= 40000; n = 2 * n + 3) {
      int count[1000] = {0};
      dg_partition_shuffled(many, 0, n, n, parts, (uint64_t)n);
      for (int i = 0; i < n; i++) count[many[i]]++;
      for (int p = 0; p < parts; p++) assert_in_range(count[p], n / parts, (n + parts - 1) / parts);
    }
  for (uint64_t seed = 0; seed < 5; seed++) {
    int go_on = 0;
    dg_partition_shuffled(many, 0, 40000, 40000, 4, seed);
    for (int i = 1; i < 40000; i++) go_on += many[i] == many[i - 1];
    assert_in_range(go_on, 9700, 10300);
  }
}

static void seeds_change_random_parts(void **state) {
  (void)state;
  make_symmetric(100, 0.05, 0);
  dg_partition_config config = dg_partition_defaults(4);
  config.method = DG_PART_RANDOM;
  assert_int_equal(dg_partition_compute(part, &edges, &config), DG_OK);
  config.seed = 1;
  assert_int_equal(dg_partition_compute(other, &edges, &config), DG_OK);
  assert_memory_not_equal(part, other, 100 * sizeof *part);
}

/* ---- files ---- */

static const char *path_of(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static const char *write_text(const char *text) {
  const char *path = path_of("parts.txt");
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fputs(text, file) < 0, 0);
  assert_int_equal(fclose(file), 0);
  return path;
}

static void saved_partition_is_loaded(void **state) {
  (void)state;
  make_directed(150, 0.03, 0);
  dg_partition_config config = dg_partition_defaults(7);
  dg_partition_quality q;
  assert_int_equal(dg_partition_compute(part, &edges, &config), DG_OK);
  assert_int_equal(dg_partition_measure(&q, &edges, part, 7), DG_OK);
  const char *path = path_of("p.h5");
  assert_int_equal(dg_partition_save(path, part, m.n, &q, "metis", 0xabc), DG_OK);
  int parts;
  uint64_t made_for;
  assert_int_equal(dg_partition_load(other, &parts, &made_for, path, m.n), DG_OK);
  assert_int_equal(parts, 7);
  assert_int_equal(made_for, 0xabc);
  assert_memory_equal(part, other, (size_t)m.n * sizeof *part);
  config.method = DG_PART_FILE;
  config.from = path;
  memset(other, 0, sizeof other);
  assert_int_equal(dg_partition_compute(other, &edges, &config), DG_OK);
  assert_memory_equal(part, other, (size_t)m.n * sizeof *part);
  assert_int_equal(dg_partition_load(other, &parts, &made_for, path, m.n - 1), DG_INPUT);
  assert_non_null(strstr(dg_status_message(), "is for 150 nodes, the graph has 149"));
  dg_status_clear();
  config.parts = 6;
  assert_int_equal(dg_partition_compute(other, &edges, &config), DG_INPUT);
  assert_non_null(strstr(dg_status_message(), "has 7 parts (numbers 0 to 6), not 6"));
  dg_status_clear();
}

/* A file that does not say which graph it was made for, as text and older ones, fits any. */
static void partition_of_another_graph_is_refused(void **state) {
  (void)state;
  int parts;
  uint64_t made_for;
  make_directed(150, 0.03, 0);
  const dg_partition_quality q = {.parts = 1};
  const char *path = path_of("p.h5");
  dg_partition_config config = {.parts = 1, .method = DG_PART_FILE, .from = path, .fingerprint = 0xabd};
  memset(part, 0, (size_t)m.n * sizeof *part);
  assert_int_equal(dg_partition_save(path, part, m.n, &q, "block", 0xabc), DG_OK);
  assert_int_equal(dg_partition_compute(other, &edges, &config), DG_INPUT);
  assert_non_null(strstr(dg_status_message(), "p.h5 was made for another graph (fingerprint 0000000000000abc"));
  dg_status_clear();
  config.fingerprint = 0xabc;
  assert_int_equal(dg_partition_compute(other, &edges, &config), DG_OK);
  config.fingerprint = 0;
  assert_int_equal(dg_partition_compute(other, &edges, &config), DG_OK);
  assert_int_equal(dg_partition_save(path, part, m.n, &q, "block", 0), DG_OK);
  assert_int_equal(dg_partition_load(other, &parts, &made_for, path, m.n), DG_OK);
  assert_int_equal(made_for, 0);
}

static void text_partition_is_loaded(void **state) {
  (void)state;
  int parts;
  uint64_t made_for;
  const char *const good[] = {"0\n2\n1\n", "0\n2\n1", "0\n2\n1\n\n", " 0 \r\n2\r\n1\r\n"};
  const int32_t expected[] = {0, 2, 1};
  for (int i = 0; i < 4; i++) {
    assert_int_equal(dg_partition_load(part, &parts, &made_for, write_text(good[i]), 3), DG_OK);
    assert_int_equal(parts, 3);
    assert_int_equal(made_for, 0);
    assert_memory_equal(part, expected, sizeof expected);
  }
}

/* Piece by piece, as rank 0 passes it on. */
static void partition_is_read_in_pieces(void **state) {
  (void)state;
  make_directed(150, 0.03, 0);
  const dg_partition_quality q = {.parts = 7};
  char text[1000] = "", *end = text;
  for (int64_t i = 0; i < m.n; i++) part[i] = (int32_t)(i * i % 7), end += sprintf(end, "%d\n", part[i]);
  assert_int_equal(dg_partition_save(path_of("p.h5"), part, m.n, &q, "block", 0xabc), DG_OK);
  for (int is_h5 = 0; is_h5 < 2; is_h5++)
    for (int64_t piece = 1; piece <= m.n; piece = 4 * piece + 3) {
      dg_part_reader reader;
      memset(other, 0, sizeof other);
      assert_int_equal(dg_part_reader_open(&reader, is_h5 ? path_of("p.h5") : write_text(text), m.n), DG_OK);
      for (int64_t at = 0; at < m.n; at += piece)
        assert_int_equal(dg_part_reader_next(&reader, other + at, piece < m.n - at ? piece : m.n - at), DG_OK);
      assert_int_equal(reader.parts, is_h5 ? 7 : 5); /* squares modulo 7 go up to 4 */
      assert_memory_equal(part, other, (size_t)m.n * sizeof *part);
      dg_part_reader_close(&reader);
    }
}

static void wrong_text_is_told(void **state) {
  (void)state;
  const struct {
    const char *text, *message;
  } wrong[] = {{"0\n2 1\n1\n", "line 2 is no part number"},
               {"0\n-1\n1\n", "line 2 is no part number"},
               {"0\n1\n1.5\n", "line 3 is no part number"},
               {"0\n1\nx\n", "line 3 is no part number"},
               {"0\n1\n99999999999\n", "line 3 is no part number"},
               {"0\n\n1\n1\n", "line 2 is no part number"},
               {"0\n1\n", "has 2 part numbers, the graph 3 nodes"},
               {"0\n1\n1\n1\n", "has 4 part numbers"},
               {"", "has 0 part numbers"}};
  int parts;
  uint64_t made_for;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(dg_partition_load(part, &parts, &made_for, write_text(wrong[i].text), 3), DG_INPUT);
    assert_non_null(strstr(dg_status_message(), wrong[i].message));
    dg_status_clear();
  }
}

static void foreign_files_are_refused(void **state) {
  (void)state;
  int parts;
  uint64_t made_for;
  assert_int_equal(dg_partition_load(part, &parts, &made_for, path_of("absent"), 3), DG_INPUT);
  dg_status_clear();
  assert_int_equal(dg_partition_load(part, &parts, &made_for, folder, 3), DG_INPUT);
  dg_status_clear();
  dg_h5 *file;
  const char *path = path_of("foreign.h5");
  const int64_t n = 3;
  assert_int_equal(dg_h5_create(&file, path), DG_OK);
  assert_int_equal(dg_h5_write(file, "labels", DG_H5_I32, 1, &n, part), DG_OK);
  assert_int_equal(dg_h5_commit(&file), DG_OK);
  assert_int_equal(dg_partition_load(part, &parts, &made_for, path, 3), DG_INPUT);
  assert_non_null(strstr(dg_status_message(), "is no partition file"));
  dg_status_clear();
}

static void out_of_memory_is_a_status(void **state) {
  (void)state;
  make_directed(150, 0.03, 0);
  const dg_partition_config config = dg_partition_defaults(4);
  dg_partition_quality q;
  dg_status status = DG_MEMORY;
  for (int64_t n = 1; status != DG_OK; n++) {
    dg_memory_fail_at(n);
    status = dg_partition_compute(part, &edges, &config);
    if (status == DG_OK) status = dg_partition_measure(&q, &edges, part, 4);
    dg_memory_fail_at(0);
    assert_true(status == DG_OK || status == DG_MEMORY);
    assert_true(n < 100);
    dg_status_clear();
  }
}

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) == NULL;
}

static int clean_up(void **state) {
  (void)state;
  dg_csr_destroy(&edges);
  unlink(path_of("p.h5"));
  unlink(path_of("parts.txt"));
  unlink(path_of("foreign.h5"));
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(measures_match_oracle),
      cmocka_unit_test(every_method_divides_every_graph),
      cmocka_unit_test(no_part_of_a_star_is_empty),
      cmocka_unit_test(metis_is_silent),
      cmocka_unit_test(metis_finds_communities),
      cmocka_unit_test(metis_balances_what_is_asked),
      cmocka_unit_test(random_parts_are_equal_and_mixed),
      cmocka_unit_test(seeds_change_random_parts),
      cmocka_unit_test(saved_partition_is_loaded),
      cmocka_unit_test(partition_of_another_graph_is_refused),
      cmocka_unit_test(text_partition_is_loaded),
      cmocka_unit_test(partition_is_read_in_pieces),
      cmocka_unit_test(wrong_text_is_told),
      cmocka_unit_test(foreign_files_are_refused),
      cmocka_unit_test(out_of_memory_is_a_status),
  };
  return cmocka_run_group_tests_name("partition", tests, make_folder, clean_up);
}
