#ifndef DISTGAT_TIMER_H
#define DISTGAT_TIMER_H

#include <distgat/api.h>
#include <distgat/comm.h>

DG_API_BEGIN

/* Phases of a training step. */
#define DG_PHASE_LIST(X)                                                                                               \
  X(DG_PHASE_PROJECTION, "projection")                                                                                 \
  X(DG_PHASE_EDGE_FORWARD, "edge_forward")                                                                             \
  X(DG_PHASE_LOSS, "loss")                                                                                             \
  X(DG_PHASE_EDGE_BACKWARD, "edge_backward")                                                                           \
  X(DG_PHASE_WEIGHT_GRADIENT, "weight_gradient")                                                                       \
  X(DG_PHASE_HALO_WAIT, "halo_wait")                                                                                   \
  X(DG_PHASE_ALL_REDUCE, "all_reduce")                                                                                 \
  X(DG_PHASE_ADAM, "adam")                                                                                             \
  X(DG_PHASE_OTHER, "other")

typedef enum dg_phase {
#define X(name, text) name,
  DG_PHASE_LIST(X)
#undef X
      DG_PHASES
} dg_phase;

/* Seconds spent in each phase; laps partition the time between dg_timer_start and the last lap. */
typedef struct dg_timer {
  double seconds[DG_PHASES];
  double last;
} dg_timer;

/* Monotonic time in seconds. Local. */
double dg_time(void);

/* Starts a lap; then each dg_timer_lap charges the time since the last call to `phase`. A NULL timer is ignored. Local.
 */
void dg_timer_start(dg_timer *timer);
void dg_timer_lap(dg_timer *timer, dg_phase phase);

/* Name of a phase as printed. Local. */
const char *dg_phase_name(dg_phase phase);

/* A figure of every rank summed up, with the ranks that hold the extremes. */
typedef struct dg_spread {
  double min, mean, max;
  int rank_min, rank_max;
} dg_spread;

/* Collective. */
dg_spread dg_spread_of(const dg_comm *comm, double value);

DG_API_END

#endif
