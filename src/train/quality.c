#include "train/quality.h"

#include <math.h>
#include <string.h>

#include <distgat/memory.h>

#include "base/fault.h"
#include "par/mail.h"

/* The rows of a split with their logits. */
typedef struct ratings {
  const dg_pass *pass;
  int n_classes;
  int64_t n;    /* rows here */
  int32_t *row; /* [n] of the pass */
  double *top;  /* [n, 2] of one label a node: the largest logit, and log(sum of exp) above it */
} ratings;

static dg_status find_rows(ratings *r, int split) {
  const dg_field *field = r->pass->field;
  const dg_status status = dg_alloc(&r->row, (size_t)field->n_out, sizeof *r->row);
  for (dg_row i = 0; status == DG_OK && i < field->n_out; i++)
    if (field->mask[i] & split) r->row[r->n++] = i;
  return status;
}

static const dg_real *logits_of(const ratings *r, int64_t i) {
  return r->pass->logits + (size_t)r->row[i] * (size_t)r->pass->ld_classes;
}

static bool has_class(const ratings *r, int64_t i, int c) {
  const dg_field *field = r->pass->field;
  if (field->labels) return field->labels[r->row[i]] == c;
  return r->pass->local->shard.classes[(size_t)field->out_local[r->row[i]] * (size_t)r->n_classes + (size_t)c];
}

/* The first of the largest. */
static int best_class(const dg_real *x, int n) {
  int best = 0;
  for (int c = 1; c < n; c++)
    if (x[c] > x[best]) best = c;
  return best;
}

/* ---- F1 ---- */

/* Of each class, how many nodes are found to have it, how many are guessed to, and how many do. */
typedef struct tally {
  int64_t found, guesses, labels;
} tally;

static void count_row(tally *of, const ratings *r, int64_t i) {
  const dg_real *x = logits_of(r, i);
  const int best = r->pass->field->labels ? best_class(x, r->n_classes) : -1;
  for (int c = 0; c < r->n_classes; c++) {
    const bool has = has_class(r, i, c), guess = best < 0 ? x[c] > 0 : c == best;
    of[c].found += has && guess, of[c].guesses += guess, of[c].labels += has;
  }
}

static double f1_of(tally t) {
  const double all = (double)t.guesses + (double)t.labels;
  return all > 0 ? 2 * (double)t.found / all : 0;
}

/* Of one label a node, only classes that occur count in the mean. Collective. */
static dg_status find_f1(dg_quality *q, const ratings *r) {
  const dg_comm *comm = &r->pass->local->comm;
  tally *of = NULL, sum = {0};
  int n = 0;
  dg_status status = DG_OK;
  DG_TRY(dg_comm_agree(comm, dg_alloc(&of, (size_t)r->n_classes, sizeof *of)));
  for (int64_t i = 0; i < r->n; i++) count_row(of, r, i);
  dg_comm_sum_int64(comm, &of->found, 3 * (size_t)r->n_classes);
  q->macro_f1 = 0;
  for (int c = 0; c < r->n_classes; c++) {
    sum = (tally){sum.found + of[c].found, sum.guesses + of[c].guesses, sum.labels + of[c].labels};
    if (r->pass->field->labels && of[c].guesses + of[c].labels == 0) continue;
    q->macro_f1 += f1_of(of[c]), n++;
  }
  q->micro_f1 = f1_of(sum);
  q->macro_f1 /= n;

cleanup:
  dg_free(&of);
  return status;
}

/* ---- area under the ROC curve ---- */

/* Local. */
static dg_status find_tops(ratings *r) {
  if (!r->pass->field->labels) return DG_OK;
  const dg_status status = dg_alloc(&r->top, 2 * (size_t)r->n, sizeof *r->top);
  for (int64_t i = 0; status == DG_OK && i < r->n; i++) {
    const dg_real *x = logits_of(r, i);
    const int best = best_class(x, r->n_classes);
    double others = 0;
    for (int c = 0; c < r->n_classes; c++)
      if (c != best) others += exp((double)x[c] - (double)x[best]);
    r->top[2 * i] = (double)x[best], r->top[2 * i + 1] = log1p(others);
  }
  return status;
}

/* What a row scores for a class: of several labels its logit; of one the logarithm of its probability, which tells
   apart what rounds to 0 or 1. */
static float score_of(const ratings *r, int64_t i, int c) {
  const double x = (double)logits_of(r, i)[c];
  return (float)(r->top ? x - r->top[2 * i] - r->top[2 * i + 1] : x);
}

/* A score whose order is that of the integer, above a bit that says whether the node has the class. */
static uint64_t rate(float score, bool has) {
  uint32_t bits;
  score += 0; /* zeros of both signs are equal */
  memcpy(&bits, &score, sizeof bits);
  bits = bits >> 31 ? ~bits : bits | (uint32_t)1 << 31;
  return (uint64_t)bits << 1 | has;
}

