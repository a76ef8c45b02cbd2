#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text_file.h"
#include "support/support.h"

static char folder[] = "/tmp/distgat-text-XXXXXX";
static char path[64], link_path[64];
static struct rlimit usual;

static int enter(void **state) {
  (void)state;
  if (mkdtemp(folder) == NULL) return -1;
  snprintf(path, sizeof path, "%s/a.csv", folder);
  snprintf(link_path, sizeof link_path, "%s/b.csv", folder);
  signal(SIGXFSZ, SIG_IGN);
  return getrlimit(RLIMIT_FSIZE, &usual);
}

static int leave(void **state) {
  (void)state;
  return rmdir(folder); /* fails where a temporary file was left behind */
}

static int forget(void **state) {
  (void)state;
  dg_status_clear();
  unlink(path);
  unlink(link_path);
  return 0;
}

static void write_older(void) {
  FILE *out = fopen(path, "w");
  fputs("older", out);
  fclose(out);
}

static void assert_holds(const char *expected) {
  char found[64] = "";
  FILE *in = fopen(path, "r");
  assert_non_null(in);
  found[fread(found, 1, sizeof found - 1, in)] = '\0';
  fclose(in);
  assert_string_equal(found, expected);
}

static void test_the_older_stays_until_commit(void **state) {
  (void)state;
  dg_text_file file;
  write_older();
  assert_int_equal(dg_text_file_open(&file, path), DG_OK);
  fputs("newer", file.out);
  assert_int_equal(dg_text_file_check(&file), DG_OK);
  assert_holds("older");
  assert_int_equal(dg_text_file_commit(&file), DG_OK);
  assert_holds("newer");
}

static void test_what_is_not_committed_is_gone(void **state) {
  (void)state;
  dg_text_file file;
  for (int is_there = 0; is_there < 2; is_there++) {
    if (is_there) write_older();
    assert_int_equal(dg_text_file_check_writable(path), DG_OK);
    assert_int_equal(dg_text_file_open(&file, path), DG_OK);
    fputs("newer", file.out);
    dg_text_file_close(&file);
    assert_int_equal(access(path, F_OK), is_there - 1);
  }
  assert_holds("older");
}

/* A file that may not grow stands for a full disk. */
static void test_disk_full(void **state) {
  (void)state;
  dg_text_file file;
  write_older();
  for (int bytes = 100; bytes < 100000; bytes *= 100) { /* told by the last write, and by one before */
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){50, usual.rlim_max});
    assert_int_equal(dg_text_file_open(&file, path), DG_OK);
    for (int i = 0; i < bytes; i++) fputc('n', file.out);
    const dg_status status = dg_text_file_commit(&file);
    setrlimit(RLIMIT_FSIZE, &usual);
    assert_int_equal(status, DG_IO);
    assert_non_null(strstr(dg_status_message(), "a.csv: cannot be written: File too large"));
    dg_status_clear();
    assert_holds("older");
  }
}

static void test_a_signal_removes_it(void **state) {
  (void)state;
  dg_text_file a, b;
  assert_int_equal(dg_text_file_open(&a, path), DG_OK);
  assert_int_equal(dg_text_file_open(&b, link_path), DG_OK);
  dg_unfinished_remove();
  assert_int_not_equal(access(a.temporary, F_OK), 0);
  assert_int_not_equal(access(b.temporary, F_OK), 0);
  dg_text_file_close(&a);
  dg_text_file_close(&b);
}

static void test_links_and_pipes_stay(void **state) {
  (void)state;
  dg_text_file file;
  struct stat st;
  write_older();
  assert_int_equal(symlink(path, link_path), 0);
  assert_int_equal(dg_text_file_open(&file, link_path), DG_OK);
  fputs("newer", file.out);
  assert_int_equal(dg_text_file_commit(&file), DG_OK);
  assert_holds("newer");
  assert_true(lstat(link_path, &st) == 0 && S_ISLNK(st.st_mode));
  unlink(path);
  assert_int_equal(mkfifo(path, 0600), 0);
  const int reader = open(path, O_RDONLY | O_NONBLOCK);
  char found[8] = "";
  assert_int_equal(dg_text_file_open(&file, path), DG_OK);
  fputs("piped", file.out);
  assert_int_equal(dg_text_file_commit(&file), DG_OK);
  assert_int_equal(read(reader, found, sizeof found - 1), 5);
  assert_string_equal(found, "piped");
  assert_true(stat(path, &st) == 0 && S_ISFIFO(st.st_mode));
  close(reader);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_the_older_stays_until_commit, forget),
      cmocka_unit_test_teardown(test_what_is_not_committed_is_gone, forget),
      cmocka_unit_test_teardown(test_disk_full, forget),
      cmocka_unit_test_teardown(test_a_signal_removes_it, forget),
      cmocka_unit_test_teardown(test_links_and_pipes_stay, forget),
  };
  return cmocka_run_group_tests_name("text_file", tests, enter, leave);
}
