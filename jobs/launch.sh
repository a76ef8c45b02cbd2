# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
# Sourced by the jobs: which program runs, and how its ranks are started.
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

# Prints the program: $DISTGAT, else the release build, else the installed one.
distgat_program() {
  local candidate
  for candidate in "${DISTGAT:-$distgat_root/build/release/distgat}" distgat; do
    if command -v "$candidate"; then return 0; fi
    [ -z "${DISTGAT:-}" ] || distgat_fail "DISTGAT=$DISTGAT is no program"
  done
  distgat_fail "distgat is not built: run jobs/quickstart.sh, or name the program in DISTGAT"
}

# distgat_launch RANKS COMMAND...: srun inside a Slurm job, else mpirun; ranks fill one node before the next.
distgat_launch() {
  local ranks=$1 per_node nodes
  shift
  if [ -n "${SLURM_JOB_ID:-}" ] && command -v srun >/dev/null; then
    per_node=${SLURM_NTASKS_PER_NODE:-1}
    nodes=$(((ranks + per_node - 1) / per_node))
    # srun of today does not take the job's --cpus-per-task over by itself.
    SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1} srun --mpi=pmix --nodes="$nodes" --ntasks="$ranks" "$@"
  else
    mpirun -np "$ranks" "$@"
  fi
}
