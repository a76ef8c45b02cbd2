#!/bin/sh
# A mistake on the command line: exit code 2 and one line on standard error, alone and on four ranks; help: exit code 0.
set -u
program=${DISTGAT:?names the program}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
failures=0

# run RANKS ARGUMENT... leaves exit code, out and err
run() {
  ranks=$1
  shift
  if [ "$ranks" = 1 ]; then
    "$program" "$@" >out 2>err </dev/null
  else
    "${DISTGAT_SOURCE:?names the sources}/tests/support/program.py" "$ranks" "$@" >out 2>err
  fi
  code=$?
}

complain() {
  failures=$((failures + 1))
  echo "distgat $* ($ranks ranks): exit code $code, standard error:"
  cat err
}

# refused EXPECTED ARGUMENT... on one rank and on four
refused() {
  expected=$1
  shift
  for n in 1 4; do
    run $n "$@"
    if [ $code -ne 2 ] || [ "$(wc -l <err)" -ne 1 ] || [ -s out ] || ! grep -qF -- "$expected" err; then
      echo "expected: $expected"
      complain "$@"
    fi
  done
}

# prints EXPECTED ARGUMENT... once, on standard output
prints() {
  expected=$1
  shift
  for n in 1 4; do
    run $n "$@"
    if [ $code -ne 0 ] || [ -s err ] || [ "$(grep -cF -- "$expected" out)" -ne 1 ]; then
      echo "expected on standard output, once: $expected"
      complain "$@"
    fi
  done
}

printf 'hidden: 4\nlrr: 1\n' >wrong.yaml

refused "distgat: a verb is missing"
refused "distgat: unknown verb 'trian'; did you mean train?" trian
refused "distgat: unknown verb 'elephant'; the verbs are generate, " elephant
refused "distgat: unknown verb 'trian'; did you mean train?" help trian
refused "distgat: unknown option '--hlep'; did you mean --help?" --hlep
refused "distgat: unknown option '--verson'; did you mean --version?" --verson
refused "distgat: unknown verb 'hepl'; did you mean help?" hepl
refused "distgat generate: unknown preset coar; did you mean cora?" generate --preset coar --out G.h5
refused "distgat: unknown option '--fast'" --fast
refused "distgat train: unknown option --lrr; did you mean --lr?" train G.h5 --lrr 3
refused "distgat train: --lr must be a finite number, not 'fast'" train G.h5 --lr fast
refused "distgat train: --epochs must be a whole number, not '1.5'" train G.h5 --epochs=1.5
refused "distgat train: --dropout must be at least 0 and below 1, not 1" train G.h5 --dropout 1
refused "distgat train: --model must be gcn, gat, gatv2, mlp or sage, not 'tree'" train G.h5 --model tree
refused "distgat train: --recipe must be tutorial-gcn, " train G.h5 --recipe magic
refused "not 'gta'; did you mean gat?" train G.h5 --model gta
refused "not 'gat-papr'; did you mean gat-paper?" train G.h5 --recipe gat-papr
refused "distgat train: --lr needs a value" train G.h5 --lr
refused "distgat train: 1 file name is needed, 0 given" train
refused "distgat train: unexpected argument 'H.h5'" train G.h5 H.h5
refused "distgat train: wrong.yaml:2: unknown option 'lrr'" train G.h5 --config wrong.yaml
refused "distgat train: absent.yaml: no such file" train G.h5 --config absent.yaml
refused "distgat train: --patience is for --early-stop gat or gcn" train G.h5 --patience 5
refused "distgat train: --negative-slope is for gat and gatv2" train G.h5 --model gcn --negative-slope 1
refused "distgat bench: --epochs is for train" bench G.h5 --epochs 5
refused "distgat bench: --steps must be at least 1" bench G.h5 --steps 0
refused "distgat predict: --model-file is needed" predict G.h5 --out O.h5
refused "distgat predict: --weights must be trained or initial, not 'best'" predict G.h5 --weights best

prints "distgat VERB --help" --help
prints "distgat VERB --help" help
prints "MPI:" -V
for part in "distgat " MPI: HDF5: BLAS: METIS: SIMD:; do
  prints "$part" --version
done
for verb in generate info partition train predict bench; do
  prints "usage: distgat $verb" $verb --help
  prints "usage: distgat $verb" help $verb
done

# Results that cannot be written are a failure, also where a reader leaves early, or nobody was to read them.
if [ -c /dev/full ]; then
  "$program" --help >/dev/full 2>err
  code=$? ranks=1
  if [ $code -ne 3 ] || [ "$(wc -l <err)" -ne 1 ]; then complain "--help >/dev/full"; fi
fi
mkfifo unread
exec 3<>unread
exec 4>unread 3>&- # a pipe whose reader has left
"$program" --help >&4 2>err
code=$? ranks=1
exec 4>&-
if [ "$code" -ne 3 ] || [ "$(grep -c "standard output: Broken pipe" err)" -ne 1 ]; then complain "--help | true"; fi
"$program" generate --preset cora --out cora.h5 --quiet >/dev/null || exit 1
for verb in --version "info cora.h5" "partition cora.h5 --parts 2 --out P.h5" "train cora.h5 --epochs 2 --save M.h5"; do
  "$program" $verb >&- 2>err
  code=$?
  if [ $code -ne 3 ] || [ "$(grep -c "cannot write the results to standard output" err)" -ne 1 ]; then complain "$verb >&-"; fi
done
"$program" train cora.h5 --epochs 2 --quiet >out 2>&- <&- || complain "train 2>&- <&-"
grep -q "test accuracy" out || complain "train 2>&- <&-"
"$program" info M.h5 2>err # what was saved is whole
grep -q "is a model, not a graph" err || complain "info M.h5"

DISTGAT_SIMD=AVX2
export DISTGAT_SIMD
refused 'DISTGAT_SIMD is "AVX2", which is none of portable, avx2, avx512, amx' train cora.h5 --epochs 2
DISTGAT_SIMD=avx2
run 1 info cora.h5
[ $code -eq 0 ] || complain info

[ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
