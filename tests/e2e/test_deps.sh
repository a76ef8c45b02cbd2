#!/usr/bin/env bash
# jobs/deps.sh builds from source archives, by CMake or configure, and CMake then takes what it built before all others.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

# Archives of the kinds that there are: libraries of one empty function.
cd "$work"
mkdir -p archives popt-1.0 jansson-2.0 libyaml-3.0
echo 'int nothing(void) { return 0; }' | tee popt-1.0/it.c jansson-2.0/it.c libyaml-3.0/it.c >/dev/null
cat >popt-1.0/configure <<'END'
#!/bin/sh
for word; do case $word in --prefix=*) prefix=${word#*=} ;; esac; done
printf 'install:\n\tmkdir -p %s/lib %s/include && ar cr %s/lib/libpopt.a && : >%s/include/popt.h\n' "$prefix" "$prefix" "$prefix" "$prefix" >Makefile
echo 'all:' >>Makefile
END
chmod +x popt-1.0/configure
for name in jansson-2.0:jansson libyaml-3.0:yaml; do
  cat >"${name%:*}/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.10)
project(it C)
include(GNUInstallDirs)
add_library(${name#*:} it.c)
install(TARGETS ${name#*:})
file(WRITE \${CMAKE_BINARY_DIR}/${name#*:}.h "")
install(FILES \${CMAKE_BINARY_DIR}/${name#*:}.h DESTINATION include)
END
done
tar -cJf archives/popt_1.0+dfsg.orig.tar.xz popt-1.0
tar -czf archives/jansson-2.0.tar.gz jansson-2.0
tar -czf archives/yaml-3.0.tar.gz libyaml-3.0

"$DISTGAT_SOURCE/jobs/deps.sh" --from archives --prefix built >log 2>&1 || fail "$(<log)"
for file in lib/libpopt.a lib/libjansson.a lib/libyaml.a include/popt.h include/jansson.h include/yaml.h; do
  [ -e "built/$file" ] || fail "no $file: $(<log)"
done
grep -qF -- "-DDISTGAT_DEPS=$work/built" log || fail "it does not say how to go on: $(<log)"
cmake -S "$DISTGAT_SOURCE" -B build -G Ninja -DDISTGAT_TESTS=OFF -DDISTGAT_DEPS="$work/built" >log 2>&1 || fail "$(<log)"
for name in POPT:popt JANSSON:jansson YAML:yaml; do
  grep -qx "${name%:*}_LIBRARY:FILEPATH=$work/built/lib/lib${name#*:}.a" build/CMakeCache.txt || fail "CMake took another ${name#*:}"
done

# refused CODE TEXT ARGUMENT...
refused() {
  local code=0
  "$DISTGAT_SOURCE/jobs/deps.sh" "${@:3}" >log 2>&1 || code=$?
  [ "$code" = "$1" ] && [ "$(tail -n 1 log)" = "deps.sh: $2" ] || fail "${*:3} gives $code: $(<log)"
}
refused 2 "'boost' is neither popt, jansson nor libyaml; see jobs/deps.sh --help" boost
refused 2 "absent: is no folder; --from names that of the source archives" --from absent
rm archives/popt*
refused 2 "archives: holds no source archive of popt" --from archives --prefix other
echo >archives/popt-1.tar.gz
"$DISTGAT_SOURCE/jobs/deps.sh" --from archives --prefix other popt >log 2>&1 && fail "taken, though it is no archive"
tail -n 1 log | grep -qF "deps.sh: $work/archives/popt-1.tar.gz: cannot be unpacked" || fail "$(<log)"
