#ifndef DISTGAT_DATA_MASKS_H
#define DISTGAT_DATA_MASKS_H

#include <distgat/graph.h>

/* Checks all splits of a file, which all ranks share: ids in range, each once in a list, with a label; and marks the
   nodes of the split `wanted` ("": of none). Each rank reads a part of every list. labels and mask [blocks->n]
   are those of this rank's block; labels NULL where nodes have several. Errors: DG_INPUT, DG_MEMORY. Collective. */
dg_status dg_masks_load(uint8_t *mask, const dg_comm *comm, const dg_directory *blocks, dg_h5 *file,
                        const dg_graph_info *info, const int32_t *labels, const char *wanted);

/* Sums over this rank's share, among `readers`, of the lists of all splits: sums[k] for list k of the split `chosen`
   (NULL: none), sums[3] for all of them, their names and lengths. Errors: DG_INPUT, DG_MEMORY. Local. */
dg_status dg_masks_checksum(uint64_t sums[4], dg_h5 *file, const dg_graph_info *info, const char *chosen,
                            const dg_comm *readers);

#endif
