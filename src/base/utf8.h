#ifndef DISTGAT_BASE_UTF8_H
#define DISTGAT_BASE_UTF8_H

#include <stddef.h>

/* Length of the UTF-8 sequence that a text begins with, 0 where it is none (Unicode 15, table 3-7). Local. */
size_t dg_utf8_length(const char *text);

#endif
