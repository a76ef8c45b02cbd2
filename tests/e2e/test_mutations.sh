#!/usr/bin/env bash
# Every small fault of tests/mutation still applies to the source and names tests that there are.
set -eu
"$DISTGAT_SOURCE/tests/mutation/run" --check
