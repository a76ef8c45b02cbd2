#include "base/text_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <distgat/files.h>
#include <distgat/memory.h>

#include "base/sync.h"

static dg_status fail(const dg_text_file *file, int error) {
  return dg_fail(DG_IO, "%s: cannot be written: %s", file->path, strerror(error));
}

/* The file itself where `path` is a link to it. */
static dg_status set_path(dg_text_file *file, const char *path, bool exists) {
  char *target = exists ? realpath(path, NULL) : NULL;
  const char *from = target != NULL ? target : path;
  const dg_status status = dg_alloc(&file->path, strlen(from) + 1, 1);
  if (status == DG_OK) strcpy(file->path, from);
  free(target);
  return status;
}

static dg_status name_temporary(dg_text_file *file) {
  const size_t length = strlen(file->path) + 32;
  const dg_status status = dg_alloc(&file->temporary, length, 1);
  if (status == DG_OK) snprintf(file->temporary, length, "%s.tmp.%ld", file->path, (long)getpid());
  return status;
}

dg_status dg_text_file_open(dg_text_file *file, const char *path) {
  dg_status status = DG_OK;
  struct stat st;
  *file = (dg_text_file){0};
  const bool exists = stat(path, &st) == 0, plain = !exists || S_ISREG(st.st_mode);
  DG_TRY(set_path(file, path, plain && exists));
  if (plain) {
    DG_TRY(name_temporary(file));
    dg_unfinished_note(&file->unfinished, file->temporary);
  }
  file->out = fopen(plain ? file->temporary : file->path, "w");
  if (file->out == NULL) status = fail(file, errno);

cleanup:
  if (status != DG_OK) dg_text_file_close(file);
  return status;
}

/* A stream that failed does not tell why later on: what it still holds is tried once more. */
dg_status dg_text_file_check(const dg_text_file *file) {
  if (!ferror(file->out)) return DG_OK;
  errno = EIO;
  (void)fflush(file->out);
  return fail(file, errno);
}

dg_status dg_text_file_commit(dg_text_file *file) {
  dg_status status = dg_text_file_check(file);
  if (status == DG_OK && fflush(file->out) != 0) status = fail(file, errno);
  if (status == DG_OK && file->temporary != NULL && dg_sync(fileno(file->out)) != 0) status = fail(file, errno);
  const int closed = fclose(file->out);
  file->out = NULL;
  if (status == DG_OK && closed != 0 && errno != EINTR) status = fail(file, errno);
  if (status == DG_OK && file->temporary != NULL) {
    if (rename(file->temporary, file->path) != 0)
      status = fail(file, errno);
    else
      dg_unfinished_forget(&file->unfinished), dg_free(&file->temporary);
  }
  dg_text_file_close(file);
  return status;
}

void dg_text_file_close(dg_text_file *file) {
  if (file->out != NULL) fclose(file->out);
  if (file->temporary != NULL) {
    unlink(file->temporary);
    dg_unfinished_forget(&file->unfinished);
  }
  dg_free(&file->temporary);
  dg_free(&file->path);
  *file = (dg_text_file){0};
}

dg_status dg_text_file_check_writable(const char *path) {
  struct stat st;
  dg_text_file file;
  if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) return dg_file_check_writable(path);
  const dg_status status = dg_text_file_open(&file, path);
  if (status == DG_OK) dg_text_file_close(&file);
  return status;
}
