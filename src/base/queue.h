#ifndef DISTGAT_BASE_QUEUE_H
#define DISTGAT_BASE_QUEUE_H

#include <distgat/status.h>

#include <stdbool.h>
#include <stdint.h>

/* Nodes by descending key, of equal ones the lowest first. */
typedef struct dg_queue {
  int32_t *heap;  /* [n] */
  int32_t *place; /* [n_nodes] in the heap, from 1; 0: not in it */
  double *key;    /* [n_nodes] */
  int32_t n;
} dg_queue;

/* Errors: DG_MEMORY. Local. */
dg_status dg_queue_create(dg_queue *queue, int64_t n_nodes);
void dg_queue_destroy(dg_queue *queue);

static inline bool dg_queue_has(const dg_queue *queue, int32_t node) {
  return queue->place[node] > 0;
}

/* Puts a node in, or gives it another key. */
void dg_queue_put(dg_queue *queue, int32_t node, double key);
/* Takes the first node out; -1: there is none. */
int32_t dg_queue_take(dg_queue *queue);
void dg_queue_clear(dg_queue *queue);

#endif
