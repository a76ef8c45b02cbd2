#!/bin/bash
# What `generate` writes and `info` prints.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# fail WORDS: says what is wrong and ends the test.
fail() {
  echo "test_info: $*" >&2
  exit 1
}

# expect LINE FILE: the file has that very line.
expect() {
  grep -qxF -- "$1" "$2" || fail "no line '$1' in:"$'\n'"$(cat "$2")"
}

"$DISTGAT" generate --nodes 50 --avg-degree 3 --features 30 --classes 3 --seed 4 --out small.h5 >written.txt 2>notes.txt
[ ! -s notes.txt ] || fail "generate is not silent: $(cat notes.txt)"
grep -q "^small.h5: 50 nodes, " written.txt || fail "generate said $(cat written.txt)"

"$DISTGAT" info small.h5 >info.txt
expect "Dataset: synthetic" info.txt
expect "Number of nodes: 50" info.txt
expect "Number of classes: 3" info.txt
expect "Is undirected: True" info.txt
expect "Has self-loops: False" info.txt
expect "Split public" info.txt
[ "$(sed -n '/^Node degrees/,$p' info.txt | awk '{n += $2} END {print n}')" = 50 ] || fail "bars do not add up to 50"

"$DISTGAT" info small.h5 --json >info.json
[ "$(wc -l <info.json)" = 1 ] || fail "JSON is not one line"
for key in name nodes edges features classes fingerprint splits_fingerprint isolated_nodes self_loops splits degree_histogram; do
  grep -q "\"$key\":" info.json || fail "no key $key in $(cat info.json)"
done
grep -q '"splits":{"public":{"train":' info.json || fail "no split in $(cat info.json)"

# The same file whatever the number of ranks; another one for another seed.
"${MPIEXEC:-mpirun}" -np 3 "$DISTGAT" generate --nodes 50 --avg-degree 3 --features 30 --classes 3 --seed 4 --out three.h5 >/dev/null
cmp small.h5 three.h5
"$DISTGAT" generate --nodes 50 --avg-degree 3 --features 30 --classes 3 --seed 5 --out other.h5 >/dev/null
! cmp -s small.h5 other.h5 || fail "the seed makes no difference"

# The presets have the sizes of their names.
"$DISTGAT" generate --preset cora --out cora.h5 >/dev/null
"$DISTGAT" info --json cora.h5 | grep -q '"nodes":2708,.*"features":1433,"classes":7,.*"train":140,"val":500,"test":1000' ||
  fail "cora has other sizes: $("$DISTGAT" info cora.h5)"

# refuse CODE WORDS COMMAND...: the command ends with the code and one line that has the words.
refuse() {
  local code=$1 words=$2 got=0
  shift 2
  "$DISTGAT" "$@" >out.txt 2>err.txt || got=$?
  [ "$got" = "$code" ] || fail "$* ended with $got, not $code: $(cat err.txt)"
  [ "$(wc -l <err.txt)" = 1 ] || fail "$* printed more than a line: $(cat err.txt)"
  grep -qF -- "$words" err.txt || fail "$* does not say '$words': $(cat err.txt)"
}

refuse 2 "--out" generate --preset cora
refuse 2 "not from both" generate --preset cora --nodes 5 --out x.h5
refuse 2 "--classes" generate --nodes 5 --avg-degree 1 --features 3 --out x.h5
refuse 2 "average degree of 5 is not possible" generate --nodes 5 --avg-degree 5 --features 3 --classes 2 --out x.h5
refuse 2 "choose one of: cora" generate --preset reddit --out x.h5
refuse 2 "--homophily" generate --preset cora --homophily 1.5 --out x.h5
refuse 3 "absent/x.h5: cannot be written" generate --preset cora --out absent/x.h5
refuse 2 "absent.h5: no such file" info absent.h5
[ ! -e x.h5 ] || fail "a refused command left a file"

# A disk that is full. The limit leaves room for what MPI itself writes.
if (ulimit -f 5000) 2>/dev/null; then
  got=0
  (trap '' XFSZ; ulimit -f 5000; "$DISTGAT" generate --preset pubmed --quiet --out full.h5 >/dev/null 2>err.txt) || got=$?
  [ "$got" = 3 ] && grep -q "full.h5: cannot be written" err.txt || fail "a full disk: code $got, $(cat err.txt)"
  ! ls full.h5* >/dev/null 2>&1 || fail "a full disk left files: $(ls full.h5*)"
fi
