#!/usr/bin/env bash
# One node's copy of a graph on its own disk, for a job; train.sbatch runs this on every node.
usage="usage: stage.sh fingerprint GRAPH PROGRAM                 prints what a copy is told by: graph, splits
       stage.sh copy GRAPH FOLDER FINGERPRINT PROGRAM    FOLDER gets GRAPH, checked by PROGRAM, or is gone
       stage.sh keep FOLDER                              waits for a signal, then removes FOLDER"
set -euo pipefail
[ $# -ge 2 ] || { echo "$usage" >&2 && exit 2; }

# The graph's own fingerprint leaves out its splits: checkpoints and partitions outlast these, results do not.
fingerprint() {
  local facts
  facts=$(DISTGAT_ALONE=1 "$2" info "$1" --json) || return
  sed -n 's/.*"fingerprint":"\([0-9a-f]*\)".*"splits_fingerprint":"\([0-9a-f]*\)".*/\1, splits \2/p' <<<"$facts"
}

if [ "$1" = fingerprint ]; then
  fingerprint "$2" "$3"
  exit
fi
folder=${3:-$2}

fail() {
  echo "${SLURMD_NODENAME:-$(hostname)}: $*" >&2
  exit 3
}

# Nodes may share the folder after all: each writes a file of its own, and any of them is the copy.
copy() {
  local graph=$1 fingerprint=$2 program=$3 to part found words
  to=$folder/$(basename "$graph") part=$folder/part.${SLURM_NODEID:-0}.$$
  mkdir -p "$folder" || exit 3
  words=$(cp -- "$graph" "$part" 2>&1) || fail "cannot copy $graph to $folder: ${words##*: }"
  found=$(fingerprint "$part" "$program" 2>&1) || fail "the copy of $graph cannot be read: ${found##*: }"
  [ "$found" = "$fingerprint" ] || fail "the copy of $graph in $folder is another graph: fingerprint $found, not $fingerprint"
  mv -f -- "$part" "$to"
}

trap 'rm -rf -- "$folder" 2>/dev/null || true' EXIT
trap 'exit 3' TERM INT HUP USR1
case $1 in
  copy)
    copy "$2" "$4" "$5"
    trap - EXIT
    ;;
  keep)
    # A signal to the step ends the sleep as well, before or after this shell hears of it.
    sleep infinity &
    trap 'kill $! 2>/dev/null || true; exit 0' TERM INT HUP USR1
    wait || true
    ;;
  *) echo "$usage" >&2 && exit 2 ;;
esac
