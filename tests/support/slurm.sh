# shellcheck shell=bash disable=SC2154
# Sourced by tests that need a real Slurm: a virtual one, in a folder of its own, or the test is skipped.
# shellcheck source-path=SCRIPTDIR source=../../jobs/setup.sh
. "$source_dir/jobs/setup.sh"
unset DISTGAT_SITE # found anew by each job

skip() { echo "skipped: $*" && exit 77; }
fail() { echo "failed: $*" >&2 && exit 1; }

# wait_for SECONDS COMMAND...: until it succeeds; gives whether it did.
wait_for() {
  local until=$((SECONDS + $1))
  shift
  while [ $SECONDS -lt $until ]; do
    if "$@" 2>/dev/null; then return 0; fi
    sleep 0.1
  done
  return 1
}

job_is_over() { [ -z "$(squeue -h -j "$1" 2>/dev/null)" ]; }
nothing_runs() { [ -z "$(squeue -h 2>/dev/null)" ]; }

# What is still running must end before the daemons that could end it.
slurm_down() {
  if [ -n "$slurm_is_up" ]; then
    scancel --signal=KILL --full --user="$(id -un)" 2>/dev/null
    wait_for 10 nothing_runs
  fi
  bash "$work/vslurm.sh" down || true # what skips stays skipped
  rm -rf "$work"
}

# slurm_up NODES [SED]: starts it, with the script that does it changed by SED, and goes to the folder $work.
slurm_up() {
  local vslurm=$source_dir/../shared/cluster/vslurm.sh
  [[ $("$program" --version) == *'MPI: Open MPI'* ]] || skip "srun starts these ranks by PMIx, which only Open MPI is known to speak"
  [ -e "$vslurm" ] || skip "shared/cluster is not here, its vslurm.sh starts the virtual nodes"
  [ "$(id -u)" -eq 0 ] || skip "the virtual Slurm needs root"
  if [ -n "$(distgat_missing "${distgat_slurm_packages[@]}")" ]; then
    [ -z "${DISTGAT_NO_INSTALL:-}" ] || skip "Slurm is missing and installing is switched off"
    (distgat_install "${distgat_slurm_packages[@]}") || skip "Slurm cannot be installed here"
  fi
  exec 9>"${TMPDIR:-/tmp}/distgat-vslurm.lock"
  flock -w 300 9 || skip "another virtual Slurm holds the ports"
  work=$(mktemp -d "${TMPDIR:-/tmp}/distgat-slurm.XXXXXX")
  chmod 755 "$work" # munge wants its socket within reach of all
  export VSLURM_DIR=$work/vslurm SLURM_CONF=$work/vslurm/slurm.conf
  sed "${2:-}" "$vslurm" >"$work/vslurm.sh"
  slurm_is_up=''
  trap slurm_down EXIT
  # The daemons must not inherit the lock, nor keep the pipe of ctest open. It is up within a second, or its clients wait long.
  timeout 30 bash "$work/vslurm.sh" up "$1" loop 9>&- >"$work/up.log" 2>&1 ||
    skip "Slurm does not start here: $(tail -n 1 "$work/up.log")"
  slurm_is_up=yes
  # The nodes share one /dev/shm, where the segments of their ranks would collide.
  export OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
  cd "$work" || exit
}
