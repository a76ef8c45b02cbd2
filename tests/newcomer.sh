#!/usr/bin/env bash
# What a newcomer does, on Debian systems that hold nothing yet. Run by hand as root; needs debootstrap.
usage="usage: tests/newcomer.sh [--roots FOLDER] [12|13] [readme|package|source]
  Words choose among releases of Debian and ways in; without one of a kind all of it are taken. Exit code 1 where one fails.
  readme   the README's way, as root: its first command, then those of its first run, of a graph of one's own, and of Python
           with the notebook, as they stand
  package  a Debian package is built, installed in a bare system, and used there by a user
  source   a user without root builds and installs, where there are only a compiler, make, CMake, MPI, HDF5, OpenBLAS, METIS
  --roots FOLDER  where the systems are made and kept (default: ${TMPDIR:-/tmp}/distgat-roots)"

. "$(dirname "${BASH_SOURCE[0]}")/../jobs/setup.sh"
. "$distgat_root/tests/support/roots.sh"
roots=${TMPDIR:-/tmp}/distgat-roots releases=() ways=()
while [ $# -gt 0 ]; do
  case $1 in
    12 | 13) releases+=("$1") ;;
    readme | package | source) ways+=("$1") ;;
    --roots)
      [ $# -gt 1 ] || distgat_fail "--roots needs a folder"
      roots=$2
      shift
      ;;
    -h | --help) echo "$usage" && exit 0 ;;
    *) distgat_fail "unknown word '$1'; see tests/newcomer.sh --help" ;;
  esac
  shift
done
[ ${#releases[@]} -gt 0 ] || releases=(12 13)
[ ${#ways[@]} -gt 0 ] || ways=(readme package source)
[ "$(id -u)" = 0 ] || distgat_fail "only root can make systems"
distgat_install debootstrap

# bare RELEASE ROOT: a system with nothing but what Debian's smallest has.
bare() {
  make_root "$roots/$1-bare" "$1" && rm -rf "$2" && cp -a "$roots/$1-bare" "$2"
}

# as_user ROOT SCRIPT: the script's text, run by a user in a new login shell, in the folder /distgat/source where that is.
as_user() {
  inside "$1" useradd --create-home --shell /bin/bash user 2>/dev/null
  inside "$1" su - user -c "cd /distgat/source 2>/dev/null; set -ex; $2"
}

# What both ways in end with: a graph, a model on two ranks, predictions, the manual, the module of Python.
use='cd; set -a; . PREFIX/share/distgat/jobs/mpi.env; set +a
  distgat generate --preset cora --out cora.h5 && mpirun -np 2 distgat train cora.h5 --recipe tutorial-gat --save model.h5 --quiet
  distgat predict cora.h5 --model-file model.h5 --out out.h5
  test -s PREFIX/share/man/man1/distgat-train.1*
  ls PREFIX/share/bash-completion/completions/distgat'

# try_readme RELEASE ROOT
try_readme() {
  local data=/distgat/shared/planetoid from=''
  bare "$1" "$2" && copy_source "$2/distgat/source" || return
  [ ! -d "$distgat_root/../shared/planetoid" ] || from="s|data/fetch.sh cora|& --from $data|"
  printf '%s\n' "source,target" ann,bob bob,cem cem,ann cem,dora dora,eve eve,finn finn,dora finn,gus gus,ann >"$2/distgat/friends.csv"
  printf '%s\n' "id,label,age,posts" ann,red,31,5 bob,red,25,9 cem,blue,40,2 dora,blue,22,7 eve,red,35,1 finn,blue,28,4 \
    gus,red,51,3 >"$2/distgat/people.csv"
  {
    echo 'cd /distgat/source && cp ../friends.csv ../people.csv . && bash jobs/quickstart.sh || exit'
    echo 'PS4="+ \$(date +%T) " && set -ex'
    for heading in "A first run on Cora" "A graph of your own" "From Python"; do
      "$distgat_root/tests/support/readme.py" "$heading"
    done | sed "${from:-b}"
  } >"$2/distgat/commands"
  inside "$2" bash /distgat/commands && ls -l "$2/distgat/source"/*.html
}

# try_package RELEASE ROOT
try_package() {
  local builder=$roots/$1-openmpi
  [ -e "$builder/complete" ] || builder=$roots/$1-builder
  make_root "$builder" "$1" "${distgat_packages[@]}" && inside "$builder" apt-get -qq install --no-install-recommends dpkg-dev file &&
    copy_source "$builder/distgat/source" && inside "$builder" sh -ec '
      cmake -S /distgat/source -B /distgat/build-package -G Ninja -DCMAKE_BUILD_TYPE=Release -DDISTGAT_TESTS=OFF
      cmake --build /distgat/build-package && cd /distgat/build-package && rm -f *.deb && cpack' || return
  bare "$1" "$2" && mkdir -p "$2/distgat" && cp "$builder"/distgat/build-package/*.deb "$2/distgat" || return
  inside "$2" sh -c 'apt-get -qq update && apt-get -qq install /distgat/*.deb && rm -rf /var/cache/apt/archives/*.deb' &&
    as_user "$2" "${use//PREFIX//usr}
      python3 -c 'import distgat; print(distgat.predict(\"cora.h5\", \"model.h5\").logits.shape)'
      printf '%s\\n' a,b b,c c,a c,d d,e >edges.csv && printf '%s\\n' id,label a,x b,x c,y d,y e,x >nodes.csv
      distgat-import edgelist edges.csv --labels nodes.csv --split random:0.6,0.2 --out own.h5 && distgat info own.h5
      distgat-report cora.h5 model.h5 --out report.html"
}

# try_source RELEASE ROOT
try_source() {
  bare "$1" "$2" && copy_source "$2/distgat/source" &&
    inside "$2" sh -c 'apt-get -qq update && apt-get -qq install --no-install-recommends \
      gcc libc6-dev make cmake libopenmpi-dev openmpi-bin libmetis-dev libopenblas-dev libhdf5-openmpi-dev' || return
  if inside "$2" sh -c 'ls /usr/include/popt.h /usr/include/jansson.h /usr/include/yaml.h 2>/dev/null'; then
    echo "the system has what it should lack"
    return 1
  fi
  inside "$2" useradd --create-home --shell /bin/bash user
  inside "$2" chown -R user: /distgat/source
  as_user "$2" "bash jobs/deps.sh
    cmake --preset release -G 'Unix Makefiles' && cmake --build --preset release --parallel $(nproc)
    cmake --install build/release --prefix ~/.local
    rm -rf build && PATH=~/.local/bin:\$PATH && ${use//PREFIX/\~\/.local}"
}

# Read as a whole before it runs, for this file may change meanwhile.
{
  code=0
  mkdir -p "$roots/logs" || exit 2
  for release in "${releases[@]}"; do
    for way in "${ways[@]}"; do
      name=${distgat_codename[$release]}-$way start=$SECONDS word=passed
      "try_$way" "${distgat_codename[$release]}" "$roots/$name" >"$roots/logs/$name.log" 2>&1 || { word=failed && code=1; }
      echo "Debian $release, $way: $word, $((SECONDS - start)) s; $roots/logs/$name.log"
    done
  done
  exit $code
}
