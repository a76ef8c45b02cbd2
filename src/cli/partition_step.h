#ifndef DG_CLI_PARTITION_STEP_H
#define DG_CLI_PARTITION_STEP_H

#include <jansson.h>

#include <distgat/partition.h>

/* How a partition divides a training step, each [parts]: as text on standard output, and as a JSON object, NULL where
   memory ran out. */
void partition_step_print(const dg_step_part *each, int parts, const dg_step_quality *quality);
json_t *partition_step_json(const dg_step_part *each, int parts, const dg_step_quality *quality);

#endif
