#ifndef DISTGAT_BASE_SAY_H
#define DISTGAT_BASE_SAY_H

#include <stddef.h>

/* Writes n words, together at most 511 characters, to standard error in one piece, into which no other process's text
   falls; may be called in a signal's handler. Where half a second long nobody makes room for them they are dropped.
   Local. */
void dg_say(const char *const *words, size_t n);

#endif
