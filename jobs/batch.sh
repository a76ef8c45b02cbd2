# shellcheck shell=bash disable=SC2034,SC2154
# shellcheck source-path=SCRIPTDIR
# Sourced by train.sbatch and seeds.sbatch, after launch.sh: one training that outlives signals, limits and crashes.

distgat_batch_usage="  Every option of 'distgat train' may follow the graph; --threads is set from -c unless given. Without -n and -c
  there is one rank for each NUMA domain of the nodes, with a thread on each of its cores: sbatch -N 2 --exclusive ...
  The state of the run is NAME-JOB.checkpoint.h5 where it was submitted, unless --checkpoint names another file, and gone at the
  end. DISTGAT_RESTARTS=N bounds how often a job is requeued for its time limit (default 50), or after a crash (3, or N if less).
  DISTGAT_SCRATCH=FOLDER copies the graph to that folder of each node first, and removes the copy at the end.
  Submit from anywhere, also copies of this file: the other scripts are found beside the original or the program, or
  where DISTGAT_JOBS says. Account, partition, modules: see site.env and README.md beside them."

# The task of an array is told by both numbers: the last one's job has the number of the whole array.
distgat_job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
distgat_job=${distgat_job:-${SLURM_JOB_ID:-$$}}

# distgat_has OPTION WORD...: whether it is among the words.
distgat_has() {
  local option=$1 word
  for word in "${@:2}"; do
    if [[ $word == "$option" || $word == "$option="* ]]; then return 0; fi
  done
  return 1
}

# One rank for each NUMA domain, where neither ranks nor cores of a rank were asked for.
distgat_spread() {
  local nodes=$SLURM_JOB_NUM_NODES cores=${SLURM_CPUS_ON_NODE:-1} domains=1
  [ -z "${SLURM_NTASKS:-}" ] || return 0
  if [ -z "${SLURM_CPUS_PER_TASK:-}" ]; then
    domains=$(distgat_domains)
    [ "$domains" -le "$cores" ] || domains=$cores
    export SLURM_CPUS_PER_TASK=$((cores / domains))
  fi
  export SLURM_NTASKS=$((nodes * domains)) SLURM_NTASKS_PER_NODE=$domains
}

# COMMAND... once on every node of the job.
distgat_on_nodes() {
  local nodes=${SLURM_JOB_NUM_NODES:-}
  if [ -z "$nodes" ]; then
    ${distgat_exec:-} "$@"
  else
    ${distgat_exec:-} srun --mpi=none --overlap --kill-on-bad-exit=1 --nodes="$nodes" --ntasks="$nodes" \
      --ntasks-per-node=1 --cpus-per-task=1 "$@"
  fi
}

# distgat_stage PROGRAM GRAPH: copies it to every node, and sees to its end, also where the job is cancelled and cannot start
# anything: what waits on each node then hears of it. Sets distgat_graph.
distgat_stage() {
  local program=$1 graph=$2 folder=$DISTGAT_SCRATCH/distgat-$distgat_job found
  [[ $graph != -* ]] || { echo "DISTGAT_SCRATCH is set: the graph must stand before the options" >&2 && return 2; }
  found=$("$distgat_jobs/stage.sh" fingerprint "$graph" "$program") || return
  distgat_on_nodes "$distgat_jobs/stage.sh" copy "$graph" "$folder" "$found" "$program" || return 3
  distgat_exec="exec" distgat_on_nodes "$distgat_jobs/stage.sh" keep "$folder" &
  distgat_keeper=$!
  trap distgat_unstage EXIT
  distgat_graph=$folder/$(basename "$graph")
  echo "The graph lies in $folder on each node, fingerprint $found"
}

distgat_unstage() {
  trap - EXIT
  [ -n "${distgat_keeper:-}" ] || return 0
  kill -USR1 "$distgat_keeper" 2>/dev/null || true
  wait "$distgat_keeper" || true
}

