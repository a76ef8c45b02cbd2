#include "par/eager.h"

#include <distgat/comm.h>

/* MPI counts its own header of a message, some dozens of bytes, as part of it. */
enum { SILENT_BYTES = 60 << 10, HEADER_BYTES = 256 };

/* Reads a number; 0 where there is none of this name. */
static long long read_variable(const char *name) {
  int index, n = 0, bytes = 0;
  MPI_T_cvar_handle handle;
  MPI_Datatype type = MPI_DATATYPE_NULL;
  union {
    int word;
    long long wide;
  } value = {.wide = 0};
  if (MPI_T_cvar_get_index(name, &index) != MPI_SUCCESS) return 0;
  MPI_T_cvar_get_info(index, NULL, NULL, NULL, &type, NULL, NULL, NULL, NULL, NULL);
  if (type != MPI_DATATYPE_NULL) MPI_Type_size(type, &bytes);
  if (MPI_T_cvar_handle_alloc(index, NULL, &handle, &n) != MPI_SUCCESS) return 0;
  if (n == 1 && (bytes == sizeof value.word || bytes == sizeof value.wide)) MPI_T_cvar_read(handle, &value);
  MPI_T_cvar_handle_free(&handle);
  return bytes == sizeof value.word ? value.word : value.wide;
}

size_t dg_eager_bytes(void) {
  static const char *const names[] = {"btl_tcp_eager_limit", "MPIR_CVAR_CH3_EAGER_MAX_MSG_SIZE"};
  long long limit = 0;
  int provided;
  if (MPI_T_init_thread(MPI_THREAD_SINGLE, &provided) != MPI_SUCCESS) return SILENT_BYTES;
  for (size_t i = 0; i < sizeof names / sizeof *names && limit <= HEADER_BYTES; i++) limit = read_variable(names[i]);
  MPI_T_finalize();
  return limit > HEADER_BYTES ? (size_t)(limit - HEADER_BYTES) : SILENT_BYTES;
}
