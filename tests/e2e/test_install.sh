#!/usr/bin/env bash
# cmake --install gives a program that runs, and libraries that other projects find, link and use, wherever they lie:
# the examples by pkg-config and by find_package, in C and in C++.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$(dirname "$DISTGAT")" --prefix "$work/first" >"$work/log" || { cat "$work/log" && exit 1; }
mv "$work/first" "$work/moved"
cp -r "$DISTGAT_SOURCE/src/examples" "$work/examples"
cp "$work/examples/train.c" "$work/examples/train.cc"
cp "$work/examples/halo.c" "$work/examples/halo.cc"

fail() {
  echo "$*"
  exit 1
}

"$work/moved/bin/distgat" --version | grep -Eqx 'distgat [0-9]+\.[0-9]+\.[0-9]+' || fail "the program does not run"
installed=$(ls "$work/moved/share/distgat/jobs")
for file in "$DISTGAT_SOURCE"/jobs/*; do
  case ${file##*/} in
    quickstart.sh | figures | spack | __pycache__) ;;
    *) grep -qxF -- "${file##*/}" <<<"$installed" || fail "jobs/${file##*/} is not installed" ;;
  esac
done
for file in "$DISTGAT_SOURCE"/jobs/reporting/*.py; do
  [ -e "$work/moved/share/distgat/jobs/reporting/${file##*/}" ] || fail "jobs/reporting/${file##*/} is not installed"
done
python=$work/moved/share/distgat/python
for file in "$DISTGAT_SOURCE"/src/python/distgat/*.py; do
  [ -e "$python/distgat/${file##*/}" ] || fail "the Python module's ${file##*/} is not installed"
done
[ -e "$work/moved/share/distgat/examples/tutorial.py" ] || fail "the example of Python is not installed"
for verb in "" $("$DISTGAT" help --table | awk '$2 == "-" && $3 == "-" { print "-" $1 }'); do
  cmp -s <("$DISTGAT" help --man "${verb#-}") "$work/moved/share/man/man1/distgat$verb.1" || fail "the page distgat$verb is another"
done
[ -s "$work/moved/share/man/man1/distgat-train.1" ] || fail "there is no page of train"
for file in bash-completion/completions/distgat zsh/site-functions/_distgat; do
  grep -qx "$(printf 'train\t--resume\t-\t.*')" "$work/moved/share/$file" || fail "$file does not complete --resume"
done
[ -s "$(echo "$work"/moved/share/distgat/modulefiles/distgat/*)" ] || fail "there is no module file"

for script in import report; do
  /usr/bin/python3 -c 'import h5py, matplotlib, sklearn' 2>/dev/null || break
  (cd / && "$work/moved/bin/distgat-$script" --help) | grep -q '^usage' || fail "distgat-$script does not run"
done

# From there, with no program named, it finds the one beside it.
if (cd / && /usr/bin/python3 -c "import h5py") 2>/dev/null; then
  found=$(cd / && env -u DISTGAT PYTHONPATH="$python" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c '
from distgat import program
print(program.find(), len(program.mpi_settings(program.find())))')
  [ "$found" = "$work/moved/bin/distgat $(wc -l <"$DISTGAT_SOURCE/jobs/mpi.env")" ] || fail "the Python module found: $found"
fi
# A wheel is made of what is installed, where there is pip and the network it needs.
if python3 -m pip wheel -q --no-deps -w "$work/wheel" "$python" >"$work/log" 2>&1; then
  python3 -m zipfile -l "$work"/wheel/distgat-*.whl | grep -q "^distgat/graphfile.py" || fail "the wheel lacks the module"
else
  echo "without a wheel: $(tail -n 1 "$work/log")"
fi
library=$(dirname "$(find "$work/moved" -name libdistgat.so)")
export PKG_CONFIG_PATH=$library/pkgconfig

# The shared library shows the public headers' names alone.
shown=$(nm -D --defined-only "$library/libdistgat.so" | awk '{ print $3 }')
for name in $shown; do
  grep -qw -- "$name" "$work"/moved/include/distgat/*.h || fail "libdistgat.so shows $name, which no public header has"
done
grep -qx dg_train <<<"$shown" || fail "libdistgat.so does not show dg_train"

# lines PROGRAM RANKS: the lines of an example.
lines() {
  "${MPIEXEC:-mpirun}" -np "$2" "$1" "$work/graph.h5" | sort
}
"$work/moved/bin/distgat" generate --nodes 400 --avg-degree 4 --features 50 --classes 4 --out "$work/graph.h5" --quiet >"$work/log"

cc=${CC:-gcc} cxx=${CXX:-g++}
flags=$(pkg-config --cflags --libs distgat)
# shellcheck disable=SC2086 # a list of flags
"$cc" -std=c11 -Wall -Wextra -Werror -o "$work/train-c" "$work/examples/train.c" $flags -Wl,-rpath,"$library"
# shellcheck disable=SC2086
"$cc" -std=c11 -Wall -Wextra -Werror -o "$work/halo-c" "$work/examples/halo.c" $flags -Wl,-rpath,"$library"
# The whole archive is linked: the flags must name all that any part of it needs.
# shellcheck disable=SC2046
"$cc" -std=c11 -Wall -Wextra -Werror -o "$work/train-static" "$work/examples/train.c" $(pkg-config --cflags distgat) \
  -Wl,--whole-archive "$library/libdistgat.a" -Wl,--no-whole-archive \
  $(pkg-config --static --libs distgat | sed 's/-ldistgat//')
wanted=$(lines "$work/train-c" 1)
[ "$(grep -c "^epoch" <<<"$wanted")" = 5 ] || fail "the example printed: $wanted"
[ "$(lines "$work/train-static" 1)" = "$wanted" ] || fail "the static library trains otherwise"
[ "$(lines "$work/train-c" 3 | grep -c "^epoch")" = 5 ] || fail "the example does not train on 3 ranks"
[ "$(lines "$work/halo-c" 3)" = "rank 0: row 4 came from the next rank, the gradient of row 0 is 1
rank 1: row 8 came from the next rank, the gradient of row 4 is 1
rank 2: row 0 came from the next rank, the gradient of row 8 is 1" ] || fail "the halo example is wrong"

# find_build LANGUAGE SUFFIX: by CMake, in one language alone.
find_build() {
  mkdir "$work/project-$2"
  cat >"$work/project-$2/CMakeLists.txt" <<END_OF_PROJECT
cmake_minimum_required(VERSION 3.21)
project(user LANGUAGES $1)
find_package(distgat 0.1 REQUIRED)
foreach(name train halo)
  add_executable(\${name} $work/examples/\${name}.$2)
  target_link_libraries(\${name} PRIVATE distgat::distgat)
endforeach()
END_OF_PROJECT
  {
    cmake -G Ninja -S "$work/project-$2" -B "$work/build-$2" -DCMAKE_PREFIX_PATH="$work/moved" && cmake --build "$work/build-$2"
  } >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
  [ "$(lines "$work/build-$2/train" 1)" = "$wanted" ] || fail "the example of find_package trains otherwise"
}

find_build C c
command -v "$cxx" >/dev/null || { echo "without C++: there is no compiler $cxx" && exit 0; }
# shellcheck disable=SC2086
"$cxx" -std=c++11 -Wall -Wextra -Werror -o "$work/train-cc" "$work/examples/train.cc" $flags -Wl,-rpath,"$library"
[ "$(lines "$work/train-cc" 1)" = "$wanted" ] || fail "the example in C++ trains otherwise"
find_build CXX cc
