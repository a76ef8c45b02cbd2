/* Lines of handlers and of the log are one piece: in a pipe of packets each write is one. */
#define _GNU_SOURCE
#include "support/support.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <distgat/log.h>

#include "base/say.h"

/* What one write of `speak` to standard error is, text [room], which is all that it writes; the length. */
static size_t said(char *text, size_t room, void (*speak)(void)) {
  int ends[2];
  const int standard = dup(STDERR_FILENO);
  assert_int_equal(pipe2(ends, O_DIRECT | O_NONBLOCK), 0);
  dup2(ends[1], STDERR_FILENO);
  speak();
  dup2(standard, STDERR_FILENO);
  const ssize_t length = read(ends[0], text, room);
  assert_true(length >= 0);
  assert_int_equal(read(ends[0], text + length, room - (size_t)length), -1);
  close(standard), close(ends[0]), close(ends[1]);
  return (size_t)length;
}

static void say_words(void) {
  const char *const words[] = {"stopped by ", "SIGTERM", " ", "", "after epoch 7\n"};
  dg_say(words, 5);
}

static void say_too_much(void) {
  char longer[401];
  memset(longer, 'x', 400), longer[400] = '\0';
  const char *const words[] = {longer, longer, longer};
  dg_say(words, 3);
}

static void warn(void) {
  dg_log_speaker(true);
  dg_warn("%d parts have %s", 3, "no nodes");
}

static void test_words_are_one_piece(void **state) {
  (void)state;
  char text[1024];
  assert_int_equal(said(text, sizeof text, say_words), 33);
  assert_memory_equal(text, "stopped by SIGTERM after epoch 7\n", 33);
}

static void test_what_is_too_long_is_cut(void **state) {
  (void)state;
  char text[1024];
  assert_int_equal(said(text, sizeof text, say_too_much), 511);
}

static void test_a_warning_is_one_piece(void **state) {
  (void)state;
  char text[1024];
  assert_int_equal(said(text, sizeof text, warn), 22);
  assert_memory_equal(text, "3 parts have no nodes\n", 22);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_words_are_one_piece),
                                     cmocka_unit_test(test_what_is_too_long_is_cut),
                                     cmocka_unit_test(test_a_warning_is_one_piece)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
