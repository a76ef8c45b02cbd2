#!/usr/bin/env bash
# Everything builds without a warning under a second compiler.
set -eu
command -v clang >/dev/null || { echo "skipped: there is no clang (Debian packages clang and libomp-dev)" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo 'int main(void) { return 0; }' >"$work/omp.c"
clang -fopenmp -o "$work/omp" "$work/omp.c" ||
  { echo "skipped: this clang has no OpenMP (Debian package libomp-dev)" && exit 77; }
CC=clang cmake -S "$DISTGAT_SOURCE" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG= \
  -DDISTGAT_WERROR=ON >"$work/log" 2>&1 ||
  { cat "$work/log" && exit 1; }
cmake --build "$work/build" --parallel "$(nproc)" >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
[ "$("$work/build/distgat" --version)" = "$("$DISTGAT" --version)" ]
