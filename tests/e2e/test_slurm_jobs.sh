#!/usr/bin/env bash
# Jobs as a centre runs them, in a real Slurm of two virtual nodes: an array over seeds with its summary, preemption, the graph
# on the nodes' own disks, settings of the site, and ranks bound to cores.
set -euo pipefail
source_dir=${DISTGAT_SOURCE:?} program=${DISTGAT:?}
jobs=$source_dir/jobs
# shellcheck source-path=SCRIPTDIR source=../support/slurm.sh
. "$source_dir/tests/support/slurm.sh"

# Two real cores a node, to which ranks can be bound.
slurm_up 2 's/task.none/task\/affinity/; s/CPUs=4/CPUs=2/; s/CoresPerSocket=4/CoresPerSocket=2/'
"$program" generate --nodes 400 --avg-degree 4 --features 60 --classes 3 --seed 5 --out graph.h5 --quiet

# Ranks are bound to cores of their own, each of the two nodes' two.
cat >bound.sh <<'END'
#!/bin/bash
. "$DISTGAT_JOBS/launch.sh"
distgat_launch 4 sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status
END
DISTGAT_JOBS=$jobs timeout 120 sbatch --quiet --wait -N 2 --ntasks-per-node=2 -c 1 -o bound.txt bound.sh || fail "$(<bound.txt)"
[ "$(sort bound.txt | xargs)" = "0 0 1 1" ] || fail "the cores of two ranks on each of two nodes are $(<bound.txt)"

# An array over seeds, its name no path: its summary is that of --runs; a task that fails is named.
timeout 240 sbatch --quiet --wait --array=0-2 -n 1 -o seeds-%a.txt -J a/s "$jobs/seeds.sbatch" graph.h5 --epochs 20 --quiet \
  --save 'model-%a.h5' || fail "the array ended with $?: $(cat seeds-*.txt)"
summary=$(echo a_s-*/summary.txt)
"$program" train graph.h5 --epochs 20 --quiet --runs 3 --threads 1 >runs.txt
[ "$(head -n 1 "$summary")" = "$(tail -n 1 runs.txt)" ] || fail "not what --runs prints: $(<"$summary") $(tail -n 1 runs.txt)"
grep -qF "$(head -n 1 "$summary")" seeds-*.txt || fail "no task printed the summary"
[ -s model-2.h5 ] || fail "%a is not the seed"
mkdir -p blocked-2.h5
timeout 240 sbatch --quiet --wait --array=1-2 -n 1 -o blocked-%a.txt -J b "$jobs/seeds.sbatch" graph.h5 --epochs 5 --quiet \
  --save 'blocked-%a.h5' && fail "an array with a failed seed ended well"
grep -q '^gatv2 on .*, 1 runs: .* without 1 of 2$' b-*/summary.txt || fail "a failed seed counts: $(cat b-*/summary.txt)"
grep -q '^seed 2 failed with [23] ' b-*/summary.txt || fail "the failed seed is not named: $(cat b-*/summary.txt)"

# The graph on each node's own disk, and the site's settings beside a copied script, whose path has blanks.
mkdir scratch 'my jobs'
cat >'my jobs/site.env' <<'END'
: "${DISTGAT_SCRATCH=$SITE_SCRATCH}"
: "${DISTGAT_MODULES=first second}"
END
cp "$jobs/train.sbatch" 'my jobs/mine.sbatch'
module() { echo "module $*"; }
export -f module
export SITE_SCRATCH=$work/scratch DISTGAT_JOBS=$jobs
timeout 240 sbatch --quiet --wait -N 2 --ntasks-per-node=1 -o staged.txt 'my jobs/mine.sbatch' graph.h5 --epochs 5 --quiet ||
  fail "a job with a copy of the graph ended with $?: $(<staged.txt)"
grep -q "^The graph lies in $work/scratch/distgat-" staged.txt || fail "the graph was not copied: $(<staged.txt)"
grep -qx 'module load first second' staged.txt || fail "the site's modules were not loaded: $(<staged.txt)"
[ -z "$(ls scratch)" ] || fail "the copy of the graph stays: $(find scratch)"
! grep error staged.txt || fail "a job that ended well tells of errors: $(<staged.txt)"

# Another graph in the place of the copy: a `cp` that gives another one.
"$program" generate --nodes 400 --avg-degree 4 --features 60 --classes 3 --seed 6 --out other.h5 --quiet
mkdir bin
# shellcheck disable=SC2016
printf '#!/bin/bash\nexec %s other.h5 "${@: -1}"\n' "$(command -v cp)" >bin/cp
chmod +x bin/cp
code=0
PATH=$PWD/bin:$PATH timeout 240 sbatch --quiet --wait -N 2 --ntasks-per-node=1 -o tampered.txt 'my jobs/mine.sbatch' graph.h5 \
  --epochs 5 --quiet || code=$?
[ "$code" -eq 3 ] || fail "a copy of another graph ended with $code: $(<tampered.txt)"
print='[0-9a-f]{16}, splits [0-9a-f]{16}'
grep -Eq "^n[12]: the copy of graph.h5 in .* is another graph: fingerprint $print, not $print\$" tampered.txt ||
  fail "the other graph was not seen: $(<tampered.txt)"
[ -z "$(ls scratch)" ] || fail "a copy of another graph stays: $(find scratch)"

# Cancelled: the copy goes, too.
job=$(sbatch --parsable -N 2 --ntasks-per-node=1 -o cancelled.txt 'my jobs/mine.sbatch' graph.h5 --epochs 1000000000 \
  --log cancelled.jsonl --quiet)
wait_for 30 test -s cancelled.jsonl || fail "no start: $(<cancelled.txt)"
[ -n "$(ls scratch)" ] || fail "no copy while it runs"
scancel "$job"
wait_for 20 job_is_over "$job" || fail "scancel did not end it"
is_empty() { [ -z "$(ls "$1")" ]; }
wait_for 10 is_empty scratch || fail "scancel leaves the copy: $(find scratch)"
rm 'my jobs/site.env'
unset DISTGAT_JOBS SITE_SCRATCH

# Preempted by a job of a higher partition: saved, requeued, gone on with, as if nothing had been. An epoch takes 0.1 ms.
again=(graph.h5 --epochs 40000 --model gcn --quiet)
timeout 240 sbatch --quiet --wait -N 2 --ntasks-per-node=1 -p low -o whole.txt "$jobs/train.sbatch" "${again[@]}" --log whole.jsonl ||
  fail "an undisturbed job ended with $?: $(tail -n 3 whole.txt)"
job=$(sbatch --parsable -N 2 --ntasks-per-node=1 -p low -o preempted.txt "$jobs/train.sbatch" "${again[@]}" --log preempted.jsonl)
wait_for 60 test -s preempted.jsonl || fail "no start: $(<preempted.txt)"
sbatch --quiet -p high -N 2 --exclusive -o high.txt --wrap 'sleep 1'
wait_for 240 grep -q '^Stopped after' preempted.txt || fail "not gone on with: $(grep -v '^Epoch' preempted.txt)"
grep -Eq 'stopped by signal SIG(TERM|USR1) after epoch' preempted.txt || fail "no checkpoint at preemption: $(<preempted.txt)"
for log in whole preempted; do grep '"epoch"' $log.jsonl | sed 's/, *"seconds".*//' >$log.losses; done
cmp -s whole.losses preempted.losses || fail "the preempted job has other losses: $(diff whole.losses preempted.losses | head -n 4)"
