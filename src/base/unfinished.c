#include "base/unfinished.h"

#include <stddef.h>
#include <unistd.h>

/* Each change is one store, so that a signal sees a whole list. */
static _Atomic(dg_unfinished *) first;

void dg_unfinished_note(dg_unfinished *file, const char *path) {
  *file = (dg_unfinished){path, first};
  first = file;
}

void dg_unfinished_forget(dg_unfinished *file) {
  if (first == file) {
    first = file->next;
    return;
  }
  for (dg_unfinished *f = first; f != NULL; f = f->next)
    if (f->next == file) f->next = file->next;
}

void dg_unfinished_remove(void) {
  for (dg_unfinished *f = first; f != NULL; f = f->next) unlink(f->path);
}
