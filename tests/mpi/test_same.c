#include "support/support.h"

#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>

#include "par/same.h"

static dg_status compare(const char *facts) {
  return dg_same_facts(&test_comm, DG_USAGE, "g.h5", facts, "make them the same");
}

static bool says(const char *text) {
  return strstr(dg_status_message(), text) != NULL;
}

static void same_facts_pass(void **state) {
  (void)state;
  char many[20000] = "";
  for (size_t used = 0; used < sizeof many - 20;) used += (size_t)sprintf(many + used, "%zu things\n", used);
  assert_all_true(&test_comm, compare("2 nodes\n7 classes\n") == DG_OK);
  assert_all_true(&test_comm, compare("") == DG_OK);
  assert_all_true(&test_comm, compare(many) == DG_OK);
}

/* The lowest rank that differs is named, with the first line that does: here rank `odd` and those after it. */
static void check_difference(int odd, const char *first, const char *other, const char *message) {
  char who[64];
  const bool differs = odd > 0 && odd < test_comm.size;
  const dg_status status = compare(test_comm.rank < odd ? first : other);
  snprintf(who, sizeof who, "g.h5: rank %d on ", odd);
  assert_all_true(&test_comm, (status == DG_OK) == !differs && (status == DG_USAGE) == differs);
  if (differs) assert_all_true(&test_comm, says(who) && says(message) && says("make them the same"));
  dg_status_clear();
}

static void first_difference_is_named(void **state) {
  (void)state;
  for (int odd = 1; odd < test_comm.size; odd++) {
    check_difference(odd, "2 nodes\n7 classes\n", "2 nodes\n6 classes\n", " has 6 classes, rank 0 on ");
    check_difference(odd, "2 nodes\n7 classes\n", "2 nodes\n", " has nothing more, rank 0 on ");
    check_difference(odd, "2 nodes\n", "2 nodes\n7 classes\n", " has 7 classes, rank 0 on ");
    check_difference(odd, "2 nodes\n", "2 nodes and more\n", " has 2 nodes and more, rank 0 on ");
    check_difference(odd, "version 0.1.0\nverb train\n", "version 0.2.0\nverb bench\n", " has version 0.2.0, rank 0 ");
    check_difference(odd, "", "a", " has a, rank 0 on ");
  }
}

static void lack_of_memory_reaches_every_rank(void **state) {
  (void)state;
  dg_memory_fail_at(test_comm.rank == test_comm.size - 1);
  const dg_status status = compare("2 nodes\n");
  dg_memory_fail_at(0);
  assert_all_true(&test_comm, status == DG_MEMORY);
  dg_status_clear();
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(same_facts_pass),
      cmocka_unit_test(first_difference_is_named),
      cmocka_unit_test(lack_of_memory_reaches_every_rank),
  };
  return mpi_test_main(argc, argv, "same", tests, sizeof tests / sizeof tests[0]);
}