enum { DIGIT = 11, DIGITS = 1 << DIGIT, PASSES = 3 }; /* of 33 bits */

/* Sorts by the digits from the last on; `room` [n]. Returns which of the two holds the outcome. */
static uint64_t *sort(uint64_t *from, uint64_t *room, int64_t n) {
  for (int pass = 0; pass < PASSES; pass++) {
    int64_t next[DIGITS + 1] = {0};
    for (int64_t i = 0; i < n; i++) next[(from[i] >> DIGIT * pass) % DIGITS + 1]++;
    for (int d = 0; d < DIGITS; d++) next[d + 1] += next[d];
    for (int64_t i = 0; i < n; i++) room[next[(from[i] >> DIGIT * pass) % DIGITS]++] = from[i];
    uint64_t *swap = from;
    from = room, room = swap;
  }
  return from;
}

/* Share of pairs of a node that has the class and one that lacks it in which the first scores more, equal scores half
   a pair: from ranks (Mann and Whitney 1947). NaN where there are no pairs. `rated` is sorted. */
static double area_of(const uint64_t *rated, int64_t n) {
  double below = 0, pairs = 0, has_all = 0; /* below: nodes without the class so far */
  for (int64_t i = 0, end; i < n; i = end) {
    double has = 0;
    for (end = i; end < n && rated[end] >> 1 == rated[i] >> 1; end++) has += (double)(rated[end] & 1);
    const double lack = (double)(end - i) - has;
    pairs += has * (below + lack / 2);
    below += lack, has_all += has;
  }
  return has_all > 0 && below > 0 ? pairs / (has_all * below) : NAN;
}

/* Classes whose scores are on their way at the same time: one a rank. */
typedef struct areas {
  dg_mail mail;
  uint64_t *rated; /* [n, size] */
  int32_t *to;     /* [n, size] */
  uint64_t *room;
  double sum, n;
} areas;

/* Collective. */
static dg_status find_some(areas *a, const ratings *r, int first) {
  dg_status status = DG_OK;
  const int size = a->mail.comm->size, count = r->n_classes - first < size ? r->n_classes - first : size;
  for (int64_t i = 0; i < r->n; i++)
    for (int k = 0; k < count; k++) {
      a->rated[i * count + k] = rate(score_of(r, i, first + k), has_class(r, i, first + k));
      a->to[i * count + k] = k;
    }
  DG_TRY(dg_mail_send(&a->mail, a->rated, a->to, r->n * count, sizeof *a->rated));
  DG_TRY(dg_comm_agree(a->mail.comm, dg_alloc(&a->room, (size_t)a->mail.n_come, sizeof *a->room)));
  const double area = area_of(sort(a->mail.come, a->room, a->mail.n_come), a->mail.n_come);
  /* In steps of 2^-40, so that their sum is the same whoever finds which. */
  if (!isnan(area)) a->sum += ldexp(rint(ldexp(area, 40)), -40), a->n++;

cleanup:
  dg_free(&a->room);
  return status;
}

/* Collective. */
static dg_status find_areas(dg_quality *q, const ratings *r) {
  dg_status status = DG_OK;
  areas a = {.mail = {.comm = &r->pass->local->comm}};
  const int size = a.mail.comm->size, most = r->n_classes < size ? r->n_classes : size;
  const size_t room = (size_t)r->n * (size_t)most;
  status = dg_alloc(&a.rated, room, sizeof *a.rated);
  if (status == DG_OK) status = dg_alloc(&a.to, room, sizeof *a.to);
  DG_TRY(dg_comm_agree(a.mail.comm, status));
  for (int first = 0; first < r->n_classes; first += size) DG_TRY(find_some(&a, r, first));
  double sums[2] = {a.sum, a.n};
  dg_comm_sum_double(a.mail.comm, sums, 2);
  q->roc_auc = sums[1] > 0 ? sums[0] / sums[1] : NAN;

cleanup:
  dg_mail_destroy(&a.mail);
  dg_free(&a.rated);
  dg_free(&a.to);
  return status;
}

dg_status dg_quality_find(dg_quality *quality, const dg_pass *pass, int split) {
  dg_status status = DG_OK;
  ratings r = {.pass = pass, .n_classes = pass->model->n_classes};
  const dg_comm *comm = &pass->local->comm;
  *quality = (dg_quality){NAN, NAN, NAN};
  if (dg_shard_count(&pass->local->shard, split) == 0) return DG_OK;
  status = dg_fault("train.quality", DG_MEMORY);
  if (status == DG_OK) status = find_rows(&r, split);
  if (status == DG_OK) status = find_tops(&r);
  DG_TRY(dg_comm_agree(comm, status));
  DG_TRY(find_f1(quality, &r));
  DG_TRY(find_areas(quality, &r));

cleanup:
  dg_free(&r.row);
  dg_free(&r.top);
  return status;
}
