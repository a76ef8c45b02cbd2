#ifndef DISTGAT_HALO_H
#define DISTGAT_HALO_H

#include <stdint.h>

#include <distgat/api.h>
#include <distgat/comm.h>
#include <distgat/ids.h>

DG_API_BEGIN

/* Who needs which rows of whom: indices only, nothing of the size of the job. Rows of a matrix are numbered
   [0, n_owned) owned, [n_owned, n_owned + n_halo) halo, halo grouped by owner in ascending rank. */
typedef struct dg_halo_plan {
  dg_comm comm;         /* borrowed handle of the ranks */
  dg_row n_owned;       /* rows this rank owns */
  dg_row n_halo;        /* halo rows this rank receives */
  int n_recv_ranks;     /* neighbours that own halo rows of this rank */
  int *recv_rank;       /* [n_recv_ranks] ascending */
  dg_row *recv_offset;  /* [n_recv_ranks + 1] into halo rows */
  int n_send_ranks;     /* neighbours that need rows of this rank */
  int *send_rank;       /* [n_send_ranks] ascending */
  int32_t *send_offset; /* [n_send_ranks + 1] into send_row */
  dg_row *send_row;     /* [send_offset[n_send_ranks]] owned rows, in the order of the receiver's halo rows */
} dg_halo_plan;

/* Builds the plan. halo_owner[n_halo] ascends; halo_key[n_halo] names each row to its owner; owned_key[n_owned] ascends
   and gives the names of the rows here, row i having local number owned_row[i] (or i where owned_row is NULL). A key
   its owner does not hold is a bug. Errors: DG_MEMORY. Collective. */
dg_status dg_halo_plan_create(dg_halo_plan *plan, const dg_comm *comm, dg_row n_owned, const dg_id *owned_key,
                              const dg_row *owned_row, dg_row n_halo, const int *halo_owner, const dg_id *halo_key);
void dg_halo_plan_destroy(dg_halo_plan *plan);

/* Tells owners which of their rows are marked: where halo_mark [n_halo] is not 0 on some rank, owned_mark [n_owned] of
   the owner becomes 1; the rest of it stays. Errors: DG_MEMORY. Collective. */
dg_status dg_halo_plan_mark(const dg_halo_plan *plan, const uint8_t *halo_mark, uint8_t *owned_mark);

/* Precision of rows on the wire. bf16 rounds to nearest even; sums are always made in dg_real. */
typedef enum dg_halo_type { DG_HALO_F32, DG_HALO_BF16 } dg_halo_type;

/* A plan with its matrices, buffers and persistent requests; opaque. Starting and finishing allocates nothing. NULL is
   a channel through which nothing travels. */
typedef struct dg_halo_channel dg_halo_channel;

/* Makes a channel for two matrices of leading dimension ld (elements), rows numbered as in the plan: `value`, whose
   halo rows pull fills, and `gradient`, whose halo rows push sends home. Only the first `width` elements of a row
   travel. `gradient` may be NULL (no push). Plan and matrices are borrowed and must outlive the channel. At most one of
   pull and push is in flight. Errors: DG_MEMORY. Collective. */
dg_status dg_halo_channel_create(dg_halo_channel **channel, const dg_halo_plan *plan, dg_real *value, dg_real *gradient,
                                 int width, int ld, dg_halo_type type);
/* The same with `value` in bf16: the first `value_width` elements of its rows travel as they are, and `width` and
   `type` are those of `gradient` on the wire. */
dg_status dg_halo_channel_create_bf16(dg_halo_channel **channel, const dg_halo_plan *plan, dg_bf16 *value,
                                      int value_width, dg_real *gradient, int width, int ld, dg_halo_type type);
/* The same, as they are, with rows of n_sums doubles in the place of gradients; `value`, or where that is not NULL
   `table` in bf16. */
dg_status dg_halo_channel_create_sums(dg_halo_channel **channel, const dg_halo_plan *plan, dg_real *value,
                                      dg_bf16 *table, int width, int ld, double *sums, int n_sums);
void dg_halo_channel_destroy(dg_halo_channel **channel);

/* Pull: owned rows of `value` travel to the halo rows of the neighbours. Between begin and end neither owned rows are
   written nor halo rows read. Collective over neighbours. */
void dg_halo_pull_begin(dg_halo_channel *channel);
void dg_halo_pull_end(dg_halo_channel *channel);

/* Push, the adjoint of pull: halo rows of `gradient` travel home and are added to the owned rows, in ascending order of
   the ranks they come from. Halo rows keep their values. Collective over neighbours. */
void dg_halo_push_begin(dg_halo_channel *channel);
void dg_halo_push_end(dg_halo_channel *channel);

/* Bytes this rank sends in one pull, and receives in one push. Local. */
int64_t dg_halo_channel_bytes(const dg_halo_channel *channel);
int64_t dg_halo_channel_bytes_back(const dg_halo_channel *channel);

DG_API_END

/* Messages this rank sends in so many pulls and one push. Local. */
int64_t dg_halo_channel_messages(const dg_halo_channel *channel, int pulls);

#endif
