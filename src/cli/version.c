#include "cli/version.h"

#include <cblas.h>
#include <hdf5.h>
#include <metis.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"

void dg_version_print(void) {
  char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
  unsigned major, minor, release;
  int length;
  MPI_Get_library_version(mpi, &length); /* may be asked before MPI starts */
  mpi[strcspn(mpi, "\n")] = '\0';
  H5get_libversion(&major, &minor, &release);
  printf("distgat " DG_VERSION "\n");
  printf("MPI: %s\n", mpi);
  printf("HDF5: %u.%u.%u\n", major, minor, release);
  printf("BLAS: %s\n", openblas_get_config());
  printf("METIS: %d.%d.%d\n", METIS_VER_MAJOR, METIS_VER_MINOR, METIS_VER_SUBMINOR);
  printf("SIMD: %s\n", dg_kernels_get()->name);
}
