#!/usr/bin/env bash
# Submits jobs/train.sbatch over two virtual nodes of a real Slurm and compares the run with one on a single rank. Then
# what goes wrong in real clusters: a rank that dies, copied scripts, arrays, tasks without a node count, other launchers.
set -euo pipefail
source_dir=${DISTGAT_SOURCE:?} program=${DISTGAT:?}
# shellcheck source-path=SCRIPTDIR source=../support/slurm.sh
. "$source_dir/tests/support/slurm.sh"

slurm_up 2
"$program" generate --nodes 400 --avg-degree 4 --features 60 --classes 3 --seed 5 --out graph.h5 --quiet
options=(--epochs 20 --seed 3 --recipe tutorial-gat)

submit() { timeout 240 sbatch --quiet --wait -N 2 --ntasks-per-node=2 -o "$1" "$source_dir/jobs/train.sbatch" "${@:2}"; }
submit job.txt graph.h5 "${options[@]}" --save job.h5 --log job.jsonl || { cat job.txt && fail "the job ended with $?"; }
grep -q '4 ranks of 1 threads' job.txt || { cat job.txt && fail "the job does not say where it ran"; }
"$program" train graph.h5 "${options[@]}" --threads 1 --log alone.jsonl --quiet >alone.txt

python3 - <<'PYTHON' || fail "the job and the run on one rank differ"
import json

def read(path):
  lines = [json.loads(line) for line in open(path)]
  return [line for line in lines if line["event"] == "epoch"], [line for line in lines if line["event"] == "result"][0]

(job, job_result), (alone, alone_result) = read("job.jsonl"), read("alone.jsonl")
assert job_result["ranks"] == 4 and alone_result["ranks"] == 1, "ranks"
assert len(job) == len(alone) == 20, "epochs"
first = job[0]["train_loss"] / alone[0]["train_loss"]
assert abs(first - 1) < 1e-5, f"loss after the first step: {first}"
assert abs(job_result["test_acc"] - alone_result["test_acc"]) <= 0.02, "test accuracy"
print(f"4 ranks on 2 nodes: test accuracy {job_result['test_acc']:.3f}, alone {alone_result['test_acc']:.3f}")
PYTHON
[ -s job.h5 ] || fail "the job saved no model"

code=0
submit missing.txt no-such-graph.h5 || code=$?
[ "$code" -eq 2 ] || { cat missing.txt && fail "a missing graph ended the job with $code, not 2"; }
[ "$(grep -c 'no-such-graph.h5' missing.txt)" -eq 1 ] || { cat missing.txt && fail "its message is not one line"; }

# One rank a node: when one dies, the job is over everywhere within 10 seconds, though no rank of its node can tell.
job=$(sbatch --parsable -N 2 -n 2 --ntasks-per-node=1 --no-requeue -o killed.txt "$source_dir/jobs/train.sbatch" graph.h5 \
  --epochs 1000000000 --log killed.jsonl --quiet)
for _ in $(seq 300); do
  [ ! -s killed.jsonl ] || break
  sleep 0.1
done
# Prints the second rank of what runs in this Slurm.
second_rank() {
  local pid
  for pid in $(pgrep -x distgat); do
    if grep -qsz "^SLURM_CONF=$SLURM_CONF$" "/proc/$pid/environ" && grep -qsz '^SLURM_PROCID=1$' "/proc/$pid/environ"; then
      echo "$pid"
    fi
  done
}
pid=$(second_rank)
kill -KILL "${pid:?no second rank is running}"
until=$((SECONDS + 10))
while [ -n "$(squeue -h -j "$job" 2>/dev/null)" ] && [ $SECONDS -lt $until ]; do sleep 0.1; done
[ -z "$(squeue -h -j "$job" 2>/dev/null)" ] || { scancel "$job" && fail "a rank died and the job goes on: $(<killed.txt)"; }

# A signal before the time limit: saved, requeued, gone on with, as if nothing had been. Told by scancel, there is no
# wait. An epoch takes 0.2 to 1 ms.
again=(graph.h5 --epochs 10000 --model gcn --quiet)
submit whole.txt "${again[@]}" --log whole.jsonl || fail "an undisturbed job ended with $?: $(tail -n 3 whole.txt)"
job=$(sbatch --parsable -N 2 --ntasks-per-node=2 -o limit.txt "$source_dir/jobs/train.sbatch" "${again[@]}" --log limit.jsonl)
for _ in $(seq 300); do
  [ ! -s limit.jsonl ] || break
  sleep 0.1
done
scancel --signal=USR1 --batch "$job"
for _ in $(seq 2400); do
  ! grep -q '^Stopped after' limit.txt || break
  sleep 0.1
done
if ! grep -q 'stopped by signal SIGUSR1 after epoch' limit.txt || ! grep -qx 'Requeued, restart 1' limit.txt; then
  fail "no requeue: $(grep -v '^Epoch' limit.txt)"
fi
for log in whole limit; do grep '"epoch"' $log.jsonl | sed 's/, *"seconds".*//' >$log.losses; done
cmp -s whole.losses limit.losses || fail "the requeued job has other losses: $(diff whole.losses limit.losses | head -n 4)"

# A copy of another name in another folder, as an array: %a is the task. `-n` alone: the ranks lie where Slurm puts them.
mkdir elsewhere
cp "$source_dir/jobs/train.sbatch" elsewhere/mine.sh
cd elsewhere
# The scripts are found from the program where it lies in build/PRESET, as the presets have it.
[ -e "$(dirname "$program")/../../jobs/launch.sh" ] || export DISTGAT_JOBS=$source_dir/jobs
timeout 240 sbatch --quiet --wait -n 3 --array=1-2 -o array-%a.txt mine.sh ../graph.h5 --epochs 2 --quiet --seed %a \
  --save model-%a.h5 || fail "an array of a copied script ended with $?: $(cat array-*.txt)"
for task in 1 2; do
  { [ -s model-$task.h5 ] && grep -q "3 ranks of 1 threads" array-$task.txt; } || fail "task $task: $(<array-$task.txt)"
done
cd ..

# Tasks that this MPI cannot see are told so, once; the shell of the job may run the program alone.
cat >launchers.sh <<'END'
#!/bin/bash
for mpi in none pmi2; do
  srun --mpi=$mpi "$1" train graph.h5 --epochs 1 --quiet --save $mpi.h5 2>$mpi.err
  echo "$mpi $?"
done
"$1" info graph.h5 --json >/dev/null && srun -n 1 --mpi=none "$1" info graph.h5 --json >/dev/null && echo alone works
END
timeout 240 sbatch --quiet --wait -n 2 -o launchers.txt launchers.sh "$program" || fail "$(<launchers.txt)"
for mpi in none pmi2; do
  grep -qx "$mpi 2" launchers.txt || fail "srun --mpi=$mpi did not end with 2: $(<launchers.txt)$(<$mpi.err)"
  [ "$(grep -c 'distgat train: srun started 2 processes' $mpi.err)" -eq 1 ] || fail "not one line: $(<$mpi.err)"
  [ ! -e $mpi.h5 ] || fail "tasks under --mpi=$mpi wrote a model"
done
grep -q 'alone works' launchers.txt || fail "a process alone in a job: $(<launchers.txt)"
