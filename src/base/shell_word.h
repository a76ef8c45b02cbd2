#ifndef DISTGAT_BASE_SHELL_WORD_H
#define DISTGAT_BASE_SHELL_WORD_H

#include <stdio.h>

/* Prints a word as it would be typed in a shell: quoted where that reads it as another otherwise. Local. */
void dg_shell_word(FILE *out, const char *text);

#endif
