#!/usr/bin/env bash
# The tutorial from beginning to end: the three citation graphs, four models on each, one table, and the pictures.
# shellcheck source-path=SCRIPTDIR
usage="usage: jobs/tutorial.sh [--from DIR-or-URL | --data DIR] [--graphs LIST] [--runs N] [--ranks P] [--out DIR] [--quick]
  --from DIR     the raw Planetoid files, as for data/fetch.sh (default: \$DISTGAT_DATA/planetoid or
                 ../shared/planetoid where they exist, else they are downloaded)
  --data DIR     the graphs are imported already: DIR/cora.h5, DIR/citeseer.h5, DIR/pubmed.h5
  --graphs LIST  which of them (default \"cora citeseer pubmed\")
  --runs N       seeds of each model for the mean and standard deviation (default 10)
  --ranks P      MPI ranks of each training (default 1)
  --out DIR      folder for tutorial.md, the models, the logs and the pages (default out/tutorial)
  --quick        2 runs of 20 epochs and small pictures: shows that everything works, not what it reaches"
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"

from='' data='' graphs="cora citeseer pubmed" runs=10 ranks=1 out=$distgat_out/tutorial quick=
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
tsne_nodes=3500
[ -z "$quick" ] || runs=2 tsne_nodes=300
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

# Two trainings are shown as the tutorial shows them: a line every 10 epochs, the test accuracy, the wall time.
show_graph() {
  local graph=$1 model
  printf '\n## %s\n\n```\n' "$graph"
  "$program" info "$data/$graph.h5"
  printf '```\n'
  for model in gcn gatv2; do
    printf '\n```\n$ distgat train %s.h5 %s\n' "$graph" "${options[$model]}"
    train "$graph" "$model" --save "$out/$graph/$model.h5"
    printf '```\n'
  done
}

run_models() {
  local graph=$1 model
  for model in "${models[@]}"; do
    echo "$graph: $model, $runs runs" >&2
    train "$graph" "$model" --runs "$runs" --log "$out/$graph/$model.jsonl" --json --quiet >"$out/$graph/$model.json"
  done
}

print_table() {
  printf '\n## Results\n\nMean and standard deviation of %s runs, %s MPI rank(s), public split.\n\n' "$runs" "$ranks"
  # shellcheck disable=SC2086 # a list of graphs
  python3 - "$out" $graphs <<'PYTHON'
import json
import sys
from pathlib import Path

PUBLISHED = {"mlp": (55.1, 46.5, 71.4), "gcn": (81.5, 70.3, 79.0), "gat": (83.0, 72.5, 79.0)}
NAMES = {"mlp": "MLP", "gcn": "GCN", "gat": "GAT", "gatv2": "GATv2"}
out, *graphs = sys.argv[1:]
print("| graph | model | test accuracy, % | published, % | seconds per run |\n| --- | --- | --- | --- | --- |")
for graph in graphs:
  for model, name in NAMES.items():
    log = [json.loads(line) for line in Path(out, graph, f"{model}.jsonl").read_text().splitlines()]
    seconds = [line["seconds"] for line in log if line["event"] == "result"]
    summary = json.loads(Path(out, graph, f"{model}.json").read_text())
    published = PUBLISHED[model][("cora", "citeseer", "pubmed").index(graph)] if model in PUBLISHED else "–"
    print(f"| {graph} | {name} | {100 * summary['test_acc_mean']:.1f} ± {100 * summary['test_acc_std']:.1f} | {published} "
          f"| {sum(seconds) / len(seconds):.2f} |")
PYTHON
  printf '\nPublished: MLP and GCN by Kipf and Welling (2017), GAT by Veličković et al. (2018), each with its own settings;\n'
  printf 'the models here have those of the tutorial, whose single run on CiteSeer gave 67.7 (GCN) and 70.0 (GATv2).\n'
}

# The tutorial's two models; all nodes of Cora and CiteSeer are in their t-SNE, a sample of PubMed's.
make_pages() {
  local graph
  printf '\n## Pictures\n\n'
  for graph in $graphs; do
    python3 "$distgat_root/jobs/report.py" "$data/$graph.h5" "$out/$graph/gcn.h5" "$out/$graph/gatv2.h5" \
      --out "$out/$graph.html" --distgat "$program" --tsne-nodes "$tsne_nodes"
    printf -- '- [%s](%s.html)\n' "$graph" "$graph"
  done
}

tutorial() {
  local graph
  printf '# Graph attention networks on citation graphs\n'
  for graph in $graphs; do
    mkdir -p "$out/$graph"
    show_graph "$graph"
    run_models "$graph"
  done
  print_table
  make_pages
}

tutorial | tee "$out/tutorial.md"
