#!/usr/bin/env bash
# cmake --install gives a program that runs and a library that a small program finds, links and uses, wherever it lies.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$(dirname "$DISTGAT")" --prefix "$work/first" >"$work/log" || { cat "$work/log" && exit 1; }
mv "$work/first" "$work/moved"

"$work/moved/bin/distgat" --version | grep -Eqx 'distgat [0-9]+\.[0-9]+\.[0-9]+'

PKG_CONFIG_PATH=$(dirname "$(find "$work/moved" -name distgat.pc)")
export PKG_CONFIG_PATH
cat >"$work/use.c" <<'END'
#include <stdio.h>

#include <distgat/comm.h>
#include <distgat/generate.h>
#include <distgat/graph.h>

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  dg_comm comm = {0};
  dg_h5 *file = NULL;
  dg_graph_info info;
  dg_generate_config config;
  dg_status status;
  DG_TRY(dg_comm_create(&comm, MPI_COMM_WORLD));
  DG_TRY(dg_generate_preset(&config, "cora"));
  config.n_nodes = 400;
  config.n_val = config.n_test = 100;
  DG_TRY(dg_generate(&comm, &config, argv[1]));
  DG_TRY(dg_graph_open(&file, &info, argv[1]));
  if (comm.rank == 0) printf("%lld nodes\n", (long long)info.n_nodes);
cleanup:
  if (status != DG_OK) fprintf(stderr, "%s\n", dg_status_message());
  dg_h5_close(&file);
  dg_comm_destroy(&comm);
  MPI_Finalize();
  return dg_status_exit_code(status);
}
END
flags=$(pkg-config --cflags --libs distgat)
# The whole archive is linked: the flags must name all that any part of it needs.
# shellcheck disable=SC2086 # a list of flags
"${CC:-gcc}" -std=c11 -Wall -Wextra -Werror -o "$work/use" "$work/use.c" -Wl,--whole-archive $flags -Wl,--no-whole-archive
[ "$(mpirun -np 2 "$work/use" "$work/graph.h5")" = "400 nodes" ]
