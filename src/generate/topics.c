#include "generate/topics.h"

#include <math.h>

#include <distgat/memory.h>

#include "par/mail.h"

enum { TAG_WEIGHT = 2 };

void dg_topics_destroy(dg_topics *topics) {
  dg_directory_destroy(&topics->blocks);
  dg_free(&topics->start);
  dg_free(&topics->member);
  dg_free(&topics->weight);
  dg_free(&topics->rank_weight);
  dg_free(&topics->class_start);
  dg_free(&topics->class_weight);
}

/* Sends the nodes of this rank's block to the ranks of their topics. Collective. */
static dg_status send_nodes(dg_mail *mail, const dg_topics *t) {
  const dg_directory nodes = dg_directory_blocks(t->comm, t->graph->config->n_nodes);
  dg_status status = DG_OK;
  int32_t *to = NULL;
  dg_id *ids = NULL;
  status = dg_alloc(&to, (size_t)nodes.n, sizeof *to);
  if (status == DG_OK) status = dg_alloc(&ids, (size_t)nodes.n, sizeof *ids);
  DG_TRY(dg_comm_agree(t->comm, status));
  for (int64_t i = 0; i < nodes.n; i++) {
    ids[i] = nodes.first + i;
    to[i] = dg_directory_rank(&t->blocks, dg_synthetic_topic(t->graph, ids[i]));
  }
  DG_TRY(dg_mail_send(mail, ids, to, nodes.n, sizeof *ids));
cleanup:
  dg_free(&to);
  dg_free(&ids);
  return status;
}

/* Sorts nodes [n], which ascend, by topic. */
static void sort_members(dg_topics *t, const dg_id *nodes) {
  const int64_t n_topics = t->blocks.n;
  for (int64_t k = 0; k < t->n; k++) t->start[dg_synthetic_topic(t->graph, nodes[k]) - t->blocks.first + 1]++;
  for (int64_t i = 0; i < n_topics; i++) t->start[i + 1] += t->start[i];
  for (int64_t k = 0; k < t->n; k++)
    t->member[t->start[dg_synthetic_topic(t->graph, nodes[k]) - t->blocks.first]++] = nodes[k];
  for (int64_t i = n_topics; i > 0; i--) t->start[i] = t->start[i - 1];
  t->start[0] = 0;
}

/* Sums weights one after the other, rank after rank: the same bits for any number of ranks. Collective. */
static void sum_weights(dg_topics *t, int64_t *members_before) {
  const dg_comm *comm = t->comm;
  struct {
    int64_t members;
    double weight;
  } before = {0};
  for (int64_t k = 0; k < t->n; k++) t->weight[k + 1] = dg_synthetic_weight(t->graph, t->member[k]);
  if (comm->rank > 0)
    MPI_Recv(&before, sizeof before, MPI_BYTE, comm->rank - 1, TAG_WEIGHT, comm->mpi, MPI_STATUS_IGNORE);
  *members_before = before.members;
  t->weight[0] = before.weight;
  for (int64_t k = 0; k < t->n; k++) t->weight[k + 1] += t->weight[k];
  before.members += t->n;
  before.weight = t->weight[t->n];
  if (comm->rank < comm->size - 1) MPI_Send(&before, sizeof before, MPI_BYTE, comm->rank + 1, TAG_WEIGHT, comm->mpi);
}

/* Tells all ranks where classes and ranks begin in the sum. Collective. */
static void tell_starts(dg_topics *t, int64_t members_before) {
  const int32_t n_classes = t->graph->config->n_classes;
  for (int32_t c = 0; c < n_classes; c++) {
    const int64_t topic = c * t->graph->field_topics;
    if (!dg_directory_here(&t->blocks, topic)) continue;
    t->class_start[c] = members_before + t->start[topic - t->blocks.first];
    t->class_weight[c] = t->weight[t->start[topic - t->blocks.first]];
  }
  if (t->comm->rank == t->comm->size - 1) {
    t->class_start[n_classes] = members_before + t->n;
    t->class_weight[n_classes] = t->weight[t->n];
  }
  t->rank_weight[t->comm->rank] = t->weight[0];
  dg_comm_sum_int64(t->comm, t->class_start, (size_t)n_classes + 1);
  dg_comm_sum_double(t->comm, t->class_weight, (size_t)n_classes + 1);
  dg_comm_sum_double(t->comm, t->rank_weight, (size_t)t->comm->size);
}

