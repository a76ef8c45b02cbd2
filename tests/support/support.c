#include "support.h"

#include <dlfcn.h>
#include <stdio.h>

dg_comm test_comm;

#ifdef DG_SANITIZE
/* MPI's drivers stay loaded: what they leak is suppressed by their names. */
int dlclose(void *handle) {
  (void)handle;
  return 0;
}
#endif

int mpi_test_main(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t count) {
  int provided;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
  dg_comm_create(&test_comm, MPI_COMM_WORLD);
  bool failed_to_mute = test_comm.rank > 0 && freopen("/dev/null", "w", stdout) == NULL;
  int failures = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
  bool passed = dg_comm_max_int64(&test_comm, failures != 0 || failed_to_mute) == 0;
  dg_comm_destroy(&test_comm);
  MPI_Finalize();
  return passed ? 0 : 1;
}

bool holds_everywhere(const dg_comm *comm, bool local, const char *text, const char *file, int line) {
  if (!local) fprintf(stderr, "%s:%d: rank %d of %d: not true: %s\n", file, line, comm->rank, comm->size, text);
  return dg_comm_max_int64(comm, !local) == 0;
}
