# shellcheck shell=bash
# Sourced after jobs/setup.sh: Debian systems in folders of their own. Needs root and debootstrap; packages come from where
# this machine gets its own.

declare -A distgat_codename=([12]=bookworm [13]=trixie)

# inside ROOT COMMAND...: runs in the system, with what a build needs of this one mounted for as long as it runs.
inside() {
  # shellcheck disable=SC2016 # the inner shell's own variables
  unshare --mount --fork --propagation private bash -c '
    root=$1 shared=$2 lock=${TMPDIR:-/tmp}/distgat-vslurm.lock
    shift 2
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --rbind /sys "$root/sys" || exit
    mkdir -p "$root/distgat/shared"
    [ ! -d "$shared" ] || mount --bind -o ro "$shared" "$root/distgat/shared" || exit
    # Ports are common to all: so is the lock of the virtual Slurm, whose daemons look for this host by its name.
    touch "$lock" "$root/tmp/distgat-vslurm.lock" && mount --bind "$lock" "$root/tmp/distgat-vslurm.lock" || exit
    echo "127.0.0.1 localhost $(hostname)" >"$root/etc/hosts"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null
    exec chroot "$root" env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin $(env | grep -E "^(OPENBLAS|CMAKE_BUILD|CTEST)_") "$@"' \
    inside "$1" "$distgat_root/../shared" "${@:2}" </dev/null
}

# make_root ROOT RELEASE PACKAGE...: a system with the packages, unless it is there.
make_root() {
  local root=$1 mirror
  [ ! -e "$root/complete" ] || return 0
  # shellcheck disable=SC2016 # apt's own variables
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
    awk '$1 !~ /-/ { print $2; exit }')
  [ -n "$mirror" ] || { echo "apt knows no Debian here" && return 1; }
  rm -rf "$root" && mkdir -p "$root" && debootstrap --variant=minbase "$2" "$root" "$mirror" || return
  # How this machine reaches packages.
  apt-config dump Acquire | grep -Ei 'proxy|check-|cainfo|retries|timeout' >"$root/etc/apt/apt.conf.d/99host"
  inside "$root" apt-get -qq update &&
    inside "$root" apt-get -qq install --no-install-recommends apt "${@:3}" && touch "$root/complete"
}

# A copy of the sources, as they are now; a folder that others change meanwhile would be no test.
copy_source() {
  rm -rf "$1" && mkdir -p "$1" &&
    (cd "$distgat_root" && git ls-files -z --cached --others --exclude-standard | tar -c --null -T -) | tar -x -C "$1"
}
