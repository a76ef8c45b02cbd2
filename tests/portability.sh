#!/usr/bin/env bash
# Builds and tests distgat in fresh Debian systems, each in a folder of its own, and prints a table of what came out.
# Run by hand as root; needs debootstrap. Packages come from where this machine gets its own.
usage="usage: tests/portability.sh [options] [12|13] [gcc|clang] [openmpi|mpich] [-- CTEST OPTIONS]
  Words choose among releases of Debian, compilers and MPIs; without one of a kind all of it are taken. Exit code 1 where
  something failed.
  --here          this system as it is: its compiler and MPI, no root needed, nothing installed
  --serial-hdf5   with the serial HDF5 instead of the MPI's own
  --roots FOLDER  where the systems are made and kept (default: ${TMPDIR:-/tmp}/distgat-roots); a kept one is used again
  Example: tests/portability.sh 13 gcc -- -L 'unit|mpi'"

. "$(dirname "${BASH_SOURCE[0]}")/../jobs/setup.sh"
roots=${TMPDIR:-/tmp}/distgat-roots here='' serial='' releases=() compilers=() mpis=() ctest_options=()
while [ $# -gt 0 ]; do
  case $1 in
    12) releases+=(bookworm) ;;
    13) releases+=(trixie) ;;
    gcc | clang) compilers+=("$1") ;;
    openmpi | mpich) mpis+=("$1") ;;
    --here) here=yes ;;
    --serial-hdf5) serial=-serial ;;
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
[ ${#releases[@]} -gt 0 ] || releases=(bookworm trixie)
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

# inside ROOT COMMAND...: runs in the system, with what a build needs of this one mounted for as long as it runs.
inside() {
  # shellcheck disable=SC2016 # the inner shell's own variables
  unshare --mount --fork --propagation private bash -c '
    root=$1 shared=$2
    shift 2
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --rbind /sys "$root/sys" || exit
    mkdir -p "$root/distgat/shared"
    [ ! -d "$shared" ] || mount --bind -o ro "$shared" "$root/distgat/shared" || exit
    cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null
    exec chroot "$root" env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin $(env | grep ^OPENBLAS_) "$@"' \
    inside "$1" "$distgat_root/../shared" "${@:2}" </dev/null
}

# make_root ROOT RELEASE MPI: a system with the packages, unless it is there.
make_root() {
  local root=$1 mirror
  [ ! -e "$root/complete" ] || return 0
  # shellcheck disable=SC2016 # apt's own variables
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
    awk '$1 !~ /-/ { print $2; exit }')
  [ -n "$mirror" ] || { echo "apt knows no Debian here" && return 1; }
  rm -rf "$root" && mkdir -p "$root" && debootstrap --variant=minbase "$2" "$root" "$mirror" || return
  # How this machine reaches packages.
  apt-config dump Acquire | grep -Ei 'proxy|check-|cainfo|retries|timeout' >"$root/etc/apt/apt.conf.d/99host"
  # shellcheck disable=SC2046 # names
  inside "$root" apt-get -qq update &&
    inside "$root" apt-get -qq install --no-install-recommends $(packages "$3") && touch "$root/complete"
}

# A copy of the sources, as they are now; a folder that others change meanwhile would be no test.
copy_source() {
  rm -rf "$1" && mkdir -p "$1" &&
    (cd "$distgat_root" && git ls-files -z --cached --others --exclude-standard | tar -c --null -T -) | tar -x -C "$1"
}

# build_and_test SOURCE BUILD COMPILER RUN...: prints the cells of a row after the names; logs lie beside the table.
build_and_test() {
  local source=$1 build=$2 compiler=$3 log=$logs/$name warnings
  shift 3
  if ! "$@" cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release ${compiler:+-DCMAKE_C_COMPILER=$compiler} \
    >"$log.build" 2>&1 || ! "$@" cmake --build "$build" >>"$log.build" 2>&1; then
    echo "$(versions "$log.build")|failed|-|-|-"
    return 1
  fi
  warnings=$(grep -c 'warning:' "$log.build")
  "$@" ctest --test-dir "$build" --output-on-failure "${ctest_options[@]}" >"$log.tests" 2>&1
  echo "$(versions "$log.build")|${warnings/#0/no} warnings|$(count Passed)|$(count '[*]{3}(Failed|Timeout|Exception)')|$(count '[*]{3}Skipped')"
  [ "$(count '[*]{3}(Failed|Timeout|Exception)')" = 0 ]
}

# The compiler, the MPI and the HDF5 as CMake found them.
versions() {
  local compiler libraries
  compiler=$(sed -n 's/^-- The C compiler identification is //p' "$1")
  libraries=$(sed -n 's/^-- MPI: //p' "$1")
  echo "${compiler:-?}|${libraries:-?}"
}

count() { grep -cE "^ *[0-9]+/[0-9]+ Test .*$1" "$log.tests"; }

logs=$roots/logs code=0
mkdir -p "$logs" || exit 2
table="system|compiler|MPI and HDF5|build|passed|failed|skipped"
if [ -n "$here" ]; then
  name=here work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cells=$(build_and_test "$distgat_root" "$work/build" "${CC:-}" env) || code=1
  table+=$'\n'"this one|$cells"
else
  [ "$(id -u)" = 0 ] || distgat_fail "only root can make systems; --here tests this one"
  distgat_install debootstrap
  for release in "${releases[@]}"; do
    for mpi in "${mpis[@]}"; do
      root=$roots/$release-$mpi$serial
      if ! make_root "$root" "$release" "$mpi" >"$logs/$release-$mpi$serial.root" 2>&1 || ! copy_source "$root/distgat/source"; then
        table+=$'\n'"Debian $release|-|$mpi|no system: see $logs/$release-$mpi$serial.root|-|-|-" code=1
        continue
      fi
      for compiler in "${compilers[@]}"; do
        name=$release-$compiler-$mpi$serial
        echo "$(date +%T) $name" >&2
        cells=$(build_and_test /distgat/source "/distgat/build-$compiler" "$compiler" inside "$root") || code=1
        table+=$'\n'"Debian $release|$cells"
      done
    done
  done
fi
column -t -s '|' <<<"$table"
exit $code
