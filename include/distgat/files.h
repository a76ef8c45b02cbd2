#ifndef DISTGAT_FILES_H
#define DISTGAT_FILES_H

#include <stdbool.h>

#include <distgat/api.h>
#include <distgat/status.h>

DG_API_BEGIN

/* Files of one command, looked at before anything is read or written. All Local. */

/* A file as the user named it: the option (or what it is, in words), and its path, NULL where it is not used. */
typedef struct dg_named_file {
  const char *what, *path;
  bool written;
} dg_named_file;

/* Refuses an output that is another file of the command too, which would destroy that: the same file by whatever name
   or link, or where both are still to be made the same place. Folders of the outputs exist (dg_file_check_writable).
   Errors: DG_USAGE with both. */
dg_status dg_files_check_distinct(const dg_named_file *files, int n);

/* Finds out whether fopen(path, "w") would succeed, without touching what is there or leaving a new file. Errors: DG_IO
   in the words of the system. */
dg_status dg_file_check_writable(const char *path);

/* Notes in the words of the system why it could not open or read a file: `error`, an errno. Gives DG_INPUT where
   another path would be right, else DG_IO: the file may be. */
dg_status dg_file_cannot_read(const char *path, int error);

DG_API_END

#endif
