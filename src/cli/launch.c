#include "cli/launch.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Variables that tell a process how many were started (not all launchers say) and which of them it is. */
typedef struct launcher {
  const char *name, *size, *rank;
} launcher;

#define SRUN "srun"
#define HYDRA_RANK "MPI_LOCALRANKID"

/* Seconds in which a launcher ends the other processes once one has failed, on a machine that is busy. */
enum { LONG_FOR_AN_END = 10 };

static const launcher launchers[] = {
    {"Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
    {"MVAPICH's mpirun", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"},
    {"jsrun", "JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK"},
    {"flux", "FLUX_JOB_SIZE", "FLUX_TASK_RANK"},
    {SRUN, "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
    {"a launcher like MPICH's mpiexec", "PMI_SIZE", "PMI_RANK"},
    {"a launcher like MPICH's mpiexec", "MPI_LOCALNRANKS", HYDRA_RANK},
    {"PALS", NULL, "PALS_RANKID"},
    {"a launcher with PMIx", NULL, "PMIX_RANK"},
};

static int number_in(const char *name) {
  const char *text = name != NULL ? getenv(name) : NULL;
  return text != NULL ? atoi(text) : 0;
}

/* 0 where the launcher does not say, or is not there. */
static int told_size(const launcher *l) {
  const int size = number_in(l->size);
  if (size > 0 || strcmp(l->name, SRUN) != 0) return size;
  /* Slurm tells the tasks of a job to its batch shell, too, where a process alone is what is wanted. */
  const bool batch_shell = getenv("SLURM_JOB_ID") != NULL && getenv("SLURM_STEP_ID") == NULL;
  return batch_shell ? 0 : number_in("SLURM_NTASKS");
}

static int size_of(const launcher *l) {
  const int told = told_size(l), at_least = number_in(l->rank) + 1;
  return told > at_least ? told : at_least;
}

/* The launcher that tells of most processes; NULL where none tells of two. */
static const launcher *find_launcher(void) {
  const launcher *found = NULL;
  int most = 1;
  for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++)
    if (size_of(&launchers[i]) > most) found = &launchers[i], most = size_of(found);
  return number_in("DISTGAT_ALONE") != 0 ? NULL : found;
}

bool dg_launch_is_first(void) {
  const launcher *l = find_launcher();
  return l == NULL || number_in(l->rank) == 0;
}

void dg_launch_wait_turn(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_RANK", HYDRA_RANK, "SLURM_LOCALID"};
  int rank = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (number_in(names[i]) > rank) rank = number_in(names[i]);
  if (rank > 0 && find_launcher() != NULL) sleep((unsigned)(LONG_FOR_AN_END + rank));
}

/* By the word of PMI's first version for it, on the socket that the launcher left open for the process's MPI. */
void dg_launch_end_others(int code) {
  char word[] = "cmd=abort exitcode=0\n";
  word[strlen(word) - 2] = (char)('0' + code);
  const int pmi = number_in("PMI_FD");
  if (find_launcher() == NULL || getenv(HYDRA_RANK) == NULL || pmi <= STDERR_FILENO) return;
  if (send(pmi, word, strlen(word), MSG_NOSIGNAL) < 0) return; /* others then wait for ever, as without it */
}

bool dg_launch_seen(void) {
  return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

dg_status dg_launch_check(int seen) {
  const launcher *l = find_launcher();
  if (seen > 1 || l == NULL) return DG_OK;
  /* Where the size is not told, the first process cannot know that it is not alone. */
  if (number_in(l->rank) != (told_size(l) > 0 ? 0 : 1)) return dg_fail(DG_USAGE, "%s", "");
  char library[MPI_MAX_LIBRARY_VERSION_STRING];
  int length;
  MPI_Get_library_version(library, &length);
  library[strcspn(library, ",\n")] = '\0';
  return dg_fail(DG_USAGE,
                 "%s started %d processes, but the MPI of distgat (%s) sees each of them alone: use its own mpirun, or "
                 "srun with the right --mpi; DISTGAT_ALONE=1 in the environment lets each run alone",
                 l->name, size_of(l), library);
}

static bool is_open_mpi(void) {
  char library[MPI_MAX_LIBRARY_VERSION_STRING];
  int length;
  MPI_Get_library_version(library, &length);
  return strncmp(library, "Open MPI", strlen("Open MPI")) == 0;
}

/* Whether this Open MPI was built with the PMI of Slurm or Cray, whose parts show by their variables. */
static bool speaks_pmi(void) {
  static const char *const variables[] = {"pmix_s1_priority", "pmix_s2_priority", "pmix_cray_priority"};
  bool found = false;
  int provided, index;
  if (MPI_T_init_thread(MPI_THREAD_SINGLE, &provided) != MPI_SUCCESS) return true;
  for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
    found = found || MPI_T_cvar_get_index(variables[i], &index) == MPI_SUCCESS;
  MPI_T_finalize();
  return found;
}

/* Without a launcher Open MPI would start a daemon for more processes and look at every network: a third of a second
   that a process alone has no use for. It would also make a folder in a place that all such processes share and the
   first to end removes; and in a step of Slurm it would insist on Slurm's PMI. What the user has set stays. */
static void expect_no_others(void) {
  setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
  setenv("OMPI_MCA_pml", "ob1", 0);
  setenv("OMPI_MCA_btl", "self", 0);
  unsetenv("SLURM_STEP_ID");
}

dg_status dg_launch_prepare(void) {
  if (!is_open_mpi() || getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("FLUX_JOB_ID")) return DG_OK;
  if (find_launcher() != NULL) return speaks_pmi() ? DG_OK : dg_launch_check(1);
  expect_no_others();
  return DG_OK;
}
