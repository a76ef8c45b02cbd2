#ifndef DG_CLI_JSON_H
#define DG_CLI_JSON_H

#include <stdio.h>

#include <jansson.h>

enum { JSON_LINE = JSON_COMPACT | JSON_REAL_PRECISION(10) }; /* how this program writes a line of JSON */

/* A number, or null where it is not finite. */
json_t *json_number(double value);

/* Writes an object as one line and frees it; NULL, where memory ran out, writes nothing. */
void json_write_line(FILE *file, json_t *object);

#endif
