#ifndef DISTGAT_TESTS_SUPPORT_H
#define DISTGAT_TESTS_SUPPORT_H

/* What cmocka needs before it, cmocka itself, and what it lacks for MPI: assertions that fail on every rank at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <distgat/comm.h>

/* All ranks of the test; made by mpi_test_main. */
extern dg_comm test_comm;

/* Runs tests under MPI, the body of main: rank 0 alone names the tests that run, every rank its failures. Gives the
   exit code, the same on every rank. */
int mpi_test_main(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t count);

/* Whether `local` holds on every rank; each rank where it does not says so. Collective. */
bool holds_everywhere(const dg_comm *comm, bool local, const char *text, const char *file, int line);

/* Fails on every rank if `condition` is false on any: never use a plain assertion where ranks may differ, the others
   would wait for the one that left. Collective. */
#define assert_all_true(comm, condition)                                                                               \
  _assert_true(holds_everywhere(comm, condition, #condition, __FILE__, __LINE__), #condition, __FILE__, __LINE__)

#endif
