#!/usr/bin/env bash
# Gets the raw Planetoid files of Cora, CiteSeer and PubMed, checks their SHA-256, and imports them as NAME.h5.
usage="usage: data/fetch.sh [cora|citeseer|pubmed|all] [--from DIR-or-URL] [--out DIR]
  --from DIR  import the files ind.NAME.* in that folder, which is left as it is
  --from URL  download them from there (default: Planetoid's public repository) to raw/ under the --out folder
  --out DIR   folder of the graph files (default: the one of this script among the sources, else the one you are in)"

data=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
parts=(x tx allx y ty ally graph test.index)
origin=https://raw.githubusercontent.com/kimiyoung/planetoid/master/data

# fail CODE MESSAGE: 2 bad usage or input, 3 failure at run time.
fail() {
  echo "fetch.sh: $2" >&2
  exit "$1"
}

# The sum is that of the committed list.
matches() {
  local wanted found
  wanted=$(awk -v name="${1##*/}" '$2 == name { print $1 }' "$data/checksums.sha256")
  found=$(sha256sum <"$1") && [ "${found%% *}" = "$wanted" ]
}

# download URL FILE: prints the tool's complaint where it fails.
download() {
  if command -v curl >/dev/null; then
    curl -fsSL --connect-timeout 20 --retry 2 -o "$2" "$1" 2>&1
  elif command -v wget >/dev/null; then
    wget -nv --timeout=20 --tries=3 -O "$2" "$1" 2>&1
  else
    echo "neither curl nor wget is installed"
    return 1
  fi
}

# Brings one file into $raw; what lies there already and is right stays.
get() {
  local file=$raw/$1 complaint
  [ -f "$file" ] && matches "$file" && return
  if ! complaint=$(download "$from/$1" "$file.part"); then
    rm -f "$file.part"
    rmdir "$raw" 2>/dev/null
    fail 3 "cannot download $from/$1 ($(tail -n 1 <<<"$complaint"))
without a network, get the files ind.* of $origin by other means and run: data/fetch.sh ${named:-all} --from DIR"
  fi
  mv "$file.part" "$file" || fail 3 "$file: cannot write it"
}

check() {
  local file=$raw/$1
  if ! [[ -r $file && -f $file ]]; then
    fail 2 "$file: missing or unreadable; --from names the folder of Planetoid's ind.* files"
  fi
  matches "$file" || fail 2 "$file: its SHA-256 is not the one in data/checksums.sha256; damaged, or other data"
}

name=all from=$origin out=$data named=
[ -e "$data/../CMakeLists.txt" ] || out=.
while [ $# -gt 0 ]; do
  case $1 in
    --from | --out)
      [ $# -gt 1 ] || fail 2 "$1 needs a value; see data/fetch.sh --help"
      [ "$1" = --from ] && from=$2 || out=$2
      shift
      ;;
    --from=*) from=${1#*=} ;;
    --out=*) out=${1#*=} ;;
    -h | --help) echo "$usage" && exit 0 ;;
    cora | citeseer | pubmed | all)
      [ -z "$named" ] || fail 2 "'$named' and '$1': one data set or all; see data/fetch.sh --help"
      name=$1 named=$1
      ;;
    *) fail 2 "'$1' is neither cora, citeseer, pubmed nor all; see data/fetch.sh --help" ;;
  esac
  shift
done
[[ -n $from && -n $out ]] || fail 2 "--from and --out need a value; see data/fetch.sh --help"
from=${from%/} raw=${from:-/} remote=
if [[ $from == *://* ]]; then
  remote=yes raw=$out/raw
elif [ ! -d "$raw" ]; then
  fail 2 "$raw: is no folder; --from names the folder of Planetoid's ind.* files"
fi
mkdir -p "$out" ${remote:+"$raw"} 2>/dev/null || fail 3 "$out: cannot make the folder"

command -v python3 >/dev/null || fail 3 "python3 is not installed; its packages are in data/README.md"
names=("$name")
[ "$name" != all ] || names=(cora citeseer pubmed)
for name in "${names[@]}"; do
  for part in "${parts[@]}"; do
    [ -z "$remote" ] || get "ind.$name.$part"
    check "ind.$name.$part"
  done
  python3 "$data/import.py" planetoid "$raw" "$name" --out "$out/$name.h5" || exit
done
