#!/usr/bin/env bash
# The first hour: the README's lines on a graph of one's own work as they stand, and installing says how far it is.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

# Installing, with an apt-get that is played.
mkdir "$work/bin"
printf '#!/bin/sh\nexit 1\n' >"$work/bin/dpkg-query"
cat >"$work/bin/apt-get" <<'END'
#!/bin/sh
case "$*" in *update*) exit 0 ;; esac
echo noise
for line in dlstatus:1:3.2:Retrieving pmstatus:abc:amd64:9:Unpacking dlstatus:2:60.1:Retrieving pmstatus:abc:26:Unpacking \
  pmstatus:abc:30.5:Unpacking pmstatus:abc:100:Done; do
  echo "$line" >&3
done
exit $(cat code)
END
chmod +x "$work"/bin/*
printf '#!/bin/sh\nexec "$@"\n' >"$work/bin/sudo" && chmod +x "$work/bin/sudo"
cd "$work"
for code in 0 100; do
  echo $code >code
  said=$(PATH=$work/bin:$PATH bash -c '. "$DISTGAT_SOURCE/jobs/setup.sh"; distgat_install abc; echo done' 2>&1) || true
  [ "$(head -n 5 <<<"$said")" = "Installing, which takes some minutes: abc
  downloaded 0 %
  downloaded 50 %
  installed 25 %
  installed 100 %" ] || fail "installing says: $said"
  case $code,$said in
    0,*done | 100,*"apt-get install abc'") ;;
    *) fail "with the exit code $code installing ends: $said" ;;
  esac
done

/usr/bin/python3 -c 'import h5py, matplotlib, sklearn' 2>/dev/null ||
  { echo "skipped: Python has no h5py, matplotlib and scikit-learn" && exit 77; }
ln -s "$DISTGAT_SOURCE"/{data,jobs} "$work"
printf '%s\n' source,target ann,bob bob,cem cem,ann cem,dora dora,eve eve,finn finn,dora finn,gus gus,ann >friends.csv
printf '%s\n' id,label,age,posts ann,red,31,5 bob,red,25,9 cem,blue,40,2 dora,blue,22,7 eve,red,35,1 finn,blue,28,4 \
  gus,red,51,3 >people.csv
"$DISTGAT_SOURCE/tests/support/readme.py" "A graph of your own" >commands
[ "$(grep -c '' commands)" -ge 4 ] || fail "the README has only: $(<commands)"
PATH=$(dirname "$DISTGAT"):$PATH bash -e commands >log 2>&1 || fail "the README's lines fail: $(<log)"
grep -q '^ann,' friends-out.csv || fail "no ann in $(<friends-out.csv)"
grep -q '<html' friends.html || fail "the report is no page"
