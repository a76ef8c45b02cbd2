#!/usr/bin/env bash
# Installs what is missing, builds and passes all tests; then unit and MPI tests again under sanitizers.
# The exit code is that of ctest.
usage="usage: tests/run.sh [--no-install] [--quick] [-R REGEX]
  --no-install  leave the system's packages alone
  --quick       without the sanitizers' build
  -R REGEX      only the tests whose names match"

. "$(dirname "${BASH_SOURCE[0]}")/../jobs/setup.sh"
install=yes sanitizers=yes select=()
while [ $# -gt 0 ]; do
  case $1 in
    --no-install) install= && export DISTGAT_NO_INSTALL=1 ;; # some tests install what they alone need
    --quick) sanitizers= ;;
    -R)
      [ $# -gt 1 ] || distgat_fail "-R needs a regular expression"
      select=(-R "$2")
      shift
      ;;
    -h | --help) echo "$usage" && exit 0 ;;
    *) distgat_fail "unknown option '$1'; see tests/run.sh --help" ;;
  esac
  shift
done
if [ -n "$install" ]; then
  distgat_install "${distgat_packages[@]}"
  # On a machine of its own the suite is to skip as little as possible, but a missing extra is no failure.
  [ -z "$CI" ] || (distgat_install "${distgat_extra_packages[@]}") || echo "tests/run.sh: goes on without the extras" >&2
  [ -z "$CI" ] || (distgat_install "${distgat_browser_packages[@]}") || echo "tests/run.sh: goes on without a browser" >&2
fi

# Says what was left out and why, of whole tests and inside them.
tell_skipped() {
  awk '/^[0-9]+\/[0-9]+ Testing: / { name = $3 }
       match($0, /skipped(:| \047).*/) { reason = substr($0, RSTART + 9); sub(/\047$/, "", reason)
         print "skipped: " name ": " reason }' \
    "build/$1/Testing/Temporary/LastTest.log"
}

# Starting ranks is mostly waiting, and so are the tests of what happens in time.
at_once=$(($(nproc) + 2))

# Open MPI's launchers share a folder, which one that ends removes where it is empty, also from under one that begins.
shared=${TMPDIR:-/tmp}/ompi.$(uname -n | cut -d. -f1).$(id -u)
mkdir -p "$shared/kept" && trap 'rmdir "$shared/kept" "$shared" 2>/dev/null' EXIT

cd "$distgat_root" || exit 2
export DISTGAT_WERROR=ON
distgat_build release || exit
ctest --preset release --parallel $at_once "${select[@]}"
code=$?
tell_skipped release
if [ -n "$sanitizers" ]; then
  distgat_build asan unit_and_mpi_tests || exit
  ctest --preset asan --parallel $at_once "${select[@]}" ${select:+--no-tests=ignore}
  sanitizers_code=$?
  [ $code -ne 0 ] || code=$sanitizers_code
fi
exit $code
