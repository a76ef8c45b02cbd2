#ifndef DG_CLI_OGB_FOLDER_H
#define DG_CLI_OGB_FOLDER_H

#include <distgat/status.h>

/* Writes a graph file of dense features, one label a node and a split "public" as a folder of text as the Open Graph
   Benchmark has them, not packed: each pair of neighbours is one line of raw/edge.csv. The folder is complete or
   absent. Errors: DG_USAGE (it is there already), DG_INPUT, DG_IO, DG_MEMORY. Local. */
dg_status dg_ogb_folder_write(const char *folder, const char *graph_path);

#endif
