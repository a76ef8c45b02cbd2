#!/usr/bin/env bash
# Builds and tests distgat in fresh Debian systems, each in a folder of its own, and prints a table of what came out.
# Run by hand as root; needs debootstrap. Packages come from where this machine gets its own.
usage="usage: tests/portability.sh [options] [12|13] [gcc|clang] [openmpi|mpich] [-- CTEST OPTIONS]
  Words choose among releases of Debian, compilers and MPIs; without one of a kind all of it are taken. Exit code 1 where
  something failed.
  --here          this system as it is: its compiler and MPI, no root needed, nothing installed
  --serial-hdf5   with the serial HDF5 instead of the MPI's own
  --roots FOLDER  where the systems are made and kept (default: ${TMPDIR:-/tmp}/distgat-roots); a kept one is used again
  --more          goes on: builds what changed, and results stay but for tests that run again ('--more ... -- --rerun-failed')
  --table         no run: prints what the last ones gave
  CMAKE_BUILD_PARALLEL_LEVEL and CTEST_PARALLEL_LEVEL in the environment say how many jobs run at a time.
  Example: tests/portability.sh 13 gcc -- -L 'unit|mpi'"

. "$(dirname "${BASH_SOURCE[0]}")/../jobs/setup.sh"
. "$distgat_root/tests/support/roots.sh"
roots=${TMPDIR:-/tmp}/distgat-roots here='' serial='' more='' table='' releases=() compilers=() mpis=() ctest_options=()
while [ $# -gt 0 ]; do
  case $1 in
    12 | 13) releases+=("$1") ;;
    gcc | clang) compilers+=("$1") ;;
    openmpi | mpich) mpis+=("$1") ;;
    --here) here=yes ;;
    --serial-hdf5) serial=-serial ;;
    --more) more=yes ;;
    --table) table=yes ;;
    --roots)
      [ $# -gt 1 ] || distgat_fail "--roots needs a folder"
      roots=$2
      shift
      ;;
    --)
      shift
      ctest_options=("$@")
      break
      ;;
    -h | --help) echo "$usage" && exit 0 ;;
    *) distgat_fail "unknown word '$1'; see tests/portability.sh --help" ;;
  esac
  shift