# distgat_watch RANKS COMMAND...: starts it and waits; the shell outlives its step. USR1 comes to it before the time limit,
# and goes on to all ranks, which save and end with 75; TERM comes to ranks and shell at once, by scancel or at the limit.
distgat_watch() {
  local step now interrupted
  distgat_exec="exec" distgat_launch "$@" &
  step=$!
  trap 'distgat_limit=1 interrupted=1; kill -USR1 "$step" 2>/dev/null || true' USR1
  trap 'distgat_ended=1 interrupted=1' TERM
  while :; do
    interrupted=
    wait "$step" && now=0 || now=$?
    [ "$now" -eq 127 ] || distgat_code=$now
    [ -n "$interrupted" ] || break
  done
}

# distgat_requeue MOST: once more, if that is allowed and was done less often; Slurm then ends this shell.
distgat_requeue() {
  local restarts=${SLURM_RESTART_COUNT:-0} most=${DISTGAT_RESTARTS:-50}
  distgat_unstage
  if [ "$restarts" -ge "$1" ] || [ "$restarts" -ge "$most" ]; then
    echo "Not requeued: restarts so far: $restarts"
  elif scontrol requeue "$distgat_job"; then
    echo "Requeued, restart $((restarts + 1))"
    sleep 120
  fi
}

# distgat_go_on CHECKPOINT: what follows an end that nobody asked for. A rank that srun ends beside one that failed at the start
# ends with 75, too: without a state to go on from that counts as a crash.
distgat_go_on() {
  local most=1000000
  [ -z "$distgat_ended" ] || return 0
  [ -z "$1" ] || [ -e "$1" ] || [ -n "$distgat_limit" ] || most=3
  if [ "$distgat_code" -eq 75 ]; then
    # Told by nobody: by preemption, whose grace time ends with this shell, which must not go before, and a requeue.
    [ -n "$distgat_limit" ] || sleep 60
    distgat_requeue "$most"
  elif [ "$distgat_code" -gt 3 ]; then
    distgat_requeue 3
  fi
}

# distgat_job_train PROGRAM G.h5 [options]: in a Slurm job, with what was not said of checkpoints and threads.
distgat_job_train() {
  local program=$1 own='' more=()
  shift
  distgat_spread
  echo "Job $SLURM_JOB_ID on $SLURM_JOB_NODELIST: $SLURM_NTASKS ranks of ${SLURM_CPUS_PER_TASK:-1} threads"
  distgat_has --checkpoint "$@" || own=${SLURM_JOB_NAME//\//_}-$distgat_job.checkpoint.h5
  [ -z "$own" ] || more+=(--checkpoint "$own")
  distgat_has --checkpoint-every "$@" || more+=(--checkpoint-every 10m)
  distgat_has --resume "$@" || more+=(--resume)
  distgat_has --threads "$@" || more+=(--threads "${SLURM_CPUS_PER_TASK:-1}")
  # A signal while the graph was copied: nothing is begun that could not be ended in time.
  if [ -n "$distgat_limit$distgat_ended" ]; then
    distgat_code=75
  else
    distgat_watch "$SLURM_NTASKS" "$program" train "$@" "${more[@]}"
  fi
  [ "$distgat_code" -ne 0 ] || [ -z "$own" ] || rm -f "$own" "$own.previous"
  distgat_go_on "$own"
}

# distgat_train G.h5 [options]: one training, as a job or without Slurm on $RANKS ranks; leaves its code in distgat_code.
distgat_train() {
  local program
  distgat_limit='' distgat_ended='' distgat_code=0
  program=$(distgat_program) || { distgat_code=$? && return 0; }
  if [ -n "${SLURM_JOB_ID:-}" ]; then
    trap 'distgat_limit=1' USR1
    trap 'distgat_ended=1' TERM
  fi
  [ -z "${SLURM_ARRAY_TASK_ID:-}" ] || set -- "${@//%a/$SLURM_ARRAY_TASK_ID}"
  if [ -n "${DISTGAT_SCRATCH:-}" ]; then
    distgat_stage "$program" "$1" || { distgat_code=$? && return 0; }
    set -- "$distgat_graph" "${@:2}"
  fi
  if [ -n "${SLURM_JOB_ID:-}" ]; then
    distgat_job_train "$program" "$@"
  else
    distgat_launch "${RANKS:-2}" "$program" train "$@" || distgat_code=$?
  fi
}
