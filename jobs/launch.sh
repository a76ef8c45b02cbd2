# shellcheck shell=bash disable=SC2034
# shellcheck source-path=SCRIPTDIR
# Sourced by the jobs: which program runs, where results go, and how ranks are started.
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

distgat_launch_usage="  DISTGAT=PROGRAM runs that one, else build/release/distgat of this source tree, or the installed one.
  DISTGAT_LAUNCHER='mpirun -np' starts the ranks so: the number of ranks and the program follow its words (default:
  in a Slurm job 'srun --mpi=pmix --kill-on-bad-exit=1 --ntasks', else 'mpirun -np'; SLURM_MPI_TYPE names another --mpi)."

# Results go beside the sources, or where the scripts are installed to the folder one is in.
distgat_out=$distgat_root/out
[ -e "$distgat_root/CMakeLists.txt" ] || distgat_out=$PWD/out

# Prints the program: $DISTGAT, else the release build, else the installed one.
distgat_program() {
  local candidate
  for candidate in "${DISTGAT:-$distgat_root/build/release/distgat}" "$distgat_root/../../bin/distgat" distgat; do
    if command -v "$candidate"; then return 0; fi
    [ -z "${DISTGAT:-}" ] || distgat_fail "DISTGAT=$DISTGAT is no program"
  done
  distgat_fail "distgat is not built: run jobs/quickstart.sh, or name the program in DISTGAT"
}

# Prints how many nodes of the job hold that many ranks, each filled before the next: Slurm tells tasks as in 4(x2),3.
distgat_nodes() {
  local ranks=$1 nodes=0 held=0 part parts tasks times
  IFS=, read -ra parts <<<"$SLURM_TASKS_PER_NODE"
  for part in "${parts[@]}"; do
    tasks=${part%%"("*} times=1
    [[ $part != *x* ]] || times=${part//[!0-9x]/} times=${times#*x}
    for (( ; times > 0 && held < ranks; times--)); do
      held=$((held + tasks)) nodes=$((nodes + 1))
    done
  done
  echo "$nodes"
}

# distgat_launch RANKS COMMAND...: by $DISTGAT_LAUNCHER, else srun inside a Slurm job, else mpirun; with distgat_exec=exec
# in the place of this shell, so that signals reach the launcher.
distgat_launch() {
  local ranks=$1 launcher
  shift
  if [ -n "${DISTGAT_LAUNCHER:-}" ]; then
    read -ra launcher <<<"$DISTGAT_LAUNCHER"
    ${distgat_exec:-} "${launcher[@]}" "$ranks" "$@"
  elif [ -n "${SLURM_JOB_ID:-}" ] && command -v srun >/dev/null; then
    # A rank that dies must end the others, also those on other nodes, which would wait for it until the job's limit.
    launcher=(srun --mpi="${SLURM_MPI_TYPE:-pmix}" --kill-on-bad-exit="${SLURM_KILL_BAD_EXIT:-1}")
    [ "$ranks" = "${SLURM_NTASKS:-}" ] || launcher+=(--nodes="$(distgat_nodes "$ranks")")
    # srun of today does not take the job's --cpus-per-task over by itself.
    export SRUN_CPUS_PER_TASK=${SRUN_CPUS_PER_TASK:-${SLURM_CPUS_PER_TASK:-1}}
    ${distgat_exec:-} "${launcher[@]}" --ntasks="$ranks" "$@"
  else
    ${distgat_exec:-} mpirun -np "$ranks" "$@"
  fi
}
