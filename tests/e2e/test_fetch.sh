#!/usr/bin/env bash
# data/fetch.sh: imports from a folder and from a URL, checks sums, and says what to do without a network.
root=${DISTGAT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
raw=${DISTGAT_DATA:-$root/../shared}/planetoid
fetch=$root/data/fetch.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# expect CODE WORDS COMMAND...: exit code, and words in what it prints.
expect() {
  local code=$1 words=$2 found
  shift 2
  "$@" >"$work/output" 2>&1
  found=$?
  if [ $found -ne "$code" ] || ! grep -qF -- "$words" "$work/output"; then
    printf 'FAILED: %s\n  exit code %s, wanted %s and "%s"\n' "$*" $found "$code" "$words"
    sed 's/^/  /' "$work/output"
    failures=$((failures + 1))
  fi
}

# absent FILE...: none may be there.
absent() {
  local file
  for file; do
    if [ -e "$file" ]; then
      echo "FAILED: $file should not exist"
      failures=$((failures + 1))
    fi
  done
}

expect 0 "usage: data/fetch.sh" "$fetch" --help
expect 2 "'reddit'" "$fetch" reddit
expect 2 "'cora' and 'pubmed'" "$fetch" cora pubmed
expect 2 "--from" "$fetch" cora --from
expect 2 "$work/none" "$fetch" cora --from "$work/none" --out "$work/a"
mkdir "$work/empty"
expect 2 "$work/empty/ind.cora.x" "$fetch" cora --from "$work/empty" --out "$work/a"
# No server listens there: as without a network, and never on the network from a test.
expect 3 "data/fetch.sh cora --from DIR" "$fetch" cora --from http://127.0.0.1:1 --out "$work/a"
absent "$work"/a/*
touch "$work/file"
expect 3 "$work/file" "$fetch" cora --from "$work/empty" --out "$work/file"

if [ ! -d "$raw" ]; then
  [ $failures -eq 0 ] || exit 1
  echo "skipped: no real data in $raw"
  exit 77
fi

expect 0 "2708 nodes, 10556 directed edges" "$fetch" --from "$raw" --out "$work/b"
for name in cora citeseer pubmed; do
  [ -s "$work/b/$name.h5" ] || expect 0 "" false
done
absent "$work/b/raw"

mkdir "$work/damaged"
cp "$raw"/ind.cora.* "$work/damaged"
chmod -R u+w "$work/damaged"
printf x >>"$work/damaged/ind.cora.graph"
expect 2 "$work/damaged/ind.cora.graph" "$fetch" cora --from="$work/damaged" --out="$work/c"
absent "$work/c/cora.h5"

if command -v curl >/dev/null; then
  expect 0 "2708 nodes" "$fetch" cora --from "file://$(cd "$raw" && pwd)" --out "$work/d"
  expect 2 "ind.cora.graph" "$fetch" cora --from "file://$work/damaged" --out "$work/e"
  absent "$work/e/cora.h5"
  # What was downloaded before is not asked for again.
  expect 0 "2708 nodes" "$fetch" cora --from http://127.0.0.1:1 --out "$work/d"
  cmp "$work/b/cora.h5" "$work/d/cora.h5" || failures=$((failures + 1))
fi
[ $failures -eq 0 ]
