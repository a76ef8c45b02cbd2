#ifndef DISTGAT_PAR_EAGER_H
#define DISTGAT_PAR_EAGER_H

#include <stddef.h>

/* The longest message that this MPI sends over TCP without asking the receiver first: as its variables say, or 60 KB
   where they are silent. Local. */
size_t dg_eager_bytes(void);

#endif
