#!/usr/bin/env bash
# Times training steps on growing numbers of ranks: one CSV table and one picture.
# shellcheck source-path=SCRIPTDIR
usage="usage: jobs/scaling.sh [--graphs LIST] [--ranks LIST] [--threads T] [--steps N] [--out DIR] [-- model options]
  --graphs LIST  graph files G.h5 or presets of 'distgat generate' (default \"pubmed arxiv\")
  --ranks LIST   numbers of ranks (default \"1 2 4\"; in a Slurm job the powers of two up to its tasks)
  --threads T    threads of each rank (default 1, in a Slurm job its --cpus-per-task)
  --steps N      training steps timed for each point (default 200)
  --out DIR      folder for scaling.csv, scaling.svg, scaling.png and the raw bench.jsonl (default out/scaling)
  What follows -- goes to 'distgat bench', for example: -- --model gcn --hidden 64"
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

graphs="pubmed arxiv" ranks="1 2 4" threads=${SLURM_CPUS_PER_TASK:-1} steps=200 out=$distgat_out/scaling options=()
if [ -n "${SLURM_JOB_ID:-}" ]; then
  ranks=1
  for ((p = 2; p <= ${SLURM_NTASKS:-SLURM_JOB_NUM_NODES}; p *= 2)); do ranks+=" $p"; done
fi
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) printf '%s\n' "$usage" "$distgat_launch_usage" && exit 0 ;;
    --) options=("${@:2}") && break ;;
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
    --graphs | --ranks | --threads | --steps | --out)
      [ $# -gt 1 ] || distgat_fail "$1 needs a value"
      declare "${1#--}=$2"
      shift
      ;;
    *) distgat_fail "unknown option '$1'; see jobs/scaling.sh --help" ;;
  esac
  shift
done
for number in $ranks $threads $steps; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || distgat_fail "'$number' is no number of ranks, threads or steps: give 1, 2, 3, ..."
done

program=$(distgat_program)
mkdir -p "$out"

# Prints the graph file: a given one, or a preset, generated once.
graph_file() {
  if [[ $1 == *.h5 ]]; then
    [ -e "$1" ] || distgat_fail "$1: no such graph file"
    echo "$1: the given graph" >&2
    echo "$1"
    return
  fi
  echo "$1: the synthetic preset of 'distgat generate'" >&2
  [ -e "$out/$1.h5" ] || "$program" generate --preset "$1" --out "$out/$1.h5" >&2
  echo "$out/$1.h5"
}

: >"$out/bench.jsonl"
for graph in $graphs; do
  file=$(graph_file "$graph")
  for p in $ranks; do
    echo "$(basename "$graph" .h5): $p ranks of $threads threads" >&2
    line=$(distgat_launch "$p" "$program" bench "$file" --steps "$steps" --threads "$threads" --json "${options[@]}")
    printf '{"graph": "%s", "bench": %s}\n' "$(basename "$graph" .h5)" "$line" >>"$out/bench.jsonl"
  done
done
python3 "$distgat_root/jobs/scaling_plot.py" "$out"
