#ifndef DISTGAT_DATA_TEXT_H
#define DISTGAT_DATA_TEXT_H

#include <stddef.h>

/* Copies what fits of a text out of a file, fit for a terminal and for JSON: whole sequences of UTF-8; '?' for control
   characters and for what is no UTF-8. Local. */
void dg_text_copy(char *out, size_t size, const char *text);

#endif
