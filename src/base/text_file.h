#ifndef DG_BASE_TEXT_FILE_H
#define DG_BASE_TEXT_FILE_H

#include <stdio.h>

#include <distgat/status.h>

#include "base/unfinished.h"

/* A text that is complete or absent: it is written under a name for the while, and what was there before stays until it
   is committed. What is no regular file, as a pipe, is written as it is. It must not be moved while it is open. All
   Local; errors: DG_IO in the words of the system, DG_MEMORY. */
typedef struct dg_text_file {
  FILE *out;
  char *path, *temporary; /* temporary: NULL where it is written as it is */
  dg_unfinished unfinished;
} dg_text_file;

dg_status dg_text_file_open(dg_text_file *file, const char *path);

/* Whether all went well so far. */
dg_status dg_text_file_check(const dg_text_file *file);

/* Closes it; a failure leaves what was there before. */
dg_status dg_text_file_commit(dg_text_file *file);

/* Throws away what is not committed. One that is all zero is fine. */
void dg_text_file_close(dg_text_file *file);

/* Finds out whether dg_text_file_open would succeed, and leaves nothing. */
dg_status dg_text_file_check_writable(const char *path);

#endif
