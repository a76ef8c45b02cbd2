/* The exchange of halo rows on its own: every rank owns some rows of a matrix and reads the first row of the next rank.
   mpirun -np 3 halo. The same text is C and C++. */
#include <stdio.h>

#include <distgat/distgat.h>

enum { ROWS = 4, WIDTH = 3, HALO = 1 };

/* Rows have names that are the same everywhere: here, their numbers in the whole matrix. */
static dg_status make_plan(dg_halo_plan *plan, const dg_comm *comm) {
  const int next[HALO] = {(comm->rank + 1) % comm->size};
  const dg_id wanted[HALO] = {next[0] * ROWS};
  dg_id owned[ROWS];
  for (int32_t i = 0; i < ROWS; i++) owned[i] = comm->rank * ROWS + i;
  return dg_halo_plan_create(plan, comm, ROWS, owned, NULL, comm->size > 1 ? HALO : 0, next, wanted);
}

/* Values travel to those who read them, gradients home to those who own them, where they are added up. */
static void exchange(dg_halo_channel *channel, const dg_comm *comm, dg_real *value, dg_real *gradient) {
  for (int i = 0; i < ROWS * WIDTH; i++) value[i] = (dg_real)(comm->rank * ROWS + i / WIDTH);
  dg_halo_pull_begin(channel); /* here there is time to work on rows that need no halo */
  dg_halo_pull_end(channel);
  for (int i = 0; i < HALO * WIDTH; i++) gradient[ROWS * WIDTH + i] = 1;
  dg_halo_push_begin(channel);
  dg_halo_push_end(channel);
  printf("rank %d: row %g came from the next rank, the gradient of row %g is %g\n", comm->rank,
         (double)value[ROWS * WIDTH], (double)value[0], (double)gradient[0]);
}

int main(int argc, char **argv) {
  dg_real value[(ROWS + HALO) * WIDTH] = {0}, gradient[(ROWS + HALO) * WIDTH] = {0};
  dg_comm comm = {MPI_COMM_NULL, 0, 0, "", 0};
  dg_halo_channel *channel = NULL;
  static dg_halo_plan plan;
  dg_status status = DG_OK;
  MPI_Init(&argc, &argv);
  DG_TRY(dg_comm_create(&comm, MPI_COMM_WORLD));
  DG_TRY(make_plan(&plan, &comm));
  DG_TRY(dg_halo_channel_create(&channel, &plan, value, gradient, WIDTH, WIDTH, DG_HALO_F32));
  exchange(channel, &comm, value, gradient);

cleanup:
  if (status != DG_OK && comm.rank == 0) fprintf(stderr, "%s\n", dg_status_message());
  dg_halo_channel_destroy(&channel);
  dg_halo_plan_destroy(&plan);
  dg_comm_destroy(&comm);
  MPI_Finalize();
  return dg_status_exit_code(status);
}
