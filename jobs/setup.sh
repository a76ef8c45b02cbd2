# shellcheck shell=bash disable=SC2034
# Sourced by the entry scripts: the packages distgat needs (here only), how to install and build, what the site says, and
# how ranks start.

distgat_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

distgat_packages=(
  # compiler, build, libraries
  gcc libc6-dev cmake ninja-build pkg-config libopenmpi-dev openmpi-bin libmetis-dev libopenblas-dev
  libhdf5-openmpi-dev libpopt-dev libjansson-dev libyaml-dev libcmocka-dev
  # download, import, report and the tests that read our files
  curl ca-certificates
  python3 python3-h5py python3-numpy python3-scipy python3-matplotlib python3-sklearn hdf5-tools
)
# Wider checks: a second compiler, a batch system, what notebooks use, shells, packages. Tests that need them skip without.
distgat_slurm_packages=(slurm-wlm slurmctld slurmd slurm-client munge)
distgat_extra_packages=(clang libomp-dev python3-pandas python3-pip zsh tcl groff-base dpkg-dev file "${distgat_slurm_packages[@]}")
# A browser that shows the report, and what reads the pages that it prints.
distgat_browser_packages=(chromium poppler-utils)

distgat_fail() {
  echo "$(basename "$0"): $*" >&2
  exit 2
}

# Loads $DISTGAT_MODULES; the shell of a batch job need not know how.
distgat_load_modules() {
  local - file
  set +eu # the functions of module systems stand neither
  for file in "$LMOD_PKG/init/bash" "$MODULESHOME/init/bash" /etc/profile.d/{lmod,z00_lmod,modules}.sh; do
    # shellcheck disable=SC1090
    if ! declare -F module >/dev/null && [ -r "$file" ]; then . "$file"; fi
  done
  declare -F module >/dev/null || distgat_fail "DISTGAT_MODULES is set, but there is no 'module' here"
  # shellcheck disable=SC2086 # a list of names
  module load $DISTGAT_MODULES || distgat_fail "'module load $DISTGAT_MODULES' failed"
}

# Reads what the site says: $DISTGAT_SITE, else site.env beside the submitted script, which is in distgat_here, or beside this.
distgat_read_site() {
  local - file=${DISTGAT_SITE:-} folder
  for folder in "${distgat_here:-}" "$distgat_root/jobs"; do
    [ -n "$file" ] || [ ! -e "$folder/site.env" ] || file=$folder/site.env
  done
  [ -n "$file" ] || return 0
  [ -r "$file" ] || distgat_fail "$file: the site's settings cannot be read"
  # Jobs within this one read what was found, but for what they find by themselves: theirs may lie beside them.
  [ "$file" = "$distgat_root/jobs/site.env" ] || export DISTGAT_SITE=$file
  set +eu -a
  # shellcheck disable=SC1090
  . "$file"
}

distgat_read_site
[ -z "${DISTGAT_MODULES:-}" ] || distgat_load_modules

# Ranks may outnumber cores and may belong to root; threads are distgat's to choose.
# What the user or the site has set stays.
while IFS='=' read -r distgat_name distgat_value; do
  export "$distgat_name=${!distgat_name-$distgat_value}"
done <"$distgat_root/jobs/mpi.env"

# Prints those of the given packages that are not installed.
distgat_missing() {
  local package
  for package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

# Says now and then how far apt-get is, by its status lines "pmstatus:PACKAGE:PERCENT:TEXT".
distgat_show_progress() {
  local kind percent doing said='' now _
  while IFS=: read -r kind _ percent _; do
    case $kind in
      dlstatus) doing=downloaded ;;
      pmstatus) doing=installed ;;
      *) continue ;;
    esac
    percent=${percent%.*}
    [[ $percent =~ ^[0-9]+$ ]] || continue
    now="$doing $((10#$percent / 25 * 25)) %"
    [ "$now" = "$said" ] || echo "  $now"
    said=$now
  done
}

# Installs the given packages where missing: as root, else through sudo; ends with one line of advice where neither works.
distgat_install() {
  local missing as_root=(env) apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
  command -v apt-get >/dev/null ||
    distgat_fail "no apt-get here: install the equivalents of '$*', then run again with --no-install"
  missing=$(distgat_missing "$@" | xargs)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    # Without a terminal sudo must work without a password.
    if ! command -v sudo >/dev/null || ! { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
      distgat_fail "packages are missing and this user cannot install them: run as root 'apt-get install $missing'"
    fi
    as_root=(sudo env)
  fi
  echo "Installing, which takes some minutes: $missing"
  as_root+=(DEBIAN_FRONTEND=noninteractive)
  "${as_root[@]}" "${apt[@]}" update || echo "$(basename "$0"): package lists could not be renewed; trying the old ones" >&2
  # By a shell of its own, for sudo passes on no third file, and apt-get closes the one it writes its status to.
  # shellcheck disable=SC2086,SC2016 # a list of names; that shell's own variables
  "${as_root[@]}" sh -c 'exec "$@" 3>&1 >/dev/null' sh "${apt[@]}" -o Dpkg::Use-Pty=0 -o APT::Status-Fd=3 \
    install --no-install-recommends $missing | distgat_show_progress
  [ "${PIPESTATUS[0]}" = 0 ] ||
    distgat_fail "installing failed (its messages are above): run as root 'apt-get install $missing'"
}

# distgat_build PRESET [TARGET]: configures and builds; a folder that was made for another source tree is made anew.
distgat_build() {
  local preset=$1 target=${2:-all} cache=$distgat_root/build/$1/CMakeCache.txt
  if [ -e "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$distgat_root" "$cache"; then
    rm -rf "${cache%/*}"
  fi
  (cd "$distgat_root" && cmake --preset "$preset" ${DISTGAT_WERROR:+-DDISTGAT_WERROR=$DISTGAT_WERROR} &&
    cmake --build --preset "$preset" --target "$target" --parallel "$(nproc)")
}
