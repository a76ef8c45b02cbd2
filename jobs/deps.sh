#!/usr/bin/env bash
# Builds, without root, the small libraries that a cluster may lack: popt, jansson and libyaml, from their source archives.
usage="usage: jobs/deps.sh [--from DIR] [--prefix DIR] [popt] [jansson] [libyaml]
  Builds those that are named, else all three, as static libraries: distgat then holds them, and nothing else needs them.
  --from DIR    folder with their source archives as released (popt-*.tar.*, jansson-*.tar.*, yaml-*.tar.*), or as Debian
                names them; without it apt-get fetches Debian's source packages, which needs no root either
  --prefix DIR  where they go (default: build/deps of this source tree, where CMake looks by itself; for others give it
                -DDISTGAT_DEPS=DIR)
  CC names the compiler. Needs make, and CMake as distgat does."

set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
from='' prefix=$root/build/deps libraries=()

fail() {
  echo "deps.sh: $1" >&2
  exit "${2:-2}"
}

while [ $# -gt 0 ]; do
  case $1 in
    --from | --prefix)
      [ $# -gt 1 ] || fail "$1 needs a folder"
      if [ "$1" = --from ]; then from=$2; else prefix=$2; fi
      shift
      ;;
    --from=*) from=${1#*=} ;;
    --prefix=*) prefix=${1#*=} ;;
    popt | jansson | libyaml) libraries+=("$1") ;;
    -h | --help) echo "$usage" && exit 0 ;;
    *) fail "'$1' is neither popt, jansson nor libyaml; see jobs/deps.sh --help" ;;
  esac
  shift
done
[ ${#libraries[@]} -gt 0 ] || libraries=(popt jansson libyaml)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch NAME...: Debian's source packages, from where the system has its packages, by lists of its own beside the system's.
fetch() {
  local own=$work/apt file apt
  command -v apt-get >/dev/null ||
    fail "no apt-get here: put the source archives of ${libraries[*]} in a folder and name it by --from"
  mkdir -p "$own"/{state/lists/partial,cache/archives/partial,parts} "$work/archives"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
    [ ! -r "$file" ] || sed -E 's/^deb(-src)? /deb-src /; s/^Types:.*/Types: deb-src/' "$file" >"$own/parts/${file##*/}"
  done
  apt=(apt-get -qq -o Dir::State="$own/state" -o Dir::State::status=/dev/null -o Dir::Cache="$own/cache"
    -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$own/parts" -o APT::Sandbox::User=)
  echo "Fetching the sources of $*"
  { "${apt[@]}" update && (cd "$work/archives" && "${apt[@]}" source --download-only --tar-only "$@"); } ||
    fail "apt-get cannot fetch the sources of $*; put their archives in a folder and name it by --from" 3
  from=$work/archives
}

# archive NAME: prints the path of its source archive.
archive() {
  local file
  for file in "$from/${1#lib}"-[0-9]*.tar.* "$from/$1"-[0-9]*.tar.* "$from/$1"_*.orig.tar.*; do
    case $file in
      *.asc | *.sig) ;;
      *) [ ! -f "$file" ] || { echo "$file" && return; } ;;
    esac
  done
  fail "$from: holds no source archive of $1"
}

build_by_cmake() {
  cmake -S "$1" -B "$1/build-here" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_POLICY_VERSION_MINIMUM=3.5 -DBUILD_SHARED_LIBS=OFF -DBUILD_TESTING=OFF \
    -DJANSSON_BUILD_DOCS=OFF -DJANSSON_EXAMPLES=OFF -DJANSSON_WITHOUT_TESTS=ON &&
    cmake --build "$1/build-here" && cmake --install "$1/build-here"
}

build_by_configure() {
  (cd "$1" && ./configure --prefix="$prefix" --libdir="$prefix/lib" --disable-shared --enable-static --with-pic --disable-nls &&
    make && make install)
}

# build NAME: the log is shown where it fails.
build() {
  local source file
  file=$(archive "$1")
  file=$(realpath "$file")
  echo "Building $1 from ${file##*/}"
  mkdir "$work/$1" # CMake knows all kinds of archives, tar those whose programs are there
  (cd "$work/$1" && cmake -E tar xf "$file" >"$work/log" 2>&1) || fail "$file: cannot be unpacked: $(tail -n 1 "$work/log")" 3
  source=$(echo "$work/$1"/*/)
  local how=build_by_configure
  [ ! -e "${source}CMakeLists.txt" ] || how=build_by_cmake
  "$how" "$source" >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2 && fail "$1 does not build" 3; }
}

[ -n "$from" ] || fetch "${libraries[@]}"
[ -d "$from" ] || fail "$from: is no folder; --from names that of the source archives"
mkdir -p "$prefix" && prefix=$(cd "$prefix" && pwd)
for library in "${libraries[@]}"; do build "$library"; done
echo "They are in $prefix; now configure: cmake --preset release$([ "$prefix" = "$root/build/deps" ] || echo " -DDISTGAT_DEPS=$prefix")"