done
[ ${#releases[@]} -gt 0 ] || releases=(12 13)
[ ${#compilers[@]} -gt 0 ] || compilers=(gcc clang)
[ ${#mpis[@]} -gt 0 ] || mpis=(openmpi mpich)

# The packages of jobs/setup.sh with the given MPI, and both compilers.
packages() {
  local package hdf5=libhdf5-$1-dev
  [ -z "$serial" ] || hdf5=libhdf5-dev
  for package in "${distgat_packages[@]}" g++ clang libomp-dev; do
    case $package in
      libopenmpi-dev) echo "lib$1-dev" ;;
      openmpi-bin) if [ "$1" = mpich ]; then echo mpich; else echo openmpi-bin; fi ;;
      libhdf5-openmpi-dev) echo "$hdf5" ;;
      *) echo "$package" ;;
    esac
  done
}

# make_yield ROOT: MPICH's ranks spin and never yield, and where they outnumber cores a message waits for the end of every
# other rank's share of time. Here they yield, which UCX's progress is made to do.
make_yield() {
  cat >"$1/distgat/yield.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>

unsigned ucp_worker_progress(void *worker) {
  static unsigned (*progress)(void *);
  static int idle;
  if (!progress) progress = (unsigned (*)(void *))dlsym(RTLD_NEXT, "ucp_worker_progress");
  const unsigned events = progress(worker);
  idle = events > 0 ? 0 : idle + 1;
  if (idle > 20) sched_yield();
  return events;
}
END
  inside "$1" gcc -O2 -shared -fPIC -o /distgat/yield.so /distgat/yield.c
}

# build_and_test SOURCE BUILD COMPILER RUN...: writes the row of `name`; logs lie beside it. Fails where a test does.
build_and_test() {
  local source=$1 build=$2 compiler=$3 log=$logs/$name warnings passed failed skipped left
  shift 3
  [ -n "$more" ] || { "$@" rm -rf "$build" && rm -f "$log.warnings" "$log.tests" "$log.commits"; }
  git -C "$distgat_root" describe --always --dirty >>"$log.commits"
  if ! "$@" cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release ${compiler:+-DCMAKE_C_COMPILER=$compiler} \
    >"$log.configure" 2>&1 || ! "$@" cmake --build "$build" >"$log.build" 2>&1; then
    write_row "$(versions)|failed|-|-|-|-"
    return 1
  fi
  grep 'warning:' "$log.build" >>"$log.warnings"
  warnings=$(grep -c . "$log.warnings")
  "$@" env ${preload:+LD_PRELOAD=$preload} ctest --test-dir "$build" --output-on-failure "${ctest_options[@]}" >>"$log.tests" 2>&1
  passed=$(outcomes P | wc -l) failed=$(outcomes '[^PS]' | wc -l) skipped=$(outcomes S | wc -l)
  left=$(("$("$@" ctest --test-dir "$build" -N | sed -n 's/^Total Tests: //p')" - passed - failed - skipped))
  [ "$warnings" != 0 ] || warnings=no
  write_row "$(versions)|$warnings warnings|$passed|$failed|$skipped|$left"
  outcomes '[^PS]' >&2
  [ "$failed" = 0 ]
}

write_row() { echo "$system|$1|$(uniq "$logs/$name.commits" | xargs)" >"$logs/$name.row"; }

# The compiler, the MPI and the HDF5 as CMake found them.
versions() {
  local log=$logs/$name.configure compiler libraries
  compiler=$(sed -n 's/^-- Compiler: //p' "$log")
  libraries=$(sed -n 's/^-- MPI: //p' "$log")
  echo "${compiler:-?}|${libraries:-?}"
}

# outcomes LETTER: the tests whose last outcome begins so: Passed, Skipped, or Failed, Timeout, Exception, Not.
outcomes() {
  sed -nE 's|^ *[0-9]+/[0-9]+ Test +#[0-9]+: ([^ ]+) .*(Passed\|Skipped\|Failed\|Timeout\|Exception\|Not Run).*|\1 \2|p' \
    "$logs/$name.tests" | awk '{ last[$1] = $2 } END { for (test in last) print last[test], test }' | grep "^$1" | sort
}

# test_here: this system.
test_here() {
  name=here system="this one" preload=''
  [ -z "$table" ] || return 0
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  build_and_test "$distgat_root" "$work/build" "${CC:-}" env
}

# test_root RELEASE MPI: a system of its own, with each of the compilers.
test_root() {
  local release=${distgat_codename[$1]} root compiler result=0 preload=''
  root=$roots/$release-$2$serial
  if [ -z "$table" ]; then
    # shellcheck disable=SC2046 # names
    if ! make_root "$root" "$release" $(packages "$2") >"$logs/$release-$2$serial.root" 2>&1 || ! copy_source "$root/distgat/source"; then
      echo "no system: see $logs/$release-$2$serial.root" >&2
      return 1
    fi
    # Launchers that were killed leave folders, and those of Open MPI 5 refuse to start under the same process id again.
    find "$root/tmp" -mindepth 1 -delete
    if [ "$2" = mpich ]; then make_yield "$root" && preload=/distgat/yield.so; fi
  fi
  for compiler in "${compilers[@]}"; do
    name=$release-$compiler-$2$serial system="Debian $1"
    names+=("$name")
    [ -z "$table" ] || continue
    echo "$(date +%T) $name" >&2
    build_and_test /distgat/source "/distgat/build-$compiler" "$compiler" inside "$root" || result=1
  done
  return "$result"
}

logs=$roots/logs code=0 names=()
mkdir -p "$logs" || exit 2
# Read as a whole before it runs, for this file may change meanwhile.
{
  if [ -n "$here" ]; then
    names=(here)
    test_here || code=1
  else
    if [ -z "$table" ]; then
      [ "$(id -u)" = 0 ] || distgat_fail "only root can make systems; --here tests this one"
      distgat_install debootstrap
    fi
    for release in "${releases[@]}"; do
      for mpi in "${mpis[@]}"; do
        test_root "$release" "$mpi" || code=1
      done
    done
  fi
  {
    echo "system|compiler|MPI and HDF5|build|passed|failed|skipped|not run|commits"
    for name in "${names[@]}"; do cat "$logs/$name.row" 2>/dev/null; done
  } | column -t -s '|'
  exit $code
}
