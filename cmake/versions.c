/* Holds as text which MPI and HDF5 it was compiled with; CMake reads that out of the program. */
#include <hdf5.h>
#include <mpi.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#if defined(OPEN_MPI)
#define MPI_NAME "Open MPI " TEXT(OMPI_MAJOR_VERSION) "." TEXT(OMPI_MINOR_VERSION) "." TEXT(OMPI_RELEASE_VERSION)
#elif defined(I_MPI_VERSION)
#define MPI_NAME "Intel MPI " I_MPI_VERSION
#elif defined(MVAPICH2_VERSION)
#define MPI_NAME "MVAPICH " MVAPICH2_VERSION
#elif defined(MPICH_VERSION)
#define MPI_NAME "MPICH " MPICH_VERSION
#else
#define MPI_NAME "MPI of the standard " TEXT(MPI_VERSION) "." TEXT(MPI_SUBVERSION)
#endif

#ifdef H5_HAVE_PARALLEL
#define HDF5_KIND " parallel"
#else
#define HDF5_KIND " serial"
#endif
#define HDF5_NAME TEXT(H5_VERS_MAJOR) "." TEXT(H5_VERS_MINOR) "." TEXT(H5_VERS_RELEASE) HDF5_KIND

const char *const distgat_versions[] = {"distgat built with mpi: " MPI_NAME, "distgat built with hdf5: " HDF5_NAME};

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  H5open();
  MPI_Finalize();
  return distgat_versions[argc % 2][0] == '\0';
}
