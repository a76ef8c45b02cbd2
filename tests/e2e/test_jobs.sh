#!/usr/bin/env bash
# The job scripts without Slurm: train.sbatch and scaling.sh through mpirun, and the tutorial on real data where it is.
set -euo pipefail
jobs=${DISTGAT_SOURCE:?}/jobs
: "${DISTGAT:?}"
work=$(mktemp -d "${TMPDIR:-/tmp}/distgat-jobs.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "failed: $*" >&2 && exit 1; }
unset DISTGAT_SITE # found anew by each job

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

# A rank for each NUMA domain of the cores that a job has; Open MPI binds where shares and domains fit.
mkdir -p domains/node0 domains/node1
echo 0-3,8 >domains/node0/cpulist
echo 4-7 >domains/node1/cpulist
for case in "0-7 2" "1,8 1" "4-5 1" "3-4 2" "20 1"; do
  read -r cores domains <<<"$case"
  found=$(bash -c '. "$1" && distgat_domains "$2" domains' - "$jobs/launch.sh" "$cores")
  [ "$found" = "$domains" ] || fail "cores $cores lie in $found domains, not $domains"
done
binding() { bash -c '. "$1" && distgat_mpirun_binding "${@:2}"' - "$jobs/launch.sh" "$@"; }
[ "$(binding 2 8 2)" = "--map-by numa:PE=4 --bind-to core" ] || fail "2 ranks on 2 domains of 4 cores: $(binding 2 8 2)"
[ -z "$(binding 1 8 2)$(binding 16 8 2)$(binding 2 8 1)" ] || fail "ranks are bound where shares and domains do not fit"

# Bound for real: on a made-up machine of two NUMA domains of a core each rank gets one, and runs as many threads.
on_domains() {
  HWLOC_SYNTHETIC='numa:2 core:1 pu:1' HWLOC_THISSYSTEM=1 bash -c '. "$1"
    distgat_domains() { echo 2; }
    nproc() { echo 2; }
    distgat_launch "${@:2}"' - "$jobs/launch.sh" "$@"
}
cores_of_ranks() { on_domains 2 sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status | sort | xargs; }
if [ "$(nproc)" -ge 2 ] && mpirun --version 2>/dev/null | grep -q '(Open MPI) 4'; then
  found=$(cores_of_ranks)
  [ "$found" = "0 1" ] || fail "the cores of two ranks on two domains are $found"
  found=$(DISTGAT_BIND='' cores_of_ranks)
  [ "${found%% *}" = "${found##* }" ] && [ "$found" != "0 0" ] || fail "unbound ranks have the cores $found"
  found=$(on_domains 2 "$DISTGAT" bench graph.h5 --steps 2 --json)
  [[ $found == *'"ranks":2,"threads":1,'* ]] || fail "bound ranks do not run a thread for each of their cores: $found"
else
  echo "not tested: binding by mpirun, which takes two cores and Open MPI 4"
fi

# The site's settings lie beside the script, the user's environment wins; the scripts find the others in the same way.
found=$(bash -c '. "$1" && echo "${DISTGAT_SITE-none}"' - "$jobs/setup.sh")
[ "$found" = none ] || fail "scripts within others read $found, whatever lies beside them"
cat >elsewhere/site.env <<'END'
: "${DISTGAT_LAUNCHER=false}"
: "${RANKS=3}"
END
DISTGAT_JOBS=$jobs DISTGAT_LAUNCHER='' bash elsewhere/mine.sh graph.h5 --epochs 3 --json --quiet >train.json 2>train.err ||
  fail "the site's settings won over the user's: $(<train.err)"
grep -q '"ranks": *3' train.json || fail "the site's settings were not read: $(<train.json)"
finder() { sed -n '/^find_jobs() {/,/^}/p' "$jobs/$1"; }
for script in seeds.sbatch scaling.sbatch; do
  [ "$(finder $script)" = "$(finder train.sbatch)" ] || fail "$script looks for the others otherwise than train.sbatch"
done

# Of an array's last task the job's number is that of all tasks: the task alone is requeued, as often as is allowed. A job that
# ends as if by a signal and has no state to go on from is tried three times.
requeue() {
  (
    export SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=2 SLURM_RESTART_COUNT=$1 DISTGAT_RESTARTS=50
    # shellcheck source=../../jobs/launch.sh
    . "$jobs/launch.sh"
    # shellcheck source=../../jobs/batch.sh
    . "$jobs/batch.sh"
    scontrol() { echo "scontrol $*"; }
    sleep() { :; }
    distgat_limit='' distgat_ended='' distgat_code=75
    distgat_go_on "$2"
  )
}
touch there.h5
for case in "0 there.h5 yes" "49 there.h5 yes" "50 there.h5 no" "2 absent.h5 yes" "3 absent.h5 no"; do
  read -r restarts checkpoint again <<<"$case"
  found=$(requeue "$restarts" "$checkpoint")
  if [ "$again" = yes ]; then
    grep -qx 'scontrol requeue 7_2' <<<"$found" || fail "$checkpoint after $restarts restarts, not requeued alone: $found"
  else
    [ "$found" = "Not requeued: restarts so far: $restarts" ] || fail "$checkpoint after $restarts restarts: $found"
  fi
done

# The graph on scratch, without Slurm; a summary of seeds by hand.
DISTGAT_SCRATCH=$work/scratch bash "$jobs/train.sbatch" graph.h5 --epochs 3 --quiet >staged.txt 2>&1 || fail "$(<staged.txt)"
grep -q '^The graph lies in' staged.txt && [ -z "$(ls scratch)" ] || fail "no copy, or one that stays: $(<staged.txt)"

# A copy that differs in a split alone, by a cp that gives another file: other results.
cat >move.py <<'PYTHON'
import shutil
import sys

sys.path.insert(0, sys.argv[1] + "/tests/support")
import science  # noqa: E402,F401 (finds h5py)
import h5py  # noqa: E402

shutil.copy("graph.h5", "other.h5")
with h5py.File("other.h5", "r+") as f:
    train, test = f["splits/public/train"], f["splits/public/test"]
    train[0], test[0] = test[0], train[0]
PYTHON
python3 move.py "$DISTGAT_SOURCE" && code=0 || code=$?
if [ "$code" -eq 77 ]; then
  echo "not tested: a copy with other splits, for want of h5py"
else
  mkdir cp-of-another
  # shellcheck disable=SC2016
  printf '#!/bin/bash\nexec %s other.h5 "${@: -1}"\n' "$(command -v cp)" >cp-of-another/cp
  chmod +x cp-of-another/cp
  code=0
  PATH=$PWD/cp-of-another:$PATH DISTGAT_SCRATCH=$work/scratch bash "$jobs/train.sbatch" graph.h5 --epochs 3 --quiet \
    >other.txt 2>&1 || code=$?
  [ "$code" -eq 3 ] && grep -q ': the copy of graph.h5 in .* is another graph: fingerprint ' other.txt && [ -z "$(ls scratch)" ] ||
    fail "a copy with other splits ended with $code: $(<other.txt)"
fi
mkdir seeds
echo 0 >seeds/seed-1.state
echo 137 >seeds/seed-2.state
echo running >seeds/seed-3.state
echo '{"event":"result","model":"gcn","dataset":"cora","val_acc":0.7,"test_acc":0.8}' >seeds/seed-1.jsonl
code=0
"$jobs/seeds.py" seeds --tasks 4 >summary.txt || code=$?
[ "$code" -eq 3 ] || fail "a summary without all ends with $code"
for line in 'gcn on cora, 1 runs: test accuracy 80.00 +- 0.00 % without 3 of 4' 'seed 2 failed with 137 (killed)' \
  'seed 3 has not ended' '1 of 4 tasks have not begun'; do
  grep -qxF "$line" summary.txt || fail "the summary lacks '$line': $(<summary.txt)"
done
echo 0 | tee seeds/seed-2.state >seeds/seed-3.state
touch seeds/seed-x.state # nobody's
for log in 'null' '{"event":"result","model":"gcn","dataset":"cora","test_acc":"much"}' \
  '{"event":"result","model":"gcn","dataset":"cora","test_acc":NaN}' '\xff' "$(printf '[%.0s' {1..9999})"; do
  printf "$log\n" | tee seeds/seed-2.jsonl >seeds/seed-3.jsonl
  code=0
  "$jobs/seeds.py" seeds >summary.txt 2>&1 || code=$?
  [ "$code" -eq 3 ] && [ "$(tail -n +3 summary.txt)" = $'seed 2 left no result\nseed 3 left no result' ] ||
    fail "a log that is none ends the summary with $code: $(<summary.txt)"
done

code=0
bash "$jobs/train.sbatch" missing.h5 2>missing.err || code=$?
[ "$code" -eq 2 ] || fail "train.sbatch of a missing graph ended with $code"

for script in train.sbatch seeds.sbatch scaling.sbatch scaling.py tutorial.sh; do
  "$jobs/$script" --help | grep -i '^usage' >/dev/null || fail "$script --help prints no usage" # read to the end
done
raw=${DISTGAT_DATA:-$DISTGAT_SOURCE/../shared}/planetoid
if [ -d "$raw" ]; then
  XDG_CACHE_HOME=$work/cache "$jobs/tutorial.sh" --from "$raw" --graphs cora --quick --ranks 2 --out tutorial >tutorial.txt 2>tutorial.err ||
    fail "$(tail -n 3 tutorial.err)"
  for model in MLP GCN GAT GATv2; do
    grep -Eq "^\| cora \| $model \| [0-9.]+ ± [0-9.]+ \| [0-9.–]+ \| [0-9.]+ \|$" tutorial.txt ||
      fail "no row of $model in the tutorial's table: $(<tutorial.txt)"
  done
  for line in 'Number of nodes: 2708' '  (conv2): GATv2Conv(64, 7, heads=1)' 'Epoch   0 | Train Loss: ' 'GCN test accuracy: '; do
    grep -qF "$line" tutorial/tutorial.md || fail "the tutorial does not print '$line': $(<tutorial/tutorial.md)"
  done
  for words in 'Node degrees' '(conv1): GATv2Conv(1433, 8, heads=8)' 'Embeddings by t-SNE: output' \
    'Accuracy by node degree, GCN' 'Accuracy by node degree, GATv2' 'Accuracy and time, cora' 'href="cora.html"'; do
    grep -qF "$words" tutorial/tutorial.html || fail "the tutorial's page lacks '$words'"
  done
  [ -s tutorial/cora.html ] || fail "the tutorial wrote no report"
else
  echo "the tutorial was left out: no Planetoid files in $raw"
fi
