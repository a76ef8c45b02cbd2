#ifndef DISTGAT_MEMORY_H
#define DISTGAT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <distgat/api.h>
#include <distgat/status.h>

DG_API_BEGIN

/* Alignment in bytes of every block of dg_alloc: a cache line, and a full vector register. */
#define DG_ALIGN 64

/* Allocates count elements of size bytes, zeroed and aligned to DG_ALIGN, into *out; count 0 gives a block that may be
   freed. Errors: DG_MEMORY, with *out NULL. Local. */
dg_status dg_alloc(void *out, size_t count, size_t size);

/* From here on so many threads, those of OpenMP, which must have been started, touch the pages of each large block
   first, in turns: pages then lie near the threads that will work on their rows. One does so at the start. Local. */
void dg_memory_touch(int threads);

/* The same as dg_alloc for what every rank holds whole, such as weights: more ranks would not need less each, and the
   message does not say so. Local. */
dg_status dg_alloc_whole(void *out, size_t count, size_t size);

/* Says that what follows, until it is switched off, is the work of one process alone, which more ranks would not make
   smaller. Local. */
void dg_memory_alone(bool alone);

/* Where a limit on this process (ulimit -v or -d) holds, dg_alloc leaves so much to libraries, which cannot all say
   that memory is out. */
#define DG_MEMORY_RESERVE ((size_t)48 << 20)

/* The limit in bytes, 0 where there is none; and whether so many more bytes are within it. Local. */
size_t dg_memory_limit(void);
bool dg_memory_fits(size_t bytes);

/* Bytes that this process may still take, by what its host has free, its control group and its limit; SIZE_MAX where
   none of them tells. Local. */
size_t dg_memory_free(void);

/* Whether the reserve is there. Errors: DG_MEMORY. Local. */
dg_status dg_memory_check(void);

/* Frees a block of dg_alloc and zeroes the pointer to it; NULL inside is fine. Local. */
void dg_free(void *pointer_to_block);

/* Gives freed blocks back to the system, which keep others from lying there else. Local. */
void dg_memory_trim(void);

/* Peak resident memory of this process in bytes. Local. */
int64_t dg_memory_peak(void);

/* Lets the peak be that of what follows; says whether this system can. Local. */
bool dg_memory_forget_peak(void);

/* Bytes that dg_alloc has been asked for since the process began, freed ones included, and others that were counted.
   Local. */
int64_t dg_memory_requested(void);
void dg_memory_count(size_t bytes);

/* Blocks of dg_alloc that are not freed. Local. */
int64_t dg_memory_blocks(void);

/* Makes the n-th allocation from now (1 = the next) fail with DG_MEMORY, for tests; 0 switches it off. Local. */
void dg_memory_fail_at(int64_t n);

DG_API_END

#endif
