#!/usr/bin/env bash
# CMake refuses an HDF5 or a launcher of another MPI in one clear message.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*" && exit 1; }
cc=${CC:-cc}
mpi=$(sed -n 's/^mpi=//p' "$(dirname "$DISTGAT")/distgat.pc")

# refused TEXT OPTION...: CMake ends in one error that has the text.
refused() {
  local text=$1
  shift
  rm -rf "$work/build"
  ! cmake -S "$DISTGAT_SOURCE" -B "$work/build" -G Ninja -DDISTGAT_TESTS=OFF "$@" >"$work/log" 2>&1 ||
    fail "taken, though it should say: $text"
  [ "$(grep -c '^CMake Error' "$work/log")" = 1 ] || fail "$(<"$work/log")"
  xargs <"$work/log" | grep -qF -- "$text" || fail "no '$text' in $(<"$work/log")"
}

# An HDF5 that asks for an MPI of its own, under every name that might be looked for.
echo 'int MPI_Init(int *c, char ***v) { return c && v; }' >"$work/mpi.c"
echo 'int MPI_Init(int *, char ***); int H5open(void) { return MPI_Init(0, 0); }' >"$work/hdf5.c"
"$cc" -shared -fPIC -Wl,-soname,libmpi.so.99 -o "$work/libmpi.so.99" "$work/mpi.c"
"$cc" -shared -fPIC -o "$work/libhdf5.so" "$work/hdf5.c" "$work/libmpi.so.99"
mkdir "$work/include"
echo 'int H5open(void);' >"$work/include/hdf5.h"
for name in hdf5-openmpi hdf5-mpich hdf5-serial hdf5; do
  printf 'Name: HDF5\nDescription: none\nVersion: 9\nCflags: -I%s\nLibs: -L%s -lhdf5\n' "$work/include" "$work" \
    >"$work/$name.pc"
done
PKG_CONFIG_PATH=$work refused "HDF5 belongs to another MPI: $work/libhdf5.so needs libmpi.so.99, but $mpi"

case $mpi in
  Open*) other=HYDRA ;;
  MPICH*) other="Open MPI" ;;
  *) exit 0 ;;
esac
printf '#!/bin/sh\necho "%s build details"\n' "$other" >"$work/mpiexec"
chmod +x "$work/mpiexec"
refused "$work/mpiexec belongs to another MPI than $mpi" -DMPIEXEC_EXECUTABLE="$work/mpiexec"
