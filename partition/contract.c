#include <distgat/memory.h>

#include "level.h"

/* Numbers the clusters whose labels are held here, behind those of lower ranks: number [n]. Collective. */
static void number_clusters(dg_id *number, int64_t *n_clusters, const dg_level *level, const dg_clusters *c) {
  int64_t count = 0;
  for (dg_row i = 0; i < level->n; i++) count += c->members[i] > 0;
  int64_t next = count;
  *n_clusters = count;
  dg_comm_sum_below(level->comm, &next, 1);
  dg_comm_sum_int64(level->comm, n_clusters, 1);
  for (dg_row i = 0; i < level->n; i++)
    if (c->members[i] > 0) number[i] = next++;
}

/* Edges between clusters as they are given away: those of the rows here, cluster after cluster. */
typedef struct joining {
  const dg_level *level;
  const dg_clusters *clusters;
  int64_t n_names;     /* clusters that have rows or neighbours here */
  const dg_id *number; /* [n_names] */
  dg_row *order;       /* [n] rows by cluster */
  int64_t *sum;        /* [n_names] of the cluster at hand, 0 between clusters */
  dg_row at;           /* the next row of order */
} joining;

/* Rows by cluster: order [n]. Local. */
static dg_status group_rows(const joining *j) {
  const dg_row *index = j->clusters->index;
  dg_row *at;
  const dg_status status = dg_alloc(&at, (size_t)j->n_names + 1, sizeof *at);
  if (status != DG_OK) return status;
  for (dg_row i = 0; i < j->level->n; i++) at[index[i] + 1]++;
  for (int64_t k = 0; k < j->n_names; k++) at[k + 1] += at[k];
  for (dg_row i = 0; i < j->level->n; i++) j->order[at[index[i]]++] = i;
  dg_free(&at);
  return DG_OK;
}

static dg_row end_of_cluster(const joining *j, dg_row begin) {
  const dg_row *index = j->clusters->index;
  dg_row end = begin;
  while (end < j->level->n && index[j->order[end]] == index[j->order[begin]]) end++;
  return end;
}

/* Edges of the cluster of rows order[begin, end) here, those of equal ends added up. */
static int64_t join_edges(dg_edge *edges, joining *j, dg_row begin, dg_row end) {
  const dg_level *level = j->level;
  const dg_row *index = j->clusters->index, own = index[j->order[begin]];
  int64_t n = 0;
  for (dg_row o = begin; o < end; o++) {
    const dg_row i = j->order[o];
    for (int64_t t = level->indptr[i]; t < level->indptr[i + 1]; t++)
      j->sum[index[level->to[t]]] += dg_level_edge(level, i, t);
  }
  j->sum[own] = 0;
  for (dg_row o = begin; o < end; o++)
    for (int64_t t = level->indptr[j->order[o]]; t < level->indptr[j->order[o] + 1]; t++) {
      const dg_row k = index[level->to[t]];
      if (j->sum[k] == 0) continue;
      edges[n++] = (dg_edge){j->number[own], j->number[k], (int32_t)(j->sum[k] < INT32_MAX ? j->sum[k] : INT32_MAX)};
      j->sum[k] = 0;
    }
  return n;
}

static int64_t next_joined(dg_edge *edges, void *context) {
  joining *j = context;
  int64_t n = 0;
  while (j->at < j->level->n && n < dg_edge_portion) {
    const dg_row end = end_of_cluster(j, j->at);
    n += join_edges(edges + n, j, j->at, end);
    j->at = end;
  }
  if (n == 0) j->at = 0;
  return n;
}

/* No cluster has more edges here than its rows have. */
static int64_t longest_cluster(const joining *j) {
  int64_t longest = 0;
  for (dg_row begin = 0, end; begin < j->level->n; begin = end) {
    int64_t n = 0;
    end = end_of_cluster(j, begin);
    for (dg_row o = begin; o < end; o++) n += j->level->indptr[j->order[o] + 1] - j->level->indptr[j->order[o]];
    if (n > longest) longest = n;
  }
  return longest;
}

