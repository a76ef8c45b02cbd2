# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# shellcheck source-path=SCRIPTDIR
# Sourced by the jobs: which program runs, where results go, and how ranks are started.
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

distgat_launch_usage="  DISTGAT=PROGRAM runs that one, else build/release/distgat of this source tree, or the installed one.
  DISTGAT_LAUNCHER='mpirun -np' starts the ranks so: the number of ranks and the program follow its words (default:
  in a Slurm job 'srun --mpi=pmix --kill-on-bad-exit=1 --ntasks', else 'mpirun -np'; SLURM_MPI_TYPE names another --mpi).
  DISTGAT_BIND='WORDS' binds ranks to cores so (default: srun's --cpu-bind=cores, Open MPI's numa:PE where there are several
  NUMA domains; '' for none); DISTGAT_MODULES='NAMES' are loaded first; DISTGAT_SITE=FILE has these settings, else site.env."

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

# Prints the numbers of a list as 0-3,8, a line each.
distgat_numbers() {
  local part parts
  IFS=, read -ra parts <<<"$1"
  for part in "${parts[@]}"; do seq "${part%-*}" "${part#*-}"; done
}

# distgat_domains [CORES [FOLDER]]: prints how many NUMA domains these cores lie in (default: those this shell may use), as
# the system tells in FOLDER.
distgat_domains() {
  local cores=${1:-$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)} list found=0
  for list in "${2:-/sys/devices/system/node}"/node*/cpulist; do
    [ -r "$list" ] || continue
    [ -z "$(comm -12 <(distgat_numbers "$cores" | sort) <(distgat_numbers "$(<"$list")" | sort))" ] || found=$((found + 1))
  done
  echo $((found > 0 ? found : 1))
}

# distgat_mpirun_binding RANKS CORES DOMAINS: prints Open MPI's words that give each rank its share of one domain's cores; none
# where there is one domain, or where shares and domains do not fit.
distgat_mpirun_binding() {
  local ranks=$1 cores=$2 domains=$3 share=$(($2 / $1))
  [ "$domains" -gt 1 ] && [ "$share" -ge 1 ] && [ "$share" -le $((cores / domains)) ] || return 0
  echo "--map-by numa:PE=$share --bind-to core"
}

# distgat_binding srun|mpirun RANKS: prints the launcher's words that bind ranks to cores: $DISTGAT_BIND where it is set.
distgat_binding() {
  if [ -n "${DISTGAT_BIND+set}" ]; then
    echo "$DISTGAT_BIND"
  elif [ "$1" = mpirun ]; then
    ! mpirun --version 2>/dev/null | grep -q 'Open MPI' || distgat_mpirun_binding "$2" "$(nproc)" "$(distgat_domains)"
  elif [ -z "${SLURM_CPU_BIND:-}" ] && scontrol show config 2>/dev/null | grep -q '^TaskPlugin .*affinity'; then
    # A rank's cores are neighbours; the next rank's lie in the next socket.
    echo "--cpu-bind=cores --distribution=${SLURM_DISTRIBUTION:-block:cyclic}"
  fi
}

# distgat_launch RANKS COMMAND...: by $DISTGAT_LAUNCHER, else srun inside a Slurm job, else mpirun; with distgat_exec=exec
# in the place of this shell, so that signals reach the launcher.
distgat_launch() {
  local ranks=$1 launcher binding
  shift
  if [ -n "${DISTGAT_LAUNCHER:-}" ]; then
    read -ra launcher <<<"$DISTGAT_LAUNCHER"
    ${distgat_exec:-} "${launcher[@]}" "$ranks" "$@"
  elif [ -n "${SLURM_JOB_ID:-}" ] && command -v srun >/dev/null; then
    read -ra binding <<<"$(distgat_binding srun "$ranks")"
    # A rank that dies must end the others, also those on other nodes, which would wait for it until the job's limit.
    launcher=(srun --mpi="${SLURM_MPI_TYPE:-pmix}" --kill-on-bad-exit="${SLURM_KILL_BAD_EXIT:-1}" "${binding[@]}")
    [ "$ranks" = "${SLURM_NTASKS:-}" ] || launcher+=(--nodes="$(distgat_nodes "$ranks")")
    # srun of today does not take the job's --cpus-per-task over by itself.
    export SRUN_CPUS_PER_TASK=${SRUN_CPUS_PER_TASK:-${SLURM_CPUS_PER_TASK:-1}}
    ${distgat_exec:-} "${launcher[@]}" --ntasks="$ranks" "$@"
  else
    read -ra binding <<<"$(distgat_binding mpirun "$ranks")"
    ${distgat_exec:-} mpirun "${binding[@]}" -np "$ranks" "$@"
  fi
}
