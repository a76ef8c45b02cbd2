#ifndef DISTGAT_BASE_CSV_H
#define DISTGAT_BASE_CSV_H

#include <stdio.h>

/* Prints a field of RFC 4180: quoted where it would be read as another otherwise. Local. */
void dg_csv_field(FILE *out, const char *text);

#endif