/* Collective. */
static dg_status join_clusters(dg_level *coarse, int64_t n_clusters, const dg_level *level, const dg_clusters *c,
                               const dg_id *number, int64_t n_names) {
  dg_status status = DG_OK;
  joining j = {.level = level, .clusters = c, .n_names = n_names, .number = number};
  status = dg_alloc(&j.order, (size_t)level->n, sizeof *j.order);
  if (status == DG_OK) status = dg_alloc(&j.sum, (size_t)n_names, sizeof *j.sum);
  if (status == DG_OK) status = group_rows(&j);
  DG_TRY(dg_comm_agree(level->comm, status));
  const dg_edge_source source = {next_joined, &j, longest_cluster(&j)};
  DG_TRY(dg_level_gather(coarse, level->comm, n_clusters, &source, false));
cleanup:
  dg_free(&j.order);
  dg_free(&j.sum);
  return status;
}

/* Clusters' weights go to who holds their nodes, which ascend with the ranks that they come from. Collective. */
static dg_status move_weights(dg_level *coarse, const dg_level *level, const dg_clusters *c, const dg_id *number) {
  dg_status status = DG_OK;
  int64_t n = 0;
  dg_mail mail = {.comm = level->comm};
  dg_weight *leave = NULL;
  int32_t *to = NULL;
  status = dg_alloc(&leave, (size_t)level->n, sizeof *leave);
  if (status == DG_OK) status = dg_alloc(&to, (size_t)level->n, sizeof *to);
  DG_TRY(dg_comm_agree(level->comm, status));
  for (dg_row i = 0; i < level->n; i++) {
    if (c->members[i] == 0) continue;
    to[n] = dg_directory_rank(&coarse->nodes, number[i]);
    leave[n++] = c->held[i];
  }
  DG_TRY(dg_mail_send(&mail, leave, to, n, sizeof *leave));
  DG_CHECK(mail.n_come == coarse->n);
  const dg_weight *come = mail.come;
  for (dg_row i = 0; i < coarse->n; i++) coarse->weight[i] = come[i];
  dg_level_weigh(coarse);
cleanup:
  dg_mail_destroy(&mail);
  dg_free(&leave);
  dg_free(&to);
  return status;
}

dg_status dg_level_contract(dg_level *coarse, dg_id *coarse_of, const dg_level *level, dg_clusters *clusters) {
  dg_status status = DG_OK;
  dg_id *held = NULL, *number = NULL;
  const int64_t n_names = clusters->links.n;
  int64_t n_clusters;
  *coarse = (dg_level){0};
  status = dg_alloc(&held, (size_t)level->n, sizeof *held);
  if (status == DG_OK) status = dg_alloc(&number, (size_t)n_names, sizeof *number);
  DG_TRY(dg_comm_agree(level->comm, status));
  number_clusters(held, &n_clusters, level, clusters);
  DG_TRY(dg_links_fetch(&clusters->links, number, held, sizeof *number));
  dg_links_destroy(&clusters->links); /* numbers are their names now, and memory is short here */
  for (dg_row i = 0; i < level->n; i++) coarse_of[i] = number[clusters->index[i]];
  DG_TRY(join_clusters(coarse, n_clusters, level, clusters, number, n_names));
  DG_TRY(move_weights(coarse, level, clusters, held));
cleanup:
  dg_clusters_destroy(clusters);
  dg_free(&held);
  dg_free(&number);
  if (status != DG_OK) dg_level_destroy(coarse);
  return status;
}

dg_status dg_level_project(int32_t *part, const dg_level *level, const dg_id *coarse_of, const dg_level *coarse,
                           const int32_t *coarse_part) {
  dg_status status = DG_OK;
  dg_links links = {0};
  dg_row *index = NULL;
  int32_t *named = NULL;
  DG_TRY(dg_comm_agree(level->comm, dg_alloc(&index, (size_t)level->n, sizeof *index)));
  DG_TRY(dg_links_create(&links, index, level->comm, &coarse->nodes, coarse_of, level->n, false));
  DG_TRY(dg_comm_agree(level->comm, dg_alloc(&named, (size_t)links.n, sizeof *named)));
  DG_TRY(dg_links_fetch(&links, named, coarse_part, sizeof *named));
  for (dg_row i = 0; i < level->n; i++) part[i] = named[index[i]];
cleanup:
  dg_links_destroy(&links);
  dg_free(&index);
  dg_free(&named);
  return status;
}
