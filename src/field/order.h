#ifndef DG_FIELD_ORDER_H
#define DG_FIELD_ORDER_H

#include <distgat/graph.h>

/* So many rows, and not fewer, are clustered and the clusters arranged. */
enum { DG_ARRANGED_ROWS = 1 << 15 };

/* An order of rows in which neighbours are near each other, so that what one row gathers is still in a cache for the
   next: order [n_rows] lists rows 0 ... n_rows - 1; `in` may have columns beyond, which do not count. Clusters of rows
   lie together, and clusters near those that they are tied to. Small graphs stay as they are. A function of the graph
   alone. Errors: DG_MEMORY. Local. */
dg_status dg_order_rows(dg_row *order, const dg_csr *in);

#endif
