#ifndef DG_BASE_UNFINISHED_H
#define DG_BASE_UNFINISHED_H

/* Files that are being written under a name for the while. All Local, from one thread. */
typedef struct dg_unfinished {
  const char *path;
  struct dg_unfinished *next;
} dg_unfinished;

/* `file` stays where it is, with its path, until it is forgotten. */
void dg_unfinished_note(dg_unfinished *file, const char *path);

/* What was never noted is fine. */
void dg_unfinished_forget(dg_unfinished *file);

/* Removes them all: may be called in a handler of signals. */
void dg_unfinished_remove(void);

#endif
