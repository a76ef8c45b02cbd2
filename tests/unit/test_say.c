/* Lines of handlers are one piece: in a pipe of packets each write is one. */
#define _GNU_SOURCE
#include "support/support.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/say.h"

/* What one write of these words to standard error is; the length. */
static size_t said(char *text, size_t room, const char *const *words, size_t n) {
  int ends[2];
  const int standard = dup(STDERR_FILENO);
  assert_int_equal(pipe2(ends, O_DIRECT | O_NONBLOCK), 0);
  dup2(ends[1], STDERR_FILENO);
  dg_say(words, n);
  dup2(standard, STDERR_FILENO);
  const ssize_t length = read(ends[0], text, room);
  assert_true(length >= 0);
  assert_int_equal(read(ends[0], text + length, room - (size_t)length), -1);
  close(standard), close(ends[0]), close(ends[1]);
  return (size_t)length;
}

static void test_words_are_one_piece(void **state) {
  (void)state;
  const char *const words[] = {"stopped by ", "SIGTERM", " ", "", "after epoch 7\n"};
  char text[1024];
  assert_int_equal(said(text, sizeof text, words, 5), 33);
  assert_memory_equal(text, "stopped by SIGTERM after epoch 7\n", 33);
}

static void test_what_is_too_long_is_cut(void **state) {
  (void)state;
  char longer[401], text[1024];
  memset(longer, 'x', 400), longer[400] = '\0';
  const char *const words[] = {longer, longer, longer};
  assert_int_equal(said(text, sizeof text, words, 3), 511);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_words_are_one_piece),
                                     cmocka_unit_test(test_what_is_too_long_is_cut)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
