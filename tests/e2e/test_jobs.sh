#!/usr/bin/env bash
# The job scripts without Slurm: train.sbatch and scaling.sh through mpirun, and the tutorial on real data where it is.
set -euo pipefail
jobs=${DISTGAT_SOURCE:?}/jobs
: "${DISTGAT:?}"
work=$(mktemp -d "${TMPDIR:-/tmp}/distgat-jobs.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "failed: $*" >&2 && exit 1; }

"$DISTGAT" generate --nodes 200 --avg-degree 3 --features 30 --classes 3 --out graph.h5 --quiet

RANKS=3 bash "$jobs/train.sbatch" graph.h5 --epochs 3 --json --quiet >train.json 2>train.err || fail "$(<train.err)"
grep -q '"ranks": *3' train.json || fail "train.sbatch did not run on 3 ranks: $(<train.json)"

# The user's launcher and environment win; a copy of another name finds the others.
mkdir elsewhere
cp "$jobs/train.sbatch" elsewhere/mine.sh
cat >launcher <<'END'
#!/bin/bash
echo "$OMP_WAIT_POLICY $OPENBLAS_NUM_THREADS" >"$1"
exec mpirun -np "$2" "${@:3}"
END
chmod +x launcher
DISTGAT_JOBS=$jobs DISTGAT_LAUNCHER="$work/launcher seen" RANKS=2 OMP_WAIT_POLICY=active OPENBLAS_NUM_THREADS=7 \
  bash elsewhere/mine.sh graph.h5 --epochs 3 --json --quiet >train.json 2>train.err || fail "$(<train.err)"
grep -q '"ranks": *2' train.json || fail "the launcher did not start 2 ranks: $(<train.json)"
[ "$(<seen)" = "active 7" ] || fail "the user's settings were lost: $(<seen)"

# Ranks fill one node before the next.
for case in "4(x2),3 1 1" "4(x2),3 4 1" "4(x2),3 5 2" "4(x2),3 9 3" "2,1(x10),5 11 10"; do
  read -r tasks ranks nodes <<<"$case"
  found=$(SLURM_TASKS_PER_NODE=$tasks bash -c '. "$1" && distgat_nodes "$2"' - "$jobs/launch.sh" "$ranks")
  [ "$found" = "$nodes" ] || fail "$ranks ranks on nodes that hold $tasks: $found nodes, not $nodes"
done

code=0
bash "$jobs/train.sbatch" missing.h5 2>missing.err || code=$?
[ "$code" -eq 2 ] || fail "train.sbatch of a missing graph ended with $code"

for script in train.sbatch scaling.sbatch scaling.py tutorial.sh; do
  "$jobs/$script" --help | grep -i '^usage' >/dev/null || fail "$script --help prints no usage" # read to the end
done
raw=${DISTGAT_DATA:-$DISTGAT_SOURCE/../shared}/planetoid
if [ -d "$raw" ]; then
  "$jobs/tutorial.sh" --from "$raw" --graphs cora --quick --ranks 2 --out tutorial >tutorial.txt 2>tutorial.err ||
    fail "$(tail -n 3 tutorial.err)"
  for model in MLP GCN GAT GATv2; do
    grep -Eq "^\| cora \| $model \| [0-9.]+ ± [0-9.]+ \| [0-9.–]+ \| [0-9.]+ \|$" tutorial.txt ||
      fail "no row of $model in the tutorial's table: $(<tutorial.txt)"
  done
  [ -s tutorial/cora.html ] || fail "the tutorial wrote no page"
else
  echo "the tutorial was left out: no Planetoid files in $raw"
fi
