#include "base/queue.h"

#include <distgat/memory.h>

dg_status dg_queue_create(dg_queue *queue, int64_t n_nodes) {
  dg_status status = DG_OK;
  *queue = (dg_queue){0};
  DG_TRY(dg_alloc(&queue->heap, (size_t)n_nodes, sizeof *queue->heap));
  DG_TRY(dg_alloc(&queue->place, (size_t)n_nodes, sizeof *queue->place));
  DG_TRY(dg_alloc(&queue->key, (size_t)n_nodes, sizeof *queue->key));
cleanup:
  return status;
}

void dg_queue_destroy(dg_queue *queue) {
  dg_free(&queue->heap);
  dg_free(&queue->place);
  dg_free(&queue->key);
}

static bool is_before(const dg_queue *q, int32_t a, int32_t b) {
  return q->key[a] != q->key[b] ? q->key[a] > q->key[b] : a < b;
}

static void set(dg_queue *q, int32_t at, int32_t node) {
  q->heap[at] = node;
  q->place[node] = at + 1;
}

static void rise(dg_queue *q, int32_t at) {
  const int32_t node = q->heap[at];
  for (int32_t above; at > 0 && is_before(q, node, q->heap[above = (at - 1) / 2]); at = above)
    set(q, at, q->heap[above]);
  set(q, at, node);
}

static void sink(dg_queue *q, int32_t at) {
  const int32_t node = q->heap[at];
  for (int32_t below; (below = 2 * at + 1) < q->n; at = below) {
    if (below + 1 < q->n && is_before(q, q->heap[below + 1], q->heap[below])) below++;
    if (!is_before(q, q->heap[below], node)) break;
    set(q, at, q->heap[below]);
  }
  set(q, at, node);
}

void dg_queue_put(dg_queue *queue, int32_t node, double key) {
  queue->key[node] = key;
  if (!dg_queue_has(queue, node)) set(queue, queue->n++, node);
  rise(queue, queue->place[node] - 1);
  sink(queue, queue->place[node] - 1);
}

int32_t dg_queue_take(dg_queue *queue) {
  if (queue->n == 0) return -1;
  const int32_t first = queue->heap[0], last = queue->heap[--queue->n];
  queue->place[first] = 0;
  if (queue->n > 0) {
    set(queue, 0, last);
    sink(queue, 0);
  }
  return first;
}

void dg_queue_clear(dg_queue *queue) {
  for (int32_t k = 0; k < queue->n; k++) queue->place[queue->heap[k]] = 0;
  queue->n = 0;
}
