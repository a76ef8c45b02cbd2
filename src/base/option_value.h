#ifndef DISTGAT_BASE_OPTION_VALUE_H
#define DISTGAT_BASE_OPTION_VALUE_H

#include <distgat/options.h>

/* What an option is set to as dg_options_set() takes it, numbers as short as they can be without another value: in
   `number` or owned by the option; NULL for a text that is not there. Local. */
const char *dg_option_value(char number[32], const dg_option *option);

/* Choices as "a, b or c", or with another separator and ending "a|b|c"; cut where `size` is too small. Local. */
void dg_option_join(char *out, size_t size, const char *const *choices, const char *separator, const char *last);

#endif
