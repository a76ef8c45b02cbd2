#include <distgat/timer.h>

#include <time.h>

double dg_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void dg_timer_start(dg_timer *timer) {
  if (timer != NULL) timer->last = dg_time();
}

void dg_timer_lap(dg_timer *timer, dg_phase phase) {
  if (timer == NULL) return;
  double now = dg_time();
  timer->seconds[phase] += now - timer->last;
  timer->last = now;
}

const char *dg_phase_name(dg_phase phase) {
  static const char *const names[DG_PHASES] = {
#define X(name, text) text,
      DG_PHASE_LIST(X)
#undef X
  };
  return names[phase];
}

dg_spread dg_spread_of(const dg_comm *comm, double value) {
  struct {
    double value;
    int rank;
  } low = {value, comm->rank}, high = low;
  double total = value;
  MPI_Allreduce(MPI_IN_PLACE, &low, 1, MPI_DOUBLE_INT, MPI_MINLOC, comm->mpi);
  MPI_Allreduce(MPI_IN_PLACE, &high, 1, MPI_DOUBLE_INT, MPI_MAXLOC, comm->mpi);
  dg_comm_sum_double(comm, &total, 1);
  return (dg_spread){
      .min = low.value, .mean = total / comm->size, .max = high.value, .rank_min = low.rank, .rank_max = high.rank};
}
