#!/usr/bin/env bash
# From a fresh clone to a trained model: installs what is missing, builds, trains on a synthetic citation graph, reports.
usage="usage: jobs/quickstart.sh [--ranks P] [--no-install]
  --ranks P     MPI ranks to train on (default 2)
  --no-install  leave the system's packages alone
  DISTGAT_LAUNCHER='mpirun -np' starts the ranks so: the number of ranks follows its words"

. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
install=yes ranks=2
while [ $# -gt 0 ]; do
  case $1 in
    --ranks)
      [ $# -gt 1 ] || distgat_fail "--ranks needs a number"
      ranks=$2
      shift
      ;;
    --ranks=*) ranks=${1#*=} ;;
    --no-install) install= ;;
    -h | --help) echo "$usage" && exit 0 ;;
    *) distgat_fail "unknown option '$1'; see jobs/quickstart.sh --help" ;;
  esac
  shift
done
[[ $ranks =~ ^[1-9][0-9]*$ ]] || distgat_fail "--ranks '$ranks' is no number of ranks: give 1, 2, 3, ..."
[ -z "$install" ] || distgat_install "${distgat_packages[@]}"

set -e
distgat_build release distgat
cd "$distgat_root"
distgat=build/release/distgat out=out/quickstart
mkdir -p $out
step() {
  printf '\n$ %s\n' "$*"
  "$@"
}
step $distgat generate --preset cora --out $out/cora.h5
step $distgat info $out/cora.h5
# shellcheck disable=SC2086 # a list of words
step ${DISTGAT_LAUNCHER:-mpirun -np} "$ranks" $distgat train $out/cora.h5 --recipe tutorial-gat --save $out/model.h5 --log $out/train.jsonl
step python3 jobs/report.py $out/cora.h5 $out/model.h5 --out $out/report.html
cat <<END

The report is $distgat_root/$out/report.html, of a synthetic graph of Cora's size.
Next, in this shell, so that it finds the program, and mpirun starts ranks as root and more of them than cores:

  export PATH="$distgat_root/build/release:\$PATH"
  set -a; . "$distgat_root/jobs/mpi.env"; set +a

README.md goes on with the real Cora, and with a graph of your own.
END