static dg_status alloc_topics(dg_topics *t) {
  const size_t n_classes = (size_t)t->graph->config->n_classes;
  dg_status status = DG_OK;
  DG_TRY(dg_alloc(&t->start, (size_t)t->blocks.n + 1, sizeof *t->start));
  DG_TRY(dg_alloc(&t->member, (size_t)t->n, sizeof *t->member));
  DG_TRY(dg_alloc(&t->weight, (size_t)t->n + 1, sizeof *t->weight));
  DG_TRY(dg_alloc(&t->rank_weight, (size_t)t->comm->size, sizeof *t->rank_weight));
  DG_TRY(dg_alloc(&t->class_start, n_classes + 1, sizeof *t->class_start));
  DG_TRY(dg_alloc(&t->class_weight, n_classes + 1, sizeof *t->class_weight));
cleanup:
  return status;
}

dg_status dg_topics_create(dg_topics *topics, const dg_comm *comm, const dg_synthetic *graph) {
  dg_status status = DG_OK;
  dg_mail mail = {.comm = comm};
  int64_t members_before;
  *topics = (dg_topics){.comm = comm, .graph = graph, .blocks = dg_directory_blocks(comm, graph->n_topics)};
  DG_TRY(send_nodes(&mail, topics));
  topics->n = mail.n_come;
  DG_TRY(dg_comm_agree(comm, alloc_topics(topics)));
  sort_members(topics, mail.come);
  sum_weights(topics, &members_before);
  tell_starts(topics, members_before);
cleanup:
  dg_mail_destroy(&mail);
  return status;
}

/* ---- Draws ---- */

dg_pick dg_topics_pick_topic(int64_t topic, double u) {
  return (dg_pick){topic, u};
}

/* A place among members that weigh from low to high; rounding leads no further. */
static dg_pick place(double x, double low, double high) {
  return (dg_pick){-1, fmax(low, fmin(x, nextafter(high, 0)))};
}

bool dg_topics_pick_inside(dg_pick *pick, const dg_topics *t, int32_t first, int32_t last, double u) {
  const double low = t->class_weight[first], high = t->class_weight[last];
  *pick = place(low + u * (high - low), low, high);
  return t->class_start[first] < t->class_start[last];
}

bool dg_topics_pick_outside(dg_pick *pick, const dg_topics *t, int32_t first, int32_t last, double u) {
  const int32_t n = t->graph->config->n_classes;
  const double low = t->class_weight[first], high = t->class_weight[last], all = t->class_weight[n];
  const double inside = high - low, x = u * (all - inside);
  *pick = x < low ? place(x, 0, low) : place(x + inside, high, all);
  return t->class_start[last] - t->class_start[first] < t->graph->config->n_nodes;
}

/* The last of `high` ascending values from `low` on that does not exceed x, or low. */
static int64_t last_before(const double *values, int64_t low, int64_t high, double x) {
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    if (values[middle] <= x)
      low = middle;
    else
      high = middle;
  }
  return low;
}

int dg_topics_rank(const dg_topics *t, dg_pick pick) {
  if (pick.topic >= 0) return dg_directory_rank(&t->blocks, pick.topic);
  return (int)last_before(t->rank_weight, 0, t->comm->size, pick.at);
}

dg_id dg_topics_resolve(const dg_topics *t, dg_pick pick) {
  int64_t low = 0, high = t->n;
  double x = pick.at;
  if (pick.topic >= 0) {
    low = t->start[pick.topic - t->blocks.first];
    high = t->start[pick.topic - t->blocks.first + 1];
    x = t->weight[low] + pick.at * (t->weight[high] - t->weight[low]);
  }
  return low == high ? -1 : t->member[last_before(t->weight, low, high, x)];
}
