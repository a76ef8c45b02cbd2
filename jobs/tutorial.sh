#!/usr/bin/env bash
# The tutorial from beginning to end: the three citation graphs, four models on each, and one page with print-outs, logs,
# pictures, the table, and words on each step.
# shellcheck source-path=SCRIPTDIR
usage="usage: jobs/tutorial.sh [--from DIR-or-URL | --data DIR] [--graphs LIST] [--runs N] [--ranks P] [--out DIR] [--quick]
  --from DIR     the raw Planetoid files, as for data/fetch.sh (default: \$DISTGAT_DATA/planetoid or
                 ../shared/planetoid where they exist, else they are downloaded)
  --data DIR     the graphs are imported already: DIR/cora.h5, DIR/citeseer.h5, DIR/pubmed.h5
  --graphs LIST  which of them (default \"cora citeseer pubmed\")
  --runs N       seeds of each model for the mean and standard deviation (default 20)
  --ranks P      MPI ranks of each training (default 1)
  --out DIR      folder for tutorial.html, the same as tutorial.md, a report of each graph, models and logs
                 (default out/tutorial)
  --quick        2 runs of 20 epochs and small pictures: shows that everything works, not what it reaches"
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

from='' data='' graphs="cora citeseer pubmed" runs=20 ranks=1 out=$distgat_out/tutorial quick=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) printf '%s\n' "$usage" "$distgat_launch_usage" && exit 0 ;;
    --quick) quick=yes ;;
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
    --from | --data | --graphs | --runs | --ranks | --out)
      [ $# -gt 1 ] || distgat_fail "$1 needs a value"
      declare "${1#--}=$2"
      shift
      ;;
    *) distgat_fail "unknown option '$1'; see jobs/tutorial.sh --help" ;;
  esac
  shift
done
tsne_nodes=()
[ -z "$quick" ] || { runs=2 && tsne_nodes=(--tsne-nodes 300); }
for number in "$runs" "$ranks"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || distgat_fail "'$number' is no number of runs or ranks: give 1, 2, 3, ..."
done

program=$(distgat_program)
mkdir -p "$out"
if [ -z "$data" ]; then
  data=$out/data
  raw=${DISTGAT_DATA:-$distgat_root/../shared}/planetoid
  [ -n "$from" ] || [ ! -d "$raw" ] || from=$raw
  for graph in $graphs; do
    [ -e "$data/$graph.h5" ] || "$distgat_root/data/fetch.sh" "$graph" ${from:+--from "$from"} --out "$data" >&2
  done
fi
for graph in $graphs; do
  [ -e "$data/$graph.h5" ] || distgat_fail "$data/$graph.h5: no such graph file"
done

models=(mlp gcn gat gatv2)
declare -A options=([mlp]="--recipe mlp" [gcn]="--recipe tutorial-gcn"
  [gat]="--recipe tutorial-gat --model gat" [gatv2]="--recipe tutorial-gat")

# train GRAPH MODEL [options]: one training on all ranks, with the recipe of the model.
train() {
  local graph=$1 model=$2
  # shellcheck disable=SC2086 # a list of options
  distgat_launch "$ranks" "$program" train "$data/$graph.h5" ${options[$model]} ${quick:+--epochs 20} "${@:3}"
}

# The two models of the tutorial, trained once in sight; then all, with several seeds.
train_models() {
  local graph=$1 model
  mkdir -p "$out/$graph"
  for model in gcn gatv2; do
    printf '\n%s: %s, %s\n' "$graph" "$model" "${options[$model]}"
    train "$graph" "$model" --save "$out/$graph/$model.h5"
  done
  for model in "${models[@]}"; do
    echo "$graph: $model, $runs runs"
    train "$graph" "$model" --runs "$runs" --log "$out/$graph/$model.jsonl" --quiet
  done
}

# All nodes of Cora and CiteSeer are in their t-SNE, a sample of PubMed's.
make_pages() {
  local graph
  for graph in $graphs; do
    python3 "$distgat_root/jobs/report.py" "$data/$graph.h5" "$out/$graph"/{gcn,gatv2}.h5 \
      --logs "$out/$graph"/{gcn,gatv2}.jsonl --out "$out/$graph.html" --distgat "$program" "${tsne_nodes[@]}"
  done
  # shellcheck disable=SC2086 # a list of graphs
  python3 "$distgat_root/jobs/tutorial_page.py" $graphs --data "$data" --out "$out" --ranks "$ranks" \
    --distgat "$program" "${tsne_nodes[@]}" | tee "$out/tutorial.md"
}

for graph in $graphs; do
  train_models "$graph" >&2
done
make_pages
