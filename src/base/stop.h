#ifndef DG_BASE_STOP_H
#define DG_BASE_STOP_H

/* A wish to stop, which comes by a signal at any moment. Work that can be gone on with from a file waits for a good
   moment, at which all ranks agree; other work is left at once. One a process; all Local. */

typedef enum dg_stop_mode {
  DG_STOP_AT_ONCE,      /* nothing would be lost */
  DG_STOP_AGREED,       /* the work asks for the wish, and ends it */
  DG_STOP_NOT_ANY_MORE, /* it ends anyway */
  DG_STOP_SOON          /* it has ended, and what is left takes no time, unless nobody reads its words */
} dg_stop_mode;

/* What `end` does when work is left at once: it does not return. NULL, as at first: nothing happens by itself. */
void dg_stop_by(void (*end)(int number));

/* Says what is done with a wish from now on; one that was there already is met. */
void dg_stop_set(dg_stop_mode mode);

/* Where the work would be gone on with, in words that follow the signal's name: "after epoch 7". */
void dg_stop_place(const char *text);
const char *dg_stop_where(void);

/* How long an agreement may take, in seconds: then the work is left all the same. It is never less than 3. */
void dg_stop_patience(double seconds);

/* The wish, by the number of its signal; may be called in its handler. */
void dg_stop_wish(int number);

/* The number of the signal to be told, 0 where there was none: the smallest, for a launcher that ends other ranks sends
   them SIGTERM, the largest, after what was sent; and its name. */
int dg_stop_wished(void);
const char *dg_stop_name(int number);

#endif
